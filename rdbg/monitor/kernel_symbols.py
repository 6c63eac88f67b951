"""``rdbg symbols``: names read out of a recorded kernel's memory, written for GDB."""

from __future__ import annotations

from pathlib import Path

from rdbg.elf.elf_file import MAGIC as ELF_MAGIC
from rdbg.host.whole_file import whole_file
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.travel_commands import travel
from rdbg.symbols.exports import exported_symbols
from rdbg.symbols.kallsyms import KallsymsReader, KernelTable
from rdbg.symbols.symbol_file import elf_of_symbols
from rdbg.timeline import Timeline


def kernel_symbols(timeline: Timeline) -> KernelTable:
    """What the guest's kernel knows of its own names, at the present position.

    Raises:
        RdbgError: no table is found.
    """
    machine = timeline.machine
    # RAM alone: what devices show there is no kernel's, and reading it takes minutes.
    start = next(segment.start for segment in machine.architecture.segments if segment.physical == 0)
    length = next((area.length for area in machine.memory_areas() if area.start == start and area.kind == "ram"), 0)
    memory = machine.read_memory(start, length)
    table = KallsymsReader(memory, machine.big_endian).read()
    code = {symbol.name: symbol.address for symbol in table.symbols}
    exported = exported_symbols(memory, machine.big_endian, code)
    return KernelTable(table.symbols + [symbol for symbol in exported if symbol.name not in code], table.moved)


def write_kernel_symbols(timeline: Timeline, place: str, output: Path) -> KernelTable:
    """Go to a place and write the kernel's symbols there to an ELF file.

    Returns:
        What was written.

    Raises:
        RdbgError: no such place, no table, or the file cannot be written, or what stands there is no ELF file.
    """
    with whole_file(output, ELF_MAGIC, "an ELF file") as file:
        travel(MonitorContext(timeline, lambda: False, lambda: None), place)
        table = kernel_symbols(timeline)
        file.write(elf_of_symbols(table.symbols, timeline.machine.big_endian))
    return table
