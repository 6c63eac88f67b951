"""A daemon in Debian's user space crashes on what came by network; one goes back from the crash to the packet."""

from __future__ import annotations

import difflib
import os
import re
import shlex
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
from tests.transcripts import Terminal, indented, is_as_shown, read_page, trimmed

EXAMPLE = Path(__file__).parents[2] / "examples" / "network"
STORY = EXAMPLE.parents[1] / "docs" / "packet.md"
PROMPT = b"debian# "
BAD = b"R\xff" + struct.pack("<I", 1234)

pytestmark = [
    pytest.mark.real("linux-image-4kc-malta:mipsel", "e2fsprogs", "libslirp0"),
    pytest.mark.timeout(600),
]

#: A step of an origin.
_STEP = re.compile(r"(\[way \d+\] )?icount \d+.*, value 0x")


def _anywhere(line: str) -> str:
    """A line without what another recording has otherwise: the count, where the kernel's buffers and the daemon's stack
    lie, and the packet's number."""
    return re.sub(r"icount \d+|0x7f\w{6}|0x82\w{6}|packet \d+", "*", line)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crash, recorded; the disk's image is gone."""
    folder = tmp_path_factory.mktemp("sensors")
    disk = system_disk(folder / "disk.img", programs=[EXAMPLE / "sensors"])
    (folder / "starter.gz").write_bytes(starter(("ata_piix", "pcnet32")))
    port = free_port()
    path = folder / "sensors.rdbg"
    # The document's own command, with the files and the port of here.
    command = STORY.read_text().partition("$ rdbg ")[2].partition("\n\n")[0].replace("\\\n", " ")
    for name, here in (
        ("sensors.rdbg", path),
        ("vmlinux", LINUX / KERNEL),
        ("starter.gz", folder / "starter.gz"),
        ("disk.img", disk),
        ("127.0.0.1:7007-", f"127.0.0.1:{port}-"),
    ):
        assert command.count(name) == 1, command
        command = command.replace(name, str(here))
    with Console(shlex.split(command)) as console:
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
    steps = [line for line in said.splitlines() if _STEP.match(line)]
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


@pytest.mark.real("gdb-multiarch")
def test_the_story_is_what_gdb_says(recording: Path) -> None:
    """What the document shows of GDB, line by line."""
    script = EXAMPLE.parents[1] / "rdbg" / "gdb" / "rdbg_gdb.py"
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port:
        connect = f"target remote 127.0.0.1:{port}"
        # At the end the daemon's floating-point registers are as GDB is told of them when it connects.
        before = [
            "set confirm off",
            "set sysroot",
            f"source {script}",
            connect,
            "monitor goto end",
            "disconnect",
            connect,
        ]
        words = " ".join(f"-ex {shlex.quote(command)}" for command in before)
        gdb = Terminal(f"gdb-multiarch -nx -q sensors {words}", EXAMPLE, {**os.environ, "TERM": "dumb"})

        def said(command: str) -> list[str]:
            gdb.type(command)
            return trimmed(gdb.read("(gdb) ")[1:])

        wrong = []
        try:
            gdb.read("(gdb) ")
            readme = (EXAMPLE.parents[1] / "README.md").read_text().partition("## Where did this value come from?")[2]
            entries = [
                *read_page(indented(STORY.read_text())).entries,
                *read_page(indented(readme.partition("\n## ")[0])).entries,
            ]
            assert entries[-1].command == entries[-2].command == "rdbg origin table.title"
            for entry in entries:
                if entry.command.startswith("rdbg origin"):
                    # README begins, and the document comes back to where the daemon is about to crash.
                    for command in ("delete", "monitor goto end", "break print_table", "reverse-continue"):
                        said(command)
                shown = [_anywhere(line) for line in trimmed(entry.said)]
                now = [_anywhere(line) for line in said(entry.command)]
                if not is_as_shown(shown, now):
                    place = f"packet.md:{entry.first + 1} {entry.command}"
                    wrong += difflib.unified_diff(shown, now, place, "said now", "", "", 9, "")
        finally:
            gdb.close()
    assert len(entries) > 15 and not wrong, "\n".join(wrong)


def test_the_story_s_console_is_the_recording_s(recording: Path) -> None:
    story = STORY.read_text()
    shown = story[story.index("    debian# ") :].partition("\n\n")[0].splitlines()
    with rdbg.open(str(recording)) as run:
        lines = iter([_console_line(row.text or "") for row in run.output("serial")])
    # They come in this order, with others between: `in` goes on where it has found the one before.
    assert len(shown) == 4 and [line for line in shown if _console_line(line) not in lines] == []


def _console_line(line: str) -> str:
    """A line without the kernel's time, and without the shell's prompt, which the daemon's first words may follow."""
    return re.sub(r"\[ *\d+\.\d+\]", "[*]", line.strip().removeprefix("debian# "))


def test_what_it_sent_and_wrote_is_gone_to_by_number(recording: Path) -> None:
    with rdbg.open(str(recording)) as run:
        packets, writes = list(run.output("network")), [row for row in run.output("disk") if row.size]
        assert len(packets) >= 3 and writes
        for number in (1, 2, len(packets)):
            assert run.goto(f"sent packet {number}") == packets[number - 1].icount
            gone = run.timeline.output.sent.sent(network_port(0)).outputs
            run.step()
            assert gone == number or run.timeline.output.sent.sent(network_port(0)).outputs == number
        last = writes[-1]
        assert run.goto(f"sent sector {last.number}") == last.icount
        first = run.goto("packet 1")
        assert run.goto("packet next") > first == run.goto("packet previous")
