"""A daemon in Debian's user space crashes on what came by network; one goes back from the crash to the packet."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LINUX
from tests.linux.console import Console
from tests.linux.debian import starter, system_disk
from tests.linux.fetch import KERNEL
from tests.processes import free_port, served

EXAMPLE = Path(__file__).parents[2] / "examples" / "network"
APPEND = "console=ttyS0 nokaslr rdinit=/init"
PROMPT = b"debian# "
BAD = b"R\xff" + struct.pack("<I", 1234)

pytestmark = [
    pytest.mark.real("linux-image-4kc-malta:mipsel", "e2fsprogs", "libslirp0"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crash, recorded; the disk's image is gone."""
    folder = tmp_path_factory.mktemp("sensors")
    disk = system_disk(folder / "disk.img", programs=[EXAMPLE / "sensors"])
    (folder / "starter.gz").write_bytes(starter(("ata_piix", "pcnet32")))
    port = free_port()
    words = ["-M", "malta", "-m", "128", "-kernel", str(LINUX / KERNEL), "-initrd", str(folder / "starter.gz")]
    words += ["-append", APPEND, "-drive", f"file={disk},format=raw", "-nographic", "-no-reboot", "-icount", "shift=7"]
    words += ["-nic", f"user,model=pcnet,hostfwd=udp:127.0.0.1:{port}-:7007"]
    path = folder / "sensors.rdbg"
    with Console(["record", "-o", str(path), "--", *words]) as console:
        console.wait_for(PROMPT)
        console.type("ifconfig eth0 10.0.2.15; sensors &")
        console.wait_for(b"listening")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:

            def send(datagram: bytes) -> None:
                udp.sendto(datagram, ("127.0.0.1", port))

            for number in range(3):
                send(b"R" + bytes((number,)) + struct.pack("<I", 20 + number))
            send(b"T")
            console.wait_for(b"readings after 4 datagrams: 20 21 22 0 0 0 0 0")
            for datagram in (BAD, b"R\x01" + struct.pack("<I", 5), b"T"):
                send(datagram)
            console.wait_for(b"sending SIGSEGV to sensors for invalid read access from 000004d2")
        console.type("sync; mount -o remount,ro /; poweroff -f")
        assert console.finish() == 0
    disk.unlink()
    return path


def test_from_the_crash_back_to_the_packet(recording: Path, gdb_program: str) -> None:
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port:
        words = [gdb_program, "-nx", "-q", "-batch", "-ex", f"set $port = {port}", "-x", "sensors.gdb", "sensors"]
        # What the target says comes on standard error.
        done = subprocess.run(
            words, cwd=EXAMPLE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240
        )
    said = done.stdout
    assert done.returncode == 0, said
    assert "$1 = 0x4d2" in said, said
    assert 'New value = 0x400b20 "readings"' in said
    assert "take_reading" in said
    assert "{0x52, 0xff, 0xd2, 0x4, 0x0, 0x0}" in said
    named = re.search(r"rdbg: 0x8\w+ is written by pcnet DMA, packet (\d+)\n", said)
    assert named is not None, said
    packet = re.search(rf"\d+ +packet {named.group(1)}, network 0: \d+ bytes: (.*)", said)
    assert packet is not None, said
    assert BAD.hex(" ") in packet.group(1)
