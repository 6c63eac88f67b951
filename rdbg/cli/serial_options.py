"""What ``-serial``, ``-monitor`` and ``-chardev`` say."""

from __future__ import annotations

from dataclasses import replace

from rdbg.cli.option_values import hint, parse_address, parse_pairs, parse_switch, split_commas
from rdbg.errors import UsageError
from rdbg.serial.serial_spec import Chardev, SerialKind, SerialSpec

#: QEMU's back ends that are known and not here, with what to use instead.
_ELSEWHERE = {
    "vc": "there are no windows; use stdio or tcp:HOST:PORT,server",
    "ringbuf": "use file:PATH",
    "memory": "use file:PATH",
    "serial": "use stdio",
    "parallel": "use stdio",
    "msmouse": "use null",
    "testdev": "use null",
    "braille": "use stdio",
}


#: Kinds whose value is where a socket is, and flags.
_SOCKETS = {"tcp": SerialKind.TCP, "telnet": SerialKind.TELNET, "unix": SerialKind.UNIX}


def parse_serial(text: str, option: str = "-serial") -> SerialSpec:
    """Understand ``stdio``, ``null``, ``none``, ``file:PATH``, ``tcp:HOST:PORT[,server][,nowait]``, the same with
    ``telnet:`` or ``unix:PATH``, ``udp:HOST:PORT[@HOST:PORT]``, ``pipe:PATH``, ``pty`` or ``chardev:ID``; ``mon:``
    before what can be typed at.

    Args:
        text: the value.
        option: what it was given to.

    Raises:
        UsageError: anything else.
    """
    monitored = text.startswith("mon:")
    name, _, rest = text.removeprefix("mon:").partition(":")
    if name == "stdio" and not rest:
        return SerialSpec(SerialKind.STDIO, escape=monitored)
    if monitored and name not in ("pty", "pipe", "udp", *_SOCKETS):
        raise UsageError(f"{option} {text}: mon: goes with what can be typed at; write for example {option} mon:stdio")
    if name in ("null", "none") and not rest:
        return SerialSpec(SerialKind.NULL)
    if name == "file":
        if not rest:
            raise UsageError(f"{option} file: names no file; write {option} file:PATH")
        return SerialSpec(SerialKind.FILE, path=rest)
    if name == "pty" and not rest:
        return SerialSpec(SerialKind.PTY, escape=monitored)
    if name == "pipe":
        if not rest:
            raise UsageError(f"{option} pipe: names no file; write {option} pipe:PATH, and mkfifo PATH.in PATH.out")
        return SerialSpec(SerialKind.PIPE, path=rest, escape=monitored)
    if name == "udp":
        return replace(_parse_datagrams(rest, f"{option} udp:{rest}"), escape=monitored)
    if name in _SOCKETS:
        return replace(_parse_stream(_SOCKETS[name], rest, option), escape=monitored)
    if name == "chardev":
        if not rest:
            raise UsageError(f"{option} chardev: names no back end; write {option} chardev:ID, and -chardev ...,id=ID")
        return SerialSpec(SerialKind.NULL, chardev=rest)
    if name in _ELSEWHERE:
        raise UsageError(f"{option} {text}: {name} is not supported; {_ELSEWHERE[name]}")
    known = ["stdio", "null", "file", "pty", "pipe", "udp", *_SOCKETS]
    kinds = (
        "stdio", "mon:stdio", "null", "file:PATH", "tcp:HOST:PORT[,server][,nowait]", "telnet:HOST:PORT[,...]",
        "unix:PATH[,...]", "pty", "pipe:PATH", "udp:HOST:PORT[@HOST:PORT]", "chardev:ID",
    )  # fmt: skip
    raise UsageError(f"{option} {text}: unknown back end{hint(name, known)}; there are {', '.join(kinds)}")


#: Keys of each kind of -chardev. Those of them without effect here: what they ask for is so, or makes no difference.
_CHARDEV_KEYS = {
    "stdio": ("signal",),
    "null": (),
    "file": ("path", "append"),
    "socket": (
        "host", "port", "path", "server", "wait", "telnet", "nodelay", "delay", "reconnect", "ipv4", "ipv6", "to",
    ),
    "pty": (),
    "pipe": ("path",),
    "udp": ("host", "port", "localaddr", "localport", "ipv4", "ipv6"),
}  # fmt: skip
#: Keys of all of them.
_COMMON_KEYS = ("id", "mux", "logfile", "logappend")


def parse_chardev(text: str) -> Chardev:
    """Understand ``KIND,id=ID[,KEY=VALUE...]``, KIND being a key of `_CHARDEV_KEYS`.

    Raises:
        UsageError: anything else.
    """
    kind = split_commas(text)[0]
    option = f"-chardev {kind}"
    if kind not in _CHARDEV_KEYS:
        cure = f"; {_ELSEWHERE[kind]}".replace("tcp:HOST:PORT", "socket,host=H,port=P") if kind in _ELSEWHERE else ""
        raise UsageError(f"{option}: not supported{hint(kind, _CHARDEV_KEYS) or cure}")
    pairs = parse_pairs(text, option, ("backend", *_COMMON_KEYS, *_CHARDEV_KEYS[kind]), first="backend")
    name = pairs.get("id", "")
    if not name:
        raise UsageError(f"{option}: has no name; add id=ID")
    muxed = parse_switch(pairs.get("mux", "off"), f"{option} mux")
    log_append = parse_switch(pairs.get("logappend", "off"), f"{option} logappend")
    if log_append and not pairs.get("logfile"):
        raise UsageError(f"{option}: logappend=on and no log; add logfile=F")
    named = f"-chardev {kind},id={name}"
    spec = replace(_parse_end(kind, option, pairs), option=named, log=pairs.get("logfile", ""), log_append=log_append)
    if muxed:
        # A terminal is the user's own, so the monitor is always there, as with mon:stdio; elsewhere if -mon says so.
        typed = kind not in ("null", "file")
        spec = replace(spec, shared=name, escape=typed, monitored=kind == "stdio")
    return Chardev(name, spec)


def _parse_end(kind: str, option: str, pairs: dict[str, str]) -> SerialSpec:
    if kind == "stdio":
        # signal=off hands Ctrl-C to the guest, as mon:stdio does.
        return SerialSpec(SerialKind.STDIO, escape=not parse_switch(pairs.get("signal", "on"), f"{option} signal"))
    if kind == "file":
        if not pairs.get("path"):
            raise UsageError(f"{option}: names no file; add path=F")
        append = parse_switch(pairs.get("append", "off"), f"{option} append")
        return SerialSpec(SerialKind.FILE, path=pairs["path"], append=append)
    if kind == "pty":
        return SerialSpec(SerialKind.PTY)
    if kind == "pipe":
        if not pairs.get("path"):
            raise UsageError(f"{option}: names no file; add path=PATH, and mkfifo PATH.in PATH.out")
        return SerialSpec(SerialKind.PIPE, path=pairs["path"])
    if kind == "udp":
        peer = f"{_bracketed(pairs.get('host', ''))}:{pairs.get('port', '')}"
        local = f"{_bracketed(pairs.get('localaddr', ''))}:{pairs.get('localport', '0')}"
        return _parse_datagrams(f"{peer}@{local}" if {"localaddr", "localport"} & set(pairs) else peer, option)
    return _parse_socket(option, pairs) if kind == "socket" else SerialSpec(SerialKind.NULL)


def _parse_socket(option: str, pairs: dict[str, str]) -> SerialSpec:
    server = parse_switch(pairs.get("server", "off"), f"{option} server")
    wait = parse_switch(pairs.get("wait", "on"), f"{option} wait")
    if pairs.get("path"):
        return SerialSpec(SerialKind.UNIX, path=pairs["path"], server=server, wait=server and wait)
    if "port" not in pairs:
        raise UsageError(f"{option}: names no port; add port=P, or path=P for a Unix socket")
    kind = SerialKind.TELNET if parse_switch(pairs.get("telnet", "off"), f"{option} telnet") else SerialKind.TCP
    host = pairs.get("host", "")
    address = parse_address(f"{_bracketed(host)}:{pairs['port']}", option)
    if not server and address.port == 0:
        raise UsageError(f"{option}: port 0 cannot be connected to")
    return SerialSpec(kind, address=address, server=server, wait=server and wait)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _parse_datagrams(text: str, option: str) -> SerialSpec:
    """``HOST:PORT[@HOST:PORT]``: where what the guest sends goes, and where it comes from."""
    peer, at, local = text.partition("@")
    address = parse_address(peer, option)
    if address.port == 0:
        raise UsageError(f"{option}: nothing can be sent to port 0")
    return SerialSpec(SerialKind.UDP, address=address, local=parse_address(local, option) if at else None)


def _parse_stream(kind: SerialKind, text: str, option: str) -> SerialSpec:
    place, *flags = split_commas(text)
    option = f"{option} {kind.value}:{text}"
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
    wait = server and wait
    if kind is SerialKind.UNIX:
        if not place:
            raise UsageError(f"{option}: names no file; write unix:PATH,server")
        return SerialSpec(kind, path=place, server=server, wait=wait)
    address = parse_address(place, option)
    if not server and address.port == 0:
        raise UsageError(f"{option}: port 0 cannot be connected to")
    return SerialSpec(kind, address=address, server=server, wait=wait)
