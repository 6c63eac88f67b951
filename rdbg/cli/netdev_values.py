"""``-netdev``, ``-nic`` and ``-net``, and captures (``-object filter-dump``): from QEMU's words to back ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rdbg.cli.card_models import NIC_ALIASES, card_model
from rdbg.cli.option_values import (
    HelpWanted,
    as_words,
    hint,
    is_help,
    json_object,
    object_pairs,
    parse_number,
    parse_pairs,
    parse_switch,
    split_commas,
)
from rdbg.errors import UsageError
from rdbg.netdev.network_plan import Netdev, PacketDump
from rdbg.quick_dataclass import dataclass
from rdbg.session.network_options import CardOption, NetdevOption
from rdbg.session.options import RunOptions

_USER_KEYS = (
    "ipv4", "ipv6", "net", "host", "restrict", "hostname", "dhcpstart", "dns", "ipv6-net", "ipv6-prefix",
    "ipv6-prefixlen", "ipv6-host", "ipv6-dns", "tftp", "bootfile", "domainname", "tftp-server-name", "smb", "smbserver",
)  # fmt: skip
#: May be said more than once.
_USER_LISTS = ("hostfwd", "guestfwd", "dnssearch")
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
    "user": (*_USER_KEYS, *_USER_LISTS),
    "socket": ("fd", "listen", "connect", "mcast", "localaddr", "udp"),
    "stream": _STREAM_KEYS,
    "dgram": _DGRAM_KEYS,
    "tap": _TAP_KEYS,
    "bridge": ("br", "helper"),
    "hubport": ("hubid", "netdev"),
}
_ELSEWHERE = ("l2tpv3", "vde", "vhost-user", "vhost-vdpa", "netmap", "vmnet-host", "vmnet-shared", "af-xdp", "passt")
_CARD_KEYS = ("model", "mac", "macaddr", "addr", "vectors")


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
    written = (
        as_words(object_pairs(json_object(value, option), option, _USER_LISTS)) if value.startswith("{") else value
    )
    words = _words(written, "-netdev", ("id",))
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
    if kind == "dump":
        raise UsageError(
            f"{option}: write -object filter-dump,id=ID,netdev=ID,file=F; rdbg dump --pcap does it afterwards"
        )
    if any(part.startswith("vlan=") for part in split_commas(value)):
        raise UsageError(
            f"{option}: QEMU has no vlan= any more, nor has rdbg; -nic KIND,model=CARD joins a card and a back end"
        )
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
    """``-object filter-dump``.

    Raises:
        UsageError: it makes no sense.
    """
    option = f"-object {value}"
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
        if kind == "user" and equals and key in _USER_LISTS:
            lists.setdefault(key, []).append(text)
        else:
            single.append(part.replace(",", ",,"))
    pairs = parse_pairs(",".join(single), f"{option} {kind}", ("type", *own, *NETDEV_KEYS[kind]), "type")
    return _Words(pairs | {"type": kind}, lists)


def _added(options: RunOptions, name: str, option: str, words: _Words, on_hub: bool = False) -> RunOptions:
    if any(other.netdev.name == name for other in options.netdevs):
        raise UsageError(f"{option}: a second back end with id={name}; choose another id")
    from rdbg.cli.netdev_kinds import parse_netdev_kind  # without a back end, none of them is loaded

    made = Netdev(name, parse_netdev_kind(option, words.pairs, words.lists), option)
    return replace(options, netdevs=(*options.netdevs, NetdevOption(made, on_hub)))


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
