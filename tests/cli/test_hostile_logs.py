"""What stands where SQLite would look for its logs, beside a recording of a stranger: SQLite does not get to see it.

A link leads to a file of the user's, a pipe has no end, and a rollback journal can name a file that SQLite deletes.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.command import TANK, assert_one_line, rdbg

COMMANDS = (["replay"], ["query", "-", "output"], ["record", "-kernel", TANK, "-o"])
_MAGIC = bytes.fromhex("d9d505f920a163d7")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert rdbg("record", "-o", folder / "rec", "-kernel", TANK).returncode == 0
    with closing(sqlite3.connect(folder / "rec.snapshots")) as store:
        store.execute("PRAGMA journal_mode = DELETE")
    return folder


@pytest.fixture
def recording(whole: Path, tmp_path: Path) -> Path:
    for name in ("rec", "rec.snapshots"):
        shutil.copy(whole / name, tmp_path)
    return tmp_path / "rec"


def check_refused(command: list[str | Path], recording: Path, said: str) -> None:
    """Have a command use the recording, which it refuses with a line."""
    words = [recording if word == "-" else word for word in command]
    assert_one_line(rdbg(*words, *([] if recording in words else [recording])), 1, said)


def damage(store: Path, victim: Path) -> None:
    """Let a store be whole only with its rollback journal, which names a file as the list of the journals of a change
    to several files: SQLite deletes that when it has put back what the journal has, if none of them is there."""
    data = bytearray(store.read_bytes())
    size, pages = int.from_bytes(data[16:18], "big"), int.from_bytes(data[28:32], "big")
    nonce, kept = 1234, b""
    numbers = (*range(3, 9), pages)
    for number in numbers:
        at = size * (number - 1)
        page = bytes(data[at : at + size])
        check = nonce + sum(page[place] for place in range(size - 200, 0, -200))
        kept += struct.pack(">I", number) + page + struct.pack(">I", check & 0xFFFFFFFF)
        data[at : at + size] = b"\xff" * size
    store.write_bytes(data)
    head = _MAGIC + struct.pack(">IIIII", len(numbers), nonce, pages, 512, size)
    name = os.fsencode(victim)
    tail = struct.pack(">I", (1 << 30) // size + 1) + name + struct.pack(">II", len(name), sum(name)) + _MAGIC
    store.with_name(f"{store.name}-journal").write_bytes(head.ljust(512, b"\0") + kept + tail)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_journal_that_names_a_file_deletes_nothing(recording: Path, command: list[str | Path]) -> None:
    victim = recording.with_name("precious")
    victim.write_bytes(b"mine")
    damage(recording.with_name("rec.snapshots"), victim)
    check_refused(command, recording, "names another file to be deleted")
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("log", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize(
    "make",
    [
        lambda log: log.symlink_to("precious"),
        lambda log: log.symlink_to("nothing yet"),
        lambda log: log.mkdir(),
        lambda log: os.mkfifo(log),
    ],
    ids=["link", "link to nothing", "folder", "pipe"],
)
def test_a_log_that_is_no_file_is_not_opened(recording: Path, log: str, make: Callable[[Path], None]) -> None:
    victim = recording.with_name("precious")
    victim.write_bytes(b"")  # an empty one SQLite takes for a log with nothing in it
    make(recording.with_name(f"rec.snapshots{log}"))
    check_refused(["replay"], recording, "a snapshot store's log is a file, and this is none")
    assert victim.read_bytes() == b""
    assert not recording.with_name("nothing yet").exists()


def test_the_logs_of_a_store_behind_a_link_are_those_where_it_stands(recording: Path) -> None:
    elsewhere = recording.with_name("elsewhere")
    elsewhere.mkdir()
    store = recording.with_name("rec.snapshots")
    os.rename(store, elsewhere / "s")
    store.symlink_to(elsewhere / "s")
    assert rdbg("replay", recording).returncode == 0
    (elsewhere / "s-journal").symlink_to(recording)
    check_refused(["replay"], recording, "this is none")
