"""Debian's kernel with virtio cards: a disk, a network with a peer, random numbers and a console, all recorded."""

from __future__ import annotations

import hashlib
import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from rdbg.emu.disk import DiskSource
from rdbg.emu.disk_write import decode_disk_write
from rdbg.emu.endpoint import Endpoint, EndpointKind, serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.spec import Drive, Image, MachineSpec, Plugged
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.conftest import LINUX
from tests.linux.fetch import BUSYBOX, KERNEL, MODULES
from tests.linux.file_systems import ext4, is_clean
from tests.linux.initramfs import initramfs, load_order
from tests.linux.peer import answer

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(600)]

DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "virtio_console", "ext4", "crc32c_generic")
PEER = bytes((10, 0, 2, 2))
SERIAL = serial_port(0)
DISK, NETWORK, CONSOLE, GENERATOR = (
    Endpoint(kind, 0) for kind in (EndpointKind.DISK, EndpointKind.NETWORK, EndpointKind.CONSOLE, EndpointKind.ENTROPY)
)
TYPED = b"from outside\n"
SCRIPT = """mount -t sysfs sys /sys
mkdir /mnt
mount -t ext4 /dev/vda /mnt
echo "sum $(md5sum < /mnt/content)"
cp /mnt/content /mnt/copy
echo "in the guest" > /mnt/note
ifconfig eth0 10.0.2.15 up
ping -c 3 -A 10.0.2.2
echo "generator $(cat /sys/class/misc/hw_random/rng_current)"
echo "random $(dd if=/dev/hwrng bs=32 count=1 2>/dev/null | od -An -tx1 | tr -d ' \\n')"
echo "to the outside" > /dev/hvc0
read line < /dev/hvc0
echo "read $line"
umount /mnt
echo DONE
poweroff -f"""
POSITIONS, VISITS = 40, 60
RECENT = 60_000_000  #: instructions at the end, in which the cards are used


class ImageFile:
    """A disk's first content."""

    def __init__(self, path: Path) -> None:
        self._data = path.read_bytes()

    def read(self, page: int) -> bytes:
        return self._data[page * PAGE_SIZE : (page + 1) * PAGE_SIZE].ljust(PAGE_SIZE, b"\0")


@dataclass
class Run:
    """What a live run left.

    Args:
        spec: the machine.
        source: its disk's first content.
        history: its inputs.
        sent: what left by each endpoint, piece by piece.
        digest: of its last state.
    """

    spec: MachineSpec
    source: DiskSource
    history: History
    sent: dict[Endpoint, list[bytes]]
    digest: bytes

    def text(self, endpoint: Endpoint = SERIAL) -> str:
        return b"".join(self.sent.get(endpoint, [])).decode("latin-1")


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(1).randbytes(3_000_000)


@pytest.fixture(scope="module")
def image(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("virtio")
    (folder / "root").mkdir()
    (folder / "root" / "content").write_bytes(content)
    return ext4(folder / "disk", 16, folder / "root")


@pytest.fixture(scope="module")
def run(image: Path) -> Run:
    """Boots, and the script uses everything; whoever is outside answers between slices."""
    initrd = initramfs(LINUX / BUSYBOX, SCRIPT, modules=load_order(LINUX / MODULES, DRIVERS))
    images = (Image("kernel", "vmlinux", (LINUX / KERNEL).read_bytes()), Image("initrd", "initrd", initrd))
    plugged = (
        Plugged("virtio-blk-pci", drive="d0"),
        Plugged("virtio-net-pci", nic=0, mac=bytes.fromhex("525400123456")),
        Plugged("virtio-rng-pci"),
        Plugged("virtio-serial-pci"),
        Plugged("virtconsole", console=0),
    )
    spec = MachineSpec(
        "malta", "24Kf", False, 128 << 20, 4, images, "console=ttyS0 nokaslr rdinit=/init panic=1",
        drives=(Drive("d0", "none", 0, "disk", image.stat().st_size),), plugged=plugged,
    )  # fmt: skip
    source = ImageFile(image)
    machine = Machine(spec, disk_sources=[source])
    queue = LiveQueue(machine.input_room)
    queue.feed(GENERATOR, random.Random(2).randbytes)
    history = History.live_run(queue)
    timeline = Timeline(machine, history, sleep=False)
    sent: dict[Endpoint, list[bytes]] = {}

    def sink(icount: int, endpoint: Endpoint, data: bytes) -> None:
        sent.setdefault(endpoint, []).append(data)
        if endpoint == NETWORK and (reply := answer(data, PEER)) is not None:
            queue.send_packet(0, reply)
        if endpoint == CONSOLE and b"\n" in data:
            queue.send(CONSOLE, TYPED)

    timeline.set_output(sink)
    began = time.monotonic()
    stop = timeline.run(StopConditions(), lambda: time.monotonic() > began + 400)
    assert stop.reason is StopReason.SHUTDOWN, b"".join(sent[SERIAL])[-3000:].decode("latin-1")
    return Run(spec, source, history, sent, machine.digest())


def test_the_kernel_uses_all_of_them(run: Run, content: bytes) -> None:
    text = run.text()
    assert f"sum {hashlib.md5(content).hexdigest()}" in text
    assert "3 packets transmitted, 3 packets received, 0% packet loss" in text
    assert "generator virtio_rng.0" in text
    found = re.search(r"random ([0-9a-f]{64})", text)
    assert found and len(set(found[1])) > 4
    assert "read from outside" in text and "to the outside" in run.text(CONSOLE)
    assert "DONE" in text


def test_the_disk_is_whole(run: Run, image: Path, content: bytes, tmp_path: Path) -> None:
    """What left for the image, in its order, gives a file system without a fault, with what the guest wrote."""
    data = bytearray(image.read_bytes())
    for record in run.sent[DISK]:
        write = decode_disk_write(record)
        data[write.sector * 512 : write.sector * 512 + len(write.data)] = write.data
    written = tmp_path / "written"
    written.write_bytes(data)
    assert is_clean(written)
    assert data.count(b"in the guest\n") == 1


def test_it_replays_and_states_are_the_same_whatever_the_way(run: Run) -> None:
    chance = random.Random(5)
    machine = Machine(run.spec, disk_sources=[run.source])
    timeline = Timeline(machine, run.history)
    end = timeline.end
    wanted: dict[int, bytes] = {}
    for target in sorted(chance.randrange(end - RECENT, end) for _ in range(POSITIONS)):
        timeline.goto(target)
        wanted[timeline.position] = machine.digest()
    positions = list(wanted)
    for _ in range(VISITS):
        target = chance.choice(positions)
        if chance.random() < 0.5:
            timeline.goto(max(0, target - chance.randrange(1, 100_000)))
        timeline.goto(target)
        assert (timeline.position, machine.digest()) == (target, wanted[target])
    timeline.goto(end)
    assert machine.digest() == run.digest
