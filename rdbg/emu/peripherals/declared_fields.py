"""Fields that a peripheral declares: all that it remembers. They are reset, saved, loaded and compared by rdbg."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, Self, TypeVar, overload

from rdbg.emu.device import StateValue
from rdbg.emu.peripherals.changed_in_place import BoundedBytes, BoundedNumbers
from rdbg.errors import RdbgError

Value = TypeVar("Value")

#: Bytes, or numbers, that one field can hold.
MOST_HELD = 1 << 20


class Declaring:
    """What declares fields in its class."""


class Field(Generic[Value]):
    """Something that a peripheral remembers, declared in its class: ``control = Word()``."""

    def __init__(self) -> None:
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Declaring, owner: type) -> Value: ...
    def __get__(self, instance: Declaring | None, owner: type) -> Self | Value:
        if instance is None:
            return self
        value: Value = vars(instance)[self.name]
        return value

    def __set__(self, instance: Declaring, value: Value) -> None:
        vars(instance)[self.name] = self.taken(value)

    @abstractmethod
    def at_reset(self) -> Value:
        """The value after a reset."""

    @abstractmethod
    def taken(self, value: Any) -> Value:
        """A value that is assigned, as the field holds it.

        Raises:
            ValueError: it cannot hold that.
        """

    @abstractmethod
    def saved(self, value: Value) -> StateValue:
        """A held value as a state has it."""

    @abstractmethod
    def loaded(self, value: StateValue) -> Value:
        """What `saved` gave, from a file that anybody made.

        Raises:
            ValueError: it cannot be.
        """

    def _refusal(self, value: object, wanted: str) -> ValueError:
        shown = repr(value) if isinstance(value, int | bytes | str | bool | None) else type(value).__name__
        return ValueError(f"field {self.name!r} holds {wanted}, not {shown[:60]}")


class Ranged(Field[int]):
    """A number.

    Args:
        low, high: the smallest and the largest that it holds; another one is an error.
        reset: its value after a reset.
    """

    def __init__(self, low: int, high: int, reset: int | None = None) -> None:
        super().__init__()
        self._low, self._high = low, high
        self._reset = max(low, min(0, high)) if reset is None else self.taken(reset)

    def at_reset(self) -> int:
        """The value after a reset."""
        return self._reset

    def taken(self, value: Any) -> int:
        """It, if it is in range."""
        if isinstance(value, bool):
            value = int(value)
        if not isinstance(value, int) or not self._low <= value <= self._high:
            raise self._refusal(value, f"numbers from {self._low:#x} to {self._high:#x}")
        return int(value)

    def saved(self, value: int) -> StateValue:
        """A held value as a state has it."""
        return value

    def loaded(self, value: StateValue) -> int:
        """What `saved` gave."""
        if isinstance(value, bool):
            raise ValueError
        return self.taken(value)


class Byte(Ranged):
    """A number of 8 bits.

    Args:
        reset: its value after a reset.
    """

    def __init__(self, reset: int = 0) -> None:
        super().__init__(0, 0xFF, reset)


class Half(Ranged):
    """A number of 16 bits.

    Args:
        reset: its value after a reset.
    """

    def __init__(self, reset: int = 0) -> None:
        super().__init__(0, 0xFFFF, reset)


class Word(Ranged):
    """A number of 32 bits.

    Args:
        reset: its value after a reset.
    """

    def __init__(self, reset: int = 0) -> None:
        super().__init__(0, 0xFFFF_FFFF, reset)


class Double(Ranged):
    """A number of 64 bits: also a virtual time in nanoseconds.

    Args:
        reset: its value after a reset.
    """

    def __init__(self, reset: int = 0) -> None:
        super().__init__(0, 0xFFFF_FFFF_FFFF_FFFF, reset)


class Switch(Field[bool]):
    """True or False.

    Args:
        reset: its value after a reset.
    """

    def __init__(self, reset: bool = False) -> None:
        super().__init__()
        self._reset = reset

    def at_reset(self) -> bool:
        """The value after a reset."""
        return self._reset

    def taken(self, value: Any) -> bool:
        """It, if it is one of the two."""
        if not isinstance(value, bool):
            raise self._refusal(value, "True or False")
        return value

    def saved(self, value: bool) -> StateValue:
        """A held value as a state has it."""
        return value

    def loaded(self, value: StateValue) -> bool:
        """What `saved` gave."""
        return self.taken(value)


class ByteBuffer(Field[bytearray]):
    """Bytes that are changed in place, as a bytearray: a queue, or a memory.

    Args:
        most: how many it holds at most.
        size: how many zeros it holds after a reset.
    """

    def __init__(self, most: int, size: int = 0) -> None:
        super().__init__()
        if not 0 < most <= MOST_HELD or not 0 <= size <= most:
            raise ValueError(f"a ByteBuffer holds 1 to {MOST_HELD} bytes, and at a reset no more than that")
        self._most, self._size = most, size

    def at_reset(self) -> bytearray:
        """The value after a reset."""
        return self._held(bytes(self._size))

    def taken(self, value: Any) -> bytearray:
        """A copy of it, if it is not too long."""
        if not isinstance(value, bytes | bytearray) or len(value) > self._most:
            raise self._refusal(value, f"at most {self._most} bytes")
        return self._held(value)

    def saved(self, value: bytearray) -> StateValue:
        """A held value as a state has it."""
        return bytes(value)

    def loaded(self, value: StateValue) -> bytearray:
        """What `saved` gave."""
        return self.taken(value)

    def _held(self, value: bytes | bytearray) -> bytearray:
        return BoundedBytes(value, self._most, self.name)


class Numbers(Field[list[int]]):
    """A row of numbers that are changed in place, as a list whose length stays.

    Args:
        count: how many.
        low, high: the smallest and the largest that each can be.
        reset: the value of each after a reset.
    """

    def __init__(self, count: int, low: int = 0, high: int = 0xFFFF_FFFF, reset: int = 0) -> None:
        super().__init__()
        if not 0 < count <= MOST_HELD or not low <= reset <= high:
            raise ValueError(f"Numbers are 1 to {MOST_HELD}, and reset is one of those from low to high")
        self._count, self._low, self._high, self._reset = count, low, high, reset

    def at_reset(self) -> list[int]:
        """The value after a reset."""
        return self._held([self._reset] * self._count)

    def taken(self, value: Any) -> list[int]:
        """A copy of it, if it is such a list."""
        if not isinstance(value, list | tuple) or not self._holds(list(value)):
            raise self._refusal(value, f"{self._count} numbers from {self._low:#x} to {self._high:#x}")
        return self._held(value)

    def saved(self, value: list[int]) -> StateValue:
        """A held value as a state has it."""
        return [*value]

    def loaded(self, value: StateValue) -> list[int]:
        """What `saved` gave."""
        return self.taken(value)

    def _held(self, values: Iterable[int]) -> list[int]:
        return BoundedNumbers(values, self._low, self._high, self.name)

    def _holds(self, values: list[Any]) -> bool:
        return (
            len(values) == self._count
            and all(type(value) is int for value in values)
            and self._low <= min(values)
            and max(values) <= self._high
        )


class Countdown:
    """A timer of a peripheral, in virtual time. When it expires the method ``on_NAME`` of the peripheral is called,
    before the next instruction. It is stopped by a reset. Declared in the class: ``tick = Countdown()``."""

    def __init__(self) -> None:
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Declaring, owner: type) -> RunningCountdown: ...
    def __get__(self, instance: Declaring | None, owner: type) -> Self | RunningCountdown:
        if instance is None:
            return self
        countdown: RunningCountdown = vars(instance)[self.name]
        return countdown

    def __set__(self, instance: Declaring, value: object) -> None:
        raise AttributeError(f"countdown {self.name!r} is not assigned to: call its start or stop")


class RunningCountdown:
    """What a `Countdown` of one peripheral is asked."""

    @property
    @abstractmethod
    def deadline_ns(self) -> int | None:
        """Virtual time of the expiry in nanoseconds; None: it is stopped."""

    @abstractmethod
    def start(self, delay_ns: int) -> None:
        """Expire so many nanoseconds from now; at least 1."""

    @abstractmethod
    def stop(self) -> None:
        """Do not expire."""


def load_declared(device: str, field: Field[Any], state: dict[str, StateValue]) -> Any:
    """A field's value out of a saved state.

    Raises:
        RdbgError: it is missing, or cannot be.
    """
    if field.name not in state:
        raise RdbgError(f"saved state of device {device!r} has no field {field.name!r}: made by another version")
    try:
        return field.loaded(state[field.name])
    except (ValueError, TypeError):
        raise RdbgError(f"saved state of device {device!r} is damaged: field {field.name!r} cannot be that") from None
