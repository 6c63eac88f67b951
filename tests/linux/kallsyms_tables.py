"""Tables of kernel symbols as the builds of different kernels lay them out (scripts/kallsyms.c: its output's order).

Debian has no newer kernel for malta than 6.1; these stand for the others.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import Enum

from rdbg.symbols.symbol import Symbol

NAMES_PER_MARKER = 256
#: What stands for itself, and what the remaining tokens stand for.
_PLAIN = "".join(map(chr, range(0x20, 0x7F)))
_PAIRS = [a + b for a in "str_egd" for b in "aeioutr_nlcdpm"]


class Order(Enum):
    """Of the parts of the table, by the first kernel that has it."""

    ADDRESSES_FIRST = "4.6"
    WITH_NAME_INDEX = "6.2"
    ADDRESSES_LAST = "6.4"


def kallsyms(symbols: Sequence[Symbol], order: Order, big_endian: bool, relative: bool) -> bytes:
    """The table.

    Args:
        symbols: in ascending order of address; more than 512, so that there are three markers.
        order: of its parts.
        big_endian: byte order.
        relative: offsets and a base (CONFIG_KALLSYMS_BASE_RELATIVE) instead of addresses.
    """
    way = ">" if big_endian else "<"
    tokens = [*(chr(c) if chr(c) in _PLAIN else "" for c in range(256))]
    free = [index for index, text in enumerate(tokens) if not text]
    for index, number in zip(free, range(len(free)), strict=True):
        tokens[index] = _PAIRS[number % len(_PAIRS)] + "x" * (number // len(_PAIRS))
    token_table, token_index = b"", b""
    for text in tokens:
        token_index += struct.pack(f"{way}H", len(token_table))
        token_table += text.encode() + b"\0"
    by_text = {text: index for index, text in reversed(list(enumerate(tokens)))}
    names, markers = b"", b""
    for number, symbol in enumerate(symbols):
        if number % NAMES_PER_MARKER == 0:
            markers += struct.pack(f"{way}I", len(names))
        encoded = _encode(symbol.kind + symbol.name, by_text)
        length = len(encoded)  # ULEB128, of two bytes at most
        names += bytes([length] if length < 0x80 else [length & 0x7F | 0x80, length >> 7]) + encoded
    base = symbols[0].address
    addresses = b"".join(struct.pack(f"{way}I", s.address - (base if relative else 0)) for s in symbols)
    if relative:
        addresses += struct.pack(f"{way}I", base)
    name_index = b"".join(number.to_bytes(3, "big") for number in range(len(symbols)))
    head = [struct.pack(f"{way}I", len(symbols)), names, markers]
    parts = {
        Order.ADDRESSES_FIRST: [addresses, *head, token_table, token_index],
        Order.WITH_NAME_INDEX: [addresses, *head, name_index, token_table, token_index],
        Order.ADDRESSES_LAST: [*head, token_table, token_index, addresses, name_index],
    }[order]
    return b"".join(part + bytes(-len(part) % 4) for part in parts)


def _encode(text: str, by_text: dict[str, int]) -> bytes:
    encoded, at = b"", 0
    while at < len(text):
        size = 2 if text[at : at + 2] in by_text else 1
        encoded += bytes([by_text[text[at : at + size]]])
        at += size
    return encoded
