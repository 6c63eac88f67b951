"""A table of a board file whose keys are taken one by one: every mistake is named by file, table and key."""

from __future__ import annotations

import re

from rdbg.emu.memory_map import Endian
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

ADDRESS_LIMIT = 1 << 32
IRQ_LINES = 6
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
#: Parts of one kind that a board may have.
MOST_PARTS = 64
_LINE = re.compile(r"[0-9]{1,4}")
_INDEX = re.compile(r"\[[0-9]+\]")
_DIGITS = re.compile(r"[0-9]{1,12}")
_LONGEST_SHOWN = 60
_LONGEST_REASON = 200


def shown(value: object) -> str:
    """A value in a message: one line, not the whole of a long one."""
    try:
        text = str(value) if isinstance(value, Exception) else repr(value)
    except ValueError:  # a number with more digits than Python writes
        text = "a number of thousands of digits"
    text = " ".join(text.split())
    most = _LONGEST_REASON if isinstance(value, Exception) else _LONGEST_SHOWN
    return text if len(text) <= most else text[:most] + "..."


def number_text(value: int) -> str:
    """A number in a message."""
    return f"{value:#x}" if abs(value) < 1 << 128 else "a number of more than 128 bits"


class Table:
    """A TOML table whose keys are taken one by one, so that what is left over is a mistake.

    Args:
        values: what TOML made of it.
        place: its name with the numbers of the tables around it, as messages show it; empty: the whole file.
        path: of the file.

    Raises:
        RdbgError: it is no table; of each method: the key is missing, or its value cannot be.
    """

    def __init__(self, values: object, place: str, path: str) -> None:
        self._place = place
        self._path = path
        if not isinstance(values, dict):
            raise RdbgError(f"board file {path!r}: {place or 'the file'} must be a table")
        self._values: dict[str, object] = dict(values)

    def fail(self, key: str, problem: str) -> RdbgError:
        """A mistake at a key."""
        name = f"{self._place}.{key}" if self._place else key
        return RdbgError(f"board file {self._path!r}: {name} {problem}")

    def has(self, key: str) -> bool:
        """Whether a key is there and has not been taken."""
        return key in self._values

    def take(self, key: str) -> object:
        """The value of a key that must be there."""
        if key not in self._values:
            raise self.fail(key, "is missing")
        return self._values.pop(key)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A number in a range."""
        if default is not None and key not in self._values:
            return default
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"must be an integer, not {shown(value)}")
        if not low <= value <= high:
            raise self.fail(key, f"must be {low:#x} to {high:#x}, not {number_text(value)}")
        return value

    def size(self, key: str) -> int:
        """A number of bytes: a number, or a text with a unit."""
        value = self.take(key)
        if isinstance(value, str):
            digits, unit = value.strip()[:-1], value.strip()[-1:].upper()
            if unit not in UNITS or not _DIGITS.fullmatch(digits):
                raise self.fail(key, f'must be a number of bytes or a text like "64M", not {shown(value)}')
            return int(digits) * UNITS[unit]
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f'must be a number of bytes or a text like "64M", not {shown(value)}')
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A short text that can be printed."""
        if default is not None and key not in self._values:
            return default
        value = self.take(key)
        if not isinstance(value, str) or not value or not value.isprintable() or len(value) > _LONGEST_SHOWN:
            raise self.fail(key, f"must be a text of at most {_LONGEST_SHOWN} characters, not {shown(value)}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        if key not in self._values:
            return default
        value = self._values.pop(key)
        if not isinstance(value, bool):
            raise self.fail(key, f"must be true or false, not {shown(value)}")
        return value

    def texts(self, key: str, most: int) -> list[str]:
        """A list of texts, each as `text` takes it, or empty."""
        value = self._values.pop(key, [])
        if not isinstance(value, list):
            raise self.fail(key, f"must be a list of texts, not {shown(value)}")
        if len(value) > most:
            raise self.fail(key, f"has {len(value)} texts: at most {most} can be")
        for item in value:
            if not isinstance(item, str) or (item and not item.isprintable()) or len(item) > _LONGEST_SHOWN:
                raise self.fail(key, f"must be texts of at most {_LONGEST_SHOWN} characters, not {shown(item)}")
        return value

    def listed(self, key: str, most: int) -> list[object]:
        """A list of anything; empty: it is not there."""
        value = self._values.pop(key, [])
        if not isinstance(value, list):
            raise self.fail(key, f"must be a list, not {shown(value)}")
        if len(value) > most:
            raise self.fail(key, f"has {len(value)} values: at most {most} can be")
        return value

    def rest(self) -> dict[str, object]:
        """All keys that have not been taken: a table whose keys the user chooses."""
        taken, self._values = self._values, {}
        return taken

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of some words."""
        value = self.text(key, default)
        if value not in choices:
            raise self.fail(key, f"must be {' or '.join(repr(choice) for choice in choices)}, not {shown(value)}")
        return value

    def tables(self, key: str, most: int = MOST_PARTS) -> list[Table]:
        """The tables of an array of tables."""
        value = self._values.pop(key, [])
        place = f"{self._place}.{key}" if self._place else key
        if not isinstance(value, list):
            raise self.fail(key, f"must be written as [[{self._head(key)}]]")
        if len(value) > most:
            whole = "a board" if not self._place else "one"
            raise self.fail(key, f"stands there {len(value)} times: {whole} has at most {most}")
        return [Table(item, f"{place}[{index}]", self._path) for index, item in enumerate(value)]

    def _head(self, key: str) -> str:
        """How a table inside of this one is headed."""
        return f"{_INDEX.sub('', self._place)}.{key}" if self._place else key

    def table(self, key: str) -> Table | None:
        """A table inside of this one."""
        if key not in self._values:
            return None
        value = self._values.pop(key)
        if not isinstance(value, dict):
            raise self.fail(key, f"must be written as [{self._head(key)}]")
        return Table(value, f"{self._place}.{key}" if self._place else key, self._path)

    def done(self) -> None:
        """Nothing is left, or it is a mistake."""
        for key in self._values:
            raise self.fail(shown(key)[1:-1], "is not a key that is known here: remove it or see docs/boards.md")


@dataclass(frozen=True)
class DeviceLine:
    """An interrupt line into another device: ``irq = "NAME.3"``.

    Args:
        device: its name.
        line: number there.
    """

    device: str
    line: int


#: Where an interrupt line leads: the CPU's hardware interrupt of that number, or another device.
Irq = int | DeviceLine


def irq_of(table: Table) -> Irq | None:
    """Where a part's interrupt line leads; None: nowhere."""
    found = irqs_of(table, 1)
    return found[0] if found else None


def irqs_of(table: Table, most: int) -> tuple[Irq, ...]:
    """Where a part's interrupt lines lead, of which it has at most ``most``."""
    if not table.has("irq"):
        return ()
    value = table.take("irq")
    items = value if isinstance(value, list) and most > 1 else [value]
    if len(items) > most:
        raise table.fail("irq", f"has {len(items)} lines: at most {most} can be")
    return tuple(_irq(table, item) for item in items)


def _irq(table: Table, value: object) -> Irq:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < IRQ_LINES:
            raise table.fail("irq", f"must be 0x0 to {IRQ_LINES - 1:#x}, not {number_text(value)}")
        return value
    name, dot, line = value.rpartition(".") if isinstance(value, str) else ("", "", "")
    if not dot or not name or not _LINE.fullmatch(line):
        raise table.fail("irq", f'must be a CPU line, or a [[device]] and its line as in "intc.3", not {shown(value)}')
    return DeviceLine(name, int(line))


def endian_of(table: Table) -> Endian:
    """The byte order of a part's registers."""
    return Endian(table.choice("endian", ("native", "little", "big"), "native"))


def word_base(table: Table) -> int:
    """The guest-physical address of registers of 32 bits."""
    base = table.integer("base", 0, ADDRESS_LIMIT - 1)
    if base % 4:
        raise table.fail("base", f"must be a multiple of 4, not {base:#x}")
    return base
