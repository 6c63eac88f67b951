"""How far a Linux kernel has moved itself when it booted (KASLR, arch/mips/kernel/relocate.c).

It copies itself upward by a multiple of 64 KiB, mends the copy's addresses by a list of places that it brings with it
(its section .data.reloc), and goes on there. So its code is looked for where it may have gone: most words are the same.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.elf.elf_file import ElfError, ElfFile, ElfSegment

RELOCATIONS = ".data.reloc"
_STEP = 1 << 16
_KSEG0_END = 0xA000_0000
_SAMPLES, _SAMPLE_BYTES = 64, 256
_WORD = 4
_ENOUGH = 0.6  #: of the words are the same; the rest hold addresses


def moves_itself(elf: ElfFile) -> bool:
    """Whether an ELF file is a kernel that can move itself."""
    return elf.has_section(RELOCATIONS)


def kernel_offset(read_memory: Callable[[int, int], bytes], elf: ElfFile) -> int:
    """How far the kernel of an ELF file has moved, in bytes; 0: it has not, or it is not there.

    Args:
        read_memory: gives bytes of guest memory by virtual address.
        elf: the file.
    """
    if not moves_itself(elf):
        return 0
    segments = [segment for segment in _loaded(elf) if segment.executable]
    if not segments:
        return 0
    code = max(segments, key=lambda segment: segment.file_size)
    room = max(1, (code.file_size - _SAMPLE_BYTES) // _SAMPLES) // _WORD * _WORD
    samples = [
        (code.vaddr + at, elf.data[code.offset + at : code.offset + at + _SAMPLE_BYTES])
        for at in range(0, min(code.file_size, room * _SAMPLES), max(room, _WORD))
    ]
    samples = [(address, data) for address, data in samples if any(data) and len(data) == _SAMPLE_BYTES]
    if not samples:
        return 0
    for offset in range(_STEP, _KSEG0_END - code.vaddr - code.file_size, _STEP):
        # A few samples tell that it is not here; all tell that it is.
        if any(_same(read_memory, offset, [sample]) for sample in samples[:3]) and _same(read_memory, offset, samples):
            return offset
    return 0


def segment_bases(elf: ElfFile, offset: int) -> list[int]:
    """Where the loaded segments begin that have moved by ``offset``."""
    return [segment.vaddr + offset for segment in _loaded(elf)]


def _same(read_memory: Callable[[int, int], bytes], offset: int, samples: list[tuple[int, bytes]]) -> bool:
    equal = 0
    for address, data in samples:
        there = read_memory(address + offset, len(data))
        equal += sum(there[at : at + 4] == data[at : at + 4] for at in range(0, len(data), 4))
    return equal >= _ENOUGH * len(samples) * _SAMPLE_BYTES // 4


def _loaded(elf: ElfFile) -> list[ElfSegment]:
    try:
        return [segment for segment in elf.segments if segment.loaded]
    except ElfError:
        return []
