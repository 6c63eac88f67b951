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
    PIPE = "pipe"
    UDP = "udp"
    STDERR = "stderr"  #: of no option: where a semihosting console without a back end prints


@dataclass(frozen=True)
class SerialSpec:
    """One ``-serial`` option.

    Args:
        kind: where it leads to.
        escape: whether Ctrl-A is a command to rdbg (``mon:stdio``, or ``mux=on``). Otherwise Ctrl-C ends the run, if
            it is typed at the terminal.
        monitored: whether Ctrl-A c leads to the monitor.
        path: for FILE, UNIX and PIPE.
        append: FILE: behind what is there already.
        address: for TCP and TELNET; UDP: the peer's.
        local: UDP: where the peer sends to; None: any.
        server: TCP, TELNET, UNIX: listen for a connection instead of making one.
        wait: server: do not start the guest before somebody has connected.
        chardev: id of the ``-chardev`` that is meant, to be put in place of this; or empty.
        shared: id of a ``-chardev`` with ``mux=on``, which several may have; or empty.
        option: the ``-chardev`` that says it, with its kind and id, for messages; or empty.
        log: a file that what leaves here is written to as well; or empty.
        log_append: the log goes behind what is there already.
    """

    kind: SerialKind
    escape: bool = False
    monitored: bool = True
    path: str = ""
    append: bool = False
    address: TcpAddress | None = None
    local: TcpAddress | None = None
    server: bool = False
    wait: bool = False
    chardev: str = ""
    shared: str = ""
    option: str = ""
    log: str = ""
    log_append: bool = False


@dataclass(frozen=True)
class Chardev:
    """One ``-chardev`` option: a back end with a name."""

    name: str
    spec: SerialSpec
