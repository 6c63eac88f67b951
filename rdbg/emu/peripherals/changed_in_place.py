"""What fields hold that are changed in place: a change that a state could not hold is refused where it is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn, Self


class BoundedBytes(bytearray):
    """Bytes, no more than so many.

    Args:
        value: what they are at first.
        most: how many there can be.
        name: of the field, for messages.
    """

    __slots__ = ("_most", "_name")

    def __init__(self, value: bytes | bytearray, most: int, name: str) -> None:
        super().__init__(value)
        self._most, self._name = most, name

    def _room(self, more: int) -> None:
        if len(self) + more > self._most:
            raise ValueError(f"field {self._name!r} holds at most {self._most} bytes, not {len(self) + more}")

    def append(self, item: Any, /) -> None:
        """One more."""
        self._room(1)
        super().append(item)

    def insert(self, index: Any, item: Any, /) -> None:
        """One more, at a place."""
        self._room(1)
        super().insert(index, item)

    def extend(self, items: Any, /) -> None:
        """More of them."""
        more = items if isinstance(items, bytes | bytearray) else bytes(items)
        self._room(len(more))
        super().extend(more)

    def __iadd__(self, more: Any, /) -> Self:  # type: ignore[misc]
        self.extend(more)
        return self

    def __imul__(self, times: Any, /) -> Self:  # type: ignore[misc]
        self._room(len(self) * (max(times, 0) - 1))
        return super().__imul__(times)

    def __setitem__(self, index: Any, value: Any, /) -> None:
        if isinstance(index, slice):
            value = bytes(value)
            self._room(len(value) - len(range(*index.indices(len(self)))))
        super().__setitem__(index, value)


class BoundedNumbers(list[int]):
    """Numbers in a range, whose count stays.

    Args:
        values: what they are at first.
        low, high: the smallest and the largest that each can be.
        name: of the field, for messages.
    """

    __slots__ = ("_high", "_low", "_name")

    def __init__(self, values: Iterable[int], low: int, high: int, name: str) -> None:
        super().__init__(values)
        self._low, self._high, self._name = low, high, name

    def _number(self, value: Any) -> int:
        if not isinstance(value, int) or not self._low <= value <= self._high:
            shown = repr(value)[:60] if isinstance(value, int | str | bytes) else type(value).__name__
            raise ValueError(f"field {self._name!r} holds numbers from {self._low:#x} to {self._high:#x}, not {shown}")
        return int(value)

    def __setitem__(self, index: Any, value: Any, /) -> None:
        if isinstance(index, slice):
            value = [self._number(item) for item in value]
            if len(value) != len(range(*index.indices(len(self)))):
                self._resized()
            super().__setitem__(index, value)
        else:
            super().__setitem__(index, self._number(value))

    def _resized(self, *_values: Any, **_named: Any) -> NoReturn:
        raise ValueError(f"field {self._name!r} holds {len(self)} numbers, always: assign to one of them")

    append = extend = insert = pop = remove = clear = __delitem__ = __iadd__ = __imul__ = _resized
