"""QEMU's ``-device loader``: files and numbers that are in memory at each reset, and where the CPU starts then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rdbg.elf.elf_file import is_elf
from rdbg.emu.c_number import c_number
from rdbg.emu.loaders.elf import parse_elf, physical
from rdbg.emu.loaders.intel_hex import parse_hex
from rdbg.emu.loaders.placement import ImagePiece, place
from rdbg.emu.loaders.uimage import parse_uimage
from rdbg.emu.memory_map import MemoryRegion
from rdbg.emu.spec import OFF, ON, Image, MachineSpec, Plugged
from rdbg.errors import RdbgError, UsageError
from rdbg.quick_dataclass import dataclass

LOADER = "loader"
_MOST_DATA = 8
_DATA = (1 << 8 * _MOST_DATA) - 1


@dataclass(frozen=True)
class LoaderDevice:
    """One such device.

    Args:
        file: its name, or empty.
        address: guest-physical, of a raw file or a number; of the first instruction.
        number: bytes to be written there.
        raw: the file is taken as it is, whatever it is.
        sets_pc: the CPU starts there, or where the file says.
    """

    file: str
    address: int
    number: bytes
    raw: bool
    sets_pc: bool


def loader_role(file: str) -> str:
    """The role of the image that such a device loads."""
    return f"{LOADER} {file}"


def parse_loader(item: Plugged) -> LoaderDevice:
    """What was said of a device.

    Raises:
        UsageError: it makes no sense; in QEMU's words where QEMU has some.
    """
    said = dict(item.properties)
    option = "-device " + ",".join([LOADER, *(f"{name}={text}" for name, text in item.properties)])

    def number(name: str, most: int) -> int:
        text = said.get(name, "0")
        try:
            value = c_number(text)
        except ValueError:
            raise UsageError(f"{option}: {name} takes a number, not {text!r}") from None
        if -_DATA <= value < 0 and most > 1 << 32:
            value &= _DATA  # of 64 bits: C takes a minus before an unsigned number
        if not 0 <= value <= most:
            raise UsageError(f"{option}: {name} takes a number from 0 to {most:#x}, not {text}")
        return value

    def switch(name: str) -> bool:
        text = said.get(name, "off").lower()
        if text not in (*ON, *OFF):
            raise UsageError(f"{option}: {name} takes on or off, not {text!r}")
        return text in ON

    file, raw, length = said.get("file", ""), switch("force-raw"), number("data-len", _MOST_DATA)
    big = switch("data-be")
    has_cpu = "cpu-num" in said
    if number("cpu-num", 0xFFFF):
        raise UsageError(f"{option}: Specified boot CPU#{said['cpu-num']} is nonexistent: the machine has CPU 0 alone")
    if "data" in said or length or big:
        if file or raw:
            raise UsageError(f"{option}: a file and a number at once; write a -device loader for each")
        if not length:
            raise UsageError(f"{option}: Both data and data-len must be specified: add data-len=1 to {_MOST_DATA}")
    elif raw and not file:
        raise UsageError(f"{option}: force-raw=on and no file; add file=F")
    elif not file and not said.get("addr"):
        raise UsageError(f"{option}: loads nothing; add file=F, or addr=A with data= and data-len=, or with cpu-num=0")
    elif not file and not has_cpu:
        raise UsageError(f"{option}: cpu-num must be specified when setting a program counter: add cpu-num=0")
    value = number("data", _DATA).to_bytes(_MOST_DATA, "big" if big else "little")
    # The CPU has 32 bits of where it is to start; in memory there is nothing behind them.
    address = number("addr", 0xFFFF_FFFF if file or length else _DATA) & 0xFFFF_FFFF
    return LoaderDevice(file, address, value[:length], raw, has_cpu and not length)


@dataclass(frozen=True)
class Loaded:
    """What all such devices of a machine come to.

    Args:
        pieces: what is in memory at a reset, all of it that the board loads.
        pc: virtual address of the first instruction; None: the board's.
    """

    pieces: tuple[ImagePiece, ...]
    pc: int | None


def load_by_devices(spec: MachineSpec, memory: tuple[MemoryRegion, ...], board: tuple[ImagePiece, ...]) -> Loaded:
    """Load what the machine's loader devices say.

    Args:
        spec: the machine.
        memory: its windows onto storage.
        board: what is loaded without them.

    Raises:
        RdbgError: there is no memory for it, it is loaded over something else, or a file is not what it should be.
    """
    numbers: list[ImagePiece] = []
    files: list[ImagePiece] = []
    pc: int | None = None
    for item in spec.plugged:
        if item.model != LOADER:
            continue
        device = parse_loader(item)
        start = device.address
        image = spec.image(loader_role(device.file)) if device.file else None
        if image is not None:
            what = f"loader image {image.path!r}"
            pieces, found = _file(image, device, spec.big_endian, memory, what)
            _check_overlap((*board, *files), pieces)
            files += pieces
            if found is None and device.sets_pc:
                raise RdbgError(f"{what} does not say where it starts: leave cpu-num out, or add another with addr=")
            start = start if found is None else found
        elif device.number:
            numbers.append(_place(memory, device.address, device.number, f"-device loader,addr={device.address:#x}"))
        if device.sets_pc:
            pc = start
    # Files are ROMs to QEMU, which are copied last: a number in the place of one is not seen.
    return Loaded((*numbers, *board, *files), pc)


def _file(
    image: Image, device: LoaderDevice, big_endian: bool, memory: tuple[MemoryRegion, ...], what: str
) -> tuple[list[ImagePiece], int | None]:
    """Where a file goes, and where it starts."""
    data = image.data
    if not device.raw and is_elf(data):
        elf = parse_elf(replace(image, role=LOADER), big_endian)
        placed = [place(memory, segment.paddr, segment.data, what, segment.size) for segment in elf.segments]
        return placed, elf.entry
    if not device.raw and (uimage := parse_uimage(data, what)) is not None:
        return [_place(memory, uimage.address, uimage.data, what)], uimage.entry
    if not device.raw and (found := parse_hex(data)) is not None:
        return [_place(memory, address, piece, what) for address, piece in found.pieces], found.start
    return [_place(memory, device.address, data, what)], device.address


def _place(memory: tuple[MemoryRegion, ...], address: int, data: bytes, what: str) -> ImagePiece:
    """An address of kseg0 is meant as such where the board has nothing there."""
    there = any(region.base <= address < region.base + region.size for region in memory)
    return place(memory, address if there else physical(address), data, what)


def _check_overlap(before: Iterable[ImagePiece], pieces: Sequence[ImagePiece]) -> None:
    """See that no piece lies over what is loaded already; a file may say twice what is in one place."""
    furthest: dict[tuple[str, bool], ImagePiece] = {}  # of each backing, of the old and the new: what reaches furthest
    marked = [*((piece, False) for piece in before), *((piece, True) for piece in pieces)]
    for piece, is_new in sorted(marked, key=lambda each: each[0].offset):
        other = furthest.get((piece.backing, not is_new))
        if other is not None and piece.offset < _end(other):
            new, old = (piece, other) if is_new else (other, piece)
            place = f"offset {piece.offset:#x} of {piece.backing}"
            raise RdbgError(f"{new.what} overlaps {old.what} at {place}: give one another address")
        own = furthest.get((piece.backing, is_new))
        if piece.data and (own is None or _end(piece) > _end(own)):
            furthest[piece.backing, is_new] = piece


def _end(piece: ImagePiece) -> int:
    return piece.offset + len(piece.data)
