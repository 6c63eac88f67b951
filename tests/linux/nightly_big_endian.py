"""Linux on a big-endian malta (``make big-endian`` builds it) with a disk, a CD-ROM and each network card: the same on
QEMU; recorded, and replayed with images and network gone."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import random
import re
import shutil
import socket
import socketserver
import subprocess
import threading
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
from tests.conftest import PYPI_GDB
from tests.gdb.driver import Gdb
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.file_systems import ext4, is_clean, iso9660
from tests.linux.initramfs import initramfs
from tests.linux.test_backward import goto, position
from tests.linux.whatever_the_way import states_are_the_same
from tests.processes import RDBG, served

pytestmark = pytest.mark.timeout(3000)

LINUX = Path(__file__).parents[2] / ".make" / "linux-big-endian"
APPEND = "console=ttyS0 rdinit=/init panic=1"
CONTENT = random.Random(9).randbytes(1_500_000)
DOWNLOAD = random.Random(10).randbytes(700_000)
CALLED = random.Random(11).randbytes(300_000)  #: what somebody on the host sends to a port of the guest
SCRIPT = """mkdir /disk /cd /tmp
mount -t ext4 /dev/{disk} /disk && mount -t iso9660 -o ro /dev/sr0 /cd
echo "disk $(md5sum < /disk/data)"
echo "disc $(md5sum < /cd/data)"
printf '\\1\\2' | od -An -tx2
cat > /lease <<'X'
#!/bin/sh
[ $1 = bound ] && ifconfig $interface $ip netmask $subnet && echo "lease $ip router $router dns $dns"
X
chmod +x /lease
ifconfig eth0 up
udhcpc -i eth0 -q -n -s /lease
ping -c 3 10.0.2.2 | grep transmitted
wget -q -O /disk/content http://10.0.2.2:{port}/content
echo "down $(md5sum < /disk/content)"
gzip -c /disk/data > /disk/packed
nc 10.0.2.2 {up} < /disk/packed
echo "program $(nc 10.0.2.100 7 < /disk/content)"
nc -l -p 23 < /disk/content > /tmp/came
echo "came $(md5sum < /tmp/came)"
rm /disk/old
sync; echo 3 > /proc/sys/vm/drop_caches
echo "kept $(md5sum < /disk/content)"
echo "unpacked $(gzip -dc /disk/packed | md5sum)"
umount /disk; umount /cd
echo DONE
poweroff -f"""
#: Started by libslirp for a connection of the guest.
PROGRAM = f"/bin/sh -c 'head -c {len(DOWNLOAD)} | md5sum'"
#: Each network card with a disk: its place in QEMU's words, and its name in Linux.
MACHINES = {
    "pcnet": ("ide", "sda"),
    "e1000": ("virtio", "vda"),
    "rtl8139": ("ide", "sda"),
    "virtio-net-pci": ("virtio", "vda"),
}
POSITIONS, VISITS = 200, 100
REPLAYS = 3
SYSCALL = 0x0000_000C  #: the instruction
#: What differs with the moment: speed, and how often something is tried.
MEASURED = re.compile(r"BogoMIPS|CPU frequency|clocksource|sched_clock|random:|udhcpc: broadcasting")

#: What the kernel says while the program runs.
OF_KERNEL = re.compile(r"(ata\d|scsi|sd |sr |cdrom|EXT4|ISO|virtio|e1000|8139|pcnet|eth0|sh \(|reboot:|random:)")


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(DOWNLOAD)))
        self.end_headers()
        self.wfile.write(DOWNLOAD)

    def log_message(self, *words: object) -> None:
        pass


class _Uploads(socketserver.ThreadingTCPServer):
    """Keeps what each connection sends to its end."""

    daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Upload)


class _Upload(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Uploads)
        self.server.taken.append(self.rfile.read())


class _Caller(threading.Thread):
    """Calls a guest's port by the host's, as soon as somebody listens there: takes what it sends, and sends."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.taken = b""

    def run(self) -> None:
        while len(self.taken) < len(DOWNLOAD):
            time.sleep(0.2)
            self.taken = b""
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 300) as line:
                while len(self.taken) < len(DOWNLOAD):
                    data = line.recv(65536)  # libslirp takes connections before the guest does
                    if not data:
                        break
                    if not self.taken:
                        sender = threading.Thread(target=line.sendall, args=(CALLED,), daemon=True)
                        sender.start()
                    self.taken += data
                if self.taken:
                    sender.join()
                    line.shutdown(socket.SHUT_WR)
                    line.recv(1)


@dataclass(frozen=True)
class Lived:
    """A recorded run.

    Args:
        path: its journal.
        console: what the guest printed.
        on_qemu: what it printed on QEMU.
        images: the disk, as rdbg and QEMU left it.
        uploads: what it sent to a server, here and on QEMU.
        answers: what it sent to whoever called its port, here and on QEMU.
    """

    path: Path
    console: str
    on_qemu: str
    images: tuple[Path, Path]
    uploads: list[bytes]
    answers: list[bytes]


@pytest.fixture(scope="module", params=list(MACHINES))
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    card = request.param
    bus, name = MACHINES[card]
    folder = tmp_path_factory.mktemp(card)
    content = folder / "content"
    content.mkdir()
    (content / "data").write_bytes(CONTENT)
    (content / "old").write_bytes(b"old" * 5000)
    disc, disk = iso9660(folder / "disc.iso", content), ext4(folder / "disk.img", 64, content)
    theirs = Path(shutil.copy(disk, folder / "theirs.img"))
    server, uploads = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler), _Uploads()
    for each in (server, uploads):
        threading.Thread(target=each.serve_forever, daemon=True).start()
    script = SCRIPT.format(disk=name, port=server.server_address[1], up=uploads.server_address[1])
    (folder / "initrd").write_bytes(initramfs(LINUX / BUSYBOX, script))

    answers: list[bytes] = []

    def run(program: list[str], image: Path) -> str:
        words = ["-M", "malta", "-m", "128", "-kernel", str(LINUX / KERNEL), "-initrd", str(folder / "initrd")]
        words += ["-append", APPEND, "-drive", f"file={image},format=raw,if={bus}", "-cdrom", str(disc)]
        caller = _Caller()
        caller.start()
        ways = f"hostfwd=tcp:127.0.0.1:{caller.port}-:23,guestfwd=tcp:10.0.2.100:7-cmd:{PROGRAM}"
        words += ["-nic", f"user,model={card},{ways}", "-nographic", "-vga", "none", "-no-reboot"]
        done = subprocess.run([*program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=900)
        assert done.returncode == 0, done.stdout[-3000:]
        answers.append(caller.taken)
        return done.stdout.decode("latin-1").replace("\r", "")

    try:
        console = run([*RDBG, "record", "-o", str(folder / "run"), "--"], disk)
        # Cards have no ROM here: a kernel that is booted without firmware has no use for it.
        on_qemu = run(["qemu-system-mips", "-global", f"{card}.romfile="], theirs)
    finally:
        server.shutdown()
        uploads.shutdown()
    gone = disk.rename(folder / "gone.img")
    disc.unlink()
    yield Lived(folder / "run", console, on_qemu, (gone, theirs), uploads.taken, answers)


def _said(console: str) -> tuple[list[str], list[str]]:
    """The lines of a run but those about speed: the kernel's, sorted, since its drivers work side by side; and those of
    the program."""
    booting, _, then = console.partition("BOOTED\n")
    lines = [line for line in booting.splitlines() if not MEASURED.search(line)]
    of_program = [line for line in then.splitlines() if not MEASURED.search(line)]
    lines += [line for line in of_program if OF_KERNEL.match(line)]
    return sorted(lines), [line for line in of_program if not OF_KERNEL.match(line)]


def test_it_says_what_it_says_on_qemu(lived: Lived) -> None:
    assert _said(lived.console) == _said(lived.on_qemu)
    assert "DONE" in lived.console and " 0102\n" in lived.console, "the guest is big endian"


def test_it_uses_disk_disc_and_network(lived: Lived) -> None:
    data, down = hashlib.md5(CONTENT).hexdigest(), hashlib.md5(DOWNLOAD).hexdigest()
    called = hashlib.md5(CALLED).hexdigest()
    wanted = {"disk": data, "program": down, "came": called, "disc": data, "down": down, "kept": down, "unpacked": data}
    for what, found in wanted.items():
        assert f"{what} {found}  -" in lived.console
    assert "lease 10.0.2.15 router 10.0.2.2 dns 10.0.2.3" in lived.console
    assert "3 packets transmitted, 3 packets received, 0% packet loss" in lived.console
    ours, theirs = lived.uploads
    assert len(ours) > 1_000_000 and ours == theirs
    assert lived.answers == [DOWNLOAD, DOWNLOAD]
    assert all(is_clean(image) for image in lived.images)


def test_it_replays_with_images_and_network_gone(lived: Lived) -> None:
    for _ in range(REPLAYS):
        command = [*RDBG, "replay", str(lived.path)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0 and "state digests agree" in done.stderr, done.stderr
        assert done.stdout.replace("\r", "") == lived.console


def test_gdb_goes_back_through_what_the_program_said(lived: Lived) -> None:
    """By the system call that said a line, which all programs make at the same place."""
    with (
        served(["replay", str(lived.path), "-S", "-serial", "null"]) as port,
        Gdb(str(PYPI_GDB), LINUX / KERNEL) as gdb,
    ):
        gdb.connect(port)
        goto(gdb, 'output "DONE" -1')
        goto(gdb, "exception Sys previous")
        said, registers = position(gdb), gdb.registers()
        assert gdb.value("*(unsigned *) $pc") == SYSCALL and "DONE" in gdb.run("x/s $a1")
        gdb.run("break *$pc")
        before = [said]
        for _ in range(3):
            assert "Breakpoint 1" in gdb.run("reverse-continue", timeout=600)
            before.append(position(gdb))
        assert before == sorted(set(before), reverse=True)
        for expected in reversed(before[:-1]):
            gdb.run("continue", timeout=600)
            assert position(gdb) == expected
        assert gdb.registers() == registers


def test_states_are_the_same_whatever_the_way(lived: Lived) -> None:
    opened = OpenRecording(str(lived.path))
    history, spec = History.replay(opened.reader), opened.spec()
    machine = Machine(spec, history, disk_sources=guest_disks(spec.drives, (), str(lived.path)).sources)
    timeline = Timeline(machine, history, store=opened.store, initial_snapshot=opened.header.initial_snapshot)
    states_are_the_same(timeline, timeline.end * 3 // 4, POSITIONS, VISITS)
    opened.close()
