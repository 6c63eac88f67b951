"""``[[gpio]]``: pins with names."""

from __future__ import annotations

from rdbg.emu.boards.toml_table import Irq, Table, endian_of, irq_of, shown, word_base
from rdbg.emu.memory_map import Endian
from rdbg.quick_dataclass import dataclass

MOST_PINS = 32


@dataclass(frozen=True)
class GpioSpec:
    """A ``[[gpio]]`` table.

    Args:
        name: unique.
        base: guest-physical address.
        endian: byte order of its registers.
        irq: where its interrupt line leads; None: nowhere.
        port: number of its endpoint.
        pins: their names, bit 0 first; empty: there is no such pin.
        high: bits of the pins that are high at power-on while nobody drives them.
    """

    name: str
    base: int
    endian: Endian
    irq: Irq | None
    port: int
    pins: tuple[str, ...]
    high: int


def parse_gpio(table: Table, index: int) -> GpioSpec:
    """Read a ``[[gpio]]`` table.

    Args:
        table: it.
        index: its number among those.

    Raises:
        RdbgError: a mistake in it.
    """
    name, base = table.text("name", f"gpio{index}"), word_base(table)
    endian, irq = endian_of(table), irq_of(table)
    pins = table.texts("pins", MOST_PINS)
    if not any(pins):
        raise table.fail("pins", 'is missing: give a list of names, bit 0 first: pins = ["led", "button"]')
    for pin in pins:
        if pin and not all(letter.isalnum() or letter in "_-." for letter in pin):
            raise table.fail("pins", f"must be names of letters, digits, _, - and ., not {shown(pin)}")
        if pin and pins.count(pin) > 1:
            raise table.fail("pins", f"has {shown(pin)} twice: give each pin its own name")
    high = 0
    for pin in table.texts("high", MOST_PINS):
        if not pin or pin not in pins:
            raise table.fail("high", f"names {shown(pin)}, which is not in pins: name one of them")
        high |= 1 << pins.index(pin)
    table.done()
    return GpioSpec(name, base, endian, irq, index, tuple(pins), high)
