"""The user network: its servers, its ports, and what it refuses."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from rdbg.cli.user_network_values import parse_user_network
from rdbg.errors import RdbgError, UsageError
from rdbg.net.tcp_address import TcpAddress
from rdbg.netdev.netdev_spec import GuestForward, HostForward, UserNet
from rdbg.netdev.network_plan import Netdev, NetworkPlan, NetworkSegment
from rdbg.netdev.networks import Networks
from rdbg.serial.serial_spec import SerialKind, SerialSpec

from .wires import ARP_REQUEST, GUEST_MAC, Wire, until

pytestmark = pytest.mark.real("libslirp0")
LOOPBACK = IPv4Address("127.0.0.1")


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _udp(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    body = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 17, 0)
    head += IPv4Address(source).packed + IPv4Address(target).packed
    head = head[:10] + _checksum(head).to_bytes(2, "big") + head[12:]
    return b"\xff" * 6 + GUEST_MAC + b"\x08\x00" + head + body


def _dhcp_options(wire: Wire) -> tuple[IPv4Address, dict[int, bytes]]:
    """The address that is offered, and what is said with it."""
    head = struct.pack(">BBBBIHHIIII", 1, 1, 6, 0, 77, 0, 0, 0, 0, 0, 0) + GUEST_MAC.ljust(16, b"\0") + bytes(192)
    discover = head + b"\x63\x82\x53\x63" + b"\x35\x01\x01\xff" + bytes(60)
    wire.send(_udp("0.0.0.0", "255.255.255.255", (68, 67), discover))
    (offer,) = [data for data in wire.heard if data[23] == 17 and data[34:38] == b"\x00\x43\x00\x44"]
    reply = offer[42:]
    options: dict[int, bytes] = {}
    rest = reply[240:]
    while rest[0] != 255:
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    options[-1] = reply[108:236].rstrip(b"\0")
    return IPv4Address(reply[16:20]), options


def test_the_router_answers_at_once() -> None:
    wire = Wire(UserNet())
    wire.send(ARP_REQUEST)
    assert wire.heard[0][:6] == GUEST_MAC and wire.heard[0][28:32] == IPv4Address("10.0.2.2").packed
    assert len(wire.heard[0]) >= 60
    wire.close()
    wire.send(ARP_REQUEST)  # the cable leads nowhere now
    assert len(wire.heard) == 1


def test_its_dhcp_server_says_what_was_asked_for() -> None:
    wire = Wire(UserNet())
    address, said = _dhcp_options(wire)
    assert address == IPv4Address("10.0.2.15")
    assert said[1] == IPv4Address("255.255.255.0").packed and said[6] == IPv4Address("10.0.2.3").packed
    assert said[3] == IPv4Address("10.0.2.2").packed and 12 not in said and 15 not in said
    wire.close()
    wire = Wire(
        UserNet(
            network=IPv4Network("192.168.76.0/22"),
            router=IPv4Address("192.168.76.9"),
            dhcp_start=IPv4Address("192.168.77.7"),
            nameserver=IPv4Address("192.168.76.8"),
            hostname="router",
            domain="example.org",
            search=("a.example", "b.example"),
            bootfile="vmlinux",
            tftp_server_name="files",
        )
    )
    address, said = _dhcp_options(wire)
    assert address == IPv4Address("192.168.77.7") and said[1] == IPv4Address("255.255.252.0").packed
    assert said[3] == IPv4Address("192.168.76.9").packed and said[6] == IPv4Address("192.168.76.8").packed
    assert said[12] == b"router" and said[15] == b"example.org" and said[-1] == b"vmlinux" and said[66] == b"files"
    assert said[119] == b"\x01a\x07example\x00\x01b\xc0\x02"
    wire.close()


def test_its_tftp_server_shows_a_folder_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "boot").write_bytes(b"kernel" * 10)
    (tmp_path / "secret").write_bytes(b"secret")
    wire = Wire(UserNet(tftp=str(tmp_path / "shown")))
    wire.send(ARP_REQUEST)
    wire.send(_udp("10.0.2.15", "10.0.2.2", (1000, 69), b"\0\1/boot\0octet\0"))
    assert b"kernel" * 10 in wire.heard[-1]
    wire.send(_udp("10.0.2.15", "10.0.2.2", (1001, 69), b"\0\1../secret\0octet\0"))
    assert wire.heard[-1][42:44] == b"\0\5" and not any(b"secret" in data for data in wire.heard)
    wire.close()
    with pytest.raises(RdbgError, match="tftp=.*/boot is no folder"):
        Wire(UserNet(tftp=str(tmp_path / "shown" / "boot")))


def test_a_port_of_the_host_leads_into_the_guest_on_loopback_alone() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    wire = Wire(UserNet(host_forwards=(HostForward(False, LOOPBACK, port, None, 80),)))
    wire.send(ARP_REQUEST)
    with socket.create_connection(("127.0.0.1", port)):
        until(lambda: any(data[12:14] == b"\x08\x00" and data[23] == 6 for data in wire.heard), wire)
    opening = next(data for data in wire.heard if data[12:14] == b"\x08\x00")
    assert opening[30:34] == IPv4Address("10.0.2.15").packed and opening[36:38] == (80).to_bytes(2, "big")
    with pytest.raises(RdbgError, match=f"hostfwd: cannot listen at tcp:127.0.0.1:{port}: Address already in use"):
        Wire(UserNet(host_forwards=(HostForward(False, LOOPBACK, port, None, 80),)))
    wire.close()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_datagrams_go_both_ways() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        wire = Wire(UserNet())
        wire.send(ARP_REQUEST)
        wire.send(_udp("10.0.2.15", "10.0.2.2", (1000, port), b"question"))
        server.settimeout(20)
        question, sender = server.recvfrom(100)
        assert question == b"question"
        server.sendto(b"answer", sender)
        until(lambda: any(b"answer" in data for data in wire.heard), wire)
        wire.close()
        closed = Wire(UserNet(restricted=True))
        closed.send(ARP_REQUEST)
        closed.send(_udp("10.0.2.15", "10.0.2.2", (1000, port), b"question"))
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.recv(100)
        closed.close()


def _icmp6(source: str, target: str, mac: bytes, body: bytes) -> bytes:
    """An ICMPv6 message in a frame; its checksum (bytes 2 and 3) is filled in."""
    addresses = IPv6Address(source).packed + IPv6Address(target).packed
    checksum = _checksum(addresses + len(body).to_bytes(4, "big") + bytes((0, 0, 0, 58)) + body)
    body = body[:2] + checksum.to_bytes(2, "big") + body[4:]
    return mac + GUEST_MAC + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + addresses + body


def _solicitation() -> bytes:
    """A guest asks which routers there are."""
    return _icmp6("fe80::1", "ff02::2", bytes.fromhex("333300000002"), bytes((133, 0, 0, 0)) + bytes(4))


def _advertised(wire: Wire) -> list[bytes]:
    """The prefixes that routers have told of."""
    prefixes = []
    for data in wire.heard:
        options = data[70:] if data[12:14] == b"\x86\xdd" and data[54] == 134 else b""
        while options[1:2] > b"\0":
            prefixes += [options[16:32]] if options[0] == 3 else []
            options = options[8 * options[1] :]
    return prefixes


def test_ipv6_is_there_by_default_as_in_qemu() -> None:
    wire = Wire(UserNet())
    wire.send(_solicitation())
    assert IPv6Address("fec0::").packed in _advertised(wire)
    router = next(data[6:12] for data in wire.heard if data[12:14] == b"\x86\xdd")
    # The guest says which card its address is at, and pings the router.
    told = bytes((136, 0, 0, 0, 0x20, 0, 0, 0)) + IPv6Address("fec0::9").packed + b"\2\1" + GUEST_MAC
    wire.send(_icmp6("fec0::9", "fec0::2", router, told))
    wire.send(_icmp6("fec0::9", "fec0::2", router, bytes((128, 0, 0, 0, 0, 7, 0, 1)) + b"hello ip6!"))
    until(lambda: any(data[54:55] == b"\x81" and data.endswith(b"hello ip6!") for data in wire.heard), wire)
    wire.close()
    other = Wire(UserNet(network6=IPv6Network("fd00:5::/64")))
    other.send(_solicitation())
    assert IPv6Address("fd00:5::").packed in _advertised(other)
    other.close()
    without = Wire(UserNet(ipv6=False))
    without.send(_solicitation())
    assert not _advertised(without)
    without.close()


def test_addresses_that_cannot_be_forwarded_are_refused() -> None:
    null = SerialSpec(SerialKind.NULL)
    for address in ("10.0.3.1", "10.0.2.2", "10.0.2.3"):
        with pytest.raises(RdbgError, match=f"guestfwd: {address}:9 cannot be led to; choose another"):
            Wire(UserNet(guest_forwards=(GuestForward(IPv4Address(address), 9, "", null),)))
    with pytest.raises(RdbgError, match="-guestfwd tcp:.*cannot connect"):
        target = SerialSpec(SerialKind.TCP, address=TcpAddress("127.0.0.1", 1))
        Wire(UserNet(guest_forwards=(GuestForward(IPv4Address("10.0.2.100"), 9, "", target),)))


def test_without_the_library_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rdbg.netdev.slirp_library._NAMES", ("libslirp-that-is-not-there.so",))
    with pytest.raises(RdbgError, match="needs libslirp; on Debian: apt install libslirp0; or write -nic none"):
        Wire(UserNet())


def test_a_network_that_nobody_asked_for_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rdbg.netdev.slirp_library._NAMES", ("libslirp-that-is-not-there.so",))
    netdev = Netdev("n", UserNet(), "the board's network", optional=True)
    plan = NetworkPlan((netdev,), (NetworkSegment((0,), ("n",)),))
    networks = Networks(plan, lambda card, data: None, lambda card: 0, lambda: 0)
    networks.send(0, ARP_REQUEST)
    networks.poll()
    networks.close()
    said = capsys.readouterr().err
    assert (
        "warning: the board's network leads nowhere: the user network needs libslirp" in said and said.count("\n") == 1
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.0.2.2", "10.0.2.2 is the router"),
        ("10.0.2.3", "10.0.2.3 is the name server"),
        ("10.0.3.4", "no address in"),
    ],
)
def test_a_server_cannot_be_where_the_network_has_its_own(address: str, words: str) -> None:
    with pytest.raises(UsageError, match=f"^-nic user.*{words}.*choose"):
        parse_user_network("-nic user", {}, {"guestfwd": [f"tcp:{address}:80-cmd:cat"]})


def test_a_server_without_an_address_is_where_qemu_has_it() -> None:
    for pairs, address in (({}, "10.0.2.4"), ({"net": "172.16.0.0/16"}, "172.16.2.4")):
        made = parse_user_network("-nic user", pairs, {"guestfwd": ["tcp::80-cmd:cat"]})
        assert str(made.guest_forwards[0].address) == address
