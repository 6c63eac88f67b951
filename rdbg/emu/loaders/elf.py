"""ELF32 executables for MIPS (System V ABI, MIPS supplement): the header and what is to be loaded."""

from __future__ import annotations

from rdbg.elf.elf_file import ElfError, ElfFile
from rdbg.emu.spec import Image
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

#: All segments together, zeros included: they are kept beside the machine's memory, for the next reset.
MOST_LOADED = 256 << 20

KSEG0, KSEG2 = 0x8000_0000, 0xC000_0000
PHYSICAL_MASK = 0x1FFF_FFFF

_TYPES = {
    "ET_REL": "a relocatable object",
    "ET_DYN": "a shared object or position-independent executable",
    "ET_CORE": "a core dump",
}
_MACHINES = {
    "EM_SPARC": "SPARC",
    "EM_386": "x86",
    "EM_PPC": "PowerPC",
    "EM_ARM": "ARM",
    "EM_SH": "SuperH",
    "EM_X86_64": "x86-64",
    "EM_AARCH64": "AArch64",
    "EM_RISCV": "RISC-V",
}


@dataclass(frozen=True)
class Segment:
    """A piece to load.

    Args:
        paddr: guest-physical address.
        data: its bytes; zeros follow up to ``size``.
        size: bytes in memory.
    """

    paddr: int
    data: bytes
    size: int


@dataclass(frozen=True)
class ElfImage:
    """What an executable asks for.

    Args:
        entry: virtual address of the first instruction.
        segments: in file order; none is empty.
    """

    entry: int
    segments: tuple[Segment, ...]

    @property
    def lowest(self) -> int:
        """First guest-physical address loaded."""
        return min(segment.paddr for segment in self.segments)

    @property
    def highest(self) -> int:
        """Guest-physical address after the last one loaded."""
        return max(segment.paddr + segment.size for segment in self.segments)


def physical(address: int) -> int:
    """Guest-physical address of an address in kseg0 or kseg1; others are taken as physical."""
    return address & PHYSICAL_MASK if KSEG0 <= address < KSEG2 else address


def machine_name(machine: str | int) -> str:
    """What people call the machine that an ELF file is for."""
    return _MACHINES.get(str(machine), f"ELF machine {machine}")


def parse_elf(image: Image, big_endian: bool) -> ElfImage:
    """Read an executable.

    Args:
        image: the file.
        big_endian: byte order of the machine that it is for.

    Raises:
        RdbgError: not an ELF32 MIPS executable of that byte order, or damaged.
    """
    what = f"{image.role} image {image.path!r}"
    try:
        elf = ElfFile(image.data)
        _check(elf, big_endian, what)
        return ElfImage(elf.entry, _loaded(elf, what))
    except ElfError as error:
        raise RdbgError(f"{what} {error}: give a whole ELF executable") from error


def _check(elf: ElfFile, big_endian: bool, what: str) -> None:
    """Refuse what the machine cannot run."""
    if elf.bits != 32:
        raise RdbgError(f"{what} is {elf.bits}-bit ELF: build it for 32-bit MIPS")
    if elf.machine != "EM_MIPS":
        raise RdbgError(f"{what} is for {machine_name(elf.machine)}, not for MIPS")
    if elf.big_endian != big_endian:
        names = ("little-endian", "big-endian")
        raise RdbgError(
            f"{what} is {names[elf.big_endian]}, the machine is {names[big_endian]}: "
            f"use a {names[big_endian]} image or the other machine"
        )
    if elf.kind != "ET_EXEC":
        kind = _TYPES.get(str(elf.kind), f"of ELF type {elf.kind}")
        raise RdbgError(f"{what} is {kind}, not an executable: link it")


def _loaded(elf: ElfFile, what: str) -> tuple[Segment, ...]:
    """What is to be loaded; all that it claims is checked before any of it is taken."""
    pieces = []
    total = 0
    for index, segment in enumerate(elf.segments):
        if not segment.loaded or segment.size == 0:
            continue
        end = segment.offset + segment.file_size
        if end > len(elf.data):
            raise RdbgError(f"{what} is truncated: segment {index} ends at {end:#x}, the file at {len(elf.data):#x}")
        if segment.file_size > segment.size:
            raise RdbgError(
                f"{what} is damaged: segment {index} has {segment.file_size} bytes in the file, "
                f"{segment.size} in memory"
            )
        total += segment.size
        if total > MOST_LOADED:
            raise RdbgError(
                f"{what} asks for more than the {MOST_LOADED >> 20} MiB that rdbg loads: segment {index} "
                f"has {segment.size:#x} bytes in memory; check how it is linked"
            )
        pieces.append(Segment(physical(segment.paddr), elf.data[segment.offset : end], segment.size))
    if not pieces:
        raise RdbgError(f"{what} has nothing to load: it has no loadable segment")
    return tuple(pieces)
