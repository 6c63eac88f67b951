"""Cuts what a client sends into JSON values, as QEMU does: by their brackets, not by lines."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: A request of more bytes than this is refused: none that makes sense comes near.
MOST_BYTES = 1 << 20
#: Brackets within brackets.
_DEEPEST = 256

#: Characters of a 64-bit integer, at most.
_LONGEST_WHOLE = 20

_BLANKS = b" \t\r\n"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._")
_WORD = re.compile("[A-Za-z]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Unreadable:
    """What came is not JSON.

    Args:
        why: in QEMU's words.
    """

    why: str


def _error(why: str) -> Unreadable:
    return Unreadable(f"JSON parse error, {why}")


class RequestStream:
    """Bytes in, values out.

    What is no JSON gives one `Unreadable` for what was cut off with it; the next value is understood again. A byte 0xff
    ends whatever was begun (QEMU's way for a client to begin anew). Strings may stand in single quotes, as for QEMU.
    """

    def __init__(self) -> None:
        self._begin()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values, or `Unreadable`, that end in ``data``."""
        for byte in data:
            yield from self._take(byte)

    def _begin(self) -> None:
        self._text = bytearray()
        self._braces = self._brackets = 0
        self._quote = 0  # the character that ends the string that we are in
        self._escaped = False

    def _take(self, byte: int) -> Iterator[Any]:
        if len(self._text) >= MOST_BYTES:
            self._begin()
            yield Unreadable("JSON token size limit exceeded")
        if self._quote:
            if byte < 0x20 or byte == 0xFF:
                yield self._give_up(byte)
                return
            self._take_in_string(byte)
            if not self._quote and not self._nested:
                yield self._value()
        elif byte in b"{}[]:,\"'" or byte in _BLANKS:
            if not self._nested and self._text:
                yield self._value()  # a number or a word ends here
            yield from self._take_mark(byte)
        elif byte in _PLAIN:
            self._text.append(byte)
        else:
            yield self._give_up(byte)

    @property
    def _nested(self) -> bool:
        return self._braces > 0 or self._brackets > 0

    def _give_up(self, byte: int) -> Unreadable:
        self._begin()
        return _error(f"stray '{bytes([byte]).decode('utf-8', 'replace')}'")

    def _take_in_string(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
            if byte == ord("'"):
                self._text.pop()  # JSON knows no \'
        elif byte == ord("\\"):
            self._escaped = True
        elif byte == self._quote:
            self._quote = 0
            byte = ord('"')
        elif byte == ord('"'):
            self._text.append(ord("\\"))  # within single quotes
        self._text.append(byte)

    def _take_mark(self, byte: int) -> Iterator[Any]:
        if byte in _BLANKS:
            if self._text:
                self._text.append(byte)
            return
        if byte in b"\"'":
            self._quote = byte
            byte = ord('"')
        self._braces += (byte == ord("{")) - (byte == ord("}"))
        self._brackets += (byte == ord("[")) - (byte == ord("]"))
        self._text.append(byte)
        if self._braces + self._brackets > _DEEPEST:
            self._begin()
            yield Unreadable("JSON nesting depth limit exceeded")
        elif not self._quote and (not self._nested or self._braces < 0 or self._brackets < 0):
            yield self._value()

    def _value(self) -> Any:
        data = bytes(self._text)
        self._begin()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return _error("invalid UTF-8 sequence in string")
        try:
            value = json.loads(
                text, object_pairs_hook=_members, parse_constant=_constant, parse_float=_number, parse_int=_whole
            )
            if "\\u" in text and (found := _SURROGATE.search(json.dumps(value, ensure_ascii=False))):
                return _error(f"\\u{ord(found[0]):04x} is not a valid Unicode character")
        except json.JSONDecodeError as error:
            return _error(_why(text, error))
        except ValueError as error:  # of the hooks
            return _error(str(error))
        return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("duplicate key")
    return members


def _constant(word: str) -> Any:
    raise ValueError(f"invalid keyword '{word}'")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return value


def _whole(text: str) -> int | float:
    """What has more than 64 bits is no integer, as for QEMU."""
    if len(text) <= _LONGEST_WHOLE and -(1 << 63) <= (value := int(text)) < 1 << 64:
        return value
    return _number(text)


def _why(text: str, error: json.JSONDecodeError) -> str:
    """QEMU's words for what is wrong."""
    if error.msg == "Expecting ':' delimiter":
        return "missing : in object pair"
    if error.msg.startswith("Invalid \\"):
        return "invalid escape sequence in string"
    word = _WORD.match(text, error.pos)
    if word is not None:
        return f"invalid keyword '{word[0]}'"
    if error.msg == "Expecting ',' delimiter":
        return "expected separator in " + ("list" if text.startswith("[") else "dict")
    return "expecting value"
