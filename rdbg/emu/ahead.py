"""What the guest would do next if nothing interrupted it: its code is followed from where it stands, for a while.

Only to choose good moments by: where it cannot tell how the code goes on (a system call, a register of CP0 that it does
not know, a device) it stops, and nothing that a run does depends on its being right. Source of the encodings: MIPS32
Architecture for Programmers, vol. II, appendix A.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rdbg.emu.machine_api import Extent, Space
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.way_ahead import AccessAhead, SystemRegisters, Way, nothing_known

_MASK = 0xFFFF_FFFF
_WAIT = 0x42000020
_STACK_POINTER = 29
_BNE = 5
#: Bytes from the start of a loop, of those that are looked at, to its branch.
_LONGEST_LOOP = 512

#: Bytes, and whether the sign is extended, by operation.
_LOADS = {0x20: (1, True), 0x21: (2, True), 0x23: (4, False), 0x24: (1, False), 0x25: (2, False), 0x30: (4, False)}
_STORES = {0x28: 1, 0x29: 2, 0x2B: 4, 0x38: 4}
_MNEMONICS = {0x20: "lb", 0x21: "lh", 0x23: "lw", 0x24: "lbu", 0x25: "lhu", 0x30: "ll",
              0x28: "sb", 0x29: "sh", 0x2B: "sw", 0x38: "sc"}  # fmt: skip
_SC = 0x38
#: pref, cache: they compute nothing.
_NOTHING = (0x33, 0x2F)


class Readable(Protocol):
    """The guest as it stands: a part of `MachineApi`."""

    big_endian: bool

    def read_register(self, number: int) -> int: ...

    def read_memory(self, address: int, length: int) -> bytes: ...

    def storage(self, address: int, length: int) -> list[Extent]: ...


@dataclass
class _Turn:
    """A turn of a loop that has ended.

    Args:
        length: of the way by then.
        accesses: to memory by then.
        stores: of these.
        registers: as they were.
        by: what it has added to the one register that it has changed; None: it is not known.
    """

    length: int
    accesses: int
    stores: int
    registers: list[int | None]
    by: int | None = None


class _Unknown(Exception):
    """How the code goes on cannot be told."""


def look_ahead(
    guest: Readable,
    pc: int,
    most: int,
    system: SystemRegisters = nothing_known,
    guess: bool = False,
) -> Way:
    """Follow the code from ``pc``, with registers and memory as they stand.

    Args:
        guest: as it stands; nothing in it changes.
        pc: where to begin, not in a delay slot.
        most: steps to follow.
        system: what a register of CP0 holds, by number and select; None: unknown.
        guess: where a branch cannot be told, it is not taken; what devices hold is unknown, and what is stored to them
            is lost. False: the way ends there.
    """
    walk = _Walk(guest, pc, system, guess)
    try:
        while walk.way.followed < most:
            walk.step()
    except _Unknown:
        pass
    return walk.way


class _Walk:
    """The registers and the memory of a guest that runs in thought."""

    def __init__(self, guest: Readable, pc: int, system: SystemRegisters, guess: bool) -> None:
        self._guest = guest
        self._guess = guess
        self._order = "big" if guest.big_endian else "little"
        self._system = system
        self._pc = pc
        self._registers: list[int | None] = [guest.read_register(number) for number in range(32)]
        self._pages: dict[int, bytes] = {}  # as they stand, by virtual page number
        self._written: dict[int, int | None] = {}  # bytes stored on the way
        self._stores = 0
        self._turns: dict[int, _Turn] = {}  # the latest of each loop, by the address of its branch
        self.way = Way()

    def step(self) -> None:
        """Follow one instruction, or a branch and its slot."""
        self.way.followed += 1
        pc = self._pc
        word = self._code(pc)
        following = self._branch(word, pc)
        if following is None:
            self._plain(word, pc)
            self._pc = (pc + 4) & _MASK
            return
        target, slot = following
        self.way.length += 1
        if slot:
            self._plain(self._code(pc + 4), pc + 4)
        else:
            self.way.length += 1  # passed over, and counted
        self._pc = target
        if pc - _LONGEST_LOOP <= target <= pc:
            self._turn(word, pc)

    def _turn(self, word: int, pc: int) -> None:
        """A turn of a loop has ended. One that changes nothing goes on until it is interrupted: there the way ends.
        Where a loop only counts, the rest of its turns is gone through at once."""
        way = self.way
        last = self._turns.get(pc)
        turn = self._turns[pc] = _Turn(way.length, len(way.accesses), self._stores, list(self._registers))
        if last is None or last.stores != self._stores:
            return
        changed = [n for n in range(32) if self._registers[n] != last.registers[n]]
        if not changed:
            raise _Unknown
        if word >> 26 == _BNE and last.accesses == len(way.accesses) and len(changed) == 1:
            turn.by = self._step_of(changed[0], last)
            if turn.by is not None and turn.by == last.by:
                self._count_on(word, changed[0], turn.by, way.length - last.length)

    def _step_of(self, register: int, last: _Turn) -> int | None:
        """By how much a turn has changed a register."""
        now, before = self._registers[register], last.registers[register]
        if now is None or before is None:
            return None
        return _signed((now - before) & _MASK)

    def _count_on(self, word: int, register: int, by: int, length: int) -> None:
        """Go through the turns of a loop that adds ``by`` to a register, until it has the value of another one.

        Args:
            word: the branch.
            register: that changes.
            by: what each turn adds.
            length: instructions of a turn.
        """
        others = {word >> 21 & 31, word >> 16 & 31} - {register}
        now, end = self._registers[register], self._registers[others.pop()] if len(others) == 1 else None
        if now is None or end is None:
            return
        turns = (end - now) // by - 1  # the last ones are followed
        if turns > 0 and (end - now) % by == 0:
            self.way.length += turns * length
            self._registers[register] = (now + turns * by) & _MASK
            self._turns.clear()

    # --- memory --------------------------------------------------------------------------------
    def _page(self, address: int) -> bytes:
        number = address // PAGE_SIZE
        page = self._pages.get(number)
        if page is None:
            extents = self._guest.storage(number * PAGE_SIZE, PAGE_SIZE)
            if not extents or any(extent.space is not Space.MEMORY for extent in extents):
                raise _Unknown
            page = self._pages[number] = self._guest.read_memory(number * PAGE_SIZE, PAGE_SIZE)
            if len(page) < PAGE_SIZE:
                raise _Unknown
        return page

    def _is_memory(self, address: int) -> bool:
        try:
            self._page(address)
        except _Unknown:
            return False
        return True

    def _code(self, pc: int) -> int:
        if pc & 3:
            raise _Unknown
        at = pc % PAGE_SIZE
        return int.from_bytes(self._page(pc)[at : at + 4], self._order)  # type: ignore[arg-type]

    def _load(self, address: int, size: int) -> int | None:
        if self._guess and not self._is_memory(address):
            return None
        at = address % PAGE_SIZE
        data = bytearray(self._page(address)[at : at + size])
        for n in range(size):
            if address + n in self._written:
                byte = self._written[address + n]
                if byte is None:
                    return None
                data[n] = byte
        return int.from_bytes(data, self._order)  # type: ignore[arg-type]

    def _store(self, address: int, size: int, value: int | None) -> None:
        if not self._guess:
            self._page(address)  # a device would do more than keep it
        data = None if value is None else (value & ((1 << 8 * size) - 1)).to_bytes(size, self._order)  # type: ignore[arg-type]
        for n in range(size):
            self._written[address + n] = None if data is None else data[n]

    # --- instructions --------------------------------------------------------------------------
    def _known(self, number: int) -> int:
        value = self._registers[number]
        if value is None:
            raise _Unknown
        return value

    def _compared(self, number: int) -> int | None:
        """A register that a branch looks at; None: it is unknown, and guessed."""
        return self._registers[number] if self._guess else self._known(number)

    def _set(self, number: int, value: int | None) -> None:
        if number:
            self._registers[number] = None if value is None else value & _MASK

    def _branch(self, word: int, pc: int) -> tuple[int, bool] | None:
        """Where a branch goes, and whether its slot runs; None: it is none."""
        op, rs, rt = word >> 26, word >> 21 & 31, word >> 16 & 31
        if op in (2, 3):
            if op == 3:
                self._set(31, pc + 8)
            return (pc + 4) & 0xF000_0000 | (word & 0x3FF_FFFF) << 2, True
        if op == 0 and word & 0x3F in (8, 9):
            target = self._known(rs)
            if word & 0x3F == 9:
                self._set(word >> 11 & 31, pc + 8)
            return target, True
        if op == 1 and rt in (0, 1, 2, 3, 0x10, 0x11, 0x12, 0x13):
            value = self._compared(rs)
            taken = value is not None and (_signed(value) < 0) == (rt & 1 == 0)
            likely = bool(rt & 2)
            if rt & 0x10:
                self._set(31, pc + 8)
        elif op & 0x2C == 4:  # beq bne blez bgtz, and likely
            kind, likely = op & 3, bool(op & 0x10)
            value, other = self._compared(rs), self._compared(rt)
            if kind < 2 and rs == rt:
                taken = kind == 0
            elif value is None or other is None:
                taken = False
            else:
                taken = (value == other) == (kind == 0) if kind < 2 else (_signed(value) <= 0) == (kind == 2)
        else:
            return None
        if taken:
            return (pc + 4 + (_signed16(word) << 2)) & _MASK, True
        return (pc + 8) & _MASK, not likely

    def _plain(self, word: int, pc: int) -> None:
        op, rs, rt = word >> 26, word >> 21 & 31, word >> 16 & 31
        if op in _LOADS or op in _STORES:
            self._access(word, pc)
        elif op == 0:
            self._special(word)
        elif op == 0x0F:
            self._set(rt, (word & 0xFFFF) << 16)
        elif 8 <= op <= 0x0E:
            self._set(rt, _immediate(op, self._registers[rs], word))
        elif op == 0x1C and word & 0x3F in (2, 0x20, 0x21):  # mul clz clo
            self._set(word >> 11 & 31, None)
        elif op == 0x1F and word & 0x3F in (0, 4, 0x20):  # ext ins, seb seh wsbh
            self._set(rt if word & 0x3F in (0, 4) else word >> 11 & 31, self._field(word))
        elif op == 0x10 and rs == 0:  # mfc0
            self._set(rt, self._system(word >> 11 & 31, word & 7))
        elif word == _WAIT:
            self.way.waits_at = self.way.length
            raise _Unknown
        elif op not in _NOTHING:
            raise _Unknown
        self.way.length += 1

    def _access(self, word: int, pc: int) -> None:
        op, rs, rt = word >> 26, word >> 21 & 31, word >> 16 & 31
        address = (self._known(rs) + _signed16(word)) & _MASK
        store = op in _STORES
        size = _STORES[op] if store else _LOADS[op][0]
        if address % size:
            raise _Unknown
        if store:
            self._stores += 1
            self._store(address, size, self._registers[rt])
            if op == _SC:
                self._set(rt, 1)
        else:
            value = self._load(address, size)
            if value is not None and _LOADS[op][1] and value >> (8 * size - 1):
                value -= 1 << 8 * size
            self._set(rt, value)
        self.way.accesses.append(
            AccessAhead(self.way.length, pc, address & ~3, store, rs == _STACK_POINTER, _MNEMONICS[op])
        )

    def _field(self, word: int) -> int | None:
        rs, rt, rd, sa = word >> 21 & 31, word >> 16 & 31, word >> 11 & 31, word >> 6 & 31
        function = word & 0x3F
        source = self._registers[rs]
        if function == 0:
            return None if source is None else source >> sa & ((1 << rd + 1) - 1)
        if function == 4:
            old, width = self._registers[rt], rd - sa + 1
            if source is None or old is None or width < 1:
                return None
            mask = (1 << width) - 1
            return old & ~(mask << sa) | (source & mask) << sa
        value = self._registers[rt]
        if value is None or sa not in (0x10, 0x18):
            return None
        size = 8 if sa == 0x10 else 16
        low = value & ((1 << size) - 1)
        return low - (1 << size) if low >> (size - 1) else low

    def _special(self, word: int) -> None:
        rs, rt, rd, sa, function = word >> 21 & 31, word >> 16 & 31, word >> 11 & 31, word >> 6 & 31, word & 0x3F
        a, b = self._registers[rs], self._registers[rt]
        if function in (0x0A, 0x0B):  # movz movn
            if (self._known(rt) == 0) == (function == 0x0A):
                self._set(rd, a)
        elif function in _SHIFTS:
            by = sa if function < 4 else a
            self._set(rd, None if b is None or by is None else _SHIFTS[function](b, by & 31))
        elif function in _ARITHMETIC:
            self._set(rd, None if a is None or b is None else _ARITHMETIC[function](a, b))
        elif function in (0x10, 0x12):  # mfhi mflo
            self._set(rd, None)
        elif function not in (0x0F, 0x11, 0x13, 0x18, 0x19, 0x1A, 0x1B):  # sync mthi mtlo mult div
            raise _Unknown


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def _signed16(word: int) -> int:
    low = word & 0xFFFF
    return low - (1 << 16) if low >> 15 else low


def _immediate(op: int, value: int | None, word: int) -> int | None:
    if value is None:
        return None
    if op in (8, 9):
        return value + _signed16(word)
    if op == 0x0A:
        return int(_signed(value) < _signed16(word))
    if op == 0x0B:
        return int(value < _signed16(word) & _MASK)
    low = word & 0xFFFF
    return value & low if op == 0x0C else value | low if op == 0x0D else value ^ low


_SHIFTS: dict[int, Callable[[int, int], int]] = {
    0x00: lambda b, by: b << by,
    0x02: lambda b, by: b >> by,
    0x03: lambda b, by: _signed(b) >> by,
    0x04: lambda b, by: b << by,
    0x06: lambda b, by: b >> by,
    0x07: lambda b, by: _signed(b) >> by,
}
_ARITHMETIC: dict[int, Callable[[int, int], int]] = {
    0x20: lambda a, b: a + b,
    0x21: lambda a, b: a + b,
    0x22: lambda a, b: a - b,
    0x23: lambda a, b: a - b,
    0x24: lambda a, b: a & b,
    0x25: lambda a, b: a | b,
    0x26: lambda a, b: a ^ b,
    0x27: lambda a, b: ~(a | b),
    0x2A: lambda a, b: int(_signed(a) < _signed(b)),
    0x2B: lambda a, b: int(a < b),
}
