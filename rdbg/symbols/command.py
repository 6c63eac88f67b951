"""``rdbg symbols``: names read out of a recorded kernel's memory, written for GDB."""

from __future__ import annotations

from pathlib import Path

from rdbg.errors import RdbgError
from rdbg.monitor.command import Session as MonitorSession
from rdbg.monitor.travel import travel
from rdbg.symbols.elf_file import elf_of_symbols
from rdbg.symbols.exports import exported_symbols
from rdbg.symbols.kallsyms import KallsymsReader
from rdbg.symbols.symbol import Symbol
from rdbg.timeline import Timeline

_KSEG0 = 0x8000_0000
_KSEG0_BYTES = 0x2000_0000


def kernel_symbols(timeline: Timeline) -> list[Symbol]:
    """What the guest's kernel knows of its own names, at the present position.

    Raises:
        RdbgError: no table is found.
    """
    machine = timeline.machine
    memory = machine.read_memory(_KSEG0, _KSEG0_BYTES)
    symbols = KallsymsReader(memory, machine.big_endian).read()
    code = {symbol.name for symbol in symbols}
    return symbols + [symbol for symbol in exported_symbols(memory, machine.big_endian) if symbol.name not in code]


def write_kernel_symbols(timeline: Timeline, place: str, output: Path) -> int:
    """Go to a place and write the kernel's symbols there to an ELF file.

    Returns:
        Number of symbols.

    Raises:
        RdbgError: no such place, no table, or the file cannot be written.
    """
    travel(MonitorSession(timeline, lambda: False, lambda: None), place)
    symbols = kernel_symbols(timeline)
    draft = output.with_name(output.name + ".part")
    try:
        draft.write_bytes(elf_of_symbols(symbols, timeline.machine.big_endian))
        draft.replace(output)
    except OSError as error:
        raise RdbgError(f"{output}: cannot write it: {error.strerror}") from error
    return len(symbols)
