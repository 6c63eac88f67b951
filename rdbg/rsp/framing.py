"""Packet framing of the GDB remote protocol: ``$data#checksum``, escapes, run-length encoding.

Bytes in, bytes out; no sockets and no machine. Source: GDB manual, appendix "Remote Serial Protocol", "Overview".
"""

from __future__ import annotations

import re

from rdbg.quick_dataclass import dataclass
from rdbg.rsp.packet_error import FramingError

_ESCAPE = 0x7D
_ESCAPE_XOR = 0x20
_REPEAT = 0x2A
_COUNT_BIAS = 29
#: Count characters that would read as packet syntax, or as escapes by a client that unescapes first.
_BAD_COUNTS = frozenset(b"#$*+-}")
_LONGEST_RUN = 126 - _COUNT_BIAS
_RUN = re.compile(rb"(.)\1{3,}", re.DOTALL)
_NEEDS_ESCAPE = re.compile(rb"[#$*}]")
_HEX = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True)
class Packet:
    """A whole packet with a right checksum; ``data`` is expanded and unescaped."""

    data: bytes


@dataclass(frozen=True)
class Interrupt:
    """The byte 0x03 outside a packet: the user pressed Ctrl-C."""


@dataclass(frozen=True)
class Acknowledge:
    """``+`` (``good``) or ``-``: the client has, or has not, received the last packet whole."""

    good: bool


@dataclass(frozen=True)
class Damaged:
    """Something that is not a packet: ``reason`` says why, ``resend`` whether asking again can help."""

    reason: str
    resend: bool


@dataclass(frozen=True)
class Noise:
    """Bytes that belong to no packet: ``data`` is all of them that have come at once."""

    data: bytes


Event = Packet | Interrupt | Acknowledge | Damaged | Noise


def escape(data: bytes) -> bytes:
    """Escape the bytes that have a meaning in a packet."""
    return _NEEDS_ESCAPE.sub(lambda match: bytes((_ESCAPE, match[0][0] ^ _ESCAPE_XOR)), data)


def unescape(data: bytes) -> bytes:
    """Undo ``escape``.

    Raises:
        FramingError: the data ends in the middle of an escape.
    """
    if _ESCAPE not in data:
        return data
    plain = bytearray()
    position = 0
    while (found := data.find(_ESCAPE, position)) >= 0:
        if found + 1 == len(data):
            raise FramingError("packet ends inside an escape")
        plain += data[position:found]
        plain.append(data[found + 1] ^ _ESCAPE_XOR)
        position = found + 2
    return bytes(plain + data[position:])


def compress(data: bytes) -> bytes:
    """Run-length encode escaped data: ``0000`` becomes ``0*`` and a count character."""
    return _RUN.sub(_shorten, data)


def _shorten(match: re.Match[bytes]) -> bytes:
    byte, left = match[1], len(match[0])
    parts = []
    while left > 3:
        repeats = min(left - 1, _LONGEST_RUN)
        while repeats + _COUNT_BIAS in _BAD_COUNTS:
            repeats -= 1
        parts.append(byte + bytes((_REPEAT, repeats + _COUNT_BIAS)))
        left -= repeats + 1
    return b"".join(parts) + byte * left


def expand(data: bytes, limit: int) -> bytes:
    """Undo ``compress``.

    Args:
        data: bytes as they stood between ``$`` and ``#``.
        limit: longest result in bytes.

    Raises:
        FramingError: a repeat without a byte before it or with a wrong count, or the result would be too long.
    """
    if _REPEAT not in data:
        return data
    plain = bytearray()
    position = 0
    while (found := data.find(_REPEAT, position)) >= 0:
        plain += data[position:found]
        if not plain or found + 1 == len(data):
            raise FramingError("run-length repeat without a byte or a count")
        repeats = data[found + 1] - _COUNT_BIAS
        if not 3 <= repeats <= _LONGEST_RUN:
            raise FramingError(f"run-length count {data[found + 1]:#04x} is out of range")
        plain += plain[-1:] * repeats
        if len(plain) > limit:
            raise FramingError(f"packet expands to more than {limit} bytes")
        position = found + 2
    return bytes(plain + data[position:])


def encode(data: bytes) -> bytes:
    """A whole packet, ready to send."""
    body = compress(escape(data))
    return b"$%b#%02x" % (body, sum(body) & 0xFF)


class Decoder:
    """Cuts a stream of bytes into events, whatever the stream holds.

    Args:
        limit: longest packet in bytes; a longer one is skipped to its end and reported as damaged.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skipping = False  # inside a packet that was found too long

    def feed(self, data: bytes) -> list[Event]:
        """Events that the new bytes complete, in order."""
        self._buffer += data
        events: list[Event] = []
        while (event := self._next()) is not None:
            events.append(event)
        return events

    def _next(self) -> Event | None:
        buffer = self._buffer
        while buffer and not self._skipping and buffer[0] != 0x24:
            byte = buffer[0]
            if byte in b"+-\x03":
                del buffer[0]
                return Interrupt() if byte == 0x03 else Acknowledge(byte == 0x2B)
            start = min((at for at in map(buffer.find, (b"$", b"+", b"-", b"\x03")) if at >= 0), default=len(buffer))
            noise = bytes(buffer[:start])
            del buffer[:start]
            return Noise(noise)
        return self._packet() if buffer else None

    def _packet(self) -> Event | None:
        buffer = self._buffer
        end = buffer.find(b"#")
        if end < 0 or len(buffer) < end + 3:
            if end < 0 and len(buffer) > self._limit:
                self._skipping = True
                buffer.clear()
            return None
        # '$' never stands inside a packet: the one before it was cut short.
        start = buffer.rfind(b"$", 0, end)
        body, checksum = bytes(buffer[start + 1 : end]), bytes(buffer[end + 1 : end + 3])
        del buffer[: end + 3]
        if self._skipping:
            self._skipping = False
            if start < 0:
                return Damaged(f"packet longer than {self._limit} bytes", resend=False)
        if not _HEX.issuperset(checksum) or int(checksum, 16) != sum(body) & 0xFF:
            return Damaged(f"checksum of a packet of {len(body)} bytes is wrong", resend=True)
        try:
            return Packet(unescape(expand(body, self._limit)))
        except FramingError as error:
            return Damaged(str(error), resend=False)
