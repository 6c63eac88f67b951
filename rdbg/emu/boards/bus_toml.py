"""``[[spi]]``, ``[[i2c]]`` and ``[[dma]]``: controllers, and the chips on them that are written in Python."""

from __future__ import annotations

from rdbg.emu.boards.python_toml import PythonSpec, parse_chip
from rdbg.emu.boards.toml_table import Irq, Table, endian_of, irq_of, word_base
from rdbg.emu.memory_map import Endian
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

#: Chips of an SPI controller, one for each of its select lines, and of an I2C bus, one for each address.
MOST_SELECTS = 8
MOST_ADDRESSES = 0x80


@dataclass(frozen=True)
class BusSpec:
    """An ``[[spi]]`` or ``[[i2c]]`` table.

    Args:
        kind: which.
        name: unique.
        base: guest-physical address.
        endian: byte order of its registers.
        irq: where its interrupt line leads; None: nowhere.
        frequency_hz: bits per second.
        chips: each with its select line, or its address.
    """

    kind: str
    name: str
    base: int
    endian: Endian
    irq: Irq | None
    frequency_hz: int
    chips: tuple[tuple[int, PythonSpec], ...]


@dataclass(frozen=True)
class DmaSpec:
    """A ``[[dma]]`` table.

    Args:
        name: unique.
        base: guest-physical address.
        endian: byte order of its registers.
        irq: where its interrupt line leads; None: nowhere.
        bytes_per_us: how fast it copies, in bytes per microsecond.
    """

    name: str
    base: int
    endian: Endian
    irq: Irq | None
    bytes_per_us: int


def parse_bus(table: Table, kind: str, index: int) -> BusSpec:
    """Read an ``[[spi]]`` or ``[[i2c]]`` table.

    Args:
        table: it.
        kind: which.
        index: its number among those.

    Raises:
        RdbgError: a mistake in it.
    """
    key, most, default = ("select", MOST_SELECTS, 1_000_000) if kind == "spi" else ("address", MOST_ADDRESSES, 100_000)
    name = table.text("name", f"{kind}{index}")
    chips: list[tuple[int, PythonSpec]] = []
    for number, each in enumerate(table.tables("chip", most)):
        place = each.integer(key, 0, most - 1)
        if any(place == other for other, _ in chips):
            raise each.fail(key, f"is {place:#x} of two chips: give each its own")
        chips.append((place, parse_chip(each, f"{name}-chip{number}")))
    spec = BusSpec(
        kind=kind,
        name=name,
        base=word_base(table),
        endian=endian_of(table),
        irq=irq_of(table),
        frequency_hz=table.integer("frequency_hz", 1_000, 1_000_000_000, default),
        chips=tuple(chips),
    )
    table.done()
    return spec


def parse_dma(table: Table, index: int) -> DmaSpec:
    """Read a ``[[dma]]`` table.

    Args:
        table: it.
        index: its number among those.

    Raises:
        RdbgError: a mistake in it.
    """
    spec = DmaSpec(
        name=table.text("name", f"dma{index}"),
        base=word_base(table),
        endian=endian_of(table),
        irq=irq_of(table),
        bytes_per_us=table.integer("bytes_per_us", 1, 1_000_000, 100),
    )
    table.done()
    return spec


def missing_class(kind: str, name: str, wanted: str) -> RdbgError:
    """A chip that is none for its bus."""
    return RdbgError(f"chip {name!r} is on an {kind} bus: derive its class from {wanted}")
