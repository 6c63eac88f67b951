"""What ``rdbg chaos --shrink`` has found, for people and for programs."""

from __future__ import annotations

import json
import shlex
from typing import Any

from rdbg.chaos.shrink import Delay, Hold, Shrunk
from rdbg.chaos.where import Interruption
from rdbg.cli.code_places import CodePlaces
from rdbg.emu.way_ahead import AccessAhead
from rdbg.quick_dataclass import dataclass
from rdbg.recording.words import delayed_work


@dataclass(frozen=True)
class ShrinkReport:
    """A shrunk run, and where its interrupts come.

    Args:
        path: the recording that was shrunk.
        output: the one that was made.
        at: its bookmark at which to open it.
        shrunk: the run.
        found: each interrupt that makes it fail: when it is due and for how long it is held back, and where it comes,
            if that was found.
        places: names of the guest's code and data.
        works: what the machine's timers end, by number.
        seconds: that it took.
    """

    path: str
    output: str
    at: str
    shrunk: Shrunk
    found: tuple[tuple[Hold, Interruption | None], ...]
    places: CodePlaces
    works: tuple[str, ...]
    seconds: float

    def lines(self) -> str:
        """For people."""
        lines = [self._heading()]
        for hold, where in self.found:
            lines += self._interrupt(hold, where)
        lines += [self._delay(delay) for delay in self.shrunk.delays]
        return "\n".join([*lines, f"  {self._opening}"])

    def as_json(self) -> str:
        """For programs."""
        shrunk = self.shrunk
        interrupts = [self._interrupt_object(hold, where) for hold, where in self.found]
        return json.dumps(
            {
                "recording": self.path,
                "condition": shrunk.run.outcome.failed,
                "what": shrunk.run.outcome.what,
                "icount": shrunk.run.outcome.position,
                "runs": shrunk.tries,
                "seconds": round(self.seconds, 3),
                "moved": shrunk.before,
                "interrupts": [] if shrunk.cause else interrupts,
                "unmoved": interrupts[0] if shrunk.cause else None,
                "delays": [
                    {"work": delayed_work(self.works, timer), "due": icount, "instructions": length}
                    for icount, length, timer in shrunk.delays
                ],
                "shrunk": self.output,
                "command": self._opening,
            },
            indent=2,
        )

    @property
    def _opening(self) -> str:
        return f"rdbg debug {shlex.quote(self.output)} --at {self.at}"

    def _heading(self) -> str:
        shrunk = self.shrunk
        tries = f"{shrunk.tries} runs, {self.seconds:.1f} s"
        what = shrunk.run.outcome.what
        if shrunk.delays and not shrunk.holds:
            return f"{self.path}: fails with no interrupt moved, where a device takes longer ({tries}): {what}"
        if not shrunk.holds:
            return f"{self.path}: fails with none of its {shrunk.before} interrupts moved ({tries}): {what}"
        enough = "one is" if len(shrunk.holds) == 1 else f"{len(shrunk.holds)} are"
        moved = "1 moved interrupt" if shrunk.before == 1 else f"{shrunk.before} moved interrupts"
        return f"{self.path}: of {moved}, {enough} enough ({tries}): {what}"

    def _interrupt(self, hold: Hold, where: Interruption | None) -> list[str]:
        icount, length = hold
        if where is None:
            return [f"an interrupt that is due at icount {icount}, held back by {length} instructions, makes it fail"]
        said = f"the {where.line} interrupt at icount {where.icount}"
        if where.before is not None and where.after is not None:
            word = self.places.data(where.before.word)
            said += f", between {_access(where.before)} and {_access(where.after)} of {word}"
        elif where.waits:
            said += f", right before the wait at {where.pc:#010x}"
        else:
            said += f", before the instruction at {where.pc:#010x}"
        details = _details(where)
        lines = [f"{said}, makes it fail"]
        names = zip(details, self.places.code(details), strict=True)
        lines += [f"  {address:#010x}  {name}" for address, name in names if name]
        if self.shrunk.cause is not None:
            lines.append(f"  (held back by {length} instructions, it does not)")
        else:
            lines.append(f"  (it was due at icount {icount}, and held back by {length} instructions)")
        return lines

    def _interrupt_object(self, hold: Hold, where: Interruption | None) -> dict[str, Any]:
        told: dict[str, Any] = {"due": hold[0], "held": hold[1], "icount": None}
        if where is None:
            return told
        details = _details(where)
        pair = where.before is not None and where.after is not None
        return told | {
            "icount": where.icount,
            "line": where.line,
            "pc": where.pc,
            "before_wait": not pair and where.waits,
            "word": where.before.word if pair and where.before is not None else None,
            "code": [
                {"address": address, "place": name or None}
                for address, name in zip(details, self.places.code(details), strict=True)
            ],
        }

    def _delay(self, delay: Delay) -> str:
        icount, length, timer = delay
        return (
            f"{delayed_work(self.works, timer)}, due at icount {icount}, takes {length} instructions' time longer, "
            "and that makes it fail"
        )


def _details(where: Interruption) -> list[int]:
    """The instructions that are named: a load and a store that the interrupt comes between, or the one before which."""
    if where.before is not None and where.after is not None:
        return [where.before.pc, where.after.pc]
    return [where.pc]


def _access(access: AccessAhead) -> str:
    return f"{access.pc:#010x} {access.name}"
