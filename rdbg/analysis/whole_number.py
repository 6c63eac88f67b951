"""Whole numbers as users write them."""

from __future__ import annotations

from rdbg.errors import UsageError


def whole_number(text: str, what: str) -> int:
    """A decimal or ``0x`` number, not negative; ``_`` may group digits.

    Raises:
        UsageError: it is none.
    """
    try:
        value = int(text, 0) if text.lower().startswith("0x") else int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise UsageError(f"{what} '{text}' is not a whole number (decimal, or 0x...)")
    return value


def at_least(least: int, value: int, what: str, most: int | None = None) -> int:
    """A number that a program gives.

    Raises:
        UsageError: it is less or more than it can be.
    """
    if most is not None and value > most:
        raise UsageError(f"{what} {value} is more than {most}: ask for less at a time")
    if value < least:
        raise UsageError(f"{what} {value} is less than {least}: give a whole number from {least} on")
    return value
