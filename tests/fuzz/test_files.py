"""A few hundred of the crafted files that ``make fuzz-files`` uses by the hundred thousand."""

from __future__ import annotations

import ctypes
import gc
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from rdbg.emu.inputs import InputKind
from rdbg.emu.machine import Machine
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.journal import chunks, file_header
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import Record
from rdbg.navigation.stops import StopConditions
from rdbg.timeline import Timeline
from tests.fuzz import files
from tests.fuzz.crafted import Recording, small_spec
from tests.fuzz.files import Kinds, run, whole_recording
from tests.isolated import MEMORY


@pytest.fixture(scope="module")
def whole() -> Recording:
    """What recordings and packs are made from."""
    return whole_recording()


@pytest.mark.parametrize("kind", ["journals", "stores", "packs", "executables", "boards", "images"])
def test_crafted_files_do_no_harm(whole: Recording, kind: str) -> None:
    outcome, wrong = run(kind, 0, 200, whole)
    assert not wrong, "\n".join(wrong)
    assert outcome.refused > 20


def _crash() -> None:
    ctypes.string_at(0)


def _take_memory() -> None:
    bytearray(MEMORY + (1 << 20))


def _write_behind_the_guest() -> None:
    memory = Machine(small_spec())._memory
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)) + len(memory), 1, 1)


def _traceback() -> None:
    raise ValueError("not a line for people")


def _long_line() -> None:
    raise RdbgError("names " * 1000)


def _wait_for_ever() -> None:
    """In compiled code, which does not look at Python's signals."""
    ctypes.PyDLL(None).sleep(1000)


def _work_for_ever() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_crash, "killed by SIGSEGV"),
        (_write_behind_the_guest, "killed by SIGSEGV"),
        (_take_memory, "MiB are allowed"),
        (_traceback, "ValueError: not a line"),
        (_long_line, "AssertionError: names"),
    ],
)
def test_harm_is_noticed_and_is_one_files(
    whole: Recording, monkeypatch: pytest.MonkeyPatch, harm: Callable[[], None], said: str
) -> None:
    def board(kinds: Kinds, dice: random.Random) -> None:
        if dice.random() == random.Random("boards 7").random():
            harm()

    monkeypatch.setattr(Kinds, "board", board)
    _, wrong = run("boards", 0, 20, whole)
    assert len(wrong) == 1
    assert wrong[0].startswith("boards, number 7:") and said in wrong[0]


@pytest.mark.parametrize(
    ("harm", "limit", "said"), [(_wait_for_ever, "STILL", "SIGALRM"), (_work_for_ever, "PATIENCE", "SIGPROF")]
)
def test_a_file_that_takes_for_ever_is_noticed(
    whole: Recording, monkeypatch: pytest.MonkeyPatch, harm: Callable[[], None], limit: str, said: str
) -> None:
    monkeypatch.setattr(files, limit, 1)
    monkeypatch.setattr(Kinds, "board", lambda kinds, dice: harm())
    assert run("boards", 7, 1, whole)[1] == [f"boards, number 7:\nkilled by {said}"]


def test_a_number_stands_for_one_file(whole: Recording) -> None:
    assert whole_recording() == whole


def _run(timeline: Timeline) -> None:
    """To its end, were it not for the write."""
    timeline.run(StopConditions(), lambda: False)


def _step(timeline: Timeline) -> None:
    timeline.goto(2_990)
    before = -1
    try:
        while timeline.position != before:  # at its end it stands
            before = timeline.position
            timeline.step()
    except RdbgError as error:
        assert "delay slot" not in str(error) or timeline.position == before
        raise


@pytest.mark.parametrize("go", [_run, _step])
@pytest.mark.parametrize(
    ("kind", "port", "value", "said"),
    [
        (InputKind.POKE_REGISTER, 4, 99, "delay slot"),
        (InputKind.POKE_REGISTER, 999, 0, "no register|delay slot"),
        (InputKind.POKE_REGISTER, 4, 1 << 40, "no register|delay slot"),
        (InputKind.POKE_MEMORY, 0, 1 << 40, "no memory|delay slot"),
        (InputKind.POKE_MEMORY, 0, 0x1F000000, "no memory|delay slot"),
    ],
)
def test_writes_where_none_can_be_made(
    whole: Recording,
    tmp_path: Path,
    kind: InputKind,
    port: int,
    value: int,
    said: str,
    go: Callable[[Timeline], None],
) -> None:
    """One of five positions in a row is the delay slot of the guest's loop."""
    path = tmp_path / "j"
    path.write_bytes(whole.journal)
    reader = JournalReader(str(path))
    header, records = reader.header, list(reader.records())
    reader.close()
    lines = set()
    for icount in range(3001, 3006):
        made = sorted([Record(icount, int(kind), port, value, b"x"), *records], key=lambda record: record.icount)
        built = [
            chunks.build_record(record, before)
            for record, before in zip(made, [header.start, *(each.icount for each in made)], strict=False)
        ]
        kinds = sum(1 << each for each in {record.kind for record in made})
        packets = sum(record.kind == InputKind.PACKET for record in made)
        chunk = chunks.build_chunk(0, header.start, made[-1].icount, kinds, packets, built)
        path.write_bytes(file_header.build_header(header) + chunk)
        history = History.replay(JournalReader(str(path)))
        timeline = Timeline(Machine(small_spec(), history), history)
        try:
            go(timeline)
        except RdbgError as error:
            lines.add(str(error))
    assert sum("delay slot" in line for line in lines) == 1
    assert all(any(part in line for part in said.split("|")) for line in lines), lines


@pytest.mark.parametrize(
    ("kind", "reached"),
    [("journals", ["replayed"]), ("stores", ["replayed", "outputs", "events", "branches", "on kept", "on empty"])],
)
def test_recordings_are_replayed_with_all_that_is_beside_them(
    whole: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, reached: list[str]
) -> None:
    """What is refused before anything looks at it proves nothing of what would have looked."""
    seen: Counter[str] = Counter()

    def look(kinds: Kinds, dice: random.Random, timeline: Timeline, enough: Callable[[], bool]) -> None:
        seen["replayed"] += 1
        if kind == "journals":
            return
        seen["outputs"] += timeline.past.known_outputs.count == 16
        seen["events"] += timeline.past.known_events().until == 20_000
        seen["branches"] += len(timeline.branches()) == 3
        for branch in timeline.branches():
            with suppress(RdbgError):
                timeline.switch(branch.name, enough)
                seen[f"on {timeline.branch_name}"] += 1

    monkeypatch.setattr(Kinds, "_look_beside", look)
    kinds = Kinds(tmp_path, whole)
    for number in range(16):
        with suppress(RdbgError):
            kinds.use[kind](random.Random(f"{kind} {number}"))
        gc.collect()
    assert all(seen[each] for each in reached), seen


def test_a_recording_that_says_that_it_starts_later_than_it_does_is_refused(whole: Recording, tmp_path: Path) -> None:
    """To go to its start would be a replay without end, which nothing ends."""
    path = tmp_path / "j"
    header = file_header.build_header(replace(whole.header, start=1 << 44))
    path.write_bytes(header + chunks.build_chunk(0, 1 << 44, 1 << 44, 0, 0, []))
    path.with_name("j.snapshots").write_bytes(whole.store)
    with pytest.raises(RdbgError, match="says that it starts at icount 17592186044416"):
        Kinds(tmp_path, whole)._replay(random.Random(1), path)
