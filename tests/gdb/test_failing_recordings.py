"""What GDB's user is told, and what is kept, when a recording cannot go on or its recorder is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import PYPI_GDB
from tests.gdb.driver import Gdb
from tests.processes import RDBG, free_port, listens, served, spawn

COUNTER = Path(__file__).with_name("guest") / "counter-el.elf"
PATIENCE = 60.0
ROOM = 1 << 20  #: bytes that a file may have on the full disk
GONE = "deleted or moved away while recording"
SCRATCH = 0x80800000  #: memory that the guest does not use


def start_with_gdb(port: int, words: Sequence[str], room: int | None) -> subprocess.Popen[str]:
    """rdbg, once it waits for GDB or has ended.

    Args:
        port: where it waits.
        words: what it is to do.
        room: bytes that each of its files may have, as if the disk were full then.
    """
    limit = ["prlimit", f"--fsize={room}"] if room is not None else []
    process = spawn(
        [*limit, *RDBG, *words, "-gdb", f"tcp:127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: listens(port) or process.poll() is not None)
    return process


class Recorder:
    """rdbg, recording the counter guest, which stands at its first instruction.

    Args:
        path: the journal.
        room: bytes that each of its files may have, as if the disk were full then.
    """

    def __init__(self, path: Path, room: int | None = None) -> None:
        self.port = free_port()
        words = ["record", "-o", str(path), "-m", "32", "-kernel", str(COUNTER), "-serial", "null", "-S"]
        self.process = start_with_gdb(self.port, words, room)

    def end(self, gdb: Gdb) -> tuple[int, str]:
        """End it from GDB: exit code, and all that it said."""
        gdb.run("monitor quit")
        said = self.process.communicate(timeout=PATIENCE)[1]
        return self.process.returncode, said

    def kill(self) -> None:
        """With no time to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE)


def connect(gdb: Gdb, port: int) -> None:
    """Connect, also where the last one that it was connected to is no more."""
    gdb.run("disconnect")
    assert not gdb.connect(port).errors


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def gdb() -> Iterator[Gdb]:
    """One GDB is enough: what counts here are rdbg's files."""
    if not PYPI_GDB.is_file():
        pytest.skip("needs gdb-for-pwndbg (pip install rdbg[gdb])")
    with Gdb(str(PYPI_GDB), COUNTER) as gdb:
        gdb.run("set heuristic-fence-post 64")
        yield gdb


def assert_told(gdb: Gdb, recorder: Recorder, *words: str) -> None:
    """The failure stands in every reply about the recording, and makes the exit code."""
    for word in words:
        assert word in gdb.run("monitor when")
        assert word in gdb.run("monitor info replay")
    for naming in ("savevm here", "bookmark there"):
        assert "lasts as long as this session" in gdb.run(f"monitor {naming}")
    assert "loaded" in gdb.run("monitor loadvm here")
    code, said = recorder.end(gdb)
    assert code == 1
    for word in words:
        assert word in said
    assert "recorded" not in said.replace("unrecorded", "")


def test_a_full_disk(gdb: Gdb, tmp_path: Path) -> None:
    path = tmp_path / "j"
    recorder = Recorder(path, room=ROOM)
    connect(gdb, recorder.port)
    gdb.run("stepi 10")
    data = tmp_path / "data"
    data.write_bytes(os.urandom(2 * ROOM))
    gdb.run(f"restore {data} binary {SCRATCH:#x}")
    said = [gdb.run("stepi").text for _ in range(3)]
    assert sum("rdbg: " in each and "unrecorded" in each for each in said) == 1  # GDB's user hears it at once, once
    assert_told(gdb, recorder, "File too large", "recording failed at icount", "kept up to icount")
    with served(["replay", str(path), "-S", "-serial", "null"]) as port:
        connect(gdb, port)
        assert "there is no snapshot 'here'" in gdb.run("monitor loadvm here")


@pytest.mark.parametrize("gone", ["j", "j.snapshots", "."])
def test_files_deleted_while_recording(gdb: Gdb, tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    recorder = Recorder(folder / "j")
    connect(gdb, recorder.port)
    gdb.run("stepi 10")
    if gone == ".":
        shutil.rmtree(folder)
    else:
        (folder / gone).unlink()
    name = "j" if gone == "." else gone
    wait_until(lambda: GONE in gdb.run("monitor when"))
    assert_told(gdb, recorder, GONE, str(folder / name))


@pytest.mark.parametrize("change", [lambda data: b"", lambda data: b"x" * 100_000, lambda data: bytes(len(data))])
def test_a_journal_that_another_program_writes_to(gdb: Gdb, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """While the guest stands, too."""
    recorder = Recorder(tmp_path / "j")
    connect(gdb, recorder.port)
    gdb.run("stepi 10")
    write_over(tmp_path / "j", change((tmp_path / "j").read_bytes()))
    word = "another program has written to the file"
    wait_until(lambda: word in gdb.run("monitor when"))
    assert_told(gdb, recorder, word, str(tmp_path / "j"))


@pytest.mark.parametrize("change", [lambda data: b"", lambda data: bytes(len(data)), lambda data: data[:5000]])
def test_a_store_that_another_program_writes_to(gdb: Gdb, tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    recorder = Recorder(tmp_path / "j")
    connect(gdb, recorder.port)
    gdb.run("stepi 10")
    store = tmp_path / "j.snapshots"
    write_over(store, change(store.read_bytes()))
    code, said = recorder.end(gdb)
    assert code == 1 and str(store) in said and " instructions to " not in said, said


def write_over(path: Path, data: bytes) -> None:
    """In place, and never empty in between but when it shall be."""
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate()


def test_a_finished_journal_that_another_program_writes_to(gdb: Gdb, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "j")
    connect(gdb, recorder.port)
    gdb.run("stepi 1000")
    assert recorder.end(gdb)[0] == 0
    with served(["replay", str(tmp_path / "j"), "-S", "-serial", "null"]) as port:
        connect(gdb, port)
        assert "snapshot 'before' saved" in gdb.run("monitor savevm before")
        write_over(tmp_path / "j", bytes((tmp_path / "j").stat().st_size))
        for command in ("savevm after", "bookmark after"):
            assert "another program has written to the journal" in gdb.run(f"monitor {command}")
        assert "after" not in gdb.run("monitor info snapshots")
        gdb.run("monitor quit")


def test_a_recording_moved_away_keeps_what_it_has(gdb: Gdb, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "j")
    connect(gdb, recorder.port)
    gdb.run("stepi 10")
    gdb.run(f"set var *(int *) {SCRATCH:#x} = 77")
    gdb.run("stepi 10")
    gdb.run("monitor savevm kept")
    there = tmp_path / "elsewhere"
    there.mkdir()
    for name in ("j", "j.snapshots"):
        (tmp_path / name).rename(there / name)
    # Another recording takes the name, whatever the first one has left there.
    second = Recorder(tmp_path / "j")
    wait_until(lambda: GONE in gdb.run("monitor when"))
    assert_told(gdb, recorder, GONE)
    connect(gdb, second.port)
    gdb.run("stepi 30")
    gdb.run("monitor savevm second")
    code, said = second.end(gdb)
    assert code == 0 and "recorded" in said
    for path, snapshot, value in ((there / "j", "kept", 77), (tmp_path / "j", "second", 0)):
        with served(["replay", str(path), "-S", "-serial", "null"]) as port:
            connect(gdb, port)
            assert f"'{snapshot}' loaded" in gdb.run(f"monitor loadvm {snapshot}")
            gdb.forget()
            assert gdb.value(f"*(int *) {SCRATCH:#x}") == value
            gdb.run("monitor quit")


def test_what_savevm_and_bookmark_confirm_outlives_a_kill(gdb: Gdb, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "j")
    connect(gdb, recorder.port)
    gdb.run(f"set var *(int *) {SCRATCH:#x} = 77")
    gdb.run("stepi 1000")
    here = gdb.value("$pc")
    assert "bookmark 'there' set" in gdb.run("monitor bookmark there")
    assert "snapshot 'here' saved" in gdb.run("monitor savevm here")
    recorder.kill()
    for place in ("loadvm here", "goto there"):
        with served(["replay", str(tmp_path / "j"), "-S", "-serial", "null"]) as port:
            connect(gdb, port)
            assert "at icount 1" in gdb.run(f"monitor {place}")
            gdb.forget()
            assert gdb.value("$pc") == here and gdb.value(f"*(int *) {SCRATCH:#x}") == 77
            gdb.run("monitor quit")


def test_a_write_reaches_the_disk_while_the_guest_stands(gdb: Gdb, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "j")
    connect(gdb, recorder.port)
    gdb.run("stepi 5")
    size = (tmp_path / "j").stat().st_size
    gdb.run(f"set var *(int *) {SCRATCH:#x} = 0x5eed")
    wait_until(lambda: (tmp_path / "j").stat().st_size > size)  # nothing else is done meanwhile
    recorder.kill()
    dump = subprocess.run([*RDBG, "dump", str(tmp_path / "j")], capture_output=True, text=True, check=True)
    assert "write-memory" in dump.stdout and "ed 5e 00 00" in dump.stdout
