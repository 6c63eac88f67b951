"""``lastset``: which instruction gave a register its value."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rdbg.analysis.probing import Notes, probed
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.expression import Operation, Step
from rdbg.emu.instruction_effects import Effects
from rdbg.emu.machine_api import NO_CODE, Entry, RunRequest, StopKind
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.probes import Probes
from rdbg.quick_dataclass import dataclass

#: Instructions that are looked through first, and at most at once.
_FIRST, _MOST = 1 << 12, 1 << 24
#: Behind all instructions of a block.
_NONE = 1 << 62
#: Blocks that ran, sorted at once: a user waits meanwhile, and to sort many more takes longer for each.
_AT_ONCE = 1 << 16
#: Blocks whose setters are remembered.
_MOST_KNOWN = 1 << 18


@dataclass(frozen=True)
class Setting:
    """An instruction that set a register, or something else that did.

    Args:
        icount: the position before it. Inside a step nothing can stand: that begins at ``stand``.
        stand: the position before the step that it is part of.
        pc: its address.
        effects: what it does; None: the debugger or the host set the register, at this position.
        by: who set it, if no instruction did.
        linked: registers that the branch before it, if it is in a slot, has given a value just then.
        value: what the register holds behind it; None: the debugger has written to it at just that place.
    """

    icount: int
    stand: int
    pc: int
    effects: Effects | None
    by: str = ""
    linked: tuple[int, ...] = ()
    value: int | None = None


class LastSet:
    """Looks back for instructions that set a register, in ever longer stretches.

    Args:
        run: the run; the machine is moved.
    """

    def __init__(self, run: ReplayedRun) -> None:
        self._run = run
        self._machine = run.machine
        self._poked: frozenset[int] = frozenset()
        self._effects = lru_cache(1 << 16)(run.machine.effects)
        # By register, place and contents of a block, which earlier stretches and questions have met already.
        self._known_setters: dict[tuple[int, int, int], list[int]] = {}
        self._pages: dict[int, bytes] = {}  # read while the machine stood where it stands

    def before(self, register: int, position: int, value: int | None = None) -> Iterator[Setting]:
        """The instructions that set a register before a position, latest first.

        Args:
            register: the debugger's number.
            position: what happens from here on does not count, except writes of the debugger right here.
            value: only those that gave it this value; None: all.

        Raises:
            QuestionInterrupted: the user asked to stop.
        """
        high, length = position, _FIRST
        pokes = self._pokes(register)
        self._poked = frozenset(pokes)
        while high > self._run.start:
            low = max(self._run.start, high - length)
            rows = self._trace(low, high, register)
            low = int(rows["icount"][0])
            settings = self._settings(register, rows, value)
            while pokes and pokes[-1] > position:
                pokes.pop()
            for setting in settings:
                while pokes and pokes[-1] > setting.icount:
                    yield from self._write(register, pokes.pop(), value)
                yield setting
            while pokes and pokes[-1] >= low:
                yield from self._write(register, pokes.pop(), value)
            high, length = low, min(4 * length, _MOST)

    def _write(self, register: int, position: int, wanted: int | None) -> Iterator[Setting]:
        """A write of the debugger, if it is wanted."""
        self._run.go(position)
        value = self._machine.read_register(register)
        if wanted is None or value == wanted:
            yield Setting(position, position, self._machine.pc, None, "the debugger", value=value)

    def _pokes(self, register: int) -> list[int]:
        info = next(each for each in self._machine.architecture.registers if each.number == register)
        return self._run.register_writes(info.journal_id)

    def _trace(self, low: int, high: int, register: int) -> NDArray[np.void]:
        """The blocks that ran from ``low``, or from a position a little before, to ``high``, with the register's values
        if it is a general one."""
        run = self._run
        noted = register if register < 32 else None
        run.go(low)
        self._machine.take_trace()
        pieces: list[NDArray[np.void]] = []
        while True:
            request = RunRequest(until=high, slice=run.slice, trace=True, trace_register=noted)
            stop = run.advance(request) if run.position < high else None
            rows = self._machine.take_trace()
            pieces.append(rows[:-1])
            if stop is None or stop.kind is not StopKind.PAUSED:
                return np.concatenate([*pieces, rows[-1:]])

    def _settings(self, register: int, rows: NDArray[np.void], wanted: int | None) -> Iterator[Setting]:
        """Those among the blocks that a look at the registers confirms, latest first."""
        for row, index in self._all_candidates(register, rows, wanted):
            icount = int(rows["icount"][row]) + index
            pc, code = int(rows["pc"][row]) + 4 * index, int(rows["code"][row]) + 4 * index
            before = self._word(code - 4) if index else self._slot_of(rows, row)
            slot = before is not None and before.branch
            stand = icount - 1 if slot else icount
            self._run.go(stand)
            if self._machine.icount != stand:
                continue
            effects = self._word(code)
            if effects is None:
                continue
            linked = before.sets if slot and before is not None else ()
            if slot and before is not None and before.likely and not self._machine.runs_slot:
                continue
            if effects.condition is not None:
                number, zero = effects.condition
                value = pc + 4 if number in linked else self._machine.read_register(number)
                if (value == 0) != zero:
                    continue
            # Behind a branch lies its slot, where nothing can stand: it gives the address behind that.
            held = (
                self._machine.architecture.wrapped(pc + 8) if effects.branch else self._value_behind(register, icount)
            )
            if wanted is None or held == wanted:
                yield Setting(icount, stand, pc, effects, linked=linked, value=held)

    def _value_behind(self, register: int, icount: int) -> int | None:
        """What a register holds behind an instruction; None: the debugger has written to it there."""
        if icount + 1 in self._poked:
            return None
        self._run.go(icount + 1)
        return self._machine.read_register(register)

    def _slot_of(self, rows: NDArray[np.void], row: int) -> Effects | None:
        """The branch in whose slot a block begins, where the two are in blocks of their own."""
        if row == 0:
            return None
        count = int(rows["icount"][row]) - int(rows["icount"][row - 1])
        if int(rows["pc"][row - 1]) + 4 * count != int(rows["pc"][row]) or rows["entry"][row] != Entry.CODE:
            return None
        before = self._word(int(rows["code"][row - 1]) + 4 * (count - 1))
        if before is None or not before.branch or count >= 2 and self._is_branch(rows, row - 1, count - 2):
            return None
        return before

    def _is_branch(self, rows: NDArray[np.void], row: int, index: int) -> bool:
        effects = self._word(int(rows["code"][row]) + 4 * index)
        return effects is not None and effects.branch

    def _all_candidates(self, register: int, rows: NDArray[np.void], wanted: int | None) -> Iterator[tuple[int, int]]:
        """(row, index of the instruction in its block), latest first."""
        for end in range(len(rows) - 1, 0, -_AT_ONCE):
            start = max(0, end - _AT_ONCE)
            for row, index in self._candidates(register, rows[start : end + 1], wanted):
                yield start + row, index
            self._run.looked_at(int(rows["icount"][start]))

    def _candidates(self, register: int, rows: NDArray[np.void], wanted: int | None) -> Iterator[tuple[int, int]]:
        """The same of rows of which the last only says where the block before it ended."""
        counts = np.diff(rows["icount"].astype(np.int64))
        done = counts - (rows["entry"][1:] == Entry.EXCEPTION)  # an instruction that raised an exception set nothing
        unique, inverse = _different(rows[:-1])
        setters: list[list[int] | None] = []
        first = np.empty(len(unique), np.int64)
        self._pages.clear()
        if len(self._known_setters) > _MOST_KNOWN:
            self._known_setters.clear()
        for number, (total, code) in enumerate(unique.tolist()):
            found = self._known_setters.get((register, code, total))
            if found is None:
                found = [] if code == NO_CODE else self._setters(register, code, total)
                if found is not None:
                    self._known_setters[register, code, total] = found
            setters.append(found)
            first[number] = 0 if found is None else found[0] if found else _NONE
        values = rows["value"]
        holding: frozenset[int] | None = None
        for row in np.flatnonzero(done > first[inverse])[::-1].tolist():
            known = setters[inverse[row]]
            if known is None:
                # The code has changed since: look at it as it was.
                self._run.go(int(rows["icount"][row]))
                known = self._found(register, self._code(int(rows["code"][row]), int(rows["sum"][row]) >> 32))
            ran = [index for index in reversed(known) if index < done[row]]
            if wanted is None or register >= 32 or not ran:
                yield from ((row, index) for index in ran)
                continue
            if values[row + 1] == wanted or int(rows["icount"][row + 1]) in self._poked:
                yield row, ran[0]
            # else, if it did set it, to another value: that at the block's end. What the others gave it is seen at the
            # instructions behind them, in one passage: to stand behind each takes milliseconds, and they are thousands.
            if len(ran) > 1 and holding is None:
                holding = self._holding(register, wanted, rows, setters, inverse)
            for index in ran[1:]:
                icount = int(rows["icount"][row]) + index
                seen = holding is not None and not holding.isdisjoint((icount, icount + 1))  # of a slot, at its branch
                if seen or setters[inverse[row]] is None:
                    yield row, index

    def _holding(
        self,
        register: int,
        value: int,
        rows: NDArray[np.void],
        setters: list[list[int] | None],
        inverse: NDArray[np.int64],
    ) -> frozenset[int]:
        """Where a register holds a value behind instructions of the blocks that set it, but for each block's last."""
        if value >> 32:
            return frozenset()
        inner = np.array([found is not None and len(found) > 1 for found in setters])[inverse]
        blocks = np.unique(inverse[inner] << 32 | rows["pc"][:-1][inner].astype(np.int64))
        places: set[int] = set()
        for block in blocks.tolist():
            number, pc = block >> 32, block & 0xFFFF_FFFF
            places.update(pc + 4 * index + 4 for index in (setters[number] or ())[:-1])
        operations = (
            Step(Operation.REGISTER, register), Step(Operation.CONSTANT, value), Step(Operation.EQUAL),
            Step(Operation.END),
        )  # fmt: skip
        probes = Probes({place: place for place in places}, condition=operations)

        def icounts(notes: Notes) -> list[int]:
            return [int(icount) for icount in notes["icount"]]

        stretch = Piece(int(rows["icount"][0]), int(rows["icount"][-1]))
        return frozenset(probed(self._run, stretch, probes, False, icounts))

    def _setters(self, register: int, code: int, total: int) -> list[int] | None:
        """Which instructions of a block set a register; None: its code is no longer what it was."""
        size = total >> 32
        page, at = divmod(code, PAGE_SIZE)
        if page not in self._pages:
            self._pages[page] = self._page(page)
        data = self._pages[page][at : at + size]
        now = 0
        order: Literal["big", "little"] = "big" if self._machine.big_endian else "little"
        for word in range(0, size, 4):
            now = (now * 31 + int.from_bytes(data[word : word + 4], order)) & 0xFFFF_FFFF
        return self._found(register, data) if now == total & 0xFFFF_FFFF else None

    def _found(self, register: int, data: bytes) -> list[int]:
        """Which instructions of a block's code set a register."""
        words = range(0, len(data) - 3, 4)
        return [at // 4 for at in words if register in self._effects(data[at : at + 4]).sets]

    def _code(self, code: int, size: int) -> bytes:
        """A block's code, as the machine's pages have it."""
        page, at = divmod(code, PAGE_SIZE)
        return self._page(page)[at : at + size]

    def _word(self, code: int) -> Effects | None:
        """The instruction at a byte of the machine's pages."""
        page, at = divmod(code, PAGE_SIZE)
        if code < 0 or page >= self._machine.page_count:
            return None
        return self._effects(self._page(page)[at : at + 4])

    def _page(self, page: int) -> bytes:
        return self._machine.read_page(page)


def _different(rows: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """The different blocks of a trace, as (sum, code), and for each row which of them it is. Sorting numbers takes a
    tenth of the time that sorting pairs does."""
    sums, of_sum = np.unique(rows["sum"], return_inverse=True)
    _, of_code = np.unique(rows["code"], return_inverse=True)
    _, first, inverse = np.unique(of_code * len(sums) + of_sum, return_index=True, return_inverse=True)
    return rows[["sum", "code"]][first], inverse
