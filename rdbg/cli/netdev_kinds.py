"""What each kind of network back end says of itself, in QEMU's words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from rdbg.cli.option_values import parse_address, parse_number, parse_switch
from rdbg.cli.user_network_values import parse_user_network
from rdbg.errors import UsageError
from rdbg.net.tcp_address import LOOPBACK, TcpAddress
from rdbg.netdev.netdev_spec import DatagramNet, HubPort, NetdevKind, StreamNet, TapNet

_DEFAULT_SCRIPTS = {"script": "/etc/qemu-ifup", "downscript": "/etc/qemu-ifdown"}
_DEFAULT_BRIDGE = "br0"
_MOST_HUBS = 1 << 16


def parse_netdev_kind(option: str, pairs: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> NetdevKind:
    """Understand what was said of a back end.

    Args:
        option: as typed, for messages.
        pairs: keys that are said once, with ``type``.
        lists: those that may be said again.

    Raises:
        UsageError: a value makes no sense.
    """
    kind = pairs["type"]
    if kind == "user":
        return parse_user_network(option, pairs, lists)
    if kind == "socket":
        return _socket(option, pairs)
    if kind == "stream":
        return _stream(option, pairs)
    if kind == "dgram":
        return _dgram(option, pairs)
    if kind == "tap":
        return _tap(option, pairs)
    if kind == "bridge":
        return TapNet(bridge=pairs.get("br", _DEFAULT_BRIDGE), helper=pairs.get("helper", ""))
    number = parse_number(pairs.get("hubid", ""), f"{option}, hubid", 0, _MOST_HUBS)
    return HubPort(number, pairs.get("netdev", ""))


def _socket(option: str, pairs: Mapping[str, str]) -> NetdevKind:
    ways = [key for key in ("fd", "listen", "connect", "mcast", "udp") if key in pairs]
    if len(ways) != 1:
        raise UsageError(f"{option}: one of fd=, listen=, connect=, mcast= and udp= is wanted, not {len(ways)}")
    if "localaddr" in pairs and ways[0] not in ("mcast", "udp"):
        raise UsageError(f"{option}: localaddr= goes with mcast= and udp=")
    if ways[0] == "fd":
        return StreamNet(descriptor=_descriptor(option, pairs["fd"]))
    address = parse_address(pairs[ways[0]], f"{option}, {ways[0]}")
    if ways[0] in ("listen", "connect"):
        if ways[0] == "connect" and address.port == 0:
            raise UsageError(f"{option}: port 0 cannot be connected to")
        return StreamNet(address, server=ways[0] == "listen")
    if ways[0] == "mcast":
        local = pairs.get("localaddr")
        return DatagramNet(address, None if local is None else TcpAddress(local, 0))
    if "localaddr" not in pairs:
        raise UsageError(f"{option}: udp= wants localaddr=HOST:PORT, too, where packets are taken")
    return DatagramNet(address, parse_address(pairs["localaddr"], f"{option}, localaddr"))


def _descriptor(option: str, text: str) -> int:
    return parse_number(text, f"{option}, fd", 0, (1 << 31) - 1)


def _stream(option: str, pairs: Mapping[str, str]) -> StreamNet:
    server = parse_switch(pairs.get("server", "off"), f"{option}, server")
    reconnect = parse_number(pairs.get("reconnect", "0"), f"{option}, reconnect", 0, 1 << 31)
    reconnect = reconnect or -(
        -parse_number(pairs.get("reconnect-ms", "0"), f"{option}, reconnect-ms", 0, 1 << 31) // 1000
    )
    if server and reconnect:
        raise UsageError(f"{option}: reconnect= goes with server=off")
    kind = pairs.get("addr.type", "inet")
    if kind == "fd":
        return StreamNet(descriptor=_descriptor(option, pairs.get("addr.str", "")))
    address, path = _place(option, pairs, "addr")
    return StreamNet(address, path, server, reconnect)


def _dgram(option: str, pairs: Mapping[str, str]) -> DatagramNet:
    if pairs.get("local.type") == "fd":
        return DatagramNet(descriptor=_descriptor(option, pairs.get("local.str", "")))
    ends: list[tuple[TcpAddress | None, str]] = [
        _place(option, pairs, end) if f"{end}.type" in pairs else (None, "") for end in ("remote", "local")
    ]
    (remote, remote_path), (local, local_path) = ends
    if remote is None and not remote_path:
        raise UsageError(f"{option}: names no remote; add remote.type=inet,remote.host=H,remote.port=P")
    if local is None and not local_path and (remote_path or not _is_multicast(remote)):
        raise UsageError(f"{option}: names no local; add local.type=..., where packets are taken")
    if (remote is None) != (local is None) and local is not None:
        raise UsageError(f"{option}: remote and local are of one type, inet or unix")
    return DatagramNet(remote, local, remote_path, local_path)


def _is_multicast(address: TcpAddress | None) -> bool:
    return address is not None and address.host.partition(".")[0] in map(str, range(224, 240))


def _place(option: str, pairs: Mapping[str, str], prefix: str) -> tuple[TcpAddress | None, str]:
    kind = pairs.get(f"{prefix}.type", "inet")
    if kind == "unix":
        if not pairs.get(f"{prefix}.path"):
            raise UsageError(f"{option}: names no file; add {prefix}.path=F")
        return None, pairs[f"{prefix}.path"]
    if kind != "inet":
        raise UsageError(f"{option}: {prefix}.type={kind}: neither inet, unix nor fd")
    if f"{prefix}.port" not in pairs:
        raise UsageError(f"{option}: names no port; add {prefix}.port=P")
    host = pairs.get(f"{prefix}.host", "") or LOOPBACK
    return TcpAddress(host, parse_number(pairs[f"{prefix}.port"], f"{option}, {prefix}.port", 0, 65535)), ""


def _tap(option: str, pairs: Mapping[str, str]) -> TapNet:
    for key in ("fds", "vhostfds"):
        if key in pairs:
            raise UsageError(f"{option}: {key}= is for several queues, and a card has one here; write fd=N")
    if "fd" in pairs:
        return TapNet(descriptor=_descriptor(option, pairs["fd"]))
    if "helper" in pairs or "br" in pairs:
        if "ifname" in pairs or pairs.get("script", "no") != "no":
            raise UsageError(f"{option}: helper= and br= make the interface by themselves; drop ifname= and script=")
        return TapNet(bridge=pairs.get("br", _DEFAULT_BRIDGE), helper=pairs.get("helper", ""))
    scripts = {}
    for key, default in _DEFAULT_SCRIPTS.items():
        said = pairs.get(key, default if os.path.exists(default) else "no")
        scripts[key] = "" if said == "no" else said
    return TapNet(pairs.get("ifname", ""), scripts["script"], scripts["downscript"])
