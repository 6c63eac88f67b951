"""Tables that several processes answer: the lines are those of one process, whatever becomes of the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from rdbg.analysis.answer import AnswerInterrupted, answer_lines
from rdbg.analysis.in_one_process import in_this_process
from rdbg.analysis.question import PiecePool
from rdbg.analysis.question_table import Asker, understand
from rdbg.errors import RdbgError
from rdbg.host.progress import SILENT, Progress
from rdbg.timeline import StopConditions, Timeline
from rdbg.workers.copies import Copies
from rdbg.workers.pooled_pieces import PooledPieces
from rdbg.workers.run_copies import RunCopies
from tests.workers.runs import COUNTING, SYMBOLS, interrupts_after, no_process_is_left, written_run

QUESTIONS = [
    f"executions {COUNTING:#x}",
    f"executions {COUNTING:#x} --where v0%7==3",
    f"executions {COUNTING:#x} --from 7001 --to 33333 --json",
    f"executions {COUNTING:#x} --count",
    "calls note --count",
    "executions note --csv",
    "executions 0x80100000",
    "calls note",
    "exceptions",
    "interrupts",
]
#: The condition reads where there is no memory in some rounds, in all pieces of the run.
UNMAPPED = f"executions {COUNTING:#x} --where word(v0%2*0x1000)==0"


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    return written_run()


class Noted(RunCopies):
    """Notes what copies were made, and can spoil them."""

    def __init__(self, timeline: Timeline, jobs: int, spoil: Callable[[], None] = lambda: None) -> None:
        super().__init__(timeline, jobs, lambda: None)
        self.made = 0
        self._spoil = spoil

    def copies(self, size: int, work: Callable[..., Any]) -> Copies:
        self.made += 1

        def spoilt(*arguments: Any) -> Any:
            self._spoil()
            return work(*arguments)

        return super().copies(size, spoilt)

    def pool(self, interrupted: Callable[[], bool] = lambda: False, progress: Progress = SILENT) -> PiecePool:
        """A pool that finds pieces of a few thousand instructions long enough."""
        pool = cast(PooledPieces, super().pool(interrupted, progress))
        pool._seconds = 2000 / pool._timeline.copies.speed
        return pool


def lines_of(timeline: Timeline, line: str, pool: PiecePool) -> list[str]:
    name, *words = line.split()
    asked = understand(Asker(timeline, SYMBOLS), name, words)
    return list(answer_lines(asked, pool, lambda address: "", 8))


def alone(timeline: Timeline, line: str) -> list[str]:
    return lines_of(timeline, line, in_this_process(timeline, lambda: False, SILENT))


@pytest.mark.parametrize("jobs", [2, 3])
@pytest.mark.parametrize("order", ["", " --newest-first", " --newest-first --limit 5"])
@pytest.mark.parametrize("line", QUESTIONS)
def test_a_table_is_that_of_one_process(timeline: Timeline, line: str, order: str, jobs: int) -> None:
    helpers = Noted(timeline, jobs)
    place, digest = timeline.position, timeline.machine.digest()
    assert lines_of(timeline, line + order, helpers.pool()) == alone(timeline, line + order)
    assert (timeline.position, timeline.machine.digest()) == (place, digest)
    assert helpers.made == 1
    assert no_process_is_left()


@pytest.mark.parametrize("back_from", ["a branch", "a scratch write"])
def test_a_table_of_a_branch_is_that_of_one_process(back_from: str) -> None:
    timeline = written_run()
    timeline.goto(30_000)
    if back_from == "a branch":
        timeline.branch("other")
    else:
        timeline.scratch.begin()
    place = SYMBOLS.find("count")
    assert place is not None
    timeline.live_end.write_memory(place.address, b"\7\0\0\0")
    timeline.run(StopConditions(), lambda: timeline.position >= 36_000)
    line = f"executions {COUNTING:#x} --where v0<100"
    helpers = Noted(timeline, 3)
    found = lines_of(timeline, line, helpers.pool())
    assert found == alone(timeline, line) and helpers.made == 1
    assert any(int(row.split()[0]) > 30_000 for row in found[1:]), "the branch counts from 7 again"


@pytest.mark.parametrize("order", ["", " --newest-first"])
def test_a_process_that_is_killed_changes_no_line(timeline: Timeline, tmp_path: Path, order: str) -> None:
    killed = tmp_path / "killed"

    def dies_once() -> None:
        try:
            killed.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    helpers = Noted(timeline, 3, dies_once)
    line = QUESTIONS[0] + order
    assert lines_of(timeline, line, helpers.pool()) == alone(timeline, line)
    assert helpers.made == 2 and no_process_is_left()


def test_processes_that_are_always_killed_end_a_question_in_one_line(timeline: Timeline) -> None:
    helpers = Noted(timeline, 2, lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(RdbgError, match="again and again.*--jobs") as raised:
        lines_of(timeline, QUESTIONS[0], helpers.pool())
    assert "\n" not in str(raised.value) and no_process_is_left()


@pytest.mark.parametrize("order", ["", " --newest-first"])
def test_ctrl_c_leaves_what_was_found(timeline: Timeline, order: str) -> None:
    line = QUESTIONS[0] + order
    place = timeline.position
    pool = Noted(timeline, 2).pool(interrupts_after(6))
    name, *words = line.split()
    found = []
    with pytest.raises(AnswerInterrupted):
        for row in answer_lines(understand(Asker(timeline, SYMBOLS), name, words), pool, lambda address: "", 8):
            found.append(row)
    whole = alone(timeline, line)
    assert len(found) < len(whole) and found == whole[: len(found)]
    assert timeline.position == place and no_process_is_left()


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("line", [UNMAPPED, f"{UNMAPPED} --newest-first", f"{UNMAPPED} --count"])
def test_a_condition_that_fails_in_one_piece_hides_no_row_of_another(timeline: Timeline, jobs: int, line: str) -> None:
    found: list[list[str]] = []
    said: list[str] = []
    name, *words = line.split()
    for pool in (in_this_process(timeline, lambda: False, SILENT), Noted(timeline, jobs).pool()):
        found.append([])
        with pytest.raises(RdbgError, match="could not be evaluated") as raised:
            for row in answer_lines(understand(Asker(timeline, SYMBOLS), name, words), pool, lambda address: "", 8):
                found[-1].append(row)
        said.append(str(raised.value))
    assert found[0] == found[1] and said[0] == said[1]


@pytest.mark.parametrize("question", ["accesses count", f"executions {COUNTING:#x}", "calls note"])
@pytest.mark.parametrize("jobs", [1, 3])
def test_where_a_condition_fails_is_counted_once_and_in_the_stretch_alone(
    timeline: Timeline, jobs: int, question: str
) -> None:
    """As often as there would be rows, wherever stretch and pieces begin and end: also within the step of a branch."""
    inside = [(at, at + 30) for at in range(9000, 9012)] if jobs == 1 else []
    for start, end in [*inside, (0, 33333)]:
        line = f"{question} --from {start} --to {end}"
        rows = len(alone(timeline, line)) - 1  # but for the header
        assert rows or start
        failing = f"{line} --where word(0xC0000000)==0"
        if not rows:
            lines_of(timeline, failing, Noted(timeline, jobs).pool())
            continue
        with pytest.raises(RdbgError, match="could not be evaluated") as raised:
            lines_of(timeline, failing, Noted(timeline, jobs).pool())
        assert f" {rows} times" in str(raised.value), (start, end)
