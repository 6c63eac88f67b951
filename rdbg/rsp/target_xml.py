"""The XML documents that GDB reads through ``qXfer``: target description, memory map, threads.

Source: GDB manual, "Target Descriptions", "Memory Map Format", "Thread List Format".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise

from rdbg.emu.architecture import Architecture, RegisterInfo, RegisterKind
from rdbg.emu.machine_api import MemoryArea

_HEADER = '<?xml version="1.0"?>\n'
_ADDRESS_SPACE = 1 << 64
#: GDB's types of what registers hold, by width where that matters; others are integers of their width.
_TYPES: dict[tuple[RegisterKind, int | None], str] = {
    (RegisterKind.CODE, None): "code_ptr",
    (RegisterKind.FLOAT, 32): "ieee_single",
    (RegisterKind.FLOAT, 64): "ieee_double",
}
#: Where GDB's signed sizes overflow.
_SIGNED_END = 1 << 63


def _quoted(text: str) -> str:
    from html import escape  # where a GDB connects; xml.sax has the same, and loads an HTTP client with it

    return f'"{escape(text)}"'


def target_description(
    registers: Sequence[RegisterInfo], big_endian: bool, architecture: str, feature_of: Callable[[str], str]
) -> str:
    """The machine's registers in GDB's terms.

    Args:
        registers: in any order; those of one feature are put together.
        big_endian: the guest's byte order. GDB has no element for it and passes over it; Binary Ninja reads it.
        architecture: BFD's name. GDB warns if that of its file is another one that does not go with it.
        feature_of: the feature of a unit's registers.
    """
    lines = [_HEADER + '<!DOCTYPE target SYSTEM "gdb-target.dtd">', '<target version="1.0">']
    lines.append(f"  <architecture>{architecture}</architecture>")
    lines.append(f"  <endian>{'big' if big_endian else 'little'}</endian>")
    # Sorting is stable and by first number: GDB's own features keep their usual order.
    first: dict[str, int] = {}
    for register in registers:
        first[register.unit] = min(register.number, first.get(register.unit, register.number))
    ordered = sorted(registers, key=lambda register: (first[register.unit], register.number))
    for unit, members in groupby(ordered, key=lambda register: register.unit):
        lines.append(f"  <feature name={_quoted(feature_of(unit))}>")
        lines.extend(_register(register) for register in members)
        lines.append("  </feature>")
    lines.append("</target>\n")
    return "\n".join(lines)


def _register(register: RegisterInfo) -> str:
    known = _TYPES.get((register.kind, register.bits)) or _TYPES.get((register.kind, None))
    kind = f" type={_quoted(known)}" if known else ""
    # GDB sorts registers into 'general' and 'float' by itself; it must be told of others.
    group = f" group={_quoted(register.group)}" if register.group not in ("", "general") else ""
    saved = "" if register.saved else ' save-restore="no"'
    # The number stands last: Binary Ninja forgets it at any attribute that comes after.
    number = f' regnum="{register.number}"'
    return f'    <reg name={_quoted(register.name)} bitsize="{register.bits}"{kind}{group}{saved}{number}/>'


def memory_map(areas: Iterable[MemoryArea], architecture: Architecture) -> str:
    """The memory map, with what the machine does not name given as RAM.

    GDB refuses to look outside a memory map. What else is readable (pages mapped by a TLB, devices) changes as
    the guest runs, so the machine must be asked each time, and only ROM and flash are worth telling. GDB looks
    addresses up sign-extended, so that is how they stand here, and no region lies across the place where that leaves a
    gap. Of what a region has left GDB computes the size as a signed number, and aborts where it is negative.
    """
    lines = [
        _HEADER + '<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN"'
        ' "http://sourceware.org/gdb/gdb-memory-map.dtd">',
        "<memory-map>",
    ]
    middle = architecture.address_end >> 1
    bounds = sorted({middle, _SIGNED_END, architecture.extended(middle)})
    reached = 0
    for area in sorted(areas, key=lambda area: area.start):
        if area.kind == "ram":
            continue
        for first, last in _halves(area.start, area.start + area.length - 1, middle):
            start, end = max(architecture.extended(first), reached), architecture.extended(last) + 1
            if start < end:
                lines.extend(_ram(reached, start, bounds))
                lines.append(_memory(area.kind, start, end, area.block_size))
                reached = end
    lines.extend(_ram(reached, _ADDRESS_SPACE, bounds))
    lines.append("</memory-map>\n")
    return "\n".join(lines)


def _halves(first: int, last: int, middle: int) -> list[tuple[int, int]]:
    """The parts of a range below the middle of the address space and from there on, each with its first and last
    address."""
    if first < middle <= last:
        return [(first, middle - 1), (middle, last)]
    return [(first, last)]


def _ram(start: int, end: int, bounds: Iterable[int]) -> list[str]:
    """Everything from ``start`` to ``end``, in regions that GDB can bear: none across one of ``bounds``."""
    ends = [start, *(bound for bound in bounds if start < bound < end), end]
    return [_memory("ram", low, high) for low, high in pairwise(ends) if low < high]


def _memory(kind: str, start: int, end: int, block_size: int = 0) -> str:
    head = f'  <memory type={_quoted(kind)} start="{start:#x}" length="{end - start:#x}"'
    if kind != "flash":
        return head + "/>"
    return f'{head}>\n    <property name="blocksize">{block_size:#x}</property>\n  </memory>'


def threads(name: str) -> str:
    """The one thread that a machine with one CPU has."""
    return f'{_HEADER}<threads>\n  <thread id="1" core="0" name={_quoted(name)}/>\n</threads>\n'
