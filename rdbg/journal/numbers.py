"""Numbers as a journal has them, and where positions end."""

from __future__ import annotations

from typing import BinaryIO

import construct as c

#: Values and lengths are 64 bits.
LIMIT = 1 << 64
#: Positions end here, so that virtual time, with the largest shift, stays below 2^62 ns.
LAST_POSITION = 1 << 52


class _BoundedVarInt(c.Construct):  # type: ignore[misc]  # construct has no types
    """c.VarInt of 64 bits: without a bound, a megabyte of it would be one number."""

    _MOST_BYTES = 10

    def _parse(self, stream: BinaryIO, context: object, path: str) -> int:
        value = 0
        for shift in range(0, 7 * self._MOST_BYTES, 7):
            byte = stream.read(1)
            if not byte:
                raise c.StreamError("the data ends in a number", path=path)
            value |= (byte[0] & 0x7F) << shift
            if not byte[0] & 0x80:
                break
        if byte[0] & 0x80 or value >= LIMIT:
            raise c.IntegerError("a number of more than 64 bits", path=path)
        return value

    def _build(self, obj: int, stream: BinaryIO, context: object, path: str) -> int:
        value: int = c.VarInt._build(obj, stream, context, path)
        return value


#: 7 bits a byte, low bits first.
VAR_INT = _BoundedVarInt()
