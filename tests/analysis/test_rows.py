"""How rows are written as text: below their titles, whatever names are long."""

from __future__ import annotations

import pytest

from rdbg.analysis.executions import Execution
from rdbg.analysis.memory_accesses import RangeAccess
from rdbg.analysis.rows import RowWriter, Style
from rdbg.analysis.where_condition import parse_where
from rdbg.emu.mips32 import MIPS32
from rdbg.errors import UsageError

LONG = "a_function_of_a_name_longer_than_anybody_needs+0x18"


@pytest.mark.parametrize("name", ["", "main+0x8", LONG])
def test_what_stands_below_a_title_begins_where_it_does(name: str) -> None:
    access = RangeAccess(12, None, "read", 0x80001000, 4, 1, None, "ide0 DMA, sector 2048", None, None)
    run = Execution(1234567, 0x80001234, 7, None)
    for row, columns in ((access, RangeAccess.COLUMNS), (run, Execution.COLUMNS)):
        writer = RowWriter(columns, Style.TEXT, lambda _: name, named=bool(name))
        header, line = writer.header(), writer.line(row)
        for title in ("VALUE", "PC", "BY", "EXCEPTION"):
            if title in header.split():
                at = header.index(title)
                assert line[at - 1] == " " and line[at] != " ", (header, line)
        assert not name or name[:8] in line and name[-5:] in line


def test_a_condition_that_divides_by_zero_is_refused() -> None:
    for text in ("a0 / 0 == 1", "a0 % 0", "1 // 0"):
        with pytest.raises(UsageError, match="divides by zero"):
            parse_where(text, MIPS32)
