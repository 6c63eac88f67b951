"""Addresses of which nothing is known yet: they answer anything, and remember what a guest did there, for a first
description of its board."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.fields import DOUBLE, WORD, load_field
from rdbg.errors import RdbgError

#: Loads of one register with no other access between them, after which the guest is taken to wait for another value.
PATIENCE = 64
#: Registers that are told apart; what is beyond gives 0.
MOST_EXPLORED = 4096
#: Kept of each register.
_MOST_VALUES = 8
_MOST_TEXT = 60


@dataclass
class Explored:
    """What was done to one register.

    Args:
        address: guest-physical.
        size: bytes of the first access.
        pc: virtual address of the instruction that made the first one.
        icount: its position.
        loads, stores: how many.
        stored: the first different values that were stored.
        given: what loads gave, and how often, one after another; only for a register that was waited for.
        text: the characters that were stored, if all were some.
    """

    address: int
    size: int
    pc: int
    icount: int
    loads: int = 0
    stores: int = 0
    stored: list[int] = field(default_factory=list)
    given: list[tuple[int, int]] = field(default_factory=list)
    text: str | None = ""


class ExploredRegisters(Device):
    """A window that answers everything. A load gives what was stored last, else 0; a guest that loads the same register
    again and again and does nothing else gets all ones after a while, then zeros, and so on.

    Args:
        name: unique in the machine.
        system: tells where the guest is.
        base: guest-physical address.
        big_endian: byte order of the CPU.
    """

    def __init__(self, name: str, system: System, base: int, big_endian: bool) -> None:
        super().__init__(name)
        self._system = system
        self._base = base
        self._order: Literal["big", "little"] = "big" if big_endian else "little"
        #: What was found: by address. It is for whoever looks, and no part of the machine's state.
        self.found: dict[int, Explored] = {}
        self._values: dict[int, int] = {}  # by offset, its bytes
        self._polled = 0
        self._polls = 0

    def reset(self) -> None:
        """Nothing has been stored."""
        self._values.clear()
        self._polled = self._polls = 0

    def _note(self, offset: int, size: int) -> Explored | None:
        address = self._base + offset
        found = self.found.get(address)
        if found is None and len(self.found) < MOST_EXPLORED:
            found = self.found[address] = Explored(address, size, self._system.pc, self._system.last_position)
        return found

    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        self._polls = self._polls + 1 if offset == self._polled else 0
        self._polled = offset
        stored = bytes(self._values.get(at, 0) for at in range(offset, offset + size))
        value = int.from_bytes(stored, self._order)
        turn = self._polls // PATIENCE
        if turn:
            value = (1 << (8 * size)) - 1 if turn % 2 else 0
        found = self._note(offset, size)
        if found is not None:
            found.loads += 1
            if found.given and found.given[-1][0] == value:
                found.given[-1] = value, found.given[-1][1] + 1
            elif len(found.given) < _MOST_VALUES:
                found.given.append((value, 1))
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        self._polls = 0
        if len(self._values) < MOST_EXPLORED * 4:
            self._values.update(zip(range(offset, offset + size), value.to_bytes(size, self._order), strict=True))
        found = self._note(offset, size)
        if found is None:
            return
        found.stores += 1
        if value not in found.stored and len(found.stored) < _MOST_VALUES:
            found.stored.append(value)
        if found.text is not None and len(found.text) < _MOST_TEXT:
            letter = chr(value) if value < 0x7F else ""
            found.text = found.text + letter if letter.isprintable() and letter or letter in ("\n", "\r") else None

    def save(self) -> State:
        """What was stored, and the register that is waited for."""
        values = [number for pair in sorted(self._values.items()) for number in pair]
        return {"values": list(values), "polled": self._polled, "polls": self._polls}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        values = state.get("values")
        if not isinstance(values, list) or len(values) % 2 or not all(WORD.holds(value) for value in values):
            raise RdbgError(f"saved state of device {self.name!r} is damaged: 'values'")
        polled = load_field(self.name, "polled", WORD, state)
        polls = load_field(self.name, "polls", DOUBLE, state)
        pairs = {int(str(at)): int(str(value)) for at, value in zip(values[::2], values[1::2], strict=True)}
        if any(value > 0xFF for value in pairs.values()):
            raise RdbgError(f"saved state of device {self.name!r} is damaged: 'values'")
        assert isinstance(polled, int) and isinstance(polls, int)
        self._values, self._polled, self._polls = pairs, polled, polls
