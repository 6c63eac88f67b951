"""Cuts what a client sends into JSON values, as QEMU does: by their brackets, not by lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rdbg.host.json_text import DuplicateKeyError, read_json
from rdbg.quick_dataclass import dataclass

#: A request of more bytes than this is refused: none that makes sense comes near.
MOST_BYTES = 1 << 20
#: Brackets within brackets.
_DEEPEST = 256

#: After so many things in a row that are no requests, what else stands on a line with one is passed over.
_PATIENCE = 64
#: What a request has one of.
_COMMANDS = ("execute", "exec-oob")

_BLANKS = b" \t\r\n"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._")
_MARKS = frozenset(b"{}[]:,\"'" + _BLANKS)
#: Behind nonsense something new may begin: on another line, or after the byte that says so.
_LINE_ENDS = b"\n\xff"
_LINE_END = re.compile(rb"[\n\xff]")


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
    Who has sent no request for long is no client: `_PATIENCE`.
    """

    def __init__(self) -> None:
        self._found: list[Any] = []
        self._nonsense = 0  # things in a row
        self._passing = False  # over the rest of a line
        self._begin()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values, or `Unreadable`, that end in ``data``."""
        at = 0
        while at < len(data):
            if self._passing:
                end = _LINE_END.search(data, at)
                if end is None:
                    return
                self._passing, at = False, end.end()
                continue
            byte = data[at]
            self._take(byte)
            at += 1
            if self._found:
                yield from self._told(byte in _LINE_ENDS)

    def _told(self, line_ends: bool) -> list[Any]:
        """What was found since; and decide whether the rest of the line is worth a look."""
        found, self._found = self._found, []
        for value in found:
            is_request = isinstance(value, dict) and any(word in value for word in _COMMANDS)
            self._nonsense = 0 if is_request else self._nonsense + 1
        if self._nonsense > _PATIENCE:
            self._begin()
            self._passing = not line_ends
        return found

    def _begin(self) -> None:
        self._text = bytearray()
        self._braces = self._brackets = 0
        self._quote = 0  # the character that ends the string that we are in
        self._escaped = False

    def _take(self, byte: int) -> None:
        if len(self._text) >= MOST_BYTES:
            self._begin()
            self._found.append(Unreadable("JSON token size limit exceeded"))
        if self._quote:
            if byte < 0x20 or byte == 0xFF:
                self._found.append(self._give_up(byte))
                return
            self._take_in_string(byte)
            if not self._quote and not self._nested:
                self._found.append(self._value())
        elif byte in _PLAIN:
            self._text.append(byte)
        elif byte in _MARKS:
            if self._text and not self._nested:
                self._found.append(self._value())  # a number or a word ends here
            self._take_mark(byte)
        else:
            self._found.append(self._give_up(byte))

    @property
    def _nested(self) -> bool:
        return self._braces > 0 or self._brackets > 0

    def _give_up(self, byte: int) -> Unreadable:
        self._begin()
        return _error(f"stray '{bytes([byte]).decode('utf-8', 'replace')}'")

    def _take_in_string(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
        elif byte == ord("\\"):
            self._escaped = True
        elif byte == self._quote:
            self._quote = 0
        self._text.append(byte)

    def _take_mark(self, byte: int) -> None:
        if byte in _BLANKS:
            if self._text:
                self._text.append(byte)
            return
        if byte in b"\"'":
            self._quote = byte
        self._braces += (byte == ord("{")) - (byte == ord("}"))
        self._brackets += (byte == ord("[")) - (byte == ord("]"))
        self._text.append(byte)
        if self._braces + self._brackets > _DEEPEST:
            self._begin()
            self._found.append(Unreadable("JSON nesting depth limit exceeded"))
        elif not self._quote and (not self._nested or self._braces < 0 or self._brackets < 0):
            self._found.append(self._value())

    def _value(self) -> Any:
        data = bytes(self._text)
        self._begin()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return _error("invalid UTF-8 sequence in string")
        try:
            return read_json(text)
        except DuplicateKeyError:
            return _error("duplicate key")
        except ValueError as error:
            return _error(str(error))
