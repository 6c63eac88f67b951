"""How the values of options are written: sizes, switches, addresses, ``key=value`` lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rdbg.errors import UsageError
from rdbg.net.tcp_address import LOOPBACK, TcpAddress

_SERIAL_LENGTH = 20
_UNITS = {"": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_SWITCHES = {"on": True, "yes": True, "true": True, "y": True, "off": False, "no": False, "false": False, "n": False}


class HelpWanted(Exception):
    """The value of an option was ``help``; the message is what to print."""


def is_help(value: str) -> bool:
    """Whether a value asks what values there are."""
    return value in ("help", "?")


def parse_size(text: str, option: str, default_unit: str = "M") -> int:
    """A size such as ``256``, ``256M`` or ``1G``, in bytes.

    Args:
        text: the value.
        option: what it was given to, for messages.
        default_unit: the unit of a bare number.

    Raises:
        UsageError: it is not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([BKMGT]?)", text.strip(), re.IGNORECASE)
    if match is None:
        raise UsageError(f"{option} {text}: not a size; write for example 256M or 1G")
    unit = match[2].upper() or default_unit
    return int(float(match[1]) * (1 << _UNITS[unit]))


def parse_number(text: str, option: str, low: int, high: int) -> int:
    """A whole number, decimal or 0x hexadecimal, between ``low`` and ``high``."""
    try:
        value = int(text, 0)
    except ValueError:
        raise UsageError(f"{option}: {text!r} is not a number; write one from {low} to {high}") from None
    if not low <= value <= high:
        raise UsageError(f"{option}: {text} is out of range; write one from {low} to {high}")
    return value


def parse_switch(text: str, option: str) -> bool:
    """``on`` or ``off``."""
    try:
        return _SWITCHES[text.lower()]
    except KeyError:
        raise UsageError(f"{option}: {text!r} is neither on nor off") from None


def parse_mac(text: str, option: str) -> bytes:
    """A network card's address, of one card: ``52:54:00:12:34:56``."""
    if not re.fullmatch(r"[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){5}", text):
        raise UsageError(f"{option}: mac={text}: no MAC address; write for example 52:54:00:12:34:56")
    mac = bytes(int(byte, 16) for byte in re.split("[:-]", text))
    if mac[0] & 1:
        raise UsageError(f"{option}: mac={text} is a group's address; make its first byte even")
    return mac


def parse_serial_number(text: str, option: str) -> str:
    """What a drive says of itself."""
    if len(text) > _SERIAL_LENGTH or not text.isascii() or not (text.isprintable() or not text):
        raise UsageError(f"{option}: serial= has up to {_SERIAL_LENGTH} ASCII characters")
    return text


def split_commas(text: str) -> list[str]:
    """Parts of a comma-separated value; a doubled comma stands for one within a part, as in QEMU."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def parse_pairs(text: str, option: str, known: Collection[str], first: str | None = None) -> dict[str, str]:
    """A value of the form ``key=value,key=value``.

    Args:
        text: the value.
        option: what it was given to, for messages.
        known: the keys that there are.
        first: the key that a first part without ``=`` stands for.

    Raises:
        UsageError: an unknown key, a key given twice, or a part without a value. A part without ``=`` reads as
            ``key=on``, with ``no`` before the key as ``key=off``.
    """
    pairs: dict[str, str] = {}
    for number, part in enumerate(split_commas(text)):
        key, equals, value = part.partition("=")
        if not equals:
            if number == 0 and first is not None:
                key, value = first, part
            elif key not in known and key.startswith("no") and key[2:] in known:
                key, value = key[2:], "off"  # nowait, as in QEMU
            else:
                value = "on"
        if key not in known:
            keys = ", ".join(sorted(known))
            raise UsageError(f"{option}: unknown key {key!r}{hint(key, known)}; the keys are {keys}")
        if key in pairs:
            raise UsageError(f"{option}: {key} is given twice; keep one")
        pairs[key] = value
    return pairs


def json_object(text: str, option: str) -> dict[str, Any]:
    """A value that is written as a JSON object.

    Args:
        text: the value.
        option: as typed, for messages.

    Raises:
        UsageError: it is none, or has a key twice.
    """
    from rdbg.host.json_text import read_json  # for the few that write it so

    try:
        found = read_json(text)
    except ValueError as error:
        raise UsageError(f"{option}: not JSON as QEMU takes it: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{option}: not JSON as QEMU takes it: it is no object")
    return found


def object_pairs(found: Mapping[str, Any], option: str, lists: Collection[str] = ()) -> list[tuple[str, str]]:
    """What an object says, as ``key=value`` pairs with dotted keys.

    Args:
        found: the object.
        option: as typed, for messages.
        lists: keys whose value is a list of texts, or of ``{"str": TEXT}``: a pair for each.

    Raises:
        UsageError: something in it is no object, text, number or switch, or stands there twice.
    """
    from rdbg.host.json_keys import flattened_json

    parts: list[tuple[str, str]] = []
    listed = [key for key in lists if isinstance(found.get(key), list)]
    for key in listed:
        for entry in found[key]:
            said = entry.get("str") if isinstance(entry, dict) else entry
            if not isinstance(said, str):
                raise UsageError(f'{option}: {key} is no list of {{"str":"..."}}')
            parts.append((key, said))
    try:
        return [*flattened_json({key: value for key, value in found.items() if key not in listed}).items(), *parts]
    except ValueError as error:
        raise UsageError(f"{option}: not JSON as QEMU takes it: {error}") from None


def as_words(pairs: Iterable[tuple[str, str]]) -> str:
    """Pairs in the form ``key=value,key=value``."""
    return ",".join(f"{key}={text}".replace(",", ",,") for key, text in pairs)


def hint(word: str, known: Collection[str]) -> str:
    """`` (did you mean X?)`` where a known word is near, or nothing."""
    from difflib import get_close_matches  # for mistakes alone

    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def parse_address(text: str, option: str) -> TcpAddress:
    """``HOST:PORT`` or ``:PORT``; an empty host is the loopback address.

    Raises:
        UsageError: no port, or one out of range.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise UsageError(f"{option}: {text!r} names no port; write HOST:PORT, for example {LOOPBACK}:1234")
    return TcpAddress(host.strip("[]") or LOOPBACK, parse_number(port, f"{option}, port", 0, 65535))


def listing(entries: dict[str, str]) -> str:
    """What ``help`` as a value prints: a line for each value and what it is."""
    width = max(map(len, entries)) + 2
    return "".join(f"{name:<{width}}{words}\n" for name, words in entries.items())
