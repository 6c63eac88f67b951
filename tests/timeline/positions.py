"""Random guests, each position of which is compared with a run in single steps, however it is reached.

``python -m tests.timeline.positions`` goes on for as long as it is told.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rdbg.emu.endpoint import serial_port
from rdbg.emu.expression import Operation, Step
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, Watch
from rdbg.emu.mips32 import PC, READ_ONLY, STATUS
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, never
from rdbg.timeline import Timeline
from tests.emu.guests import ERET, HANDLER, addiu
from tests.timeline.generated_guest import CODE, DATA, UNCACHED, generated_guest
from tests.timeline.odd_guest import odd_guest

#: Device registers of all kinds, and what is not there.
ELSEWHERE = [0xB80003F8, 0xB8000060, 0xB8000070, 0xBBE00000, 0xB4000000, 0xBF000900, 0xBFC00000, 0xBE000000, 0x00400000]
GENERAL_REGISTERS = range(8, 16)
#: Status.IE, EXL, ERL, user mode, the timer's mask, FR, CU1.
STATUS_BITS = (1, 2, 4, 0x10, 1 << 15, 1 << 26, 1 << 29)
VECTORS = (0x80000000, HANDLER)


class Mismatch(Exception):
    """A position has another state than in the run in single steps."""


@dataclass(frozen=True)
class Seen:
    """Where a machine stood: how it came there, and its state."""

    way: str
    position: int
    pc: int
    digest: bytes
    returns: bool = False  #: from an exception


def look(machine: Machine) -> None:
    """Read all that a debugger can read, through what the stub reads by."""
    for info in machine.architecture.registers_of(machine.layout):
        machine.read_register(info.number)
    for area in machine.memory_areas():
        machine.read_memory(area.start, 4096)
    for address in (CODE, DATA, *ELSEWHERE):
        machine.read_memory(address, 64)
    machine.translate(0x00101000)
    for report in machine.reports().values():
        report.make()


class Trial:
    """A guest that has lived, and its positions one by one.

    Args:
        seed: which guest, and what is done to it.
        length: instructions that it lives.
        often: whether the guest is often interrupted.
        odd: whether it does what is rarer (`odd_guest`), and the debugger writes what it rarely does.
    """

    def __init__(self, seed: int, length: int, often: bool = False, odd: bool = False) -> None:
        self.dice = d = random.Random(seed)
        self.checked = 0
        self._length = length
        self._big_endian = bool(seed & 1)
        self._guest = seed
        self._often = often
        self._odd = odd
        self._seen: list[Seen] = []
        self._written = -1  # where the debugger has written to registers that let interrupts in
        self._pcs = [CODE]
        pace = Pace(
            spacing=d.choice([50, 300, 2000, 10**9]),
            slice=d.choice([20, 200, 1000]),
            rung=d.choice([5, 50, 10**9]),
        )
        self._outside = LiveQueue(lambda endpoint: self.timeline.machine.input_room(endpoint))
        self.timeline = self._timeline(
            History.live_run(self._outside),
            pace=pace,
            max_checkpoints=d.choice([10, 60, 1000]),
            checkpoint_memory=d.choice([0, 1 << 20, 1 << 28]),
        )
        self._live()
        self.timeline.close()
        self._at = self._steps()
        self._places = sorted(self._at)
        for seen in self._seen:
            self._compare(seen)

    def _timeline(self, history: History, **settings: object) -> Timeline:
        make = odd_guest if self._odd else generated_guest
        machine = make(self._guest, self._big_endian, self._often)
        return Timeline(machine, history, sleep=False, **settings)  # type: ignore[arg-type]

    # --- the truth ---------------------------------------------------------------------------
    def _steps(self) -> dict[int, Seen]:
        """The same run in single steps."""
        history = copy.copy(self.timeline.history)
        history.seek(-1)
        timeline = self._timeline(history, pace=Pace(spacing=500, rung=100))
        at: dict[int, Seen] = {}
        while True:
            seen = self._now("step", timeline)
            at[seen.position] = seen
            if seen.position >= timeline.end:
                return at
            timeline.step()
            if timeline.position <= seen.position:
                raise Mismatch(f"a step from {seen.position} leads nowhere, pc {seen.pc:#x}")

    @staticmethod
    def _now(way: str, timeline: Timeline) -> Seen:
        machine = timeline.machine
        order: Literal["big", "little"] = "big" if machine.big_endian else "little"
        returns = int.from_bytes(machine.read_memory(machine.pc, 4), order) == ERET
        return Seen(way, machine.icount, machine.pc, machine.digest(), returns)

    def _floor(self, position: int) -> int:
        return self._places[bisect_right(self._places, position) - 1]

    def _compare(self, seen: Seen) -> None:
        self.checked += 1
        truth = self._at.get(seen.position)
        where = f"{seen.way}: icount {seen.position}, pc {seen.pc:#x}"
        if truth is None:
            raise Mismatch(f"{where}: no position; the one before is {self._floor(seen.position)}")
        if seen.pc != truth.pc:
            raise Mismatch(f"{where}: in single steps pc {truth.pc:#x}")
        if seen.digest != truth.digest:
            raise Mismatch(f"{where}: another state than in single steps")

    # --- living ------------------------------------------------------------------------------
    def _note(self, way: str) -> None:
        if self.timeline.position != self._written:
            self._seen.append(self._now(way, self.timeline))
        self._pcs.append(self.timeline.machine.pc)

    def _live(self) -> None:
        """Run to the end by changing means."""
        d, timeline = self.dice, self.timeline
        while timeline.position < self._length:
            way = d.choice(["run", "run", "step", "stops", "write"])
            if way == "step":
                for _ in range(d.randrange(20)):
                    timeline.step()
                    self._note("live step")
            elif way == "write" and d.random() < 0.3:
                self._write()
            else:
                self._run_on(self._conditions(self._pcs) if way == "stops" else StopConditions(), way)
            if d.random() < 0.2:
                look(timeline.machine)
                self._note("live look")

    def _run_on(self, conditions: StopConditions, way: str) -> None:
        target = self.timeline.position + self.dice.choice([1, 2, 3, 10, 100, 1000])
        stop = self.timeline.run(conditions, lambda: self.timeline.position >= target)
        self._note(f"live {way} to {stop.reason.name}")

    def _write(self) -> None:
        """The debugger writes: a register, or code."""
        d, timeline = self.dice, self.timeline
        if self._odd and d.random() < 0.6:
            self._write_oddly()
        elif d.random() < 0.5:
            timeline.live_end.write_register(d.choice(GENERAL_REGISTERS), d.randrange(2))
        else:
            register = d.choice(GENERAL_REGISTERS)
            word = addiu(register, register, d.randrange(100))
            order = "big" if self._big_endian else "little"
            timeline.live_end.write_memory(CODE + 4 * d.randrange(3072), word.to_bytes(4, order))  # type: ignore[arg-type]
        self._seen = [seen for seen in self._seen if seen.position != timeline.position]  # as it was before

    def _write_oddly(self) -> None:
        """Any register, what comes by a packet or a serial port, data, code by another of its addresses."""
        d, timeline = self.dice, self.timeline
        self._written = timeline.position  # an interrupt that is let in so comes with the next movement
        match d.randrange(5):
            case 0:
                timeline.live_end.write_register(PC, d.choice(self._pcs))
            case 1:
                timeline.live_end.write_register(STATUS, timeline.machine.read_register(STATUS) ^ d.choice(STATUS_BITS))
            case 2:
                infos = timeline.machine.architecture.registers_of(timeline.machine.layout)
                info = d.choice([info for info in infos if info.name not in READ_ONLY and info.number != STATUS])
                timeline.live_end.write_register(info.number, d.choice([0, 1, 0x80, CODE, 0x7FF00000]))
            case 3:
                self._outside.send_packet(0, d.randbytes(8))
                self._outside.send(serial_port(0), d.randbytes(d.randrange(1, 3)))
            case _:
                place = d.choice([DATA, UNCACHED + 4 * d.randrange(3072), CODE + 4096 * d.randrange(1, 3) - 4])
                timeline.live_end.write_memory(place, addiu(9, 9, d.randrange(9)).to_bytes(4, "little"))

    def _conditions(self, pcs: list[int]) -> StopConditions:
        d = self.dice
        breakpoints = frozenset(d.choice(pcs) for _ in range(d.randrange(1, 4)))
        watches: tuple[Watch, ...] = ()
        if d.random() < 0.4:
            place = d.choice([DATA + 4 * d.randrange(64), CODE + 4 * d.randrange(3072)])
            if self._odd:
                place = d.choice([place, place & 0x1FFFFFFF, place | 0x20000000, 0x40000000 | place & 0x3FFFFF])
            watches = (Watch(place, 4, d.choice(list(Access))),)
        conditions = {}
        if d.random() < 0.3:
            register = Step(Operation.REGISTER, d.choice(GENERAL_REGISTERS))
            bit_of_a_register = (register, Step(Operation.CONSTANT, 1), Step(Operation.AND), Step(Operation.END))
            conditions = {next(iter(breakpoints)): (bit_of_a_register,)}
        return StopConditions(breakpoints, watches, conditions)

    # --- visiting ----------------------------------------------------------------------------
    def visit(self, count: int) -> None:
        """Go to places of the run ``count`` times, by changing means."""
        ways = [self._goto, self._goto, self._back, self._ahead, self._run, self._reverse, self._walk]
        for _ in range(count):
            self.dice.choice(ways)(self.dice.randrange(self.timeline.end))
            if self.dice.random() < 0.2:
                look(self.timeline.machine)
                self.check("look")

    def check(self, way: str, position: int | None = None) -> None:
        seen = self._now(way, self.timeline)
        if position is not None and seen.position != self._floor(position):
            raise Mismatch(f"{way}: at {seen.position}, not {self._floor(position)} ({position}), pc {seen.pc:#x}")
        self._compare(seen)

    def _goto(self, target: int) -> None:
        self.timeline.goto(target)
        self.check("goto", target)

    def _walk(self, target: int) -> None:
        odd = self.dice.randrange(1, 40)
        for position in range(target, min(target + odd * 8, self.timeline.end), odd):
            self._goto(position)

    def _back(self, target: int) -> None:
        self.timeline.goto(target)
        for _ in range(self.dice.randrange(1, 8)):
            before = self.timeline.position
            if before == 0:
                return
            self.timeline.reverse_step()
            self.check(f"reverse-step from {before}")
            if not self._is_step(self.timeline.position, before):
                raise Mismatch(f"reverse-step from {before} to {self.timeline.position}")

    def _is_step(self, start: int, end: int) -> bool:
        """Whether a step forward, over handlers, leads from one position to the other.

        There are handlers alone between, and ``end``'s instruction comes only where it makes an exception. The start of
        history may be in a handler.
        """
        path = [
            self._at[place]
            for place in self._places[bisect_left(self._places, start) : bisect_right(self._places, end)]
        ]
        between = path[1:-1]
        if not between:
            return len(path) == 2
        tried = [seen for seen in between if seen.pc == path[-1].pc not in VECTORS]  # else in the next handler already
        if start == 0 and path[0].pc in VECTORS:
            return between[-1].returns
        in_handlers = [following for seen, following in pairwise(path) if seen in tried]
        if between[0] not in tried:
            in_handlers.append(between[0])
        return between[-1].returns and all(seen.pc in VECTORS for seen in in_handlers)

    def _ahead(self, target: int) -> None:
        self.timeline.goto(target)
        for _ in range(self.dice.randrange(1, 30)):
            before = self.timeline.position
            if before >= self.timeline.end:
                return
            self.timeline.step()
            self.check(f"step from {before}", self._places[bisect_right(self._places, before)])

    def _run(self, target: int) -> None:
        self.timeline.goto(target)
        conditions = self._conditions([seen.pc for seen in self._at.values()])
        stop = self.timeline.run(conditions, lambda: self.dice.random() < 0.1, leap=self.dice.random() < 0.5)
        self.check(f"run from {target} to {stop.reason.name}")

    def _reverse(self, target: int) -> None:
        self.timeline.goto(target)
        here = self.timeline.position
        conditions = self._conditions([seen.pc for seen in self._at.values()])
        stop = self.timeline.reverse_run(conditions, never)
        self.check(f"reverse-continue from {target} to {stop.reason.name}")
        if not conditions.watches and not conditions.conditions:
            known = [p for p in self._places if p < here and self._at[p].pc in conditions.breakpoints]
            if stop.position < max(known, default=0):  # one in a slot stops at its branch, which is no such place
                raise Mismatch(f"reverse-continue from {target}: to {stop.position}, not {known[-1]}")


def main() -> None:
    """Try guest after guest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="seed of the first guest")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--length", type=int, default=4000, help="instructions of each guest")
    parser.add_argument("--visits", type=int, default=150)
    options = parser.parse_args()
    began = time.monotonic()
    checked = failed = guests = 0
    while time.monotonic() - began < options.minutes * 60:
        seed = options.first + guests
        try:
            trial = Trial(seed, options.length, often=bool(seed & 2), odd=bool(seed & 4))
            trial.visit(options.visits)
            checked += trial.checked
        except (Mismatch, RdbgError, AssertionError) as error:
            failed += 1
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
        guests += 1
        if guests % 20 == 0:
            print(f"{guests} guests, {checked} positions, {failed} failed", flush=True)
    print(f"{guests} guests, {checked} positions, {failed} failed")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
