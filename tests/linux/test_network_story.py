"""A daemon in Debian's user space crashes on what came by network; one goes back from the crash to the packet."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
from pathlib import Path

import pytest

import rdbg
from rdbg.emu.endpoint import network_port
from tests.conftest import LINUX
from tests.linux.console import Console
from tests.linux.debian import starter, system_disk
from tests.linux.fetch import KERNEL
from tests.processes import free_port, served

EXAMPLE = Path(__file__).parents[2] / "examples" / "network"
STORY = EXAMPLE.parents[1] / "docs" / "packet.md"
APPEND = "console=ttyS0 nokaslr rdinit=/init"
PROMPT = b"debian# "
BAD = b"R\xff" + struct.pack("<I", 1234)

pytestmark = [
    pytest.mark.real("linux-image-4kc-malta:mipsel", "e2fsprogs", "libslirp0"),
    pytest.mark.timeout(600),
]

#: A step of an origin in the document's transcript.
_STEP = re.compile(r"    (\[way \d+\] )?icount \d+.*, value 0x")


def _anywhere(step: str) -> str:
    """A step without what another recording has otherwise: the count, where the kernel's buffers and the daemon's stack
    lie, and the packet's number."""
    return re.sub(r"icount \d+|0x7f\w{6}|0x82\w{6}|packet \d+", "*", step)


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


def test_origin_leads_from_the_corrupted_pointer_to_bytes_of_the_packet(recording: Path, gdb_program: str) -> None:
    script = EXAMPLE.parents[1] / "rdbg" / "gdb" / "rdbg_gdb.py"
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port:
        words = [gdb_program, "-nx", "-q", "-batch", "-x", str(script)]
        words += ["-ex", f"set $port = {port}", "-x", "origin.gdb", "sensors"]
        done = subprocess.run(
            words, cwd=EXAMPLE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240
        )
    said = done.stdout
    assert done.returncode == 0, said
    steps = [line for line in said.splitlines() if _STEP.match(f"    {line}")]
    assert " in take_reading at sensors.c:33" in steps[0] and "value 0x4d2" in steps[0], said
    ends = [line for line in steps if "pcnet DMA, packet" in line]
    assert ends, said
    named = {re.search(r"bytes? (\d+)(?: to (\d+))? of packet (\d+)", line) for line in ends}
    assert None not in named, said
    found = [each for each in named if each is not None]
    assert len({each.group(3) for each in found}) == 1, said
    # Ethernet, IP and UDP take 14 + 20 + 8 bytes, 'R' and the sensor's number two more. The reading's upper half the
    # kernel's copy shifts: that is computed.
    bytes_named = {n for each in found for n in range(int(each.group(1)), int(each.group(2) or each.group(1)) + 1)}
    assert bytes_named == {44, 45}, said
    shown = [line.strip() for line in STORY.read_text().splitlines() if _STEP.match(line)]
    assert [_anywhere(line) for line in shown] == [_anywhere(line) for line in steps], said


def test_what_it_sent_and_wrote_is_gone_to_by_number(recording: Path) -> None:
    with rdbg.open(str(recording)) as run:
        packets, writes = list(run.output("network")), [row for row in run.output("disk") if row.size]
        assert len(packets) >= 3 and writes
        for number in (1, 2, len(packets)):
            assert run.goto(f"sent packet {number}") == packets[number - 1].icount
            gone = run.timeline.sent.sent(network_port(0)).outputs
            run.step()
            assert gone == number or run.timeline.sent.sent(network_port(0)).outputs == number
        last = writes[-1]
        assert run.goto(f"sent sector {last.number}") == last.icount
        first = run.goto("packet 1")
        assert run.goto("packet next") > first == run.goto("packet previous")
