"""How far a Linux kernel has moved itself when it booted (KASLR, arch/mips/kernel/relocate.c).

It copies itself upward by a multiple of 64 KiB, mends the copy's addresses by a list of places that it brings with it
(its section .data.reloc), and goes on there. So its code is looked for where it may have gone: most words are the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from operator import eq

from rdbg.elf.elf_file import ElfError, ElfFile, ElfSegment
from rdbg.quick_dataclass import dataclass

RELOCATIONS = ".data.reloc"
_STEP = 1 << 16
_KSEG0_END = 0xA000_0000
_SAMPLES, _SAMPLE_BYTES = 64, 256
_WORD = 4
_PHYSICAL, _ABOVE_RAM = 0x1FFF_FFFF, 0x1000_0000  #: in kseg0 and kseg1; malta's RAM ends there, flash is above it
_ENOUGH = 0.6  #: of the words are the same; the rest hold addresses


def moves_itself(elf: ElfFile) -> bool:
    """Whether an ELF file is a kernel that can move itself."""
    return elf.has_section(RELOCATIONS) and not linked_in_flash(elf)


def linked_in_flash(elf: ElfFile) -> bool:
    """Whether an ELF file is firmware for the boot flash: it may copy itself into RAM, and stays in flash."""
    code = _code(elf)
    return code is not None and code.vaddr & _PHYSICAL >= _ABOVE_RAM


@dataclass(frozen=True)
class CodeSamples:
    """Pieces of an image's code, by which it is found again elsewhere.

    Args:
        base: where the code is linked.
        end: behind its last byte.
        pieces: addresses as linked, and the bytes there.
    """

    base: int
    end: int
    pieces: tuple[tuple[int, bytes], ...]

    @classmethod
    def of(cls, elf: ElfFile) -> CodeSamples | None:
        """Those of a file; None: it has no code."""
        code = _code(elf)
        if code is None:
            return None
        room = max(1, (code.file_size - _SAMPLE_BYTES) // _SAMPLES) // _WORD * _WORD
        pieces = (
            (code.vaddr + at, elf.data[code.offset + at : code.offset + at + _SAMPLE_BYTES])
            for at in range(0, min(code.file_size, room * _SAMPLES), max(room, _WORD))
        )
        kept = tuple((address, data) for address, data in pieces if any(data) and len(data) == _SAMPLE_BYTES)
        return cls(code.vaddr, code.vaddr + code.file_size, kept) if kept else None

    def some_at(self, read_memory: Callable[[int, int], bytes], offset: int) -> bool:
        """Whether one of the first few is there, moved by an offset."""
        return any(_same(read_memory, offset, [piece]) for piece in self.pieces[:3])

    def all_at(self, read_memory: Callable[[int, int], bytes], offset: int) -> bool:
        """Whether most of all of them is there."""
        return _same(read_memory, offset, self.pieces)


def kernel_offset(read_memory: Callable[[int, int], bytes], elf: ElfFile) -> int:
    """How far the kernel of an ELF file has moved, in bytes; 0: it has not, or it is not there.

    Args:
        read_memory: gives bytes of guest memory by virtual address.
        elf: the file.
    """
    samples = CodeSamples.of(elf) if moves_itself(elf) else None
    if samples is None:
        return 0
    for offset in range(_STEP, _KSEG0_END - samples.end, _STEP):
        # A few samples tell that it is not here; all tell that it is.
        if samples.some_at(read_memory, offset) and samples.all_at(read_memory, offset):
            return offset
    return 0


def segment_bases(elf: ElfFile, offset: int) -> list[int]:
    """Where the loaded segments begin that have moved by ``offset``."""
    return [segment.vaddr + offset for segment in _loaded(elf)]


def _same(read_memory: Callable[[int, int], bytes], offset: int, samples: Sequence[tuple[int, bytes]]) -> bool:
    equal = 0
    for address, data in samples:
        there = read_memory((address + offset) & 0xFFFF_FFFF, len(data))
        # RAM that nothing was put into is soon told.
        equal += sum(map(eq, _words(there), _words(data))) if there.strip(b"\0") else 0
    return equal >= _ENOUGH * len(samples) * _SAMPLE_BYTES // _WORD


def _words(data: bytes) -> array[int]:
    return array("I", data[: len(data) // _WORD * _WORD])


def _code(elf: ElfFile) -> ElfSegment | None:
    return max(
        (segment for segment in _loaded(elf) if segment.executable), key=lambda each: each.file_size, default=None
    )


def _loaded(elf: ElfFile) -> list[ElfSegment]:
    try:
        return [segment for segment in elf.segments if segment.loaded]
    except ElfError:
        return []
