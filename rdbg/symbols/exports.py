"""What a Linux kernel exports to modules: the names of its data, which kallsyms leaves out by default.

The table (include/linux/export.h, later export-internal.h: kernels from 5.4 on, without relative references) holds
an address, a pointer to the name and a pointer to a namespace or to nothing for each symbol. It is found by one symbol
that every kernel exports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rdbg.symbols.symbol import Symbol

KNOWN = b"jiffies"
_KSEG0 = 0x8000_0000
_ENTRY = 12
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_.]*\0")


def exported_symbols(memory: bytes, big_endian: bool, known: Mapping[str, int]) -> list[Symbol]:
    """The exported symbols found in a kernel's memory. A kernel that has moved has left another table behind.

    Args:
        memory: the guest's memory from physical 0 on.
        big_endian: the guest's byte order.
        known: addresses of some symbols of the kernel that runs; what its table has of them is there.

    Returns:
        Code and data alike, as ``D``; empty if there is no table.
    """
    order = "big" if big_endian else "little"
    for match in re.finditer(KNOWN + rb"\0", memory):
        pointer = (_KSEG0 + match.start()).to_bytes(4, "big" if big_endian else "little")
        for place in re.finditer(re.escape(pointer), memory):
            at = place.start() - 4
            if at % 4:
                continue
            found = [entry for entry in (_entry(memory, at, order),) if entry is not None]
            for step in (-_ENTRY, _ENTRY):
                here = at + step
                while (entry := _entry(memory, here, order)) is not None:
                    found.append(entry)
                    here += step
            # Not all need agree: a local symbol may have an exported one's name.
            agreeing = sum(known.get(symbol.name) == symbol.address for symbol in found)
            if len(found) > 1 and 2 * agreeing > sum(symbol.name in known for symbol in found):
                return sorted(found, key=lambda symbol: symbol.address)
    return []


def _entry(memory: bytes, at: int, order: str) -> Symbol | None:
    if at < 0 or at + _ENTRY > len(memory):
        return None
    value, name, space = (
        int.from_bytes(memory[at + offset : at + offset + 4], "big" if order == "big" else "little")
        for offset in (0, 4, 8)
    )
    if not _KSEG0 <= name < _KSEG0 + len(memory) or not (space == 0 or _KSEG0 <= space < _KSEG0 + len(memory)):
        return None
    text = _NAME.match(memory, name - _KSEG0)
    return Symbol(value, "D", text.group()[:-1].decode()) if text and value else None
