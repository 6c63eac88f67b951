"""Standard error, as a place to print to."""

from __future__ import annotations

import errno
import sys

from rdbg.host.outlet import Outlet
from rdbg.serial.outlet_serial import OutletSerial


class StderrSerial(OutletSerial):
    """Output without input."""

    def __init__(self) -> None:
        super().__init__("-semihosting: writing to standard error")
        self._outlet = Outlet(sys.stderr.fileno())

    @property
    def failure(self) -> str:
        """Why the guest's output is lost. A closed pipe is nothing of the kind: nobody wants to read on."""
        error = self._error
        return "" if error is not None and error.errno == errno.EPIPE else super().failure
