"""Frames between back ends: connections, datagrams, interfaces of the host, hubs, captures."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from rdbg.emu.device import LONGEST_FRAME
from rdbg.errors import RdbgError
from rdbg.net.tcp_address import TcpAddress
from rdbg.netdev.netdev_spec import DatagramNet, NetdevKind, StreamNet, TapNet
from rdbg.netdev.network_plan import Netdev, NetworkPlan, NetworkSegment, PacketDump
from rdbg.netdev.networks import Networks

from .wires import Wire, frame, until


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _named(address: TcpAddress) -> TcpAddress:
    return TcpAddress("localhost", address.port)


def _talk(one: Wire, other: Wire) -> None:
    """Frames of all sizes come through in both directions, in order."""
    sent = [frame(number, size) for number, size in enumerate((60, 64, 1514, 9000, 60))]
    for data in sent:
        one.send(data)
        other.send(data)
    until(lambda: len(one.heard) == len(other.heard) == len(sent), one, other)
    assert one.heard == other.heard == sent


@pytest.fixture(params=["tcp", "unix"])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[StreamNet, StreamNet]:
    """Both ends of a connection."""
    if request.param == "unix":
        path = str(tmp_path / "s")
        return StreamNet(path=path, server=True), StreamNet(path=path)
    address = TcpAddress("127.0.0.1", free_port())
    return StreamNet(address, server=True), StreamNet(address)


def test_a_connection_carries_frames(connection: tuple[StreamNet, StreamNet]) -> None:
    server = Wire(connection[0])
    client = Wire(connection[1])
    until(lambda: bool(server.heard) or client.send(frame(0)) or False, server)
    server.heard.clear()
    _talk(server, client)
    client.close()
    again = Wire(connection[1])  # the next one is served, too
    until(lambda: bool(server.heard) or again.send(frame(7)) or False, server)
    again.close()
    server.close()


def test_a_lost_connection_is_told_or_made_again() -> None:
    address = TcpAddress("127.0.0.1", free_port())
    with pytest.raises(RdbgError, match="-netdev test: cannot connect to .*: Connection refused; start the other"):
        Wire(StreamNet(address))
    patient = Wire(StreamNet(address, reconnect=1))
    server = Wire(StreamNet(address, server=True))
    hasty = Wire(StreamNet(TcpAddress("127.0.0.1", free_port()), reconnect=60))
    assert hasty.networks.patience(100) <= 60 and hasty.networks.failures == []
    until(lambda: bool(server.heard) or patient.send(frame(0)) or False, server, patient)
    for end in (patient, server, hasty):
        end.close()
    server = Wire(StreamNet(address, server=True))
    once = Wire(StreamNet(address))
    until(lambda: bool(server.heard) or once.send(frame(0)) or False, server)
    server.close()
    until(lambda: once.networks.failures != [], once)
    assert "the other end has hung up" in once.networks.failures[0]
    once.close()


def test_a_peer_that_announces_too_long_a_packet_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    address = TcpAddress("127.0.0.1", free_port())
    server = Wire(StreamNet(address, server=True))
    for start in (b"GET / HTTP/1.1\r\n", (LONGEST_FRAME + 1).to_bytes(4, "big"), b"\xff\xff\xff\xff"):
        with socket.create_connection((address.host, address.port)) as peer:
            peer.sendall((3).to_bytes(4, "big") + b"abc" + start)  # a runt is no reason
            until(lambda: "announced a packet" in caplog.text, server)
            assert peer.recv(1) == b""
        caplog.clear()
    assert server.heard == []
    server.close()


def test_guests_that_flood_each_other_do_not_wait_for_each_other_forever(tmp_path: Path) -> None:
    """Each takes what comes only while it runs, and runs only while the other takes what it sends."""

    class Guest:
        def __init__(self, kind: NetdevKind) -> None:
            self.waiting: list[bytes] = []
            self.heard = 0
            plan = NetworkPlan((Netdev("n", kind, "-netdev test"),), (NetworkSegment((0,), ("n",)),))
            self.networks = Networks(plan, lambda card, data: self.waiting.append(data), self.count, lambda: 0)

        def count(self, card: int) -> int:
            return len(self.waiting)

        def run(self) -> None:
            if not self.networks.congested:
                self.heard += len(self.waiting)
                self.waiting.clear()
                for number in range(9000):
                    self.networks.send(0, frame(number))
            self.networks.poll()

    path = str(tmp_path / "s")
    guests = Guest(StreamNet(path=path, server=True)), Guest(StreamNet(path=path))
    until(lambda: [guest.run() for guest in guests] == [] or all(guest.networks.congested for guest in guests))
    heard = [guest.heard for guest in guests]
    until(
        lambda: (
            [guest.run() for guest in guests] == []
            or all(g.heard > n + 500 for g, n in zip(guests, heard, strict=True))
        )
    )
    for guest in guests:
        guest.networks.close()


def test_a_card_that_is_off_does_not_keep_frames_from_the_others_of_its_hub(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    heard: list[int] = []
    waiting = {0: 1000, 1: 0}
    segment = NetworkSegment((0, 1), ("n",))
    plan = NetworkPlan((Netdev("n", StreamNet(path=path, server=True), "-netdev test"),), (segment,))
    networks = Networks(plan, lambda card, data: heard.append(card), lambda card: waiting[card], lambda: 0)
    peer = Wire(StreamNet(path=path))
    peer.send(frame(1))
    until(lambda: networks.poll() or 1 in heard)
    waiting[1] = 1000  # where none takes any, the peer waits
    heard.clear()
    peer.send(frame(2))
    networks.poll()
    assert heard == [] and networks.watched() == [] and networks.patience(9) == 9
    networks.close()
    peer.close()


def test_a_guest_does_not_wait_for_a_peer_that_stands_still(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    peer = socket.socket(socket.AF_UNIX)
    peer.bind(path)
    peer.listen()
    wire = Wire(StreamNet(path=path))
    until(lambda: wire.send(frame(0, 9000)) or wire.networks.congested)
    until(lambda: not wire.networks.congested, wire)
    wire.close()
    peer.close()


def test_datagrams_carry_frames(tmp_path: Path) -> None:
    one, other = (TcpAddress("127.0.0.1", free_port(socket.SOCK_DGRAM)) for _ in range(2))
    paths = str(tmp_path / "a"), str(tmp_path / "b")
    pairs: list[tuple[NetdevKind, NetdevKind]] = [
        (DatagramNet(one, other), DatagramNet(other, one)),
        (DatagramNet(_named(one), _named(other)), DatagramNet(_named(other), _named(one))),
        (
            DatagramNet(remote_path=paths[0], local_path=paths[1]),
            DatagramNet(remote_path=paths[1], local_path=paths[0]),
        ),
    ]
    for kinds in pairs:
        ends = [Wire(kind) for kind in kinds]
        _talk(*ends)
        for end in ends:
            end.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RdbgError, match="cannot use .*192.0.2.1"):
        Wire(DatagramNet(one, TcpAddress("192.0.2.1", 1)))


def test_members_of_a_multicast_group_hear_each_other_and_not_themselves() -> None:
    group = DatagramNet(TcpAddress("239.192.0.77", free_port(socket.SOCK_DGRAM)), TcpAddress("127.0.0.1", 0))
    one, two, three = (Wire(group) for _ in range(3))
    one.send(frame(1))
    until(lambda: two.heard == three.heard == [frame(1)], one, two, three)
    two.send(frame(2))
    until(lambda: three.heard == [frame(1), frame(2)] and one.heard == [frame(2)], one, two, three)
    assert two.heard == [frame(1)]
    for end in (one, two, three):
        end.close()


def test_a_tap_that_was_handed_down_carries_frames() -> None:
    host, guest = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    wire = Wire(TapNet(descriptor=guest.detach()))
    wire.send(frame(1))
    assert host.recv(2000) == frame(1)
    host.send(frame(2))
    until(lambda: wire.heard == [frame(2)], wire)
    wire.close()
    host.close()
    with pytest.raises(RdbgError, match="fd=987: Bad file descriptor"):
        Wire(TapNet(descriptor=987))


_HELPER = """#!{python}
import socket, sys
bridge, number = (word.split("=")[1] for word in sys.argv[1:])
if bridge != "br7":
    sys.exit("no such bridge")
made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
made.bind({near!r})
made.connect({far!r})
socket.send_fds(socket.socket(fileno=int(number)), [b"x"], [made.fileno()])
"""


def test_a_helper_puts_a_tap_into_a_bridge(tmp_path: Path) -> None:
    helper, near, far = (str(tmp_path / name) for name in ("helper", "near", "far"))
    Path(helper).write_text(_HELPER.format(python=sys.executable, near=near, far=far))
    os.chmod(helper, 0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as host:
        host.bind(far)
        wire = Wire(TapNet(bridge="br7", helper=helper))
        wire.send(frame(1))
        assert host.recv(2000) == frame(1)
        host.sendto(frame(2), near)
        until(lambda: wire.heard == [frame(2)], wire)
        wire.close()
    with pytest.raises(RdbgError, match="helper made no interface in bridge br8"):
        Wire(TapNet(bridge="br8", helper=helper))
    with pytest.raises(RdbgError, match="helper=/nowhere cannot be run; on Debian: apt install"):
        Wire(TapNet(bridge="br8", helper="/nowhere"))


def _can_make_a_tap() -> bool:
    if not os.path.exists("/dev/net/tun"):
        return False
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


# No package brings it: what a host does not let its tests do is no failure of theirs.
@pytest.mark.xfail(not _can_make_a_tap(), reason="needs root, /dev/net/tun and network namespaces", run=False)
def test_a_real_tap_leads_to_the_kernel_of_the_host(tmp_path: Path) -> None:
    """ARP and ping, answered by the kernel; the scripts are run. In a network of its own."""
    words = ["unshare", "-n", sys.executable, "-m", "tests.netdev.ping_by_tap", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("pinged\n", 0), done.stderr
    assert (tmp_path / "taken-down").read_text() == "rdbg7\n"


def test_a_tap_that_may_not_be_made_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tun").write_bytes(b"")  # no interface comes of it
    for device, reason in ((tmp_path / "tun", "Inappropriate ioctl"), (tmp_path / "none", "No such file")):
        monkeypatch.setattr("rdbg.netdev.tap_network._DEVICE", str(device))
        with pytest.raises(RdbgError, match=f"cannot make a network interface: {reason}.*only root may.*-netdev user"):
            Wire(TapNet("tap0"))
    with pytest.raises(RdbgError, match="longer than 15 bytes; shorten it"):
        Wire(TapNet("a-name-that-is-too-long"))


def _hub(count: int) -> tuple[Networks, dict[int, list[bytes]]]:
    heard: dict[int, list[bytes]] = {card: [] for card in range(count)}
    plan = NetworkPlan(segments=(NetworkSegment(tuple(range(count)), ()),), short_cards=(0,))
    return Networks(plan, lambda card, data: heard[card].append(data), lambda card: 0, lambda: 0), heard


def test_cards_on_a_hub_hear_each_other() -> None:
    networks, heard = _hub(3)
    networks.send(1, frame(1, 42))
    assert heard == {0: [frame(1, 42)], 1: [], 2: [frame(1, 42).ljust(60, b"\0")]}, "filled up but for virtio"
    networks.send(7, frame(2))  # a card without a cable
    networks.send(0, b"short")
    networks.send(0, bytes(LONGEST_FRAME + 1))
    assert heard[1] == []


def test_a_card_that_takes_nothing_lets_its_peers_wait() -> None:
    host, guest = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    waiting = 1000
    heard: list[bytes] = []
    plan = NetworkPlan(
        (Netdev("n", TapNet(descriptor=guest.detach()), "-netdev test"),), (NetworkSegment((0,), ("n",)),)
    )
    networks = Networks(plan, lambda card, data: heard.append(data), lambda card: waiting, lambda: 0)
    host.send(frame(1))
    networks.poll()
    assert heard == [] and networks.watched() == []
    waiting = 0
    networks.poll()
    assert heard == [frame(1)]
    networks.close()
    host.close()


def test_a_capture_has_the_packets_of_a_back_end(tmp_path: Path) -> None:
    host, guest = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    wanted = [(True, True, 65536), (True, False, 20), (False, True, 64)]
    dumps = tuple(PacketDump(str(at), "n", str(tmp_path / str(at)), *what) for at, what in enumerate(wanted))
    wire = Wire(TapNet(descriptor=guest.detach()), dumps)
    wire.send(frame(1))
    host.send(frame(2))
    until(lambda: wire.heard == [frame(2)], wire)
    wire.close()
    host.close()
    head = struct.pack("<IHHiII", 0xA1B2C3D4, 2, 4, 0, 0, 65536) + struct.pack("<I", 1)
    when = struct.pack("<II", 1, 500_000)
    lengths = struct.pack("<II", 64, 64)
    assert (tmp_path / "0").read_bytes() == head + when + lengths + frame(1) + when + lengths + frame(2)
    assert (tmp_path / "1").read_bytes()[24:] == when + struct.pack("<II", 20, 64) + frame(2)[:20]
    assert (tmp_path / "2").read_bytes()[24:] == when + lengths + frame(1)
    with pytest.raises(RdbgError, match="filter-dump: .*: cannot write it: No such file"):
        Wire(StreamNet(path=str(tmp_path / "s"), server=True), (PacketDump("d", "n", str(tmp_path / "no" / "d")),))
    assert not (tmp_path / "s").exists(), "what was opened before is closed again"
