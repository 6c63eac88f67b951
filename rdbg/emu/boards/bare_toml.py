"""The TOML text of a ``bare`` machine: parsing and checking, with every mistake named by its key."""

from __future__ import annotations

import tomllib
from dataclasses import field

from rdbg.emu.boards.bus_toml import BusSpec, DmaSpec, parse_bus, parse_dma
from rdbg.emu.boards.gpio_toml import GpioSpec, parse_gpio
from rdbg.emu.boards.python_toml import PythonSpec, parse_python
from rdbg.emu.boards.register_toml import RegisterBlockSpec, parse_registers
from rdbg.emu.boards.toml_table import (
    ADDRESS_LIMIT,
    IRQ_LINES,
    DeviceLine,
    Irq,
    Table,
    endian_of,
    irq_of,
    number_text,
    shown,
    word_base,
)
from rdbg.emu.devices.bare_timer import SIZE as TIMER_SIZE
from rdbg.emu.devices.byte_bus import SIZE as BUS_SIZE
from rdbg.emu.devices.dma_controller import SIZE as DMA_SIZE
from rdbg.emu.devices.exit_register import SIZE as EXIT_SIZE
from rdbg.emu.devices.gpio import SIZE as GPIO_SIZE
from rdbg.emu.memory_map import PAGE_SIZE, Endian
from rdbg.emu.spec import Image
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

ERASE_BLOCK = 64 * 1024
MOST_TEXT = 128 << 10
LONGEST_LINE = 2000
#: Python files that a board's devices may be in: they are kept in recordings.
MOST_SOURCES = 32
#: Bytes that may be filled with something else than zeros.
MOST_FILLED = 256 << 20


@dataclass(frozen=True)
class MemorySpec:
    """A ``[[ram]]``, ``[[rom]]`` or ``[[flash]]`` table.

    Args:
        kind: the table's name.
        name: unique.
        base: guest-physical address.
        size: bytes.
        fill: byte that fills what no image covers.
        image: role of the image it holds, or None.
        block: bytes per erase block (flash).
    """

    kind: str
    name: str
    base: int
    size: int
    fill: int = 0
    image: str | None = None
    block: int = ERASE_BLOCK


@dataclass(frozen=True)
class UartSpec:
    """A ``[[uart]]`` table (16550A)."""

    name: str
    base: int
    port: int
    irq: Irq | None
    register_shift: int
    clock_hz: int
    endian: Endian


@dataclass(frozen=True)
class TimerSpec:
    """A ``[[timer]]`` table."""

    name: str
    base: int
    irq: Irq | None
    frequency_hz: int
    endian: Endian


@dataclass(frozen=True)
class ExitSpec:
    """The ``[exit]`` table: a register that ends the run."""

    name: str
    base: int
    endian: Endian


@dataclass(frozen=True, order=True)
class Window:
    """Where a part stands.

    Args:
        base: guest-physical address.
        size: bytes.
        kind: the name of its table.
        name: its own.
    """

    base: int
    size: int
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True)
class BareSpec:
    """A whole machine."""

    name: str
    big_endian: bool
    reset_pc: int | None
    cpu_clock_hz: int
    cpu_irq_timer: int
    memory: tuple[MemorySpec, ...]
    uarts: tuple[UartSpec, ...]
    timers: tuple[TimerSpec, ...]
    ignored: tuple[tuple[int, int], ...] = field(default=())
    exit: ExitSpec | None = None
    registers: tuple[RegisterBlockSpec, ...] = ()
    gpios: tuple[GpioSpec, ...] = ()
    python: tuple[PythonSpec, ...] = ()
    explored: tuple[tuple[int, int], ...] = ()
    buses: tuple[BusSpec, ...] = ()
    dmas: tuple[DmaSpec, ...] = ()

    def chips(self) -> list[PythonSpec]:
        """The chips on its buses."""
        return [chip for bus in self.buses for _, chip in bus.chips]

    def sources(self) -> list[str]:
        """The Python files that its parts are written in, each once."""
        return list(dict.fromkeys(each.file for each in (*self.python, *self.chips())))

    def windows(self) -> list[Window]:
        """Where its parts stand, in the order of the file's kinds."""
        found = [Window(each.base, each.size, each.kind, each.name) for each in self.memory]
        found += [Window(each.base, uart_size(each), "uart", each.name) for each in self.uarts]
        found += [Window(each.base, TIMER_SIZE, "timer", each.name) for each in self.timers]
        found += [] if self.exit is None else [Window(self.exit.base, EXIT_SIZE, "[exit]", self.exit.name)]
        found += [Window(each.base, each.size, "registers", each.name) for each in self.registers]
        found += [Window(each.base, GPIO_SIZE, "gpio", each.name) for each in self.gpios]
        found += [Window(each.base, each.size or 1, "device", each.name) for each in self.python]
        found += [Window(each.base, BUS_SIZE, each.kind, each.name) for each in self.buses]
        found += [Window(each.base, DMA_SIZE, "dma", each.name) for each in self.dmas]
        return found

    def irqs(self) -> list[tuple[str, Irq]]:
        """Where interrupt lines lead, each with its part's name."""
        parts: list[tuple[str, Irq | None]] = [(part.name, part.irq) for part in self.uarts]
        parts += [(part.name, part.irq) for part in self.timers]
        parts += [(part.name, part.irq) for part in self.registers]
        parts += [(part.name, part.irq) for part in self.gpios]
        parts += [(part.name, part.irq) for part in self.buses]
        parts += [(part.name, part.irq) for part in self.dmas]
        found = [(name, irq) for name, irq in parts if irq is not None]
        return found + [(device.name, irq) for device in (*self.python, *self.chips()) for irq in device.irqs]


def parse_bare(image: Image) -> BareSpec:
    """Read the text of a board file.

    Args:
        image: the file (role ``board``).

    Raises:
        RdbgError: not TOML, or a key is missing, unknown, of the wrong type or out of range, or windows overlap.
    """
    if len(image.data) > MOST_TEXT:
        raise RdbgError(f"board file {image.path!r} has {len(image.data)} bytes, at most {MOST_TEXT} can be")
    for number, line in enumerate(image.data.split(b"\n"), 1):
        if len(line) > LONGEST_LINE:  # the time that a key of many parts takes grows with their square
            raise RdbgError(f"board file {image.path!r}: line {number} has {len(line)} bytes: give a TOML file")
    try:
        values = tomllib.loads(image.data.decode())
    except UnicodeDecodeError as error:
        raise RdbgError(f"board file {image.path!r} is not UTF-8 text (byte {error.start}): give a TOML file") from None
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits, and of deep nesting
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else shown(error)
        raise RdbgError(f"board file {image.path!r} is not TOML: {reason}") from None
    top = Table(values, "", image.path)
    spec = BareSpec(
        name=top.text("name", "bare"),
        big_endian=top.choice("endian", ("little", "big")) == "big",
        reset_pc=top.integer("reset_pc", 0, ADDRESS_LIMIT - 4) if top.has("reset_pc") else None,
        cpu_clock_hz=top.integer("clock_hz", 1_000_000, 10_000_000_000, 320_000_000),
        cpu_irq_timer=top.integer("timer_irq", 0, IRQ_LINES - 1, 5),
        memory=tuple(_memory(table, kind) for kind in ("ram", "rom", "flash") for table in top.tables(kind)),
        uarts=tuple(_uart(table, index) for index, table in enumerate(top.tables("uart"))),
        timers=tuple(_timer(table, index) for index, table in enumerate(top.tables("timer"))),
        ignored=tuple(_ignored(table) for table in top.tables("ignore")),
        buses=tuple(
            parse_bus(table, kind, index) for kind in ("spi", "i2c") for index, table in enumerate(top.tables(kind))
        ),
        dmas=tuple(parse_dma(table, index) for index, table in enumerate(top.tables("dma"))),
        explored=tuple(_ignored(table) for table in top.tables("explore")),
        exit=_exit(top.table("exit")),
        registers=tuple(parse_registers(table, index) for index, table in enumerate(top.tables("registers"))),
        gpios=tuple(parse_gpio(table, index) for index, table in enumerate(top.tables("gpio"))),
        python=tuple(parse_python(table, index) for index, table in enumerate(top.tables("device"))),
    )
    top.done()
    if spec.reset_pc is not None and spec.reset_pc % 4:
        raise top.fail("reset_pc", f"must be a multiple of 4, not {spec.reset_pc:#x}")
    if not any(memory.kind == "ram" for memory in spec.memory):
        raise top.fail("ram", "is missing: a machine needs at least one [[ram]]")
    check_overlaps(spec, image.path)
    return spec


def _memory(table: Table, kind: str) -> MemorySpec:
    size = table.size("size")
    if size <= 0 or size % PAGE_SIZE:
        raise table.fail("size", f"must be a multiple of {PAGE_SIZE:#x} above 0, not {number_text(size)}")
    base = table.integer("base", 0, ADDRESS_LIMIT - 1)
    if base % PAGE_SIZE:
        raise table.fail("base", f"must be a multiple of {PAGE_SIZE:#x}, not {base:#x}")
    if base + size > ADDRESS_LIMIT:
        raise table.fail("size", f"goes past the end of the address space: {number_text(base + size)}")
    fill = table.integer("fill", 0, 255, 0xFF if kind == "flash" else 0)
    value = table.choice("image", ("bios", "pflash", "none"), "bios" if kind == "rom" else "none")
    image = None if value == "none" else value
    block = ERASE_BLOCK
    if kind == "flash" and table.has("block"):
        block = table.size("block")
        if block < 256 or block & (block - 1) or size % block:
            raise table.fail("block", f"must be a power of two that divides the size, not {number_text(block)}")
    spec = MemorySpec(kind, table.text("name", kind), base, size, fill, image, block)
    table.done()
    return spec


def _uart(table: Table, index: int) -> UartSpec:
    spec = UartSpec(
        name=table.text("name", f"uart{index}"),
        base=table.integer("base", 0, ADDRESS_LIMIT - 1),
        port=table.integer("port", 0, 255, index),
        irq=irq_of(table),
        register_shift=table.integer("register_shift", 0, 4, 0),
        clock_hz=table.integer("clock_hz", 16, 10_000_000_000, 1_843_200),
        endian=endian_of(table),
    )
    table.done()
    return spec


def _timer(table: Table, index: int) -> TimerSpec:
    base = word_base(table)
    spec = TimerSpec(
        name=table.text("name", f"timer{index}"),
        base=base,
        irq=irq_of(table),
        frequency_hz=table.integer("frequency_hz", 1, 1_000_000_000, 1_000_000),
        endian=endian_of(table),
    )
    table.done()
    return spec


def _exit(table: Table | None) -> ExitSpec | None:
    if table is None:
        return None
    base = word_base(table)
    spec = ExitSpec(name=table.text("name", "exit"), base=base, endian=endian_of(table))
    table.done()
    return spec


def _ignored(table: Table) -> tuple[int, int]:
    base, size = table.integer("base", 0, ADDRESS_LIMIT - 1), table.size("size")
    if size <= 0:
        raise table.fail("size", f"must be above 0, not {number_text(size)}")
    table.done()
    return base, size


def uart_size(spec: UartSpec) -> int:
    """Bytes that a UART's registers take."""
    return 8 << spec.register_shift


def check_overlaps(spec: BareSpec, path: str) -> None:
    """Check that no two parts claim the same address, name or port, and that none is outside.

    Args:
        spec: the machine.
        path: of its board file.

    Raises:
        RdbgError: two do, or one is.
    """
    windows = sorted(spec.windows())
    ignored = [Window(base, size, "[[ignore]]", f"at {base:#x}") for base, size in spec.ignored]
    ignored += [Window(base, size, "[[explore]]", f"at {base:#x}") for base, size in spec.explored]
    for window in (*windows, *ignored):
        end = window.base + window.size
        if end > ADDRESS_LIMIT:
            raise RdbgError(
                f"board file {path!r}: {window} goes past the end of the address space: {number_text(end)}; move it"
            )
    for base, size in spec.ignored:
        for memory in spec.memory:
            if memory.base <= base and base + size <= memory.base + memory.size:
                raise RdbgError(
                    f"board file {path!r}: [[ignore]] at {base:#x} lies in {memory.kind} {memory.name!r}, which "
                    "answers there: remove it or move it"
                )
    filled = sum(memory.size for memory in spec.memory if memory.fill)
    if filled > MOST_FILLED:
        raise RdbgError(
            f"board file {path!r}: {filled >> 20} MiB of flash and of memory with the key fill are more than the "
            f"{MOST_FILLED >> 20} MiB that rdbg fills: make them smaller"
        )
    for window, following in zip(windows, windows[1:], strict=False):
        end = window.base + window.size
        if end > following.base:
            raise RdbgError(
                f"board file {path!r}: {window} ({window.base:#x} to {end - 1:#x}) and {following} at "
                f"{following.base:#x} overlap: move one of them"
            )
    names: set[str] = set()
    for name in [window.name for window in windows] + [chip.name for chip in spec.chips()]:
        if name in names:
            raise RdbgError(f"board file {path!r}: the name {name!r} is used twice: give each part its own name")
        names.add(name)
    ports: set[int] = set()
    for port in [uart.port for uart in spec.uarts] + [device.port for device in spec.python if device.port is not None]:
        if port in ports:
            raise RdbgError(f"board file {path!r}: two uarts or devices have port {port}: give each its own")
        ports.add(port)
    python = {device.name for device in spec.python}
    files = spec.sources()
    if len(files) > MOST_SOURCES:
        raise RdbgError(
            f"board file {path!r}: its devices are in {len(files)} Python files, and {MOST_SOURCES} can be: put "
            "several classes in one"
        )
    for name, irq in spec.irqs():
        if isinstance(irq, DeviceLine) and irq.device not in python:
            raise RdbgError(
                f"board file {path!r}: the key irq of {name!r} names {irq.device!r}, which is no [[device]]: "
                "name one, or a line of the CPU"
            )
        if isinstance(irq, DeviceLine) and irq.device == name:
            raise RdbgError(f"board file {path!r}: the key irq of {name!r} names itself: name another device")
    pins: dict[str, str] = {}
    for gpio in spec.gpios:
        for pin in filter(None, gpio.pins):
            if pin in pins:
                raise RdbgError(
                    f"board file {path!r}: gpio {pins[pin]!r} and gpio {gpio.name!r} both have a pin {pin!r}: "
                    "give each pin its own name"
                )
            pins[pin] = gpio.name
