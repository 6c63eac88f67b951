"""What addresses of a guest are called in its source: by its symbols, and by GDB, which reads the lines."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rdbg.chaos.plan import symbol_table
from rdbg.cli.debugger import find_gdb
from rdbg.emu.machine_api import MachineApi
from rdbg.errors import RdbgError

_PATIENCE = 30.0
_MARK = "rdbg-line:"
_LINE = re.compile(r'Line (\d+) of "([^"]+)"')


class CodePlaces:
    """Names places in a guest.

    Args:
        elf: the file with its symbols; None: there is none.
        machine: where its memory is read: a kernel may have moved itself.
    """

    def __init__(self, elf: bytes | None, machine: MachineApi) -> None:
        self._elf = elf
        self._symbols = symbol_table(elf, machine.read_memory)

    def data(self, address: int) -> str:
        """A word of memory."""
        name = self._name(address)
        return f"{name} ({address:#010x})" if name else f"the word at {address:#010x}"

    def code(self, addresses: Sequence[int]) -> list[str]:
        """Instructions: the function of each, and its line where GDB knows it; empty: neither is known."""
        lines = self._lines(addresses)
        found = []
        for address in addresses:
            name, line = self._name(address), lines.get(address)
            found.append(f"{name} ({line})".strip() if line else name)
        return found

    def _name(self, address: int) -> str:
        found = self._symbols.at(address)
        if found is None:
            return ""
        name, offset = found
        return f"{name}+{offset:#x}" if offset else name

    def _lines(self, addresses: Sequence[int]) -> dict[int, str]:
        """The lines of those addresses that have one, if there is a GDB to ask."""
        if self._elf is None:
            return {}
        # GDB does not always name the address that it was asked about.
        asked = [word for address in addresses for word in ("-ex", f"echo {_MARK}", "-ex", f"info line *{address:#x}")]
        try:
            program = find_gdb()
            with tempfile.TemporaryDirectory(prefix="rdbg-") as folder:
                image = Path(folder) / "image"
                image.write_bytes(self._elf)
                done = subprocess.run(
                    [program, "-nx", "-batch", *asked, str(image)],
                    stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False,
                )  # fmt: skip
        except (RdbgError, OSError, subprocess.TimeoutExpired):
            return {}
        answers = done.stdout.decode("utf-8", "replace").split(_MARK)[1:]
        matches = zip(addresses, map(_LINE.search, answers), strict=False)
        return {address: f"{match[2]}:{match[1]}" for address, match in matches if match is not None}
