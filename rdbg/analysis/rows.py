"""Rows of answers, and how they are written: as text, as a JSON object a line, as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import ClassVar, Protocol

from rdbg.quick_dataclass import dataclass


class ColumnKind(Enum):
    """What a column holds; every value may be missing (None)."""

    ICOUNT = "icount"
    ADDRESS = "address"  #: of code or data; a name stands beside it if it has one
    VALUE = "value"  #: of a register or of memory
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: of the row's attribute, and in JSON and CSV.
        kind: what it holds.
        title: what stands above it in text; empty: the name in capitals.
        width: letters of what stands in it in text, mostly, if it is TEXT.
    """

    name: str
    kind: ColumnKind
    title: str = ""
    width: int = 0


class Row(Protocol):
    """A row of an answer: a frozen dataclass with an attribute for each column."""

    COLUMNS: ClassVar[tuple[Column, ...]]

    @property
    def icount(self) -> int:
        """The position that it is about."""
        ...


class Style(Enum):
    """How rows are written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


_TEXT_WIDTHS = {ColumnKind.ICOUNT: 13, ColumnKind.VALUE: 10, ColumnKind.NUMBER: 6}
_NAMES_KEPT = 1 << 16
#: Letters of a name in text: of a longer one those in the middle are left out, so that columns stay below their titles.
_NAME_WIDTH = 28
_NAME_END = 8


class RowWriter:
    """Writes the rows of a table.

    Args:
        columns: of the table.
        style: how.
        name_of: the name of an address, or empty.
        digits: of an address.
        named: whether any address has a name.
    """

    def __init__(
        self,
        columns: tuple[Column, ...],
        style: Style,
        name_of: Callable[[int], str],
        digits: int = 8,
        named: bool = True,
    ) -> None:
        self._named = named
        self._columns = columns
        self._style = style
        self._name_of = lru_cache(_NAMES_KEPT)(name_of)
        self._digits = digits

    def header(self) -> str:
        """What stands above the rows; empty: nothing."""
        if self._style is Style.JSON:
            return ""
        if self._style is Style.CSV:
            return _csv_line(self._keys())
        return self._padded([column.title or column.name.upper() for column in self._columns])

    def line(self, row: Row) -> str:
        """A row, with its newline."""
        if self._style is Style.TEXT:
            return self._padded([self._shown(column, getattr(row, column.name)) for column in self._columns])
        values = self._values(row)
        if self._style is Style.CSV:
            return _csv_line(["" if value is None else value for value in values])
        return json.dumps(dict(zip(self._keys(), values, strict=True))) + "\n"

    def _keys(self) -> list[str]:
        keys = []
        for column in self._columns:
            keys.append(column.name)
            if column.kind is ColumnKind.ADDRESS:
                keys.append(f"{column.name}_name")
        return keys

    def _values(self, row: Row) -> list[object]:
        values: list[object] = []
        for column in self._columns:
            value = getattr(row, column.name)
            values.append(value)
            if column.kind is ColumnKind.ADDRESS:
                values.append(None if value is None else self._name_of(value) or None)
        return values

    def _shown(self, column: Column, value: int | str | None) -> str:
        if value is None:
            return "-"
        if column.kind is ColumnKind.ADDRESS:
            assert isinstance(value, int)
            return f"{value:#0{2 + self._digits}x} {_short(self._name_of(value))}".rstrip()
        if column.kind is ColumnKind.VALUE:
            return f"{value:#x}"
        return str(value)

    def _width(self, column: Column) -> int:
        title = len(column.title or column.name)
        if column.kind is ColumnKind.ADDRESS:
            return max(title, 2 + self._digits + (1 + _NAME_WIDTH if self._named else 0))
        return max(title, column.width, _TEXT_WIDTHS.get(column.kind, 0))

    def _padded(self, cells: list[str]) -> str:
        padded = []
        for column, cell in zip(self._columns, cells, strict=True):
            width = self._width(column)
            right = column.kind in (ColumnKind.ICOUNT, ColumnKind.NUMBER)
            padded.append(cell.rjust(width) if right else cell.ljust(width))
        return "  ".join(padded).rstrip() + "\n"


def _short(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - _NAME_END - 2]}..{name[-_NAME_END:]}"


def _csv_line(values: list[object] | list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue()
