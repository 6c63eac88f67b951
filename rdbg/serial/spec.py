"""What ``-serial`` says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rdbg.address import Address
from rdbg.errors import UsageError
from rdbg.option_values import hint, parse_address, parse_pairs, parse_switch, split_commas


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
        chardev: id of the ``-chardev`` that is meant, to be put in place of this; or empty.
    """

    kind: SerialKind
    escape: bool = False
    path: str = ""
    address: Address | None = None
    server: bool = False
    wait: bool = False
    chardev: str = ""


@dataclass(frozen=True)
class Chardev:
    """One ``-chardev`` option: a back end with a name."""

    name: str
    spec: SerialSpec


#: QEMU's back ends that are known and not here, with what to use instead.
_ELSEWHERE = {
    "vc": "there are no windows; use stdio or tcp:HOST:PORT,server",
    "pty": "use tcp:HOST:PORT,server or stdio",
    "telnet": "use tcp:HOST:PORT,server",
    "unix": "use tcp:HOST:PORT,server",
    "udp": "use tcp:HOST:PORT,server",
    "pipe": "use stdio or file:PATH",
    "ringbuf": "use file:PATH",
    "memory": "use file:PATH",
    "serial": "use stdio",
    "parallel": "use stdio",
    "msmouse": "use null",
    "testdev": "use null",
    "braille": "use stdio",
}


def parse_serial(text: str) -> SerialSpec:
    """Understand ``stdio``, ``mon:stdio``, ``null``, ``none``, ``file:PATH``, ``tcp:HOST:PORT[,server][,nowait]`` or
    ``chardev:ID``.

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
    if name == "chardev":
        if not rest:
            raise UsageError("-serial chardev: names no back end; write -serial chardev:ID, and -chardev ...,id=ID")
        return SerialSpec(SerialKind.NULL, chardev=rest)
    if name in _ELSEWHERE:
        raise UsageError(f"-serial {text}: {name} is not supported; {_ELSEWHERE[name]}")
    kinds = ("stdio", "mon:stdio", "null", "file:PATH", "tcp:HOST:PORT[,server][,nowait]", "chardev:ID")
    raise UsageError(
        f"-serial {text}: unknown back end{hint(name, ['stdio', 'null', 'file', 'tcp'])}; there are {', '.join(kinds)}"
    )


#: Keys of each kind of -chardev. Those of them without effect here: what they ask for is so, or makes no difference.
_CHARDEV_KEYS = {
    "stdio": ("mux", "signal"),
    "null": ("mux",),
    "file": ("path", "mux", "append"),
    "socket": ("host", "port", "server", "wait", "nodelay", "delay", "mux", "reconnect", "ipv4", "ipv6", "to", "path"),
}


def parse_chardev(text: str) -> Chardev:
    """Understand ``KIND,id=ID[,KEY=VALUE...]``, KIND being ``stdio``, ``null``, ``file`` or ``socket``.

    Raises:
        UsageError: anything else.
    """
    kind = split_commas(text)[0]
    option = f"-chardev {kind}"
    if kind not in _CHARDEV_KEYS:
        cure = f"; {_ELSEWHERE[kind]}".replace("tcp:HOST:PORT", "socket,host=H,port=P") if kind in _ELSEWHERE else ""
        raise UsageError(f"{option}: not supported{hint(kind, _CHARDEV_KEYS) or cure}")
    pairs = parse_pairs(text, option, ("backend", "id", *_CHARDEV_KEYS[kind]), first="backend")
    name = pairs.get("id", "")
    if not name:
        raise UsageError(f"{option}: has no name; add id=ID")
    muxed = parse_switch(pairs.get("mux", "off"), f"{option} mux")
    if kind == "stdio":
        # A multiplexed terminal is mon:stdio; signal=off hands Ctrl-C to the guest, which there is so too.
        escape = muxed or not parse_switch(pairs.get("signal", "on"), f"{option} signal")
        return Chardev(name, SerialSpec(SerialKind.STDIO, escape=escape))
    if kind == "file":
        if not pairs.get("path"):
            raise UsageError(f"{option}: names no file; add path=F")
        if parse_switch(pairs.get("append", "off"), f"{option} append"):
            raise UsageError(f"{option}: append=on is not there; the file begins anew with each run")
        return Chardev(name, SerialSpec(SerialKind.FILE, path=pairs["path"]))
    if kind == "socket":
        return Chardev(name, _parse_socket(option, pairs))
    return Chardev(name, SerialSpec(SerialKind.NULL))


def _parse_socket(option: str, pairs: dict[str, str]) -> SerialSpec:
    if "path" in pairs:
        raise UsageError(f"{option}: path= is a Unix socket; use host=H,port=P")
    if "port" not in pairs:
        raise UsageError(f"{option}: names no port; add port=P")
    server = parse_switch(pairs.get("server", "off"), f"{option} server")
    wait = parse_switch(pairs.get("wait", "on"), f"{option} wait")
    host = pairs.get("host", "")
    address = parse_address(f"[{host}]:{pairs['port']}" if ":" in host else f"{host}:{pairs['port']}", option)
    if not server and address.port == 0:
        raise UsageError(f"{option}: port 0 cannot be connected to")
    return SerialSpec(SerialKind.TCP, address=address, server=server, wait=server and wait)


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
