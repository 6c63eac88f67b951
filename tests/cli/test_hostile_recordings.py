"""Recordings that somebody made to do harm: right check sums, wrong contents. One line each."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import TANK, assert_one_line, rdbg, start
from tests.conftest import PYPI_GDB
from tests.emu.test_hostile_states import elf_of
from tests.forgery import change_store, forge_digests, packed, unpacked


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording of typed input."""
    folder = tmp_path_factory.mktemp("whole")
    process = start("record", "-o", folder / "rec", "-kernel", TANK, "-serial", "stdio", "-serial", "null")
    process.communicate(b"typed " * 20, 60)
    assert process.returncode == 0
    return folder


@pytest.fixture
def recording(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    for name in ("rec", "rec.snapshots"):
        shutil.copy(whole / name, tmp_path)
    return tmp_path / "rec"


def _set(column: str, change: Callable[[bytes], object]) -> Callable[[sqlite3.Connection], None]:
    """Change a column of the snapshot that the recording starts from."""

    def changed(store: sqlite3.Connection) -> None:
        (value,) = store.execute(f"SELECT {column} FROM snapshots WHERE initial").fetchone()
        store.execute(f"UPDATE snapshots SET {column} = ? WHERE initial", (change(value),))

    return changed


def _table(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[bytes], bytes]:
    return lambda data: packed(change(np.frombuffer(unpacked(data), "<u4").copy()).astype("<u4").tobytes())


def _with_page(number: int) -> Callable[[bytes], bytes]:
    def change(table: np.ndarray) -> np.ndarray:
        longer = np.zeros(number + 1, np.uint32)
        longer[: len(table)] = table
        longer[number] = table[table != 0][0]
        return longer

    return _table(change)


@pytest.mark.parametrize(
    ("column", "change", "said"),
    [
        ("page_table", _with_page(0x20000), "has page"),
        ("page_table", _with_page(0xFFFFF), "has page"),
        ("page_table", lambda table: packed(bytes(64 << 20)), "cannot be unpacked"),
        ("page_table", _table(lambda table: table | 0xFFFFFFFF), "has page|stored page"),
        ("digest", lambda digest: b"", "is not the state that was saved"),
        ("digest", lambda digest: bytes(16), "is not the state that was saved"),
        ("cpu", lambda cpu: packed(unpacked(cpu)[:-1]), "another version"),
        ("cpu", lambda cpu: packed(b"\xff" * len(unpacked(cpu))), "another version"),
        ("cpu", lambda cpu: packed(bytes(1 << 30)), "cannot be unpacked"),
        ("devices", lambda devices: packed(b"\xc0"), "damaged"),
        ("icount", lambda icount: -1, "damaged"),
        ("icount", lambda icount: (1 << 63) - 1, "damaged"),
        ("virtual_ns", lambda ns: "soon", "damaged"),
        ("entered", lambda count: -5, "damaged"),
    ],
)
def test_the_state_that_a_recording_starts_from(
    recording: Path, column: str, change: Callable[[bytes], object], said: str
) -> None:
    change_store(recording.with_name("rec.snapshots"), _set(column, change))
    done = rdbg("replay", recording, "-serial", "null")
    assert_one_line(done, 1, "Could not load snapshot for icount replay" if column != "virtual_ns" else "rec")
    assert any(part in done.stderr.decode() for part in said.split("|")), done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_symbols_of_a_guest_that_makes_them_take_for_ever(tmp_path: Path, number: signal.Signals) -> None:
    """Memory full of what a kernel's table begins with: a signal ends the search at once, and leaves no file."""
    digits = b"".join(b"%d\0" % digit for digit in range(10))
    image = elf_of(struct.pack("<2I", 0x1000FFFF, 0) + digits * 500_000, at=1 << 20)
    (tmp_path / "k.elf").write_bytes(image)
    process = start("record", "-o", tmp_path / "rec", "-kernel", tmp_path / "k.elf", "-serial", "null", "-m", "32")
    while not (tmp_path / "rec").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    process.communicate(timeout=60)
    process = start("symbols", tmp_path / "rec", "-o", tmp_path / "out")
    while _seconds_of_cpu(process.pid) < 3:  # it has begun long since
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)  # the search itself would take hours
    assert b"Traceback" not in errors and process.returncode == 128 + number
    assert not (tmp_path / "out").exists()


def _seconds_of_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("going", ["continue", "reverse-continue"])
def test_a_replay_that_diverges_under_gdb_says_so_and_fails(recording: Path, going: str) -> None:
    forge_digests(recording, lambda data: data[:1] + bytes(16) + data[17:])
    if not PYPI_GDB.is_file():
        pytest.skip("needs gdb-for-pwndbg (pip install rdbg[gdb])")
    words = ["--at", "start", "--ex", going, "--ex", "continue", "--ex", "continue"]
    done = rdbg("debug", recording, "--gdb-program", PYPI_GDB, "--batch", *words)
    assert done.returncode == 1
    assert b"the replay diverged from the recording" in done.stdout + done.stderr
