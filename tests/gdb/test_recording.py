"""The whole way: U-Boot recorded at its prompt by the command line, replayed, and reversed from a stock GDB."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import UBOOT_BIOS
from tests.gdb.answers import END_WORDS, START_WORDS, says
from tests.gdb.driver import Gdb
from tests.processes import RDBG, free_port, served, spawn

pytestmark = [pytest.mark.real("u-boot-qemu"), pytest.mark.timeout(900)]

COMMANDS = ("version", "bdinfo", "md bfc00000 8", "printenv")
STEPS = 1000


def _read_until(process: subprocess.Popen[bytes], words: bytes) -> bytes:
    assert process.stdout is not None
    seen = b""
    while not seen.endswith(words):
        byte = process.stdout.read(1)
        assert byte, seen.decode("latin-1")
        seen += byte
    return seen


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """U-Boot with commands typed at its prompt."""
    path = tmp_path_factory.mktemp("recording") / "uboot.rr"
    line = ["-M", "malta", "-m", "256", "-bios", str(UBOOT_BIOS), "-nographic"]
    process = spawn(
        [*RDBG, "record", "-o", str(path), "--", *line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    seen = _read_until(process, b"maltael # ")
    for command in COMMANDS:
        process.stdin.write(command.encode() + b"\r")
        process.stdin.flush()
        seen += _read_until(process, b"maltael # ")
    process.stdin.write(b"\x01x")
    process.stdin.flush()
    assert process.wait(timeout=30) == 0
    assert b"bfc00010: 00000420" in seen and b"baudrate=115200" in seen
    return path


@pytest.fixture
def gdb(gdb_program: str, recording: Path) -> Iterator[Gdb]:
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port, Gdb(gdb_program) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(port)
        yield gdb


def _position(gdb: Gdb) -> int:
    return int(gdb.run("monitor when").text.split()[1].rstrip(","))


def test_back_through_what_was_typed(gdb: Gdb) -> None:
    assert gdb.value("$pc") == 0xBFC00000
    assert says(gdb.run("continue", timeout=300), END_WORDS)
    end = _position(gdb)

    passed = [gdb.registers()]
    for _ in range(STEPS):
        gdb.run("reverse-stepi")
        passed.append(gdb.registers())
    for expected in reversed(passed[:-1]):
        gdb.run("stepi")
        assert gdb.registers() == expected
    assert _position(gdb) == end

    gdb.run("break *$pc")
    gdb.run("reverse-continue")
    latest = _position(gdb)
    assert latest < end
    gdb.run("reverse-continue")
    assert _position(gdb) < latest
    gdb.run("continue")
    assert _position(gdb) == latest
    gdb.run("delete")

    gdb.run("monitor savevm here")
    saved = gdb.registers()
    assert says(gdb.run("reverse-continue", timeout=300), START_WORDS)
    assert gdb.registers() != saved
    gdb.run("monitor loadvm here")
    gdb.forget()
    assert gdb.registers() == saved


def test_a_snapshot_made_in_one_replay_is_found_by_the_next(gdb_program: str, recording: Path) -> None:
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port, Gdb(gdb_program) as gdb:
        gdb.connect(port)
        gdb.run("monitor goto 30%", timeout=300)
        gdb.forget()
        saved = gdb.registers()
        gdb.run("monitor savevm kept")
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port, Gdb(gdb_program) as gdb:
        gdb.connect(port)
        assert "kept" in gdb.run("monitor info snapshots")
        gdb.run("monitor loadvm kept")
        gdb.forget()
        assert gdb.registers() == saved


def test_a_branch_of_a_recording_takes_new_input(gdb_program: str, recording: Path) -> None:
    """At the end of what was recorded the guest waits at its prompt: type something else, then look back at it."""
    console = free_port()
    words = ["replay", str(recording), "-S", "-serial", f"tcp:127.0.0.1:{console},server=on,wait=off"]
    with served(words) as port, socket.create_connection(("127.0.0.1", console), 60) as typed, Gdb(gdb_program) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(port)
        typed.sendall(b"md 80000000 4\r")  # a replay has its own input: this is dropped
        assert says(gdb.run("continue", timeout=300), END_WORDS)
        end = _position(gdb)
        assert "on branch 'other'" in gdb.run("monitor branch other")
        gdb.send("continue")
        typed.settimeout(60)
        typed.sendall(b"echo other\r")
        seen = b""
        while b"\nother\r" not in seen:
            seen += typed.recv(4096)
        assert b"80000000:" not in seen
        gdb.interrupt()
        assert "SIGINT" in gdb.wait(stop=True)
        there, registers = _position(gdb), gdb.registers()
        assert there > end
        gdb.run(f"monitor goto {end}")
        gdb.run(f"monitor goto {there}")
        gdb.forget()
        assert gdb.registers() == registers
        gdb.run("monitor switch main")
        assert _position(gdb) == end and f"..{end}," in gdb.run("monitor when")
