"""``symbols``: where the guest's image runs now, which may have moved itself."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext

_USAGE = "symbols offset"


def _symbols(context: MonitorContext, arguments: list[str]) -> str:
    if arguments != ["offset"]:
        raise UsageError(f"usage: {_USAGE}")
    if context.symbols.elf is None:
        raise UsageError("there is no ELF file to look for in memory; name one: rdbg debug --symbols FILE")
    moved = context.symbols.moved()
    if not moved:
        return "the image runs where it is linked: offset 0\n"
    return f"the image has moved: offset {moved:#x}; in GDB: add-symbol-file FILE -o {moved:#x}\n"


SYMBOL_COMMANDS = (
    MonitorCommand("symbols", _USAGE, "how far firmware or a kernel has moved itself in memory", _symbols),
)
