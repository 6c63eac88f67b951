"""Types of the compiled text of instructions; see instruction_rows.pyx."""

from collections.abc import Mapping

from typing_extensions import Buffer

def instruction_text(rows: Buffer, values: Buffer, names: Mapping[int, str], json: bool) -> bytes: ...
