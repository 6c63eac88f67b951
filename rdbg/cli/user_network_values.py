"""What ``user`` says: the addresses of the user network and the ports that lead into it and out of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from rdbg.cli.option_values import parse_number, parse_switch
from rdbg.cli.serial_options import parse_serial
from rdbg.errors import UsageError
from rdbg.net.tcp_address import LOOPBACK
from rdbg.netdev.netdev_spec import NAMESERVER, ROUTER, SERVER, GuestForward, HostForward, UserNet, numbered
from rdbg.serial.serial_spec import SerialKind

_HOST_FORM = "hostfwd=tcp|udp:[HOST]:PORT-[GUEST]:PORT, for example hostfwd=tcp::8080-:80"
_GUEST_FORM = "guestfwd=tcp:ADDRESS:PORT-cmd:PROGRAM, or -tcp:HOST:PORT"
#: Prefix of a network that is written without one, by the first bits of its address, as QEMU takes it.
_CLASSES = ((0x8000_0000, 8), (0xC000_0000, 16), (0xFFFF_FFFF + 1, 24))


def parse_user_network(option: str, pairs: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> UserNet:
    """Understand the keys of a user network.

    Args:
        option: as typed, for messages.
        pairs: USER_KEYS.
        lists: USER_LISTS.

    Raises:
        UsageError: a value makes no sense.
    """
    for key in ("smb", "smbserver"):
        if key in pairs:
            raise UsageError(
                f"{option}: {key}= is not there: it wants a Samba of its own; use tftp=DIR, or a server on the host, "
                "which the guest reaches at 10.0.2.2"
            )
    ipv4, ipv6 = (parse_switch(pairs[key], f"{option}, {key}") if key in pairs else None for key in ("ipv4", "ipv6"))
    network = _network(option, pairs["net"]) if "net" in pairs else UserNet.network
    inside = {key: _inside(option, key, pairs[key], network) for key in ("host", "dns", "dhcpstart") if key in pairs}
    if len(set(inside.values())) < len(inside):
        raise UsageError(f"{option}: host, dns and dhcpstart are three addresses; choose others")
    network6 = _network6(option, pairs)
    made = UserNet(
        # One that is asked for switches the other off, unless that is asked for too; as in QEMU.
        ipv4=ipv4 if ipv4 is not None else ipv6 is not True,
        ipv6=ipv6 if ipv6 is not None else ipv4 is not True,
        restricted=parse_switch(pairs.get("restrict", "off"), f"{option}, restrict"),
        network=network,
        router=inside.get("host"),
        dhcp_start=inside.get("dhcpstart"),
        nameserver=inside.get("dns"),
        network6=network6,
        router6=_address6(option, "ipv6-host", pairs, network6),
        nameserver6=_address6(option, "ipv6-dns", pairs, network6),
        hostname=pairs.get("hostname", ""),
        domain=_text(option, "domainname", pairs, 255),
        search=tuple(lists.get("dnssearch", ())),
        tftp=pairs.get("tftp", ""),
        tftp_server_name=_text(option, "tftp-server-name", pairs, 255),
        bootfile=_text(option, "bootfile", pairs, 127),
        host_forwards=tuple(_host_forward(option, value, network) for value in lists.get("hostfwd", ())),
        guest_forwards=tuple(_guest_forward(option, value, network, inside) for value in lists.get("guestfwd", ())),
    )
    if not made.ipv4 and not made.ipv6:
        raise UsageError(f"{option}: neither IPv4 nor IPv6 is left; drop ipv4=off or ipv6=off")
    _refuse_twice(option, "hostfwd", [(port.udp, port.host, port.host_port) for port in made.host_forwards])
    _refuse_twice(option, "guestfwd", [(server.address, server.port) for server in made.guest_forwards])
    return made


def _refuse_twice(option: str, key: str, places: Sequence[tuple[object, ...]]) -> None:
    for number, place in enumerate(places):
        if place in places[:number] and place[-1] != 0:
            raise UsageError(f"{option}: two {key} at {place[-2]}:{place[-1]}; choose another port")


def _text(option: str, key: str, pairs: Mapping[str, str], most: int) -> str:
    text = pairs.get(key, "")
    if key in pairs and not text:
        raise UsageError(f"{option}: {key} is empty; drop it")
    if len(text.encode()) > most:
        raise UsageError(f"{option}: {key} is longer than {most} bytes; shorten it")
    return text


def _network(option: str, text: str) -> IPv4Network:
    address, slash, mask = text.partition("/")
    try:
        number = int(IPv4Address(address))
        prefix = mask if slash else next(bits for limit, bits in _CLASSES if number < limit)
        network = IPv4Network(f"{address}/{prefix}", strict=False)
    except ValueError:
        raise UsageError(f"{option}: net={text} is no network; write for example net=192.168.76.0/24") from None
    if not 4 <= network.prefixlen <= 28:
        raise UsageError(f"{option}: net={text}: a network of /4 to /28 has room for the router and the guest")
    return network


def _inside(option: str, key: str, text: str, network: IPv4Network) -> IPv4Address:
    address = _address(option, key, text)
    if address not in network or address in (network.network_address, network.broadcast_address):
        raise UsageError(f"{option}: {key}={text} is no address in {network}; choose one there, or say net=")
    return address


def _address(option: str, key: str, text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise UsageError(f"{option}: {key}={text} is no IPv4 address; write for example 10.0.2.15") from None


def _network6(option: str, pairs: Mapping[str, str]) -> IPv6Network:
    text = pairs.get("ipv6-net", pairs.get("ipv6-prefix", str(UserNet.network6.network_address)))
    if "/" not in text:
        text += f"/{pairs.get('ipv6-prefixlen', UserNet.network6.prefixlen)}"
    try:
        network = IPv6Network(text, strict=False)
    except ValueError:
        raise UsageError(f"{option}: {text} is no IPv6 network; write for example ipv6-net=fec0::/64") from None
    if network.prefixlen > 126:
        raise UsageError(f"{option}: {text}: a network of /0 to /126 has room for the router and the guest")
    return network


def _address6(option: str, key: str, pairs: Mapping[str, str], network: IPv6Network) -> IPv6Address | None:
    if key not in pairs:
        return None
    try:
        address = IPv6Address(pairs[key])
    except AddressValueError:
        raise UsageError(f"{option}: {key}={pairs[key]} is no IPv6 address; write for example fec0::9") from None
    if address not in network:
        raise UsageError(f"{option}: {key}={pairs[key]} is not in {network}; choose one there")
    return address


def _host_forward(option: str, text: str, network: IPv4Network) -> HostForward:
    match = re.fullmatch(r"(tcp|udp|):([^:]*):(\d+)-([^:]*):(\d+)", text)
    if match is None:
        raise UsageError(f"{option}: hostfwd={text}: not a forward; write {_HOST_FORM}")
    protocol, host, host_port, guest, guest_port = match.groups()
    return HostForward(
        udp=protocol == "udp",
        # QEMU takes every address of the host then; here others get in only where that is said.
        host=_address(option, "hostfwd", host or LOOPBACK),
        host_port=parse_number(host_port, f"{option}, hostfwd", 0, 65535),
        guest=_inside(option, "hostfwd, guest", guest, network) if guest else None,
        guest_port=parse_number(guest_port, f"{option}, hostfwd", 1, 65535),
    )


def _guest_forward(option: str, text: str, network: IPv4Network, inside: Mapping[str, IPv4Address]) -> GuestForward:
    """A server in the guest's network; one without an address is at QEMU's.

    Args:
        option, text: as typed.
        network: of the guest.
        inside: addresses of router (``host``) and name server (``dns``) that were said.
    """
    match = re.fullmatch(r"(?:tcp)?:([^:]*):(\d+)-(.+)", text, re.DOTALL)
    if match is None:
        raise UsageError(f"{option}: guestfwd={text}: not a forward; write {_GUEST_FORM}")
    address, port, target = match.groups()
    usual = numbered(network, SERVER)
    where = _inside(option, "guestfwd", address, network) if address else usual
    for key, number, whose in (("host", ROUTER, "the router"), ("dns", NAMESERVER, "the name server")):
        if where == inside.get(key, numbered(network, number)):
            raise UsageError(f"{option}: guestfwd={text}: {where} is {whose}; choose another address, such as {usual}")
    at_port = parse_number(port, f"{option}, guestfwd", 1, 65535)
    if target.startswith("cmd:"):
        return GuestForward(where, at_port, command=target.removeprefix("cmd:"))
    spec = parse_serial(target, f"{option}, guestfwd")
    if spec.kind in (SerialKind.STDIO, SerialKind.PTY) or spec.chardev:
        raise UsageError(f"{option}: guestfwd={text}: a back end of its own is wanted; write {_GUEST_FORM}")
    return GuestForward(where, at_port, target=spec)
