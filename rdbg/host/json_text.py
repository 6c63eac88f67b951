"""JSON as QEMU reads it, on its command line and in its machine protocol."""

from __future__ import annotations

import json
import math
import re
from typing import Any

#: Characters of a 64-bit integer, at most.
_LONGEST_WHOLE = 20
_WORD = re.compile("[A-Za-z]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
#: A string in either kind of quotes, or what begins one and has no end.
_STRING = re.compile(r""""(?:[^"\\]|\\.)*(?:"|\\?\Z)|'((?:[^'\\]|\\.)*)('|\\?\Z)""", re.DOTALL)
_QUOTE = re.compile(r"""\\.|\"""", re.DOTALL)


class DuplicateKeyError(ValueError):
    """An object has a key twice; its text names it, where QEMU says no more than ``duplicate key``."""


def read_json(text: str) -> Any:
    """The value that a text is. Strings may stand in single quotes, as for QEMU.

    Raises:
        DuplicateKeyError: an object has a key twice.
        ValueError: it is none, or says what QEMU does not take; in its words.
    """
    if "'" in text:
        text = _STRING.sub(_in_double_quotes, text)
    try:
        value = _DECODER.decode(text)
        if "\\u" in text and (found := _SURROGATE.search(json.dumps(value, ensure_ascii=False))):
            raise ValueError(f"\\u{ord(found[0]):04x} is not a valid Unicode character")
    except json.JSONDecodeError as error:
        raise ValueError(_why(text, error)) from None
    except RecursionError:
        raise ValueError("it is too deep") from None
    return value


def _in_double_quotes(string: re.Match[str]) -> str:
    if not string[2]:
        return string[0]
    return '"' + _QUOTE.sub(lambda each: {"\\'": "'", '"': '\\"'}.get(each[0], each[0]), string[1]) + '"'


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise DuplicateKeyError(f"duplicate key {key!r}")
        members[key] = value
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


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_float=_number, parse_int=_whole)


def _why(text: str, error: json.JSONDecodeError) -> str:
    """QEMU's words for what is wrong."""
    if error.msg == "Extra data":
        return "Expecting at most one JSON value"
    if not text[error.pos :].strip():
        return "premature EOI"
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
