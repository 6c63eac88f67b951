"""Debian's kernel with all network cards but virtio's, each with a peer: ARP, ping, UDP both ways, recorded."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass

import pytest

from rdbg.emu.endpoint import Endpoint, EndpointKind, serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec, Plugged
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.recording.recording import NewRecording, OpenRecording
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.conftest import LINUX
from tests.linux.fetch import BUSYBOX, KERNEL, MODULES
from tests.linux.initramfs import initramfs, load_order
from tests.linux.peer import TftpServer, answer
from tests.linux.whatever_the_way import states_are_the_same

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(600)]

MODELS, DRIVERS = ("pcnet", "e1000", "rtl8139"), ("pcnet32", "e1000", "8139cp")
CONTENT = bytes(range(256)) + b"end of the file"
SCRIPT = """for n in 0 1 2; do ifconfig eth$n 10.0.$n.15 netmask 255.255.255.0 up; done
sleep 3
cd /dev
for n in 0 1 2; do
ping -c 3 -A 10.0.$n.2
ping -c 2 -A -s 1400 10.0.$n.2
tftp -g -r f$n 10.0.$n.2
echo "sum $(md5sum < f$n)"
echo "from eth$n" > up
tftp -p -l up -r up 10.0.$n.2
cat /proc/net/dev | grep eth$n
done
grep eth /proc/interrupts
echo DONE
poweroff -f"""
POSITIONS, VISITS = 12, 20
RECENT = 60_000_000  #: instructions at the end, in which the cards are used


@dataclass
class Run:
    """A recorded run.

    Args:
        path: the journal.
        text: what came by the serial port.
        taken: what the server took from each card.
        digest: of the last state.
    """

    path: str
    text: str
    taken: list[list[bytes]]
    digest: bytes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Boots, and uses each card; the peers answer in the moment in which a frame leaves."""
    initrd = initramfs(LINUX / BUSYBOX, SCRIPT, modules=load_order(LINUX / MODULES, DRIVERS))
    images = (Image("kernel", "vmlinux", (LINUX / KERNEL).read_bytes()), Image("initrd", "initrd", initrd))
    plugged = tuple(
        Plugged(
            model,
            slot=0x0B if number == 0 else None,
            nic=number,
            mac=bytes.fromhex("5254001234") + bytes((0x56 + number,)),
        )
        for number, model in enumerate(MODELS)
    )
    spec = MachineSpec(
        "malta", "24Kf", False, 128 << 20, 4, images, "console=ttyS0 nokaslr rdinit=/init panic=1", plugged=plugged
    )
    path = str(tmp_path_factory.mktemp("cards") / "run.rr")
    recording = NewRecording(path, spec)
    recording.publish()
    machine = Machine(spec)
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(machine, History.recording(recording.writer, queue), sleep=False)
    servers = [TftpServer(CONTENT) for _ in MODELS]
    text = bytearray()

    def sink(icount: int, endpoint: Endpoint, data: bytes) -> None:
        if endpoint == serial_port(0):
            text.extend(data)
        elif endpoint.kind is EndpointKind.NETWORK:
            address = bytes((10, 0, endpoint.port, 2))
            reply = answer(data, address) or servers[endpoint.port].answer(data, address)
            if reply is not None:
                queue.send_packet(endpoint.port, reply)

    timeline.output.lead_to(sink)
    began = time.monotonic()
    stop = timeline.run(StopConditions(), lambda: time.monotonic() > began + 400)
    assert stop.reason is StopReason.SHUTDOWN, text[-3000:].decode("latin-1")
    timeline.close()
    recording.store.close()
    taken = [server.taken for server in servers]
    return Run(path, text.decode("latin-1"), taken, machine.digest())


def test_the_kernel_finds_each_card_as_on_qemu(run: Run) -> None:
    assert "pcnet32: PCnet/PCI II 79C970A at 0x10a0, 52:54:00:12:34:56 assigned IRQ 10" in run.text
    assert "eth1: Intel(R) PRO/1000 Network Connection" in run.text
    assert "e1000: eth1 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX" in run.text
    assert re.search(r"eth2: RTL-8139C\+ at 0x\w+, 52:54:00:12:34:58", run.text)
    assert "eth2: link up, 100Mbps, full-duplex" in run.text


def test_frames_come_and_go_by_each_card(run: Run) -> None:
    assert run.text.count("3 packets transmitted, 3 packets received, 0% packet loss") == len(MODELS)
    assert run.text.count("2 packets transmitted, 2 packets received, 0% packet loss") == len(MODELS)
    assert run.text.count(f"sum {hashlib.md5(CONTENT).hexdigest()}") == len(MODELS)
    assert run.taken == [[f"from eth{number}\n".encode()] for number in range(len(MODELS))]
    # No packet was bad, dropped or lost on the way.
    counters = [line.split()[1:] for line in re.findall(r"\r\n( *eth\d:[ \d]+)", run.text)]
    assert len(counters) == len(MODELS)
    for counted in counters:
        assert int(counted[1]) > 5 and int(counted[9]) > 5
        # But collisions: rtl8139 leaves the bits that ask for checksums where its driver looks for their number.
        assert {*counted[2:7], *counted[10:13], *counted[14:16]} == {"0"}, counters
    assert "DONE" in run.text


def test_it_replays_and_states_are_the_same_whatever_the_way(run: Run) -> None:
    """No peer is there: what it sent is in the recording."""
    opened = OpenRecording(run.path)
    machine = Machine(opened.spec())
    timeline = Timeline(machine, History.replay(opened.reader))
    left: set[EndpointKind] = set()
    timeline.output.lead_to(lambda icount, endpoint, data: left.add(endpoint.kind))
    stop = timeline.run(StopConditions(), lambda: False)  # compares what each card would send with the recording
    end = timeline.end
    assert stop.position == end and machine.digest() == run.digest
    assert EndpointKind.NETWORK not in left, "a replay sends nothing"
    states_are_the_same(timeline, RECENT, POSITIONS, VISITS)
    timeline.goto(end)
    assert machine.digest() == run.digest
    opened.close()
