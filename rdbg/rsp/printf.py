"""C's ``printf`` on values that a debugger's commands have computed. Source: C11, 7.21.6.1 (``fprintf``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

#: Longest string of the guest that ``%s`` shows, and most blanks or digits that a width or precision asks for.
MOST_CHARACTERS = 4096
_DIRECTIVE = re.compile(rb"%([-+ #0]*)(\d*)(?:\.(\d*))?(hh|ll|[hljztL])?([diouxXcspaAeEfFgG%])")
_BITS = {b"hh": 8, b"h": 16, b"ll": 64, b"j": 64}
_INT = 32
_POINTERS = (b"l", b"z", b"t")


def formatted(
    template: bytes, values: Sequence[int], read_string: Callable[[int], bytes | None], pointer_bits: int
) -> str:
    """The text that a template and its values make.

    Args:
        template: C's format, escapes already resolved.
        values: one for each directive, as 64 unsigned bits; one too few reads as 0.
        read_string: the bytes at an address up to a zero, or None: it cannot be read.
        pointer_bits: width of the guest's addresses, and of C's ``long``.
    """
    left = iter(values)
    pointers = (1 << pointer_bits) - 1

    def one(match: re.Match[bytes]) -> bytes:
        flags, width, precision, length, kind = match.groups()
        if kind == b"%":
            return b"%"
        value = next(left, 0)
        if kind in b"aAeEfFgG":
            return b"<no floating point here>"
        if kind == b"s":
            return _padded(_string(value & pointers, precision, read_string), flags, width)
        if kind == b"c":
            return _padded(bytes((value & 0xFF,)), flags, width)
        if kind == b"p":
            return _padded(b"0x%x" % (value & pointers), flags, width)
        bits = pointer_bits if length in _POINTERS else _BITS.get(length or b"", _INT)
        return _padded(_number(value, bits, flags, precision, kind), flags, width, precision is None)

    return _DIRECTIVE.sub(one, template).decode("utf-8", "replace")


def _number(value: int, bits: int, flags: bytes, precision: bytes | None, kind: bytes) -> bytes:
    value &= (1 << bits) - 1
    sign = b""
    if kind in b"di":
        if value >> (bits - 1):
            value, sign = (1 << bits) - value, b"-"
        elif b"+" in flags:
            sign = b"+"
        elif b" " in flags:
            sign = b" "
    digits = (b"%o" if kind == b"o" else b"%x" if kind == b"x" else b"%X" if kind == b"X" else b"%d") % value
    if precision is not None:
        digits = digits.rjust(min(int(precision or 0), MOST_CHARACTERS), b"0") if value or int(precision or 0) else b""
    if b"#" in flags and value:
        sign += {b"x": b"0x", b"X": b"0X", b"o": b"0"}.get(kind, b"")
    return sign + digits


def _string(address: int, precision: bytes | None, read_string: Callable[[int], bytes | None]) -> bytes:
    text = read_string(address)
    if text is None:
        return b"<cannot read 0x%x>" % address
    return text if precision is None else text[: int(precision or 0)]


def _padded(text: bytes, flags: bytes, width: bytes, zeros: bool = False) -> bytes:
    columns = min(int(width or 0), MOST_CHARACTERS)
    if b"-" in flags:
        return text.ljust(columns)
    if zeros and b"0" in flags:
        start = len(text) - len(text.lstrip(b"+- "))
        start += 2 if text[start : start + 2] in (b"0x", b"0X") else 0
        return text[:start] + text[start:].rjust(columns - start, b"0")
    return text.rjust(columns)
