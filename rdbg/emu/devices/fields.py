"""Saving and loading a device's plain attributes by name. What is loaded may come from a file that anybody made: each
value is checked for its type and its range before the device has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeGuard

from rdbg.emu.device import FOREVER, Device, State, StateValue
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Number:
    """Integers that a field can hold.

    Args:
        low: the smallest.
        high: the largest.
        optional: None stands for none.
    """

    low: int
    high: int
    optional: bool = False

    def holds(self, value: StateValue) -> bool:
        """Whether a value is one of them."""
        if value is None:
            return self.optional
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def holds(self, value: StateValue) -> bool:
        """Whether a value is one of them."""
        return isinstance(value, bool)


@dataclass(frozen=True)
class Bytes:
    """Byte strings that a field can hold.

    Args:
        least: the shortest.
        most: the longest.
    """

    least: int
    most: int

    def holds(self, value: StateValue) -> bool:
        """Whether a value is one of them."""
        return isinstance(value, bytes) and self.least <= len(value) <= self.most


Kind = Number | Flag | Bytes
Fields = Mapping[str, Kind]

FLAG = Flag()
BIT = Number(0, 1)
BYTE = Number(0, 0xFF)
HALF = Number(0, 0xFFFF)
WORD = Number(0, 0xFFFF_FFFF)
DOUBLE = Number(0, 0xFFFF_FFFF_FFFF_FFFF)
#: Virtual times, and differences between them.
NANOSECONDS = Number(-FOREVER, FOREVER)


def all_of(kind: Kind, *names: str) -> dict[str, Kind]:
    """Fields that hold the same kind of value."""
    return dict.fromkeys(names, kind)


def save_fields(device: object, names: Iterable[str]) -> State:
    """The named attributes (int, bool, bytes or None) as a new dict."""
    held = vars(device)
    return {name: held[name] for name in names}


def load_fields(device: Device, fields: Fields, state: State) -> None:
    """Set the named attributes from what ``save_fields`` gave.

    Raises:
        RdbgError: one is missing or cannot be: the state is damaged, or from another version of the device.
    """
    held = vars(device)
    for name, kind in fields.items():
        held[name] = load_field(device.name, name, kind, state)


def load_field(device: str, name: str, kind: Kind, state: State) -> StateValue:
    """A value out of a saved state.

    Raises:
        RdbgError: it is missing, or of another type or range.
    """
    if name not in state:
        raise RdbgError(f"saved state of device {device!r} has no field {name!r}: made by another version")
    value = state[name]
    if not kind.holds(value):
        raise RdbgError(f"saved state of device {device!r} is damaged: {name!r} cannot be {str(value)[:40]}")
    return value


def load_ints(device: Device, name: str, state: State, length: int) -> list[int]:
    """A list of ``length`` words out of a saved state.

    Raises:
        RdbgError: it is missing or not of that shape.
    """
    value = state.get(name)
    if not isinstance(value, list) or len(value) != length or not _are_words(value):
        raise RdbgError(f"saved state of device {device.name!r} has no list {name!r} of {length} values")
    return value


def _are_words(values: list[StateValue]) -> TypeGuard[list[int]]:
    """As `WORD.holds` of each, without a call for each: of a thousand registers that took longer than all else that a
    step back does."""
    numbers = [value for value in values if type(value) is int]
    return len(numbers) == len(values) and (not values or (min(numbers) >= WORD.low and max(numbers) <= WORD.high))


def load_bytes(device: Device, name: str, state: State, kind: Bytes) -> bytes:
    """A byte string out of a saved state.

    Raises:
        RdbgError: it is missing, or of another type or length.
    """
    value = load_field(device.name, name, kind, state)
    assert isinstance(value, bytes)
    return value
