"""``rdbg symbols``: a recorded Linux kernel's symbols, read out of its memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rdbg.cli.command_page import PLACES, CommandOption, CommandPage
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import one_file
from rdbg.cli.standard_streams import writing
from rdbg.errors import UsageError
from rdbg.host.shell_progress import shell_progress
from rdbg.session.options import silent_replay

SYMBOLS_PAGE = CommandPage(
    operands=("RECORDING",),
    options=(
        CommandOption(
            ("o", "output"), "FILE", "an ELF file of symbols alone: for GDB's file command, or rdbg debug --symbols"
        ),
        CommandOption(("at",), "PLACE", "where in the recording to look (default: end)", lambda: PLACES),
    ),
    notes="Needs a kernel with CONFIG_KALLSYMS; exported data are found where the kernel supports modules.",
)


def symbols(words: Sequence[str]) -> int:
    """Run the words after ``rdbg symbols``; gives the exit code.

    Raises:
        RdbgError: it cannot be replayed, there are no symbols, or the file cannot be written.
    """
    from rdbg.monitor.kernel_symbols import write_kernel_symbols
    from rdbg.session.session import Session  # the emulator loads only when something is to run
    from rdbg.session.surroundings import Surroundings

    line = parse_line(words, own=SYMBOLS_PAGE.values(), operands=True, allowed=())
    output = line.last("o") or line.last("output")
    if output is None:
        raise UsageError("symbols: names no file to write to; add -o FILE")
    options = silent_replay(one_file("symbols", line.operands))
    session = Session(options, Surroundings(command_line=("rdbg", "symbols", *words), terminal=False))
    try:
        with session.interruptible(), shell_progress() as progress, session.timeline.telling(progress):
            table = write_kernel_symbols(session.timeline, line.last("at") or "end", Path(output))
    finally:
        session.close()
    moved = f" (the kernel has moved itself by {table.moved:#x})" if table.moved else ""
    with writing() as out:
        print(f"{len(table.symbols)} symbols in {output}{moved}; in GDB: file {output}", file=out)
    return 0
