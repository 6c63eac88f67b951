"""The TOML text of a ``bare`` machine: parsing and checking, with every mistake named by its key."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

from rdbg.emu.memory_map import PAGE_SIZE, Endian
from rdbg.emu.spec import Image
from rdbg.errors import RdbgError

ADDRESS_LIMIT = 1 << 32
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
IRQ_LINES = 6
ERASE_BLOCK = 64 * 1024
MOST_TEXT = 128 << 10
LONGEST_LINE = 2000
#: Parts of one kind that a board may have, and bytes that may be filled with something else than zeros.
MOST_PARTS = 64
MOST_FILLED = 256 << 20
_DIGITS = re.compile(r"[0-9]{1,12}")
_LONGEST_SHOWN = 60
_LONGEST_REASON = 200


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
    irq: int | None
    register_shift: int
    clock_hz: int
    endian: Endian


@dataclass(frozen=True)
class TimerSpec:
    """A ``[[timer]]`` table."""

    name: str
    base: int
    irq: int | None
    frequency_hz: int
    endian: Endian


@dataclass(frozen=True)
class ExitSpec:
    """The ``[exit]`` table: a register that ends the run."""

    name: str
    base: int
    endian: Endian


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


def _shown(value: object) -> str:
    """A value in a message: one line, not the whole of a long one."""
    try:
        text = str(value) if isinstance(value, Exception) else repr(value)
    except ValueError:  # a number with more digits than Python writes
        text = "a number of thousands of digits"
    text = " ".join(text.split())
    most = _LONGEST_REASON if isinstance(value, Exception) else _LONGEST_SHOWN
    return text if len(text) <= most else text[:most] + "..."


def _number(value: int) -> str:
    """A number in a message."""
    return f"{value:#x}" if abs(value) < 1 << 128 else "a number of more than 128 bits"


class _Table:
    """A TOML table whose keys are taken one by one, so that what is left over is a mistake."""

    def __init__(self, values: object, place: str, path: str) -> None:
        self._place = place
        self._path = path
        if not isinstance(values, dict):
            raise RdbgError(f"board file {path!r}: {place or 'the file'} must be a table")
        self._values: dict[str, object] = dict(values)

    def fail(self, key: str, problem: str) -> RdbgError:
        name = f"{self._place}.{key}" if self._place else key
        return RdbgError(f"board file {self._path!r}: {name} {problem}")

    def has(self, key: str) -> bool:
        return key in self._values

    def take(self, key: str) -> object:
        if key not in self._values:
            raise self.fail(key, "is missing")
        return self._values.pop(key)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        if default is not None and key not in self._values:
            return default
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"must be an integer, not {_shown(value)}")
        if not low <= value <= high:
            raise self.fail(key, f"must be {low:#x} to {high:#x}, not {_number(value)}")
        return value

    def size(self, key: str) -> int:
        value = self.take(key)
        if isinstance(value, str):
            digits, unit = value.strip()[:-1], value.strip()[-1:].upper()
            if unit not in UNITS or not _DIGITS.fullmatch(digits):
                raise self.fail(key, f'must be a number of bytes or a text like "64M", not {_shown(value)}')
            return int(digits) * UNITS[unit]
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f'must be a number of bytes or a text like "64M", not {_shown(value)}')
        return value

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and key not in self._values:
            return default
        value = self.take(key)
        if not isinstance(value, str) or not value or not value.isprintable() or len(value) > _LONGEST_SHOWN:
            raise self.fail(key, f"must be a text of at most {_LONGEST_SHOWN} characters, not {_shown(value)}")
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in choices:
            raise self.fail(key, f"must be {' or '.join(repr(choice) for choice in choices)}, not {_shown(value)}")
        return value

    def tables(self, key: str) -> list[_Table]:
        value = self._values.pop(key, [])
        if not isinstance(value, list):
            raise self.fail(key, f"must be written as [[{key}]]")
        if len(value) > MOST_PARTS:
            raise self.fail(key, f"stands there {len(value)} times: a board has at most {MOST_PARTS}")
        return [_Table(item, f"{key}[{index}]", self._path) for index, item in enumerate(value)]

    def table(self, key: str) -> _Table | None:
        if key not in self._values:
            return None
        value = self._values.pop(key)
        if not isinstance(value, dict):
            raise self.fail(key, f"must be written as [{key}]")
        return _Table(value, key, self._path)

    def done(self) -> None:
        for key in self._values:
            raise self.fail(_shown(key)[1:-1], "is not a key that is known here: remove it or see docs/machine.md")


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
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else _shown(error)
        raise RdbgError(f"board file {image.path!r} is not TOML: {reason}") from None
    top = _Table(values, "", image.path)
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
        exit=_exit(top.table("exit")),
    )
    top.done()
    if spec.reset_pc is not None and spec.reset_pc % 4:
        raise top.fail("reset_pc", f"must be a multiple of 4, not {spec.reset_pc:#x}")
    if not any(memory.kind == "ram" for memory in spec.memory):
        raise top.fail("ram", "is missing: a machine needs at least one [[ram]]")
    _check_overlaps(spec, image.path)
    return spec


def _memory(table: _Table, kind: str) -> MemorySpec:
    size = table.size("size")
    if size <= 0 or size % PAGE_SIZE:
        raise table.fail("size", f"must be a multiple of {PAGE_SIZE:#x} above 0, not {_number(size)}")
    base = table.integer("base", 0, ADDRESS_LIMIT - 1)
    if base % PAGE_SIZE:
        raise table.fail("base", f"must be a multiple of {PAGE_SIZE:#x}, not {base:#x}")
    if base + size > ADDRESS_LIMIT:
        raise table.fail("size", f"goes past the end of the address space: {_number(base + size)}")
    fill = table.integer("fill", 0, 255, 0xFF if kind == "flash" else 0)
    image = None
    if kind != "ram":
        value = table.choice("image", ("bios", "pflash", "none"), "bios" if kind == "rom" else "none")
        image = None if value == "none" else value
    block = ERASE_BLOCK
    if kind == "flash" and table.has("block"):
        block = table.size("block")
        if block < 256 or block & (block - 1) or size % block:
            raise table.fail("block", f"must be a power of two that divides the size, not {_number(block)}")
    spec = MemorySpec(kind, table.text("name", kind), base, size, fill, image, block)
    table.done()
    return spec


def _irq(table: _Table) -> int | None:
    return table.integer("irq", 0, IRQ_LINES - 1) if table.has("irq") else None


def _endian(table: _Table) -> Endian:
    return Endian(table.choice("endian", ("native", "little", "big"), "native"))


def _uart(table: _Table, index: int) -> UartSpec:
    spec = UartSpec(
        name=table.text("name", f"uart{index}"),
        base=table.integer("base", 0, ADDRESS_LIMIT - 1),
        port=table.integer("port", 0, 255, index),
        irq=_irq(table),
        register_shift=table.integer("register_shift", 0, 4, 0),
        clock_hz=table.integer("clock_hz", 16, 10_000_000_000, 1_843_200),
        endian=_endian(table),
    )
    table.done()
    return spec


def _timer(table: _Table, index: int) -> TimerSpec:
    base = table.integer("base", 0, ADDRESS_LIMIT - 1)
    if base % 4:
        raise table.fail("base", f"must be a multiple of 4, not {base:#x}")
    spec = TimerSpec(
        name=table.text("name", f"timer{index}"),
        base=base,
        irq=_irq(table),
        frequency_hz=table.integer("frequency_hz", 1, 1_000_000_000, 1_000_000),
        endian=_endian(table),
    )
    table.done()
    return spec


def _exit(table: _Table | None) -> ExitSpec | None:
    if table is None:
        return None
    base = table.integer("base", 0, ADDRESS_LIMIT - 1)
    if base % 4:
        raise table.fail("base", f"must be a multiple of 4, not {base:#x}")
    spec = ExitSpec(name=table.text("name", "exit"), base=base, endian=_endian(table))
    table.done()
    return spec


def _ignored(table: _Table) -> tuple[int, int]:
    base, size = table.integer("base", 0, ADDRESS_LIMIT - 1), table.size("size")
    if size <= 0:
        raise table.fail("size", f"must be above 0, not {_number(size)}")
    table.done()
    return base, size


def uart_size(spec: UartSpec) -> int:
    """Bytes that a UART's registers take."""
    return 8 << spec.register_shift


def _check_overlaps(spec: BareSpec, path: str) -> None:
    windows = [(memory.base, memory.size, f"{memory.kind} {memory.name!r}") for memory in spec.memory]
    windows += [(uart.base, uart_size(uart), f"uart {uart.name!r}") for uart in spec.uarts]
    windows += [(timer.base, 16, f"timer {timer.name!r}") for timer in spec.timers]
    registers = () if spec.exit is None else (spec.exit,)
    windows += [(register.base, 4, f"[exit] {register.name!r}") for register in registers]
    windows.sort()
    for base, size, name in [*windows, *((*ignored, "[[ignore]]") for ignored in spec.ignored)]:
        end = base + size
        if end > ADDRESS_LIMIT:
            raise RdbgError(f"board file {path!r}: {name} goes past the end of the address space: {_number(end)}")
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
    for (base, size, name), (next_base, _, next_name) in zip(windows, windows[1:], strict=False):
        if base + size > next_base:
            raise RdbgError(
                f"board file {path!r}: {name} ({base:#x} to {base + size - 1:#x}) and {next_name} at {next_base:#x} "
                "overlap: move one of them"
            )
    names = [memory.name for memory in spec.memory] + [item.name for item in (*spec.uarts, *spec.timers, *registers)]
    for name in names:
        if names.count(name) > 1:
            raise RdbgError(f"board file {path!r}: the name {name!r} is used twice: give each part its own name")
    ports = [uart.port for uart in spec.uarts]
    for port in ports:
        if ports.count(port) > 1:
            raise RdbgError(f"board file {path!r}: two uarts have port {port}: give each its own")
