"""Debian's kernel with virtio cards: a disk, the user network, random numbers and a console. The recording replays with
image and network gone, and its states are the same whatever the way to them."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rdbg.chaos.guest_disks import guest_disks
from rdbg.emu.machine import Machine
from rdbg.history.history import History
from rdbg.recording.recording import OpenRecording
from rdbg.timeline import Timeline
from tests.conftest import LINUX
from tests.linux.console import Console
from tests.linux.fetch import BUSYBOX, KERNEL, MODULES
from tests.linux.file_systems import ext4, is_clean
from tests.linux.initramfs import initramfs, load_order
from tests.linux.whatever_the_way import states_are_the_same
from tests.processes import RDBG

pytestmark = [
    pytest.mark.real("linux-image-4kc-malta:mipsel", "libslirp0", "e2fsprogs"),
    pytest.mark.timeout(600),
]

DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "virtio_console", "ext4", "crc32c_generic")
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
exec 3<> /dev/hvc0  # what comes while nobody has it open is lost, as on any terminal
echo "to the outside" >&3
echo "port $(cat /sys/class/virtio-ports/vport*p1/name)"
for port in /dev/vport*p1; do echo "by the port" > $port; done
read line <&3
echo "read $line"
umount /mnt
echo DONE
poweroff -f"""
POSITIONS, VISITS = 30, 40
RECENT = 100_000_000  #: instructions at the end, in which the cards are used


@dataclass(frozen=True)
class Session:
    """A recorded run.

    Args:
        path: the journal.
        console: what the guest showed.
        virtual_console: what it wrote to its virtio console.
        port: and to a port that is no console.
        image: the disk's image after the run, where no replay finds it.
    """

    path: Path
    console: bytes
    virtual_console: bytes
    port: bytes
    image: Path


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(1).randbytes(3_000_000)


@pytest.fixture(scope="module")
def session(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Boots, and the script uses everything; somebody at the console's socket answers a line."""
    folder = tmp_path_factory.mktemp("virtio")
    (folder / "root").mkdir()
    (folder / "root" / "content").write_bytes(content)
    image = ext4(folder / "disk", 16, folder / "root")
    initrd = folder / "initrd"
    initrd.write_bytes(initramfs(LINUX / BUSYBOX, SCRIPT, modules=load_order(LINUX / MODULES, DRIVERS)))
    path, end = folder / "virtio.rr", folder / "console"
    words = [
        "record", "-o", str(path), "--", "-M", "malta", "-m", "128", "-icount", "shift=4,sleep=off",
        "-kernel", str(LINUX / KERNEL), "-initrd", str(initrd), "-append", "console=ttyS0 nokaslr rdinit=/init panic=1",
        "-nographic", "-vga", "none", "-no-reboot", "-drive", f"file={image},if=virtio,format=raw",
        "-nic", "user,model=virtio-net-pci", "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
        "-chardev", f"socket,id=c0,path={end},server=on,wait=on", "-device", "virtconsole,chardev=c0",
        "-chardev", f"file,id=c1,path={folder / 'port'}", "-device", "virtserialport,chardev=c1,name=org.example.0",
    ]  # fmt: skip
    with Console(words) as console, socket.socket(socket.AF_UNIX) as line:
        until = time.monotonic() + 60
        while line.connect_ex(str(end)):
            assert time.monotonic() < until
            time.sleep(0.05)
        line.settimeout(300)
        shown = b""
        while b"\n" not in shown:
            data = line.recv(4096)
            assert data, console.seen[-2000:]
            shown += data
        line.sendall(b"from outside\n")
        assert console.finish(300) == 0
    gone = folder / "gone"
    image.rename(gone)
    yield Session(path, console.seen, shown, (folder / "port").read_bytes(), gone)


def test_the_kernel_uses_all_of_them(session: Session, content: bytes) -> None:
    text = session.console.decode("latin-1")
    assert f"sum {hashlib.md5(content).hexdigest()}" in text
    assert "3 packets transmitted, 3 packets received, 0% packet loss" in text
    assert "generator virtio_rng.0" in text
    found = re.search(r"random ([0-9a-f]{64})", text)
    assert found and len(set(found[1])) > 4
    assert "port org.example.0" in text and session.port == b"by the port\n"
    assert "read from outside" in text and session.virtual_console == b"to the outside\r\n"
    assert "DONE" in text


def test_the_image_is_whole(session: Session) -> None:
    assert is_clean(session.image)
    assert session.image.read_bytes().count(b"in the guest\n") == 1


def test_it_replays_without_image_and_network(session: Session, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    command = [*RDBG, "replay", str(session.path), "-serial", f"file:{shown}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0 and "state digests agree" in done.stderr, done.stderr
    assert shown.read_bytes() == session.console


def test_states_are_the_same_whatever_the_way(session: Session) -> None:
    opened = OpenRecording(str(session.path))
    history = History.replay(opened.reader)
    spec = opened.spec()
    machine = Machine(spec, history, disk_sources=guest_disks(spec.drives, (), str(session.path)).sources)
    timeline = Timeline(machine, history, store=opened.store, initial_snapshot=opened.header.initial_snapshot)
    states_are_the_same(timeline, RECENT, POSITIONS, VISITS)
    opened.close()
