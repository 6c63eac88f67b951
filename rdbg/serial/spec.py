"""What ``-serial`` says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rdbg.address import Address
from rdbg.errors import UsageError
from rdbg.option_values import hint, parse_address, parse_switch, split_commas


class SerialKind(Enum):
    """Where a serial port leads to."""

    NULL = "null"
    STDIO = "stdio"
    FILE = "file"
    TCP = "tcp"


@dataclass(frozen=True)
class SerialSpec:
    """One ``-serial`` option.

    Args:
        kind: where it leads to.
        escape: stdio: whether Ctrl-A is a command to rdbg (``mon:stdio``). Otherwise Ctrl-C ends the run.
        path: for FILE.
        address: for TCP.
        server: TCP: listen for a connection instead of making one.
        wait: TCP server: do not start the guest before somebody has connected.
    """

    kind: SerialKind
    escape: bool = False
    path: str = ""
    address: Address | None = None
    server: bool = False
    wait: bool = False


#: QEMU's back ends that are known and not here, with what to use instead.
_ELSEWHERE = {
    "vc": "there are no windows; use stdio or tcp:HOST:PORT,server",
    "pty": "use tcp:HOST:PORT,server or stdio",
    "telnet": "use tcp:HOST:PORT,server",
    "unix": "use tcp:HOST:PORT,server",
    "udp": "use tcp:HOST:PORT,server",
    "pipe": "use stdio or file:PATH",
    "chardev": "name the back end itself, for example tcp:HOST:PORT,server",
}


def parse_serial(text: str) -> SerialSpec:
    """Understand ``stdio``, ``mon:stdio``, ``null``, ``none``, ``file:PATH`` or ``tcp:HOST:PORT[,server][,nowait]``.

    Raises:
        UsageError: anything else.
    """
    monitored = text.startswith("mon:")
    name, _, rest = text.removeprefix("mon:").partition(":")
    if name == "stdio" and not rest:
        return SerialSpec(SerialKind.STDIO, escape=monitored)
    if monitored:
        raise UsageError(f"-serial {text}: mon: goes with stdio only; write -serial mon:stdio")
    if name in ("null", "none") and not rest:
        return SerialSpec(SerialKind.NULL)
    if name == "file":
        if not rest:
            raise UsageError("-serial file: names no file; write -serial file:PATH")
        return SerialSpec(SerialKind.FILE, path=rest)
    if name == "tcp":
        return _parse_tcp(rest)
    if name in _ELSEWHERE:
        raise UsageError(f"-serial {text}: {name} is not supported; {_ELSEWHERE[name]}")
    kinds = ("stdio", "mon:stdio", "null", "file:PATH", "tcp:HOST:PORT[,server][,nowait]")
    raise UsageError(
        f"-serial {text}: unknown back end{hint(name, ['stdio', 'null', 'file', 'tcp'])}; there are {', '.join(kinds)}"
    )


def _parse_tcp(text: str) -> SerialSpec:
    place, *flags = split_commas(text)
    option = f"-serial tcp:{text}"
    server, wait = False, True
    for flag in flags:
        key, _, value = flag.partition("=")
        if key == "server":
            server = parse_switch(value or "on", option)
        elif key == "wait":
            wait = parse_switch(value or "on", option)
        elif key == "nowait":
            wait = False
        elif key not in ("nodelay", "delay"):
            raise UsageError(f"{option}: unknown key {key!r}; the keys are server, wait, nowait, nodelay")
    address = parse_address(place, option)
    if not server and address.port == 0:
        raise UsageError(f"{option}: port 0 cannot be connected to")
    return SerialSpec(SerialKind.TCP, address=address, server=server, wait=server and wait)
