"""``-netdev``, ``-nic`` and ``-net``, and captures (``-object filter-dump``): from QEMU's words to back ends."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rdbg.cli.card_models import NIC_ALIASES, card_model
from rdbg.cli.option_values import (
    HelpWanted,
    flattened_json,
    hint,
    is_help,
    parse_address,
    parse_number,
    parse_pairs,
    parse_switch,
    split_commas,
)
from rdbg.cli.user_network_values import USER_KEYS, USER_LISTS, parse_user_network
from rdbg.errors import UsageError
from rdbg.net.tcp_address import LOOPBACK, TcpAddress
from rdbg.netdev.netdev_spec import DatagramNet, HubPort, Netdev, NetdevKind, PacketDump, StreamNet, TapNet
from rdbg.session.network_options import CardOption, NetdevOption
from rdbg.session.options import RunOptions

_STREAM_KEYS = (
    "addr.type", "addr.host", "addr.port", "addr.path", "addr.str", "addr.to", "addr.ipv4", "addr.ipv6",
    "addr.keep-alive", "addr.numeric", "server", "reconnect", "reconnect-ms",
)  # fmt: skip
_DGRAM_KEYS = tuple(f"{end}.{key}" for end in ("local", "remote") for key in ("type", "host", "port", "path", "str"))
_TAP_KEYS = (
    "ifname", "fd", "fds", "script", "downscript", "br", "helper", "sndbuf", "vnet_hdr", "vhost", "vhostfd", "vhostfds",
    "vhostforce", "queues", "poll-us",
)  # fmt: skip
#: Keys of each kind of back end.
NETDEV_KEYS: dict[str, tuple[str, ...]] = {
    "user": (*USER_KEYS, *USER_LISTS),
    "socket": ("fd", "listen", "connect", "mcast", "localaddr", "udp"),
    "stream": _STREAM_KEYS,
    "dgram": _DGRAM_KEYS,
    "tap": _TAP_KEYS,
    "bridge": ("br", "helper"),
    "hubport": ("hubid", "netdev"),
}
_ELSEWHERE = ("l2tpv3", "vde", "vhost-user", "vhost-vdpa", "netmap", "vmnet-host", "vmnet-shared", "af-xdp", "passt")
_CARD_KEYS = ("model", "mac", "macaddr", "addr", "vectors")
_DEFAULT_SCRIPTS = {"script": "/etc/qemu-ifup", "downscript": "/etc/qemu-ifdown"}
_DEFAULT_BRIDGE = "br0"
_MOST_HUBS = 1 << 16


@dataclass(frozen=True)
class _Words:
    """The parts of a value: keys that are said once, and lists of those that may be said again."""

    pairs: dict[str, str]
    lists: dict[str, list[str]]


def netdev(options: RunOptions, value: str) -> RunOptions:
    """``-netdev``."""
    if is_help(value):
        raise HelpWanted("Available netdev backend types:\n" + "".join(f"{kind}\n" for kind in NETDEV_KEYS))
    option = f"-netdev {value}"
    words = _words(_of_json(option, value) if value.startswith("{") else value, "-netdev", ("id",))
    name = words.pairs.get("id", "")
    if not name:
        raise UsageError(f"{option}: has no name; add id=ID, by which a -device names it: netdev=ID")
    return replace(_added(options, name, option, words), default_net=False)


def nic(options: RunOptions, value: str) -> RunOptions:
    """``-nic``: a card and its back end."""
    options = replace(options, default_net=False)
    if value == "none":
        return options
    if is_help(value) or "model=help" in split_commas(value):
        raise HelpWanted(_models())
    option = f"-nic {value}"
    words = _words(value, "-nic", ("id", *_CARD_KEYS), default="user")
    name = words.pairs.get("id", "") or _unused(options)
    options = _added(options, name, option, words)
    return _with_card(options, option, words.pairs, words.pairs.get("id", ""), name)


def net(options: RunOptions, value: str) -> RunOptions:
    """``-net``: a card or a back end on hub 0."""
    options = replace(options, default_net=False)
    if is_help(value):
        raise HelpWanted("Available netdev backend types:\n" + "".join(f"{kind}\n" for kind in NETDEV_KEYS))
    kind = split_commas(value)[0].removeprefix("type=")
    option = f"-net {value}"
    if kind == "none":
        return options
    if kind == "nic":
        if "model=help" in split_commas(value):
            raise HelpWanted(_models())
        pairs = parse_pairs(value, "-net", ("type", "id", "name", "netdev", *_CARD_KEYS), first="type")
        return _with_card(options, option, pairs, pairs.get("id", pairs.get("name", "")), pairs.get("netdev"))
    if kind == "hubport":
        raise UsageError(f"{option}: -net is on hub 0 by itself; write -netdev {value},id=ID")
    words = _words(value, "-net", ("id", "name"))
    return _added(options, words.pairs.get("id", words.pairs.get("name", _unused(options))), option, words, on_hub=True)


def network_object(options: RunOptions, value: str) -> RunOptions:
    """``-object filter-dump`` and ``filter-replay``.

    Raises:
        UsageError: it makes no sense.
    """
    option = f"-object {value}"
    if split_commas(value)[0].endswith("filter-replay"):
        return options  # all packets are in the recording anyway
    keys = ("qom-type", "id", "netdev", "file", "queue", "maxlen", "status", "position", "insert")
    pairs = parse_pairs(value, "-object filter-dump", keys, first="qom-type")
    for key in ("id", "netdev", "file"):
        if not pairs.get(key):
            raise UsageError(f"{option}: names no {key}; write -object filter-dump,id=ID,netdev=ID,file=F")
    queue = pairs.get("queue", "all")
    if queue not in ("all", "rx", "tx"):
        raise UsageError(f"{option}: queue={queue}: neither all, rx nor tx")
    if not parse_switch(pairs.get("status", "on"), f"{option}, status"):
        return options
    dump = PacketDump(
        name=pairs["id"],
        netdev=pairs["netdev"],
        path=pairs["file"],
        # The queues are the back end's: it is sent what the guest sends.
        incoming=queue != "rx",
        outgoing=queue != "tx",
        longest=parse_number(pairs.get("maxlen", "65536"), f"{option}, maxlen", 1, 1 << 20),
    )
    if any(other.name == dump.name for other in options.dumps):
        raise UsageError(f"{option}: a second object with id={dump.name}; choose another id")
    return replace(options, dumps=(*options.dumps, dump))


def _models() -> str:
    return "Supported NIC models:\n" + "".join(f"{name}\n" for name in sorted(set(NIC_ALIASES.values())))


def _unused(options: RunOptions) -> str:
    """A name as QEMU makes one up."""
    return f"#net{len(options.netdevs):03}"


def _of_json(option: str, value: str) -> str:
    """JSON, as libvirt writes it, in QEMU's other form."""
    try:
        found = json.loads(value)
        parts = []
        for key in [key for key in USER_LISTS if isinstance(found.get(key), list)]:
            for entry in found.pop(key):
                said = entry.get("str") if isinstance(entry, dict) else entry
                if not isinstance(said, str):
                    raise ValueError(f'{key} is no list of {{"str":"..."}}')
                parts.append((key, said))
        parts = [*flattened_json(found).items(), *parts]
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{option}: not JSON as QEMU takes it: {error}") from None
    return ",".join(f"{key}={text}".replace(",", ",,") for key, text in parts)


def _words(value: str, option: str, own: Sequence[str], default: str = "") -> _Words:
    first, *others = split_commas(value)
    named = [part.removeprefix("type=") for part in (first, *others) if part.startswith("type=")]
    kind = named[0] if named else default if default and "=" in first else first
    if kind not in NETDEV_KEYS:
        if kind in _ELSEWHERE:
            raise UsageError(f"{option} {kind}: not supported; use user, tap, bridge, socket, stream or dgram")
        raise UsageError(
            f"{option} {kind}: no such back end{hint(kind, NETDEV_KEYS)}; there are {', '.join(NETDEV_KEYS)}"
        )
    lists: dict[str, list[str]] = {}
    single: list[str] = []
    for part in split_commas(value):
        key, equals, text = part.partition("=")
        if kind == "user" and equals and key in USER_LISTS:
            lists.setdefault(key, []).append(text)
        else:
            single.append(part.replace(",", ",,"))
    pairs = parse_pairs(",".join(single), f"{option} {kind}", ("type", *own, *NETDEV_KEYS[kind]), "type")
    return _Words(pairs | {"type": kind}, lists)


def _added(options: RunOptions, name: str, option: str, words: _Words, on_hub: bool = False) -> RunOptions:
    if any(other.netdev.name == name for other in options.netdevs):
        raise UsageError(f"{option}: a second back end with id={name}; choose another id")
    made = Netdev(name, _kind(option, words), option)
    return replace(options, netdevs=(*options.netdevs, NetdevOption(made, on_hub)))


def _kind(option: str, words: _Words) -> NetdevKind:
    pairs = words.pairs
    kind = pairs["type"]
    if kind == "user":
        return parse_user_network(option, pairs, words.lists)
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


def _with_card(
    options: RunOptions, option: str, pairs: Mapping[str, str], name: str, back_end: str | None
) -> RunOptions:
    model = pairs.get("model", "pcnet")
    if model not in NIC_ALIASES:
        raise UsageError(
            f"{option}: no network card {model!r}{hint(model, NIC_ALIASES)}; there are "
            f"{', '.join(sorted(set(NIC_ALIASES.values())))}"
        )
    if "mac" in pairs and "macaddr" in pairs:
        raise UsageError(f"{option}: mac= and macaddr= say the same; keep one")
    properties = [] if back_end is None else [("netdev", back_end)]
    properties += [("mac", pairs[key]) for key in ("mac", "macaddr") if key in pairs]
    properties += [(key, pairs[key]) for key in ("addr",) if key in pairs]
    made = CardOption(option, card_model(NIC_ALIASES[model]).name, tuple(properties), name, on_hub=back_end is None)
    if option.startswith("-nic "):
        return replace(options, nics=(*options.nics, made))
    return replace(options, net_nics=(*options.net_nics, made))
