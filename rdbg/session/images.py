"""From options to a machine's description: files are read, the byte order is found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rdbg.elf.elf_file import ElfError, ElfFile, is_elf
from rdbg.emu.loaders.elf import machine_name
from rdbg.emu.loaders.loader_device import loader_role, parse_loader
from rdbg.emu.spec import Drive, Image, MachineSpec, Semihosting
from rdbg.errors import RdbgError, UsageError
from rdbg.host.clock import host_seconds
from rdbg.host.regular_file import read_regular
from rdbg.serial.serial_spec import SerialKind
from rdbg.session.options import ImageFile, RunOptions

#: Roles in the order in which they say what byte order the machine has.
_DECIDING_ROLES = ("kernel", "bios", "pflash")

_WORD = 4
#: How much of a raw image is looked at.
_SAMPLE_BYTES = 256 << 10
#: How much of it is searched for text.
_TEXT_BYTES = 16 << 20

#: Major opcodes that most of any MIPS program consists of: special, jal, beq, bne, addiu, ori, lui, lw, sw.
_COMMON_OPCODES = (0x00, 0x03, 0x04, 0x05, 0x09, 0x0D, 0x0F, 0x23, 0x2B)

#: Letters that stand side by side in messages; in an image whose words are swapped they do not.
_COMMON_LETTERS = (b"ing", b"ion", b"the", b"ent", b"and", b"err", b"ead", b"oot")


def read_image(file: ImageFile) -> Image:
    """Read a file that the machine starts from.

    Raises:
        RdbgError: it cannot be read, or it is empty.
    """
    kind = file.role.partition(" ")[0]  # which peripheral's source it is, and the like, the path says
    data = read_regular(file.path, f"the {kind} image")
    if not data:
        raise RdbgError(f"{file.path}: the {kind} image is empty; give another file")
    return Image(file.role, file.path, data)


def read_symbols(path: str | None) -> bytes | None:
    """The bytes of an ELF file that a user names for its symbols; None: none is named.

    Raises:
        RdbgError: it cannot be read, or it is empty.
    """
    return None if path is None else read_image(ImageFile("symbols", path)).data


def elf_image(spec: MachineSpec) -> bytes | None:
    """A machine's ELF image, if it was started from one."""
    loaded = (image.role for image in spec.images if image.role.startswith(loader_role("")))
    for role in ("kernel", "bios", *loaded):
        image = spec.image(role)
        if image is not None and is_elf(image.data):
            return image.data
    return None


def image_folder(spec: MachineSpec) -> Path | None:
    """The folder that a machine's image came from, if this host has it: sources tend to lie there."""
    image = spec.image("kernel") or spec.image("bios")
    folder = Path(image.path).resolve().parent if image is not None else None
    return folder if folder is not None and folder.is_dir() else None


def elf_big_endian(image: Image) -> bool:
    """The byte order of an ELF file for MIPS.

    Raises:
        RdbgError: it is cut short, or for another machine.
    """
    try:
        elf = ElfFile(image.data)
    except ElfError as error:
        raise RdbgError(f"{image.path}: it {error}; give a whole file") from error
    if elf.machine != "EM_MIPS":
        raise RdbgError(f"{image.path}: an ELF file for {machine_name(elf.machine)}, not for MIPS; give a MIPS image")
    return elf.big_endian


def raw_big_endian(data: bytes) -> bool | None:
    """The byte order of the machine whose code a raw image is; None: it does not look like code.

    The image's 32-bit words may stand reversed, as QEMU wants little-endian firmware. Text tells (it is then unreadable
    as it stands); opcodes then tell the byte order.
    """
    sample = data[: min(len(data), _SAMPLE_BYTES) // _WORD * _WORD]
    whole = data[: min(len(data), _TEXT_BYTES) // _WORD * _WORD]
    swapped = _letters(_reversed_words(whole)) > _letters(whole)
    natural = _reversed_words(sample) if swapped else sample
    little, big = (_plausible(np.frombuffer(natural, dtype=order)) for order in ("<u4", ">u4"))
    if max(little, big) < 0.5 or abs(little - big) < 0.1:
        return None
    return big > little


def _reversed_words(data: bytes) -> bytes:
    return np.frombuffer(data, dtype="<u4").byteswap().tobytes()


def _letters(data: bytes) -> int:
    return sum(data.count(letters) for letters in _COMMON_LETTERS)


def _plausible(words: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> float:
    """Part of the words that look like common instructions."""
    used = words[(words != 0) & (words != 0xFFFFFFFF)]
    return float(np.isin(used >> 26, _COMMON_OPCODES).mean()) if used.size else 0.0


def guest_big_endian(images: tuple[Image, ...]) -> bool | None:
    """The byte order that the images are made for, or None if they do not tell."""
    image = _deciding(images)
    if image is None:
        return None
    return elf_big_endian(image) if is_elf(image.data) else raw_big_endian(image.data)


def _deciding(images: Sequence[Image]) -> Image | None:
    """The image that says what byte order the machine has."""
    for role in (*_DECIDING_ROLES, loader_role("")):
        for image in images:
            if image.role == role or (role.endswith(" ") and image.role.startswith(role)):
                return image
    return None


def board_sources(board: Image | None) -> tuple[Image, ...]:
    """The sources of a board's peripherals, whose names are meant from the board file's folder.

    Raises:
        RdbgError: one cannot be read.
    """
    if board is None:
        return ()
    from rdbg.emu.boards.bare_toml import parse_bare  # for boards that a file describes alone
    from rdbg.emu.boards.python_toml import python_role

    folder = os.path.dirname(board.path)
    files = parse_bare(board).sources()
    return tuple(read_image(ImageFile(python_role(file), os.path.join(folder, file))) for file in files)


def _board_big_endian(board: Image) -> bool:
    from rdbg.emu.boards.bare_toml import parse_bare  # for boards that a file describes alone

    return parse_bare(board).big_endian


def machine_spec(options: RunOptions, drives: tuple[Drive, ...] = ()) -> MachineSpec:
    """Read all files and describe the machine that ``options`` ask for.

    Args:
        options: what was asked for.
        drives: what its images come to.

    Raises:
        RdbgError: a file is missing or wrong, or there is nothing to run.
    """
    if not any(image.role in _DECIDING_ROLES for image in options.images) and not any(
        parse_loader(loader).sets_pc for loader in options.loaders
    ):
        if not (options.stopped and options.gdb is not None):
            raise UsageError(
                "there is nothing to run; name a firmware with -bios or an ELF file with -kernel, or add -S and -s, "
                "and let GDB load it"
            )
    if options.append and not any(image.role == "kernel" for image in options.images):
        raise UsageError("-append goes with -kernel alone: firmware gets no command line; drop one")
    images = tuple(read_image(file) for file in options.images)
    board = next((image for image in images if image.role == "board"), None)
    images += board_sources(board)
    found = guest_big_endian(images) if board is None else _board_big_endian(board)
    big_endian = options.big_endian if options.big_endian is not None else found
    if big_endian is None:
        named = _deciding(images)
        if named is not None:
            raise UsageError(f"{named.path}: does not tell its byte order; say -EL (little endian) or -EB (big endian)")
        big_endian = False
    for image in images:
        if image.role in _DECIDING_ROLES and is_elf(image.data) and elf_big_endian(image) != big_endian:
            orders = {False: "little", True: "big"}
            raise UsageError(
                f"{image.path}: a {orders[not big_endian]}-endian ELF file for a {orders[big_endian]}-endian machine; "
                f"drop {'-EB' if big_endian else '-EL'} or give another image"
            )
    return MachineSpec(
        board=options.board,
        cpu=options.cpu,
        big_endian=big_endian,
        ram_bytes=options.ram_bytes,
        shift=options.icount.shift,
        images=images,
        append=options.append,
        rtc_base=host_seconds() if options.rtc_base is None else options.rtc_base,
        sleep=options.icount.sleep,
        reboot=options.reboot,
        semihosting=_semihosting(options),
        drives=drives,
        plugged=options.plugged,
    )


def _semihosting(options: RunOptions) -> Semihosting | None:
    chosen = options.semihosting
    if not chosen.enabled:
        return None
    kernel = next((image.path for image in options.images if image.role == "kernel"), "")
    words = chosen.arguments or (kernel, *filter(None, options.append.split(" ")))
    silent = (SerialKind.NULL, SerialKind.FILE)
    return Semihosting(words, chosen.in_user_mode, chosen.console is not None and chosen.console.kind not in silent)
