"""rdbg: a reverse debugger backend for GDB, for whole MIPS machines."""

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# numpy only holds arrays here; the threads that its linear algebra starts when it is loaded cost 50 ms of CPU time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def open(path: str, symbols: str | None = None) -> Any:
    """Open a recording: gives a `rdbg.library.recorded_run.RecordedRun`. See docs/library.md.

    The version above is needed everywhere, so this room is the lowest one; the library is loaded only here.

    Args:
        path: the recording.
        symbols: an ELF file with the guest's symbols; None: its image, if it is one.

    Raises:
        RdbgError: it cannot be used.
    """
    return import_module("rdbg.library.recorded_run").RecordedRun(path, symbols)
