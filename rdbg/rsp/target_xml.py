"""The XML documents that GDB reads through ``qXfer``: target description, memory map, threads.

Source: GDB manual, "Target Descriptions" (with "MIPS Features"), "Memory Map Format", "Thread List Format".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape  # xml.sax has the same, and loads an HTTP client with it
from itertools import groupby, pairwise

from rdbg.emu.machine_api import MemoryArea, RegisterInfo
from rdbg.rsp.address import sign_extended

_HEADER = '<?xml version="1.0"?>\n'
_ADDRESS_SPACE = 1 << 64
_UPPER_HALF = 0x8000_0000
#: Where sign extension leaves a gap, and where GDB's signed sizes overflow.
_BOUNDS = (_UPPER_HALF, 1 << 63, sign_extended(_UPPER_HALF))


def _quoted(text: str) -> str:
    return f'"{escape(text)}"'


def target_description(registers: Sequence[RegisterInfo], big_endian: bool, architecture: str) -> str:
    """The machine's registers in GDB's terms.

    Args:
        registers: in any order; those of one feature are put together.
        big_endian: the guest's byte order. GDB has no element for it and passes over it; Binary Ninja reads it.
        architecture: BFD's name. GDB warns if that of its file is another one, but for ``mips``.
    """
    lines = [_HEADER + '<!DOCTYPE target SYSTEM "gdb-target.dtd">', '<target version="1.0">']
    lines.append(f"  <architecture>{architecture}</architecture>")
    lines.append(f"  <endian>{'big' if big_endian else 'little'}</endian>")
    # Sorting is stable and by first number: GDB's own features keep their usual order.
    first: dict[str, int] = {}
    for register in registers:
        first[register.feature] = min(register.number, first.get(register.feature, register.number))
    ordered = sorted(registers, key=lambda register: (first[register.feature], register.number))
    for feature, members in groupby(ordered, key=lambda register: register.feature):
        lines.append(f"  <feature name={_quoted(feature)}>")
        lines.extend(_register(register) for register in members)
        lines.append("  </feature>")
    lines.append("</target>\n")
    return "\n".join(lines)


def _register(register: RegisterInfo) -> str:
    kind = f" type={_quoted(register.type)}" if register.type else ""
    # GDB sorts registers into 'general' and 'float' by itself; it must be told of others.
    group = f" group={_quoted(register.group)}" if register.group not in ("", "general") else ""
    saved = "" if register.saved else ' save-restore="no"'
    # The number stands last: Binary Ninja forgets it at any attribute that comes after.
    number = f' regnum="{register.number}"'
    return f'    <reg name={_quoted(register.name)} bitsize="{register.bits}"{kind}{group}{saved}{number}/>'


def memory_map(areas: Iterable[MemoryArea]) -> str:
    """The memory map, with what the machine does not name given as RAM.

    GDB refuses to look outside a memory map. What else is readable (pages mapped by a TLB, devices) changes as
    the guest runs, so the machine must be asked each time, and only ROM and flash are worth telling. GDB looks MIPS
    addresses up sign-extended, so that is how they stand here, and no region lies across 0x80000000, where that leaves
    a gap. Of what a region has left GDB computes the size as a signed number, and aborts where it is negative.
    """
    lines = [
        _HEADER + '<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN"'
        ' "http://sourceware.org/gdb/gdb-memory-map.dtd">',
        "<memory-map>",
    ]
    reached = 0
    for area in sorted(areas, key=lambda area: area.start):
        if area.kind == "ram":
            continue
        for first, last in _halves(area.start, area.start + area.length - 1):
            start, end = max(sign_extended(first), reached), sign_extended(last) + 1
            if start < end:
                lines.extend(_ram(reached, start))
                lines.append(_memory(area.kind, start, end, area.block_size))
                reached = end
    lines.extend(_ram(reached, _ADDRESS_SPACE))
    lines.append("</memory-map>\n")
    return "\n".join(lines)


def _halves(first: int, last: int) -> list[tuple[int, int]]:
    """The parts of a range below 0x80000000 and from there on, each with its first and last address."""
    if first < _UPPER_HALF <= last:
        return [(first, _UPPER_HALF - 1), (_UPPER_HALF, last)]
    return [(first, last)]


def _ram(start: int, end: int) -> list[str]:
    """Everything from ``start`` to ``end``, in regions that GDB can bear."""
    bounds = [start, *(bound for bound in _BOUNDS if start < bound < end), end]
    return [_memory("ram", low, high) for low, high in pairwise(bounds) if low < high]


def _memory(kind: str, start: int, end: int, block_size: int = 0) -> str:
    head = f'  <memory type={_quoted(kind)} start="{start:#x}" length="{end - start:#x}"'
    if kind != "flash":
        return head + "/>"
    return f'{head}>\n    <property name="blocksize">{block_size:#x}</property>\n  </memory>'


def threads(name: str) -> str:
    """The one thread that a machine with one CPU has."""
    return f'{_HEADER}<threads>\n  <thread id="1" core="0" name={_quoted(name)}/>\n</threads>\n'
