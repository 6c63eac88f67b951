"""Numbers as a journal has them, and where positions end."""

from __future__ import annotations

from typing import BinaryIO

import construct as c

#: Values are 64 bits.
_LIMIT = 1 << 64
#: No part of a journal comes near so many bytes. (Python's streams end in an error of their own at lengths of 63 bits.)
_MOST_BYTES_OF_DATA = 1 << 30
#: Positions end here, so that virtual time, with the largest shift, stays below 2^62 ns.
LAST_POSITION = 1 << 52


class _BoundedVarInt(c.Construct):  # type: ignore[misc]  # construct has no types
    """c.VarInt with a bound: without, a megabyte of it would be one number.

    Args:
        limit: of the numbers, at most 2^64.
    """

    _MOST_BYTES = 10

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def _parse(self, stream: BinaryIO, context: object, path: str) -> int:
        value = 0
        for shift in range(0, 7 * self._MOST_BYTES, 7):
            byte = stream.read(1)
            if not byte:
                raise c.StreamError("the data ends in a number", path=path)
            value |= (byte[0] & 0x7F) << shift
            if not byte[0] & 0x80:
                break
        if byte[0] & 0x80 or value >= self._limit:
            raise c.IntegerError(f"a number of more than {self._limit.bit_length() - 1} bits", path=path)
        return value

    def _build(self, obj: int, stream: BinaryIO, context: object, path: str) -> int:
        value: int = c.VarInt._build(obj, stream, context, path)
        return value


def var_int(number: int) -> bytes:
    """What VAR_INT makes of a number."""
    if number < 0x80:
        return bytes((number,))
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


#: 7 bits a byte, low bits first.
VAR_INT = _BoundedVarInt(_LIMIT)
#: Bytes, as many as a number of that sort before them says.
DATA = c.Prefixed(_BoundedVarInt(_MOST_BYTES_OF_DATA), c.GreedyBytes)
