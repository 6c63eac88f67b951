"""While GDB stands still rdbg finds out what the next questions would have to replay: the stops are the same, and the
next session has it, too."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.guests import make_guest
from rdbg.emu.machine_api import Access, Extent, Space, Watch
from rdbg.recording.recording import OpenRecording
from rdbg.store.index_codec import unpack_index
from rdbg.workers.idle_looks import PATIENCE
from tests.cli.command import rdbg
from tests.gdb.driver import Gdb
from tests.processes import RDBG, free_port, listens, spawn
from tests.workers.runs import children_of, wait_for_children


@pytest.fixture
def recording(tmp_path: Path) -> tuple[Path, Path, int]:
    """A loop that stores to a page all the time, the ELF file, and a word of that page that is written halfway."""
    guest = make_guest("alu", 150_000_000, tmp_path)
    path = tmp_path / "alu.rec"
    done = rdbg("record", "-o", path, "--", "-kernel", guest.elf, "-serial", "null", "-monitor", "none")
    assert done.returncode == 0, done.stderr
    return path, guest.elf, guest.symbols["beside_halfway"]


@contextmanager
def _served(path: Path, *options: str) -> Iterator[tuple[int, int]]:
    """A replay, as its process number and its port."""
    port = free_port()
    words = [*RDBG, "replay", str(path), "-serial", "null", "-monitor", "none", "-S", "-gdb", f"tcp:127.0.0.1:{port}"]
    words += options
    process = spawn(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not listens(port):
            assert process.poll() is None
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def _back_to_the_write(gdb: Gdb) -> str:
    gdb.run("watch beside_halfway")
    assert "Old value" in gdb.run("reverse-continue", timeout=120)
    return gdb.run("monitor when").text


def test_a_watch_after_standing_still_stops_where_it_did_before(
    gdb_program: str, recording: tuple[Path, Path, int]
) -> None:
    path, elf, word = recording
    with _served(path) as (_, port), Gdb(gdb_program, elf) as gdb:
        gdb.connect(port)
        gdb.run("monitor goto end")
        gdb.forget()
        at_once = _back_to_the_write(gdb)
    with _served(path) as (pid, port), Gdb(gdb_program, elf) as gdb:
        gdb.connect(port)
        gdb.run("monitor goto end")
        gdb.forget()
        end = gdb.run("monitor when").text
        wait_for_children(pid)
        deadline = time.monotonic() + 60
        while children_of(pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert gdb.run("monitor when").text == end
        assert _back_to_the_write(gdb) == at_once
        gdb.run("monitor quit")
        while listens(port):
            assert time.monotonic() < deadline
    with closing(OpenRecording(str(path))) as opened:
        assert opened.store is not None
        words = unpack_index(opened.store.notes.index() or b"").words
    physical = word & 0x1FFFFFFF
    watch = Watch(word, 4, Access.WRITE, (Extent(Space.MEMORY, physical, 4, word),))
    cleared = [each.rules_out(watch) for each in words]
    assert cleared.count(False) == 1 and len(cleared) > 3


def test_no_core_is_busy_where_idle_work_is_off(recording: tuple[Path, Path, int]) -> None:
    path, elf, _ = recording
    with _served(path, "--idle-work", "off") as (pid, port), Gdb("gdb-multiarch", elf) as gdb:
        gdb.connect(port)
        gdb.run("monitor goto end")
        gdb.forget()
        deadline = time.monotonic() + PATIENCE + 1
        while time.monotonic() < deadline:
            assert not children_of(pid), "a copy looks at the past"
            time.sleep(0.05)
        _back_to_the_write(gdb)
