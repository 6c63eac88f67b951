"""Whole numbers in the spelling of C, as QEMU's properties take them."""

from __future__ import annotations

import re

_SPELLING = re.compile(r"[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))", re.ASCII)


def c_number(text: str) -> int:
    """A decimal, ``0x`` hexadecimal or ``0`` octal number, with its sign.

    Raises:
        ValueError: it is none.
    """
    match = _SPELLING.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number")
    sign, hexadecimal, octal, decimal = match.groups()
    digits, base = (hexadecimal, 16) if hexadecimal else (octal, 8) if octal else (decimal, 10)
    return int(digits, base) * (-1 if sign == "-" else 1)
