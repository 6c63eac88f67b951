"""While nobody asks anything after a recording is opened, its latest state is read: jumps read less, and come to what
they came to before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rdbg.emu.host_memory import guest_memory, populate
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.state_digest import StateDigest
from rdbg.navigation.read_ahead import spread
from rdbg.recording.recording import store_path
from rdbg.store.snapshot import SnapshotInfo
from rdbg.store.snapshot_store import SnapshotStore
from rdbg.store.stored_pages import StoredPages
from tests.timeline.test_persistent import RECORDING, Session, periodic, record, reopen


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ahead") / "rec"
    record(path, initial="")
    return path


@pytest.fixture
def session(recorded: Path) -> Iterator[Session]:
    session = reopen(recorded, pace=RECORDING)
    yield session
    session.close()


def stand(session: Session) -> None:
    """As long as it takes for the state to be read."""
    stored = session.timeline._stored
    session.timeline.stand()
    ahead = stored._ahead
    if ahead is not None:
        ahead.take()
    session.timeline.stand()
    assert stored._ahead is None


def whole_digest(session: Session) -> bytes:
    """The machine's digest, without anything that was known of it."""
    machine, digest = session.timeline.machine, StateDigest()
    for page in map(int, machine.nonzero_pages()):
        digest.put(page, machine.read_page(page))
    return digest.of(machine.save_state())


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many stored pages each read has taken, from now on."""
    fetch, taken = StoredPages.fetch, list[int]()

    def counting(pages: StoredPages, rows: Sequence[int], checked: bool = True) -> dict[int, bytes]:
        taken.append(len(rows))
        return fetch(pages, rows, checked)

    monkeypatch.setattr(StoredPages, "fetch", counting)
    return taken


def test_a_jump_reads_what_differs_from_the_state_read_ahead(
    recorded: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = periodic(recorded)[len(periodic(recorded)) // 2]
    other = reopen(recorded, pace=RECORDING)
    taken = counted(monkeypatch)
    other.timeline.goto(place)
    cold = sum(taken)
    expected = other.timeline.machine.digest()
    other.close()

    stand(session)
    taken.clear()
    session.timeline.goto(place)
    assert sum(taken) < cold
    assert session.timeline.machine.digest() == expected == whole_digest(session)


def test_digests_stay_true_wherever_the_run_goes(recorded: Path, session: Session) -> None:
    stand(session)
    for place in (*periodic(recorded)[::-3], session.timeline.start, session.timeline.end, 123_457):
        session.timeline.goto(place)
        assert session.timeline.machine.digest() == whole_digest(session)
    assert not session.timeline.agreement.diverged


def test_a_question_that_comes_first_waits_for_it(recorded: Path, session: Session) -> None:
    session.timeline.stand()
    session.timeline.goto(session.timeline.end)
    assert session.timeline.machine.digest() == whole_digest(session)
    session.timeline.stand()
    assert session.timeline._stored._ahead is None


def test_a_copy_of_the_process_has_nothing_half_read(session: Session) -> None:
    session.timeline.stand()
    session.timeline.copies.prepare()
    assert session.timeline._stored._ahead is None


def test_a_damaged_state_that_was_read_ahead_is_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "rec"
    record(path, initial="")
    last = periodic(path)[-1]
    store = SnapshotStore.open(store_path(str(path)))
    own = store.load(store.list()[-1]).table
    others = {int(row) for info in store.list()[:-1] for row in store.load(info).table}
    store.close()
    alone = next(int(row) for row in own if row and int(row) not in others)
    with closing(sqlite3.connect(store_path(str(path)))) as database:
        database.execute("UPDATE pages SET data = x'00' WHERE id = ?", (alone,))
        database.commit()
    session = reopen(path, pace=RECORDING)
    stand(session)
    assert not session.timeline._stored._kept
    session.timeline.goto(last)
    assert session.timeline.position == last and session.timeline.machine.digest() == whole_digest(session)
    session.close()


def test_memory_that_is_asked_for_keeps_what_it_holds() -> None:
    memory = guest_memory(5 << 20)
    memory[PAGE_SIZE : PAGE_SIZE + 3] = b"rdb"
    populate(memory, [1, 700, 5 * 256 - 1, 99_999])
    held = np.frombuffer(memory, np.uint8)
    assert bytes(held[PAGE_SIZE : PAGE_SIZE + 3]) == b"rdb" and np.count_nonzero(held) == 3
    del held
    memory.close()


def test_states_all_over_the_run_are_read() -> None:
    infos = [SnapshotInfo(at, "", at, 0, 0, b"", 0, False) for at in range(9)]
    assert [info.id for info in spread(infos, 4)] == [8, 3, 5, 1]
    assert spread(infos[:1], 4) == infos[:1] and spread([], 4) == []
