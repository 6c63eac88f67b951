"""Where ``goto exception`` and ``goto interrupt`` lead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, ClassVar, cast

import numpy as np

from rdbg.analysis.probing import Notes, probed
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.seeker import WHICH, Seeker, Side, Which, one_of_several, parse_which
from rdbg.emu.architecture import Architecture
from rdbg.emu.probes import LINES, Probes
from rdbg.errors import UsageError
from rdbg.navigation.event_log import wanted
from rdbg.quick_dataclass import dataclass
from rdbg.store.event_rows import EVENT, EventRows
from rdbg.timeline import QuestionInterrupted, Timeline

EVENT_PLACES = f"exception [KIND] {WHICH}|interrupt [lineL] {WHICH}"
#: The first words of such places.
EVENT_WORDS = ("exception", "interrupt")
_LINE = re.compile(r"line(\d{1,2})")
_LINES = 32


@dataclass(frozen=True)
class _Events:
    """A `PieceQuestion`: exceptions and interrupts in rows of type `EVENT`."""

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[EventRows]:
        """Those in a piece."""
        architecture = run.machine.architecture
        return probed(
            run, piece, all_events(architecture), newest_first, lambda notes: [noted_events(notes, architecture)]
        )


def all_events(architecture: Architecture) -> Probes:
    """What notes every exception and interrupt."""
    return Probes(exceptions=frozenset(info.code for info in architecture.exceptions))


def noted_events(notes: Notes, architecture: Architecture) -> EventRows:
    """What `all_events` has noted, in rows of type `EVENT`."""
    interrupts = np.array([info.code for info in architecture.exceptions if info.interrupt], np.uint8)
    rows = np.empty(len(notes), EVENT)
    rows["icount"], rows["code"] = notes["icount"], notes["exception"]
    rows["lines"] = np.where(np.isin(rows["code"], interrupts), notes["values"][:, LINES], 0)
    return rows


@dataclass(frozen=True)
class _Kind:
    """What is looked for.

    Args:
        codes: the architecture's.
        lines: a bit for each interrupt line of which one must have asked; 0: any.
        none: says that there is none.
        what: begins a sentence about all of them.
    """

    codes: frozenset[int]
    lines: int
    none: str
    what: str


def place_of_event(seeker: Seeker, words: Sequence[str]) -> int:
    """The icount of the exception or interrupt that is named by words, the first of `EVENT_WORDS`. Standing there, the
    instruction that raises the exception is next, or the handler of the interrupt begins.

    Raises:
        UsageError: there is no such one, or the user asked to stop.
    """
    kind, rest = _kind(seeker.timeline, words[0], list(words[1:]))
    which = parse_which(rest, words[0])
    _look(seeker, kind, which)
    found = seeker.timeline.past.known_events().icounts(kind.codes, kind.lines)
    return one_of_several(found, which, seeker.timeline.position, none=kind.none, what=kind.what)


def _kind(timeline: Timeline, word: str, rest: list[str]) -> tuple[_Kind, list[str]]:
    infos = timeline.machine.architecture.exceptions
    if word == "exception":
        named = {info.name.lower(): info for info in infos if not info.interrupt}
        if rest and not _is_number(rest[0]):
            info = named.get(rest[0].lower())
            if info is None:
                known = ", ".join(info.name for info in named.values())
                raise UsageError(f"there is no exception '{rest[0]}'; there are {known}")
            table = f"'monitor exceptions {info.name}' lists them"
            none = f"no instruction raised {info.name} in this run; 'monitor exceptions' lists what was raised"
            return _Kind(frozenset({info.code}), 0, none, f"{info.name} was raised ({table})"), rest[1:]
        codes = frozenset(info.code for info in named.values())
        what = "exceptions were raised ('monitor exceptions' lists them)"
        return _Kind(codes, 0, "no instruction raised an exception in this run", what), rest
    codes = frozenset(info.code for info in infos if info.interrupt)
    line = _LINE.fullmatch(rest[0]) if rest else None
    if line is not None:
        number = int(line[1])
        if number >= _LINES:
            raise UsageError(
                f"there is no interrupt line {number}; column 'lines' of 'monitor interrupts' has a bit for each"
            )
        none = f"no interrupt of line {number} was taken in this run; 'monitor interrupts' lists what was taken"
        return _Kind(codes, 1 << number, none, f"interrupts of line {number} were taken"), rest[1:]
    return _Kind(codes, 0, "no interrupt was taken in this run", "interrupts were taken"), rest


def _is_number(word: str) -> bool:
    return word in ("next", "previous") or word.removeprefix("-")[:1].isdigit()


def _look(seeker: Seeker, kind: _Kind, which: Which) -> None:
    """Look through the run as far as is needed, beyond what is known. What was found is kept, whatever ends it.

    Raises:
        UsageError: the user asked to stop.
    """
    timeline = seeker.timeline
    log, here = timeline.past.known_events(), timeline.position
    until = min(here, timeline.end) if which.side is Side.PREVIOUS else timeline.end
    if log.until >= until:
        return
    known = log.icounts(kind.codes, kind.lines)
    lacking = which.number - int(np.count_nonzero(known > here) if which.side is Side.NEXT else len(known))
    counts = which.side in (Side.START, Side.NEXT)
    if counts and lacking <= 0:
        return
    pool = seeker.pool()
    pieces = pool.split(Piece(log.until, until), newest_first=False)
    try:
        with closing(cast(Any, pool.answers(_Events(), pieces, newest_first=False))) as batches:
            for batch in batches:
                log.add(batch, int(batch["icount"][-1]) + 1)
                right = wanted(batch, kind.codes, kind.lines)
                if which.side is Side.NEXT:
                    right &= batch["icount"] > here
                lacking -= int(np.count_nonzero(right))
                if counts and lacking <= 0:
                    return
        log.add(np.empty(0, EVENT), until)
    except QuestionInterrupted:
        raise UsageError(
            f"interrupted: the machine stays where it is; the run was looked through to icount {log.until}, and that "
            "is kept: ask again to go on"
        ) from None
    finally:
        timeline.past.keep_events()
