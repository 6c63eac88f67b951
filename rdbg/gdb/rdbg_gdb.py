"""GDB commands of rdbg, for a GDB with Python: ``rdbg when``, ``goto``, ``lastwrite``, ``prompt``. See docs/gdb.md.

`rdbg debug` loads this file after rdbg.gdb; or: (gdb) source .../rdbg/gdb/rdbg_gdb.py
Runs inside GDB: nothing of the rdbg package may be imported here.
"""

from __future__ import annotations

import ast
import re

import gdb


def _monitor(line: str) -> str:
    """What a monitor command prints."""
    said = str(gdb.execute(f"monitor {line}", to_string=True))
    # Under an IDE some GDBs give the records of the machine interface instead of the text.
    rows = said.splitlines(keepends=True)
    return "".join(str(ast.literal_eval(row[1:].strip())) if row.startswith('@"') else row for row in rows)


def _look_again() -> None:
    """GDB keeps registers and memory until it is told that they have changed."""
    gdb.execute("maintenance flush register-cache", to_string=True)
    gdb.execute("maintenance flush dcache", to_string=True)


class _Rdbg(gdb.Command):  # type: ignore[misc]
    """Move in the recorded past, and ask about it. 'help rdbg' lists the commands."""

    def __init__(self) -> None:
        super().__init__("rdbg", gdb.COMMAND_RUNNING, gdb.COMPLETE_NONE, True)


class _When(gdb.Command):  # type: ignore[misc]
    """Show the position: instruction count, virtual time, pc."""

    def __init__(self) -> None:
        super().__init__("rdbg when", gdb.COMMAND_STATUS)

    def invoke(self, argument: str, from_tty: bool) -> None:
        gdb.write(_monitor("when"))


class _Goto(gdb.Command):  # type: ignore[misc]
    """Go to a moment: rdbg goto start|end|ICOUNT|+N|-N|N%|SNAPSHOT, and show where that is."""

    def __init__(self) -> None:
        super().__init__("rdbg goto", gdb.COMMAND_RUNNING)

    def invoke(self, argument: str, from_tty: bool) -> None:
        said = _monitor(f"goto {argument}")
        # The advice to flush GDB's cache is for those without this script.
        gdb.write("".join(line for line in said.splitlines(keepends=True) if not line.startswith("GDB still holds")))
        _look_again()
        if said.startswith("at icount"):
            gdb.execute("frame")

    def complete(self, text: str, word: str | None) -> list[str]:
        rows = _monitor("info snapshots").splitlines()[1:]
        names = ["start", "end", *(row.split()[1] for row in rows if row[:1].isdigit())]
        return [name for name in names if name.startswith(word or "")]


class _LastWrite(gdb.Command):  # type: ignore[misc]
    """Which instruction wrote this last: rdbg lastwrite EXPRESSION, of a variable or anything that has an address."""

    def __init__(self) -> None:
        super().__init__("rdbg lastwrite", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument: str, from_tty: bool) -> None:
        if not argument:
            raise gdb.GdbError("usage: rdbg lastwrite EXPRESSION")
        value = gdb.parse_and_eval(argument)
        if value.address is None:
            raise gdb.GdbError(f"{argument} has no address; for one that you know: monitor lastwrite ADDRESS LENGTH")
        address = int(value.address) & 0xFFFFFFFF
        said = _monitor(f"lastwrite {address:#x} {value.type.sizeof}")
        gdb.write(said)
        found = re.search(r"pc (0x[0-9a-f]+)", said)
        if found is not None:
            gdb.execute(f"info line *{found[1]}")


class _Prompt(gdb.Command):  # type: ignore[misc]
    """Show the instruction count in the prompt: rdbg prompt on|off."""

    def __init__(self) -> None:
        super().__init__("rdbg prompt", gdb.COMMAND_SUPPORT)

    def invoke(self, argument: str, from_tty: bool) -> None:
        if argument not in ("on", "off"):
            raise gdb.GdbError("usage: rdbg prompt on|off")
        gdb.prompt_hook = _prompt if argument == "on" else None

    def complete(self, text: str, word: str | None) -> list[str]:
        return [choice for choice in ("on", "off") if choice.startswith(word or "")]


def _prompt(current: str) -> str | None:
    try:
        found = re.search(r"icount (\d+)", _monitor("when"))
    except gdb.error:
        found = None  # not connected, or running
    return f"({found[1]}) " if found else None


for _command in (_Rdbg, _When, _Goto, _LastWrite, _Prompt):
    _command()
