"""The first description of a board that nothing is known of but a firmware for it: what it touched when it ran."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rdbg import __version__
from rdbg.elf.elf_file import is_elf, read_elf
from rdbg.emu.boards.bare_toml import Window, parse_bare
from rdbg.emu.devices.explored_registers import Explored, ExploredRegisters
from rdbg.emu.loaders.elf import parse_elf
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, StopKind
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError, UsageError
from rdbg.host.progress import SILENT, Progress
from rdbg.quick_dataclass import dataclass
from rdbg.session.images import board_sources, elf_big_endian, raw_big_endian
from rdbg.symbols.table import SymbolTable

#: Registers that lie so close together, in bytes, are drafted as one device.
_CLOSE = 0x100
_SLICE = 1_000_000
_UNMAPPED = 0x1FFF_FFFF
_SEQUENCE = 8
_SHOWN_VALUES = 4


@dataclass(frozen=True)
class DraftOptions:
    """How a firmware is run.

    Args:
        path: the firmware, as the user wrote it.
        data: its bytes: ELF, or raw.
        address: virtual address of a raw one's first byte, which is also where it begins.
        big_endian: byte order; None: the firmware tells.
        ram_bytes: RAM from physical address 0 on.
        instructions: how many are run.
        cpu: CPU model.
        board: what is known already: a board file that the draft goes on from; None: nothing is.
    """

    path: str
    data: bytes
    address: int = 0xBFC0_0000
    big_endian: bool | None = None
    ram_bytes: int = 128 << 20
    instructions: int = 20_000_000
    cpu: str = "24Kf"
    board: Image | None = None


@dataclass(frozen=True)
class Draft:
    """What came of it.

    Args:
        text: the board file.
        registers: how many registers were touched.
        devices: in so many groups.
        icount: how far the firmware came.
        pc: where it stood then.
    """

    text: str
    registers: int
    devices: int
    icount: int
    pc: int


def draft_board(options: DraftOptions, interrupted: Callable[[], bool], progress: Progress = SILENT) -> Draft:
    """Run a firmware where everything answers, and describe what it touched.

    Args:
        options: see there.
        interrupted: asked often; True: describe what has been found.
        progress: told how far it is.

    Raises:
        RdbgError: it cannot be run.
    """
    elf = is_elf(options.data)
    image = Image("kernel" if elf else "bios", options.path, options.data)
    big_endian = options.big_endian
    if big_endian is None:
        big_endian = elf_big_endian(image) if elf else raw_big_endian(options.data)
    if big_endian is None:
        raise UsageError(f"{options.path}: does not tell its byte order; say -EL (little endian) or -EB (big endian)")
    known = options.board
    if known is not None:
        big_endian = parse_bare(known).big_endian
    head = _head(options, image, big_endian) if known is None else known.data.decode().rstrip() + "\n"
    path = "draft.toml" if known is None else known.path
    board = Image("board", path, (head + "\n[[explore]]\nbase = 0\nsize = 0x1_0000_0000\n").encode())
    images = (image, board, *board_sources(known))
    machine = Machine(MachineSpec("bare", options.cpu, big_endian, options.ram_bytes, 3, images, sleep=False))
    while machine.icount < options.instructions and not interrupted():
        until = min(machine.icount + _SLICE, options.instructions)
        before = machine.icount
        stop = machine.run(RunRequest(until=until))
        progress.advance(machine.icount, options.instructions, "instructions run")
        if stop.kind is not StopKind.LIMIT or machine.icount == before:
            break
    found = [each for device in machine.board.devices if isinstance(device, ExploredRegisters)
             for each in device.found.values()]  # fmt: skip
    symbols = SymbolTable(read_elf(options.data) if elf else None, machine.read_memory)
    groups = list(_groups(found))
    story = _story(machine, symbols, options)
    parts = [head.replace("\n", f"\n{story}", 1) if known is None else f"{head}\n# Drafted beside that:\n{story}"]
    windows = parse_bare(board).windows()
    parts += [_device(group, symbols, windows) for group in groups]
    return Draft("\n".join(parts), len(found), len(groups), machine.icount, machine.pc)


def _head(options: DraftOptions, image: Image, big_endian: bool) -> str:
    """The board file's part that is known before the firmware runs."""
    lines = [f"# Drafted by rdbg {__version__}: rdbg board draft {_word(options.path)}"]
    lines += ['name = "draft"', f'endian = "{"big" if big_endian else "little"}"']
    areas = [("ram", 0, options.ram_bytes, "")]
    if image.role == "kernel":
        for segment in parse_elf(image, big_endian).segments:
            first = segment.paddr // PAGE_SIZE * PAGE_SIZE
            end = -(-(segment.paddr + max(segment.size, len(segment.data))) // PAGE_SIZE) * PAGE_SIZE
            if not any(base <= first and end <= base + size for _, base, size, _ in areas):
                areas.append(("ram", max(first, options.ram_bytes), end - max(first, options.ram_bytes), ""))
    else:
        lines.append(f"reset_pc = {options.address:#010x}")
        base = options.address & _UNMAPPED if 0x8000_0000 <= options.address < 0xC000_0000 else options.address
        size = -(-len(image.data) // PAGE_SIZE) * PAGE_SIZE
        if base % PAGE_SIZE:
            raise UsageError(f"--at {options.address:#x}: must be a multiple of {PAGE_SIZE:#x}")
        if base < options.ram_bytes:
            areas[:] = [("ram", 0, base, "")] if base else []
            areas.append(("ram", base, size, 'image = "bios"\n'))
            if base + size < options.ram_bytes:
                areas.append(("ram", base + size, options.ram_bytes - base - size, ""))
        else:
            areas.append(("rom", base, size, ""))
    text = "\n".join(lines) + "\n"
    for number, (kind, base, size, more) in enumerate(areas):
        text += f'\n[[{kind}]]\nname = "{kind}{number}"\nbase = {base:#010x}\nsize = {size:#x}\n{more}'
    return text


def _story(machine: Machine, symbols: SymbolTable, options: DraftOptions) -> str:
    """How far the firmware came, in comments."""
    lines = [f"# It ran {machine.icount:,} instructions and stood at {_place(machine.pc, symbols)} then."]
    if machine.icount < options.instructions:
        lines.append("# It waits there, or has ended: it may want an interrupt of a device below (key irq).")
    lines.append("# Loads gave 0 or what had been stored, and all ones in turn with zeros where it waited.")
    lines.append("# What a register really is nobody knows: see docs/boards.md for the keys that say it.")
    return "".join(f"{line}\n" for line in lines)


def _groups(found: list[Explored]) -> Iterable[list[Explored]]:
    """Registers that lie close together, in groups by address."""
    group: list[Explored] = []
    for each in sorted(found, key=lambda each: each.address):
        near = group and each.address - group[-1].address <= _CLOSE
        if group and not (near and each.address // PAGE_SIZE == group[0].address // PAGE_SIZE):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _device(group: list[Explored], symbols: SymbolTable, windows: list[Window]) -> str:
    """A ``[[registers]]`` table of a group."""
    base = group[0].address // 4 * 4
    if any(window.base < group[0].address and base < window.base + window.size for window in windows):
        base = group[0].address
    name = f"at_{base:08x}"
    while any(window.name == name for window in windows):
        name += "_more"
    lines = ["[[registers]]", f'name = "{name}"', f"base = {base:#010x}"]
    end = base
    for each in group:
        offset = each.address - base
        size = next(size for size in (4, 2, 1) if size <= each.size and offset % size == 0)
        if base + offset < end:  # a part of the register before it
            lines.append(f"# {each.address:#010x}: {_done(each)}, {each.size} bytes, a part of the register before")
            continue
        end = base + offset + size
        lines += ["", "[[registers.register]]", f"offset = {offset:#x}", f"width = {size}"]
        lines.append(f"# {_done(each)}; first at {_place(each.pc, symbols)}, icount {each.icount}")
        if each.stored:
            values = ", ".join(f"{value:#x}" for value in each.stored[:_SHOWN_VALUES])
            more = ", ..." if len(each.stored) > _SHOWN_VALUES else ""
            lines.append(f"# stored: {values}{more}")
        if each.text and len(each.text) >= 4:
            lines.append(f"# text was stored: {each.text!r}: a serial port's data register? See [[uart]]")
        limit = (1 << (8 * size)) - 1
        waited = [(value & limit, times) for value, times in each.given][:_SEQUENCE]
        if any(value == limit for value, _ in waited[1:]) and not each.stores:
            last = waited[-1][0]
            lines.append(f"# it was waited for: {len(waited)} values until the firmware went on, {last:#x} last")
            lines.append("sequence = [" + ", ".join(f"[{value:#x}, {times}]" for value, times in waited) + "]")
        elif any(value == limit for value, _ in waited[1:]):
            lines.append(f"# it was waited for: loads gave {', '.join(f'{value:#x}' for value, _ in waited)}")
            lines.append("sequence = [" + ", ".join(f"[{value:#x}, {times}]" for value, times in waited) + "]")
            lines.append('restart = "store"')
    return "\n".join(lines) + "\n"


def _done(each: Explored) -> str:
    loads = f"{each.loads} load{'s' if each.loads != 1 else ''}" if each.loads else ""
    stores = f"{each.stores} store{'s' if each.stores != 1 else ''}" if each.stores else ""
    return " and ".join(filter(None, (loads, stores)))


def _place(pc: int, symbols: SymbolTable) -> str:
    """An address, and the function that has it."""
    named = symbols.at(pc)
    if named is None:
        return f"pc {pc:#010x}"
    name, offset = named
    return f"pc {pc:#010x} ({_word(name)}{f'+{offset:#x}' if offset else ''})"


def _word(text: str) -> str:
    """A name in a comment: one line that TOML takes."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200]


def require_text(path: str, text: str) -> None:
    """Check that a draft loads as it is.

    Raises:
        RdbgError: it does not: a mistake of this module.
    """
    try:
        parse_bare(Image("board", path, text.encode()))
    except RdbgError as error:
        raise RdbgError(f"the draft is wrong: {error}") from error
