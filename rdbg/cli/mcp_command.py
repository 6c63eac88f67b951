"""``rdbg mcp``: a recording for a language model to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rdbg.cli.command_page import CommandOption, CommandPage
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import one_file
from rdbg.errors import RdbgError
from rdbg.library.recorded_run import RecordedRun

MCP_PAGE = CommandPage(
    operands=("RECORDING",),
    options=(
        CommandOption(("symbols",), "FILE", "an ELF file with the guest's symbols (default: its image, if it is one)"),
    ),
    notes="Serves the Model Context Protocol on standard input and output: a client starts this line itself.",
)


def mcp(words: Sequence[str]) -> int:
    """Run the words after ``rdbg mcp``; gives the exit code.

    Raises:
        RdbgError: the recording cannot be used, or the package that speaks the protocol is not installed.
    """
    line = parse_line(words, own=MCP_PAGE.values(), operands=True, allowed=())
    recording = one_file("mcp", line.operands)
    try:
        from rdbg.agents.mcp_server import serve
    except ImportError as error:
        raise RdbgError(f"mcp: the package 'mcp' is not there ({error}); pip install 'rdbg[mcp]'") from error
    with RecordedRun(recording, line.last("symbols")) as run:
        run.timeline.stand()  # nobody asks anything yet
        serve(run, Path(recording).name)
    return 0
