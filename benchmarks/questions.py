"""What questions to a whole run cost: tables on one core and on all, a search back, lastset and origin.

``python -m benchmarks --only questions`` writes them into the tables; by the clock, they want a quiet machine.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import profile_cost
from benchmarks.effort import Effort
from benchmarks.guests import LENGTH, TURN, Guest, GuestMaker
from benchmarks.linux_questions import linux_rows
from benchmarks.progress import tell
from benchmarks.rows import Row, Section
from benchmarks.servers import Rdbg
from rdbg.analysis.answer import answer_lines
from rdbg.analysis.instruction_trace import InstructionTrace
from rdbg.analysis.last_set import LastSet
from rdbg.analysis.origin import OriginSearch, SoughtBytes
from rdbg.analysis.question_table import Asker, understand
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.where_condition import parse_where
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import replaying
from rdbg.emu.instruction_rows import instruction_text
from rdbg.emu.machine_api import RunRequest
from rdbg.host.progress import SILENT
from rdbg.navigation.stops import never
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.timeline import StopConditions
from rdbg.workers.run_copies import RunCopies, all_cores

_HEADING = "Questions"
_TEXT = """Questions to a recording of `calls` (6e8 instructions), in the process that has it open. What one core does
goes by CPU time, as a multiple of a plain replay; all cores beside one go by the clock, so these rows mean something on
a quiet machine alone. Searches, `lastset` and `origin` are the first ones of a session. Profiles: `alu`, `walk`,
`calls` and, where its files are there, a Linux boot."""
_LENGTH = 600_000_000
_TABLES = ("executions hot_loop", "syscalls")
#: A million calls, and the instructions among which they are: two in a turn of the hot loop.
_CALLED, _CALLS, _CALLS_LENGTH = "leaf", 1_000_000, TURN["calls"] * 500_000
_REPEATS = 2
#: Registers that a function called by `main` has to leave as they are: the number of the round is in one of them.
_KEPT = tuple(f"r{number}" for number in range(16, 24))
#: Instructions of a trace, and of the profiles.
_TRACED, _PROFILED = 500_000, 100_000_000
#: How much sooner two cores should be.
_TABLES_AIM, _SEARCH_AIM, _NEAR_AIM = 1.8, 1.6, 0.95


def question_sections(folder: Path, server: Rdbg, guest: GuestMaker, effort: Effort) -> Iterator[Section]:
    """The rows, as they are measured."""
    tell("questions")
    made = guest("calls", _LENGTH)
    server.record(made)
    asked = _Asked(server.journal(made), made, min(effort.repeats, _REPEATS))
    try:
        for rows in (asked.tables, asked.searches, asked.registers, asked.traces):
            yield Section(_HEADING, _TEXT, list(rows()))
    finally:
        asked.close()
    tell("questions to Linux")
    yield Section(_HEADING, _TEXT, list(linux_rows(folder, effort.repeats)))
    tell("what is kept for cold questions")
    yield Section(_HEADING, _TEXT, [_kept_row(server, guest, effort.repeats)])
    tell("profiles")
    for section in profile_cost.sections(folder, _PROFILED):
        yield replace(section, heading=_HEADING, text=_TEXT)


def _kept_row(server: Rdbg, guest: GuestMaker, repeats: int) -> Row:
    """What recording costs with idle cores put to use, and without: what cold questions need is found out while nobody
    asks anything, so that a recording without pauses should take the same."""
    made = guest("alu", LENGTH)
    taken: dict[str, list[float]] = {"on": [], "off": []}
    for _ in range(repeats):
        for idle in taken:
            taken[idle].append(server.record(made, options=("--idle-work", idle)).cpu_seconds)
    with_it, without = statistics.median(taken["on"]), statistics.median(taken["off"])
    return Row("recording alu, 1.15e9, with what is kept for cold questions", "", f"{with_it / without:.3f}x", None,
               "<= 1.03x", with_it <= 1.03 * without, f"CPU time {with_it:.2f} s for {without:.2f} s")  # fmt: skip


class _Asked:
    """A recording that is asked.

    Args:
        recording: its journal.
        guest: what ran.
        repeats: of each measurement.
    """

    def __init__(self, recording: Path, guest: Guest, repeats: int) -> None:
        self._recording = recording
        self._guest = guest
        self._repeats = repeats
        self._pristine = recording.parent / f"{recording.name}.pristine"
        self._pristine.mkdir()
        for file in recording.parent.glob(f"{recording.name}*"):
            if file.is_file():
                shutil.copy(file, self._pristine)
        self._session = self._opened()
        self._timeline = self._session.timeline

    def _opened(self, recording: Path | None = None) -> Session:
        options = replaying(parse_line([]).options, str(recording or self._recording))
        options = replace(options, serials=(SerialSpec(SerialKind.NULL),))
        return Session(options, Surroundings(command_line=("benchmarks",), terminal=False, signals=False))

    def close(self) -> None:
        """End it."""
        self._session.close()

    def tables(self) -> Iterator[Row]:
        """What tables cost, and what more cores save."""
        timeline = self._timeline
        plain = self._median(time.process_time, lambda: self._replay(timeline.end))
        part = timeline.start + _CALLS_LENGTH
        beside = self._median(time.process_time, lambda: self._replay(part))
        with_calls = self._median(time.process_time, lambda: self._table(f"calls {_CALLED} --to {part}", 1))
        taken = plain - beside + with_calls
        yield Row(
            f"{_CALLS:.0e} calls counted and the rest replayed, one core", "", f"{taken / plain:.2f}x", None, "<= 1.3x",
            taken <= 1.3 * plain, f"CPU time {taken:.2f} s; plain {plain:.2f} s",
        )  # fmt: skip
        for line in _TABLES:
            taken = self._median(time.process_time, lambda line=line: self._table(line, 1))
            yield Row(
                f"table `{line} --count`, one core", "", f"{taken / plain:.2f}x", None, "<= 1.3x", taken <= 1.3 * plain,
                f"CPU time {taken:.2f} s; plain {plain:.2f} s",
            )  # fmt: skip
            yield self._speed_up(
                f"table `{line} --count`", _TABLES_AIM, lambda jobs, line=line: self._table(line, jobs)
            )

    def searches(self) -> Iterator[Row]:
        """Searches back in the hot loop: with conditions that hold halfway back, and without, near."""
        word = self._guest.symbols["written_halfway"]
        place = self._guest.symbols["hot_loop"]
        architecture = self._timeline.machine.architecture
        for name, where, aim in (
            ("with a condition on registers that holds halfway back", self._round_halfway(), _SEARCH_AIM),
            ("with a condition on memory, which is decided without a replay", f"word({word:#x}) == 0", _NEAR_AIM),
            ("to what is near", "", _NEAR_AIM),
        ):
            conditions = {place: (parse_where(where, architecture),)} if where else {}
            wanted = StopConditions(frozenset({place}), conditions=conditions)
            yield self._speed_up(f"search back {name}", aim, lambda jobs, wanted=wanted: self._search(wanted, jobs))

    def _round_halfway(self) -> str:
        """A condition on registers that holds in the loop in the round halfway, and in no later one."""
        timeline = self._timeline
        place = StopConditions(frozenset({self._guest.symbols["hot_loop"]}))
        values: list[dict[str, int]] = []
        for position in (timeline.start + (timeline.end - timeline.start) // 2, timeline.end):
            timeline.goto(position)
            timeline.reverse_run(place, never)
            machine = timeline.machine
            kept = [info for info in machine.architecture.registers if info.name in _KEPT]
            values.append({f"${info.name}": machine.read_register(info.number) for info in kept})
        halfway, last = values
        return " && ".join(f"{name} == {value:#x}" for name, value in halfway.items() if last[name] != value)

    def registers(self) -> Iterator[Row]:
        """``lastset`` and ``origin``, in a new session each time: the first one."""
        counter = self._guest.symbols["written_halfway"]
        yield self._first("lastset of a register set near", 0.05, lambda session: _last_set(session, 2))
        yield self._first("origin of a word written halfway back", 2.0, lambda session: _origin(session, counter))

    def traces(self) -> Iterator[Row]:
        """How many instructions a trace writes in a second of CPU time."""
        timeline = self._timeline
        names = {info.number: info.name for info in timeline.machine.architecture.registers}
        start = timeline.start + (timeline.end - timeline.start) // 2
        for form in ("tenet", "json"):

            def write(form: str = form) -> None:
                for piece in InstructionTrace(timeline).rows(start, start + _TRACED):
                    instruction_text(piece.rows, piece.values, names, form == "json")

            rate = _TRACED / self._median(time.process_time, write)
            yield Row(f"rdbg trace, {form}", "", f"{rate / 1e6:.1f} million/s", None, ">= 3 million/s", rate >= 3e6,
                      "instructions a second of CPU time")  # fmt: skip

    def _table(self, line: str, jobs: int) -> None:
        name, *words = line.split()
        asked = understand(Asker(self._timeline, self._session.symbols), name, [*words, "--count"])
        pool = RunCopies(self._timeline, jobs, self._session.reopen).pool(never, SILENT)
        assert "".join(answer_lines(asked, pool, lambda address: "", 8)).strip().isdigit()

    def _replay(self, end: int) -> None:
        run = ReplayedRun(self._timeline)
        run.go(self._timeline.start)
        here = -1
        while here < run.position < end:  # it stands before a step that goes on behind the end
            here = run.position
            run.advance(RunRequest(until=end, slice=run.slice))

    def _search(self, wanted: StopConditions, jobs: int) -> float:
        """Seconds of a search in a recording of which nothing has been found out yet: sessions leave that beside it."""
        with tempfile.TemporaryDirectory(dir=self._recording.parent) as folder:
            for file in self._pristine.iterdir():
                shutil.copy(file, folder)
            session = self._opened(Path(folder) / self._recording.name)
            try:
                timeline = session.timeline
                timeline.goto(timeline.end)
                if jobs > 1:
                    timeline.copies.call(RunCopies(timeline, jobs, session.reopen))
                began = time.perf_counter()
                timeline.reverse_run(wanted, never)
                return time.perf_counter() - began
            finally:
                session.close()

    def _speed_up(self, name: str, aim: float, do: Callable[[int], float | None]) -> Row:
        """All cores beside one, by the clock: the best of each, since what other programs take is no part of it."""
        best: dict[int, float] = {}
        for _ in range(self._repeats):
            for jobs in (1, all_cores()):
                began = time.perf_counter()
                taken = do(jobs)
                seconds = time.perf_counter() - began if taken is None else taken
                best[jobs] = min(best.get(jobs, seconds), seconds)
        one, many = best[1], best[all_cores()]
        return Row(f"{name}: {all_cores()} cores beside one", "", f"{one / many:.2f}x", None, f">= {aim:g}x",
                   one / many >= aim, f"{many * 1000:.3g} ms for {one * 1000:.3g} ms")  # fmt: skip

    def _first(self, name: str, aim: float, do: Callable[[Session], None]) -> Row:
        taken = []
        for _ in range(self._repeats):
            session = self._opened()
            try:
                session.timeline.goto(session.timeline.end)
                began = time.process_time()
                do(session)
                taken.append(time.process_time() - began)
            finally:
                session.close()
        middle = statistics.median(taken)
        return Row(name, "", f"{middle * 1000:.3g} ms", None, f"<= {aim * 1000:g} ms", middle <= aim, "CPU time, first")

    def _median(self, clock: Callable[[], float], do: Callable[[], object]) -> float:
        taken = []
        for _ in range(self._repeats):
            began = clock()
            do()
            taken.append(clock() - began)
        return statistics.median(taken)


def _last_set(session: Session, register: int) -> None:
    with ReplayedRun(session.timeline) as run:
        assert next(LastSet(run).before(register, session.timeline.end), None) is not None


def _origin(session: Session, address: int) -> None:
    with ReplayedRun(session.timeline) as run:
        assert list(OriginSearch(run).steps(SoughtBytes(session.timeline.end, None, (), address, 4)))
