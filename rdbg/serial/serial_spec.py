"""Where a serial port leads to."""

from __future__ import annotations

from enum import Enum

from rdbg.net.tcp_address import TcpAddress
from rdbg.quick_dataclass import dataclass


class SerialKind(Enum):
    """Where a serial port leads to."""

    NULL = "null"
    STDIO = "stdio"
    FILE = "file"
    TCP = "tcp"
    TELNET = "telnet"
    UNIX = "unix"
    PTY = "pty"
    STDERR = "stderr"  #: of no option: where a semihosting console without a back end prints


@dataclass(frozen=True)
class SerialSpec:
    """One ``-serial`` option.

    Args:
        kind: where it leads to.
        escape: stdio: whether Ctrl-A is a command to rdbg (``mon:stdio``). Otherwise Ctrl-C ends the run.
        path: for FILE and UNIX.
        address: for TCP and TELNET.
        server: TCP, TELNET, UNIX: listen for a connection instead of making one.
        wait: server: do not start the guest before somebody has connected.
        chardev: id of the ``-chardev`` that is meant, to be put in place of this; or empty.
    """

    kind: SerialKind
    escape: bool = False
    path: str = ""
    address: TcpAddress | None = None
    server: bool = False
    wait: bool = False
    chardev: str = ""


@dataclass(frozen=True)
class Chardev:
    """One ``-chardev`` option: a back end with a name."""

    name: str
    spec: SerialSpec
