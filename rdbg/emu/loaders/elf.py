"""ELF32 executables for MIPS (System V ABI, MIPS supplement): the header and what is to be loaded."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rdbg.emu.spec import Image
from rdbg.errors import RdbgError

MAGIC = b"\x7fELF"
CLASS_32 = 1
DATA_LITTLE, DATA_BIG = 1, 2
MACHINE_MIPS = 8
TYPE_EXECUTABLE = 2
SEGMENT_LOAD = 1
HEADER_SIZE = 52
PROGRAM_HEADER_SIZE = 32

#: All segments together, zeros included: they are kept beside the machine's memory, for the next reset.
MOST_LOADED = 256 << 20

KSEG0, KSEG2 = 0x8000_0000, 0xC000_0000
PHYSICAL_MASK = 0x1FFF_FFFF

_CLASSES = {1: "32-bit", 2: "64-bit"}
_TYPES = {1: "a relocatable object", 3: "a shared object or position-independent executable", 4: "a core dump"}
_MACHINES = {2: "SPARC", 3: "x86", 20: "PowerPC", 40: "ARM", 42: "SuperH", 62: "x86-64", 183: "AArch64", 243: "RISC-V"}


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


def is_elf(data: bytes) -> bool:
    """Whether a file is ELF of any kind."""
    return data[:4] == MAGIC


def physical(address: int) -> int:
    """Guest-physical address of an address in kseg0 or kseg1; others are taken as physical."""
    return address & PHYSICAL_MASK if KSEG0 <= address < KSEG2 else address


def parse_elf(image: Image, big_endian: bool) -> ElfImage:
    """Read an executable.

    Args:
        image: the file.
        big_endian: byte order of the machine that it is for.

    Raises:
        RdbgError: not an ELF32 MIPS executable of that byte order, or damaged.
    """
    what = f"{image.role} image {image.path!r}"
    data = image.data
    if not is_elf(data):
        raise RdbgError(f"{what} is not an ELF file: give an ELF executable")
    if len(data) < HEADER_SIZE:
        raise RdbgError(f"{what} is truncated: {len(data)} bytes, an ELF header has {HEADER_SIZE}")
    if data[4] != CLASS_32:
        raise RdbgError(f"{what} is {_CLASSES.get(data[4], 'of unknown class')} ELF: build it for 32-bit MIPS")
    file_big = data[5] == DATA_BIG
    order = ">" if file_big else "<"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    if machine != MACHINE_MIPS:
        raise RdbgError(f"{what} is for {_MACHINES.get(machine, f'ELF machine {machine}')}, not for MIPS")
    if file_big != big_endian:
        names = ("little-endian", "big-endian")
        raise RdbgError(
            f"{what} is {names[file_big]}, the machine is {names[big_endian]}: "
            f"use a {names[big_endian]} image or the other machine"
        )
    if kind != TYPE_EXECUTABLE:
        raise RdbgError(f"{what} is {_TYPES.get(kind, f'of ELF type {kind}')}, not an executable: link it")
    entry, table = struct.unpack_from(order + "II", data, 24)
    entry_size, count = struct.unpack_from(order + "HH", data, 42)
    if count and (entry_size < PROGRAM_HEADER_SIZE or table + count * entry_size > len(data)):
        raise RdbgError(f"{what} is truncated: its program headers end at {table + count * entry_size:#x}, "
                        f"the file at {len(data):#x}")  # fmt: skip
    segments = []
    total = 0
    for index in range(count):
        kind, offset, _, paddr, file_size, size = struct.unpack_from(order + "6I", data, table + index * entry_size)
        if kind != SEGMENT_LOAD or size == 0:
            continue
        if offset + file_size > len(data):
            raise RdbgError(f"{what} is truncated: segment {index} ends at {offset + file_size:#x}, "
                            f"the file at {len(data):#x}")  # fmt: skip
        if file_size > size:
            raise RdbgError(f"{what} is damaged: segment {index} has {file_size} bytes in the file, {size} in memory")
        total += size
        if total > MOST_LOADED:
            raise RdbgError(f"{what} asks for more than the {MOST_LOADED >> 20} MiB that rdbg loads: segment {index} "
                            f"has {size:#x} bytes in memory; check how it is linked")  # fmt: skip
        segments.append(Segment(physical(paddr), data[offset : offset + file_size], size))
    if not segments:
        raise RdbgError(f"{what} has nothing to load: it has no loadable segment")
    return ElfImage(entry, tuple(segments))
