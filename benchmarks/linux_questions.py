"""What questions to a recorded Linux boot of 4e9 instructions cost: origin, lastset, and where a text was printed."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from benchmarks.linux_boot import FILES, THEN_POWER_OFF, LinuxBoot
from benchmarks.profile_cost import recorded
from benchmarks.rows import Row
from rdbg.analysis.last_set import LastSet
from rdbg.analysis.origin import OriginSearch, OriginStep, SoughtBytes
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import replaying
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.session import Session, Surroundings
from rdbg.timeline import QuestionInterrupted, Timeline
from tests.linux.fetch import BUSYBOX, KERNEL

#: Where origin is asked, and the registers of which one has come by copies there: those that functions save.
_PLACE = b"Run /init"
_SAVED = range(16, 24)
_COPIES = 10
#: What is near, in instructions.
_NEAR = 1_000_000
#: Parts of the run at which registers are looked at, which ones, and how long: what takes longer was not set near.
_PARTS = (0.21, 0.37, 0.53, 0.68, 0.83, 0.97)
_LOOKED_AT = (16, 17, 18, 19, 20, 28, 30)
_PATIENCE = 0.4
_PRINTED = (b"Linux version", b"Memory:", b"Freeing unused", b"Run /init", b"BOOTED", b"Power down")


def linux_rows(folder: Path, repeats: int) -> Iterator[Row]:
    """The rows, by CPU time, each measurement in a session of its own; none without the kernel."""
    if not all((FILES / name).is_file() for name in (KERNEL, BUSYBOX)):
        print("benchmarks: no Linux kernel found (make real-deps): questions to it are left out", file=sys.stderr)
        return
    asked = _Boot(recorded(folder, "asked", LinuxBoot(folder, 3).machine(THEN_POWER_OFF, "asked.gz")), repeats)
    yield from asked.origin()
    yield asked.last_set()
    yield from asked.printed()


class _Boot:
    """The recording, and what is asked of it.

    Args:
        recording: its journal.
        repeats: of each measurement.
    """

    def __init__(self, recording: Path, repeats: int) -> None:
        self._recording = recording
        self._repeats = repeats

    def origin(self) -> Iterator[Row]:
        """A chain of copies."""
        with self._session() as session:
            at = _printed(session.timeline, _PLACE)
            session.timeline.goto(at)
            length = f"{session.timeline.end:.2e} instructions"
            register = next(each for each in _SAVED if len(_chain(session.timeline, at, each)) >= _COPIES)
        wholes, near = [], []
        for _ in range(self._repeats):
            with self._session() as session:
                session.timeline.goto(at)
                chain = _chain(session.timeline, at, register)
                wholes.append(sum(seconds for _, _, seconds in chain))
                near += [seconds for _, distance, seconds in chain if abs(distance) <= _NEAR]
        middle, step = statistics.median(wholes), statistics.median(near)
        yield Row(f"origin of {_COPIES} steps, Linux boot, first", "", f"{middle * 1000:.3g} ms", None, "<= 2000 ms",
                  middle <= 2, f"CPU time; {length}, worst of {len(wholes)}: {max(wholes) * 1000:.3g} ms")  # fmt: skip
        yield Row("a step of it that leads less than 1e6 instructions back", "", f"{step * 1000:.3g} ms", None,
                  "<= 20 ms", step <= 0.02, f"CPU time; worst of {len(near)}: {max(near) * 1000:.3g} ms")  # fmt: skip

    def last_set(self) -> Row:
        """The register that was set longest ago, of those that were set near."""
        found = []
        with self._session() as session:
            timeline = session.timeline
            for part in _PARTS:
                timeline.goto(int(timeline.end * part))
                at = timeline.position
                found += [
                    (distance, at, each)
                    for each in _LOOKED_AT
                    if (distance := _distance(timeline, at, each, _PATIENCE)) is not None and distance <= _NEAR
                ]
        distance, at, register = max(found)
        taken = []
        for _ in range(self._repeats):
            with self._session() as session:
                session.timeline.goto(at)
                began = time.process_time()
                assert _distance(session.timeline, at, register) == distance
                taken.append(time.process_time() - began)
        middle = statistics.median(taken)
        note = f"the longest of {len(found)} below 1e6; worst of {len(taken)}: {max(taken) * 1000:.3g} ms"
        return Row(f"lastset of a register set {distance} instructions before, Linux, first", "",
                   f"{middle * 1000:.3g} ms", None, "<= 50 ms", middle <= 0.05, f"CPU time; {note}")  # fmt: skip

    def printed(self) -> Iterator[Row]:
        """Where lines were printed: to find the place, and to be there."""
        found, there = [], []
        for number in range(self._repeats):
            for text in _PRINTED[number % 2 :: 2]:
                with self._session() as session:
                    timeline = session.timeline
                    timeline.goto(timeline.end)
                    began = time.process_time()
                    place = _printed(timeline, text)
                    found.append(time.process_time() - began)
                    timeline.goto(place)
                    there.append(time.process_time() - began)
        middle, whole = statistics.median(found), statistics.median(there)
        yield Row("output found by its text, Linux, first", "", f"{middle * 1000:.3g} ms", None, "<= 100 ms",
                  middle <= 0.1, f"CPU time; worst of {len(found)}: {max(found) * 1000:.3g} ms; with the way there "
                  f"{whole * 1000:.3g} ms, worst {max(there) * 1000:.3g} ms")  # fmt: skip

    @contextmanager
    def _session(self) -> Iterator[Session]:
        options = replaying(parse_line([]).options, str(self._recording))
        options = replace(options, serials=(SerialSpec(SerialKind.NULL),))
        session = Session(options, Surroundings(command_line=("benchmarks",), terminal=False, signals=False))
        with closing(session):
            yield session


def _chain(timeline: Timeline, at: int, register: int) -> list[tuple[OriginStep, int, float]]:
    """Steps, how far back each leads, and the seconds that it took."""
    found, before = [], at
    with ReplayedRun(timeline) as run:
        began = time.process_time()
        for step in islice(OriginSearch(run).steps(SoughtBytes(at, register)), _COPIES):
            now = time.process_time()
            found.append((step, before - step.icount, now - began))
            before, began = step.icount, now
    return found


def _distance(timeline: Timeline, at: int, register: int, patience: float | None = None) -> int | None:
    """How long ago a register was set, in instructions; None: that took longer."""
    until = time.process_time() + (patience or 1e9)
    with ReplayedRun(timeline, lambda: time.process_time() > until) as run:
        try:
            setting = next(LastSet(run).before(register, at), None)
        except QuestionInterrupted:
            return None
        return None if setting is None else at - setting.icount


def _printed(timeline: Timeline, text: bytes) -> int:
    """Where a text was printed first."""
    return min(sent.icount for sent in timeline.past.outputs().texts(text))
