"""How far a Linux kernel has moved itself when it booted (KASLR, arch/mips/kernel/relocate.c).

It copies itself upward by a multiple of 64 KiB, mends the copy's addresses by a list of places that it brings with it
(its section .data.reloc), and goes on there. So its code is looked for where it may have gone: most words are the same.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

RELOCATIONS = b".data.reloc"
_STEP = 1 << 16
_KSEG0_END = 0xA000_0000
_SAMPLES, _SAMPLE_BYTES = 64, 256
_LOAD, _EXECUTABLE = 1, 1
_ENOUGH = 0.6  #: of the words are the same; the rest hold addresses


@dataclass(frozen=True)
class _Segment:
    address: int
    start: int
    size: int
    flags: int


def moves_itself(elf: bytes) -> bool:
    """Whether an ELF file is a kernel that can move itself."""
    try:
        return any(name == RELOCATIONS for name in _section_names(elf))
    except (struct.error, IndexError):
        return False


def kernel_offset(read_memory: Callable[[int, int], bytes], elf: bytes) -> int:
    """How far the kernel of an ELF file has moved, in bytes; 0: it has not, or it is not there.

    Args:
        read_memory: gives bytes of guest memory by virtual address.
        elf: the file.
    """
    if not moves_itself(elf):
        return 0
    segments = [segment for segment in _segments(elf) if segment.flags & _EXECUTABLE]
    if not segments:
        return 0
    code = max(segments, key=lambda segment: segment.size)
    room = max(1, (code.size - _SAMPLE_BYTES) // _SAMPLES) & ~3
    samples = [
        (code.address + at, elf[code.start + at : code.start + at + _SAMPLE_BYTES])
        for at in range(0, min(code.size, room * _SAMPLES), max(room, 4))
    ]
    samples = [(address, data) for address, data in samples if any(data) and len(data) == _SAMPLE_BYTES]
    if not samples:
        return 0
    for offset in range(_STEP, _KSEG0_END - code.address - code.size, _STEP):
        # A few samples tell that it is not here; all tell that it is.
        if any(_same(read_memory, offset, [sample]) for sample in samples[:3]) and _same(read_memory, offset, samples):
            return offset
    return 0


def segment_bases(elf: bytes, offset: int) -> list[int]:
    """Where the loaded segments begin that have moved by ``offset``."""
    return [segment.address + offset for segment in _segments(elf)]


def _same(read_memory: Callable[[int, int], bytes], offset: int, samples: list[tuple[int, bytes]]) -> bool:
    equal = 0
    for address, data in samples:
        there = read_memory(address + offset, len(data))
        equal += sum(there[at : at + 4] == data[at : at + 4] for at in range(0, len(data), 4))
    return equal >= _ENOUGH * len(samples) * _SAMPLE_BYTES // 4


def _order(elf: bytes) -> str:
    return ">" if elf[5] == 2 else "<"


def _segments(elf: bytes) -> Iterator[_Segment]:
    (at,) = struct.unpack_from(_order(elf) + "I", elf, 28)
    (count,) = struct.unpack_from(_order(elf) + "H", elf, 44)
    for index in range(count):
        kind, start, address, _, size, _, flags, _ = struct.unpack_from(_order(elf) + "8I", elf, at + 32 * index)
        if kind == _LOAD:
            yield _Segment(address, start, size, flags)


def _section_names(elf: bytes) -> Iterator[bytes]:
    (at,) = struct.unpack_from(_order(elf) + "I", elf, 32)
    count, names = struct.unpack_from(_order(elf) + "HH", elf, 48)
    (strings,) = struct.unpack_from(_order(elf) + "I", elf, at + 40 * names + 16)
    for index in range(count):
        (name,) = struct.unpack_from(_order(elf) + "I", elf, at + 40 * index)
        yield elf[strings + name : elf.index(b"\0", strings + name)]
