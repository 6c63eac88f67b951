"""Recordings that somebody made to do harm: right check sums, wrong contents. One line each."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import TANK, assert_one_line, rdbg, start
from tests.forgery import change_store, packed, unpacked


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
        ("cpu", lambda cpu: packed(b"\xff" * len(unpacked(cpu))), "damaged"),
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
