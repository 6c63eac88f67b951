"""``[[device]]``: a peripheral that the user has written in Python."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field

from rdbg.emu.boards.toml_table import ADDRESS_LIMIT, Irq, Table, endian_of, irqs_of, number_text, shown
from rdbg.emu.memory_map import Endian
from rdbg.quick_dataclass import dataclass

_LARGEST = 256 << 20
_MOST_PARAMETERS = 64
_MOST_LINES = 32


def python_role(file: str) -> str:
    """The role of the image that holds the source of a board's peripheral.

    Args:
        file: as the board file writes it.
    """
    return f"python {file}"


def is_python(role: str) -> bool:
    """Whether an image of that role is the source of a board's peripheral."""
    return role.startswith(python_role(""))


@dataclass(frozen=True)
class PythonSpec:
    """A ``[[device]]`` table.

    Args:
        name: unique.
        base: guest-physical address.
        size: bytes; None: what the class says.
        endian: byte order of its registers.
        irqs: the lines that it drives.
        file: its source, as written.
        class_name: of the peripheral in it.
        port: of its serial endpoint; None: it has none.
        seed: of its random numbers, 64 bits.
        parameters: for it alone.
    """

    name: str
    base: int
    size: int | None
    endian: Endian
    irqs: tuple[Irq, ...]
    file: str
    class_name: str
    port: int | None
    seed: int
    parameters: Mapping[str, int | str | bool] = field(default_factory=dict)


def parse_python(table: Table, index: int) -> PythonSpec:
    """Read a ``[[device]]`` table.

    Args:
        table: it.
        index: its number among those.

    Raises:
        RdbgError: a mistake in it.
    """
    name = table.text("name", f"device{index}")
    file, class_name = python_source(table)
    size = table.size("size") if table.has("size") else None
    if size is not None and not 0 < size <= _LARGEST:
        raise table.fail("size", f"must be 1 to {_LARGEST:#x}, not {number_text(size)}")
    spec = PythonSpec(
        name=name,
        base=table.integer("base", 0, ADDRESS_LIMIT - 1),
        size=size,
        endian=endian_of(table),
        irqs=irqs_of(table, _MOST_LINES),
        file=file,
        class_name=class_name,
        port=table.integer("port", 0, 255) if table.has("port") else None,
        seed=table.integer("seed", 0, (1 << 63) - 1, _own_seed(name)),
        parameters=parameters_of(table),
    )
    table.done()
    return spec


def parse_chip(table: Table, name: str) -> PythonSpec:
    """Read a table of a chip on a bus, but for its place there: it has no registers of its own.

    Args:
        table: it.
        name: its name, if the table has none.

    Raises:
        RdbgError: a mistake in it.
    """
    name = table.text("name", name)
    file, class_name = python_source(table)
    spec = PythonSpec(
        name=name,
        base=0,
        size=None,
        endian=Endian.NATIVE,
        irqs=irqs_of(table, _MOST_LINES),
        file=file,
        class_name=class_name,
        port=None,
        seed=table.integer("seed", 0, (1 << 63) - 1, _own_seed(name)),
        parameters=parameters_of(table),
    )
    table.done()
    return spec


def _own_seed(name: str) -> int:
    """The seed of a device that is given none."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest(), "little")


def python_source(table: Table) -> tuple[str, str]:
    """File and class of the key ``python``."""
    text = table.text("python")
    file, colon, class_name = text.rpartition(":")
    if not colon or not file.endswith(".py") or not class_name.isidentifier():
        raise table.fail("python", f'must be a file and a class in it, as in "my_uart.py:Uart", not {shown(text)}')
    return file, class_name


def parameters_of(table: Table) -> dict[str, int | str | bool]:
    """What stands below ``parameters``: for a peripheral alone."""
    inner = table.table("parameters")
    if inner is None:
        return {}
    found: dict[str, int | str | bool] = {}
    for key, value in inner.rest().items():
        if not isinstance(value, int | str) or len(found) == _MOST_PARAMETERS:
            raise inner.fail(shown(key)[1:-1], f"must be a number, a text, true or false, not {shown(value)}")
        found[key] = value
    return found
