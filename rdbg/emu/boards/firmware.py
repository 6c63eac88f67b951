"""Boot flash contents from a firmware file: raw in either word order, or ELF."""

from __future__ import annotations

from rdbg.elf.elf_file import is_elf
from rdbg.emu.loaders.elf import parse_elf
from rdbg.emu.loaders.placement import ImagePiece, place
from rdbg.emu.loaders.raw import WordOrder, swap_words, word_order
from rdbg.emu.memory_map import MemoryRegion
from rdbg.emu.spec import Image
from rdbg.errors import RdbgError

SWAPPED_SIZE = 0x3E0000  #: what lies above is the environment, which is not swapped


def firmware_contents(
    image: Image, big_endian: bool, memory: tuple[MemoryRegion, ...], flash_size: int, flash_base: int, rom_base: int
) -> tuple[bytes, tuple[ImagePiece, ...], int | None]:
    """What the flash holds, what goes elsewhere, and where to start.

    A little-endian board's raw image may have its 32-bit words swapped, as QEMU wants it, or be as the linker wrote
    it: which one is seen in its instructions.

    Args:
        image: the file.
        big_endian: byte order of the machine.
        memory: the board's windows onto storage (an ELF file may have parts for RAM).
        flash_size: bytes.
        flash_base, rom_base: where the flash is seen.

    Returns:
        Flash contents; pieces for other memory; entry address, None for the reset vector.

    Raises:
        RdbgError: the file is empty, too large, damaged, or for another machine.
    """
    what = f"{image.role} image {image.path!r}"
    if not image.data:
        raise RdbgError(f"{what} is empty: give a firmware file")
    if is_elf(image.data):
        return _from_elf(image, big_endian, memory, flash_size, flash_base, rom_base)
    if len(image.data) > flash_size:
        raise RdbgError(f"{what} has {len(image.data)} bytes, the flash {flash_size}: give a smaller one")
    order = word_order(image.data)
    if order is WordOrder.UNKNOWN:
        raise RdbgError(f"{what} does not look like MIPS code in either byte order: give a raw image or an ELF file")
    if big_endian and order is WordOrder.LITTLE:
        raise RdbgError(f"{what} holds little-endian code, the machine is big-endian: use a little-endian machine")
    if not big_endian and order is WordOrder.BIG:
        return swap_words(image.data[:SWAPPED_SIZE]) + image.data[SWAPPED_SIZE:], (), None
    return image.data, (), None


def _from_elf(
    image: Image, big_endian: bool, memory: tuple[MemoryRegion, ...], flash_size: int, flash_base: int, rom_base: int
) -> tuple[bytes, tuple[ImagePiece, ...], int | None]:
    elf = parse_elf(image, big_endian)
    what = f"{image.role} image {image.path!r}"
    contents = bytearray(flash_size)
    pieces: list[ImagePiece] = []
    starts_flash = False
    for segment in elf.segments:
        base = next((base for base in (flash_base, rom_base) if base <= segment.paddr < base + flash_size), None)
        if base is None:
            pieces.append(place(memory, segment.paddr, segment.data, what, segment.size))
            continue
        offset = segment.paddr - base
        if offset + len(segment.data) > flash_size:
            raise RdbgError(f"{what} needs flash up to offset {offset + len(segment.data):#x}, it has {flash_size:#x}")
        contents[offset : offset + len(segment.data)] = segment.data
        starts_flash = starts_flash or offset == 0
    return bytes(contents), tuple(pieces), None if starts_flash else elf.entry
