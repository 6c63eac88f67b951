"""``rdbg ui``: a page in a browser on a recording, or on an image that starts now; GDB may come beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rdbg.cli.command_page import PLACES, CommandOption, CommandPage
from rdbg.cli.debug_command import what_to_run
from rdbg.cli.option_values import parse_number
from rdbg.cli.page_opening import page_of
from rdbg.cli.qemu_options import parse_line
from rdbg.cli.running import go_to_places, prepare, run_helpers
from rdbg.host.messages import say
from rdbg.net.tcp_address import LOOPBACK, TcpAddress
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.images import read_symbols
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings

UI_PAGE = CommandPage(
    operands=("RECORDING|IMAGE",),
    options=(
        CommandOption(("port",), "PORT", "where the page is served, on this computer alone (default: a free port)"),
        CommandOption(("symbols",), "FILE", "an ELF file with the guest's symbols (default: its image, if it is one)"),
        CommandOption(
            ("at",), "PLACE", "where to stand first: start, end, an icount, N%, a name, 'packet N'", lambda: PLACES
        ),
    ),
    notes="The page's address is printed; whoever has it can move the guest. Ctrl-C ends it all. An ELF image is "
    "started as with -kernel, any other as with -bios. The options of rdbg run:",
    machine=None,
)


def ui(words: Sequence[str]) -> int:
    """Run the words after ``rdbg ui``; gives the exit code.

    Raises:
        RdbgError: it cannot be run, or what serves the page is not installed.
    """
    line = parse_line(words, own=UI_PAGE.values(), operands=True)
    options, recording = what_to_run("ui", line)
    if recording is not None:
        # A replay begins where the user looks, and prints nothing that the page does not show.
        serials = options.serials or (SerialSpec(SerialKind.NULL),)
        options = replace(options, stopped=True, serials=serials)
    options = replace(options, gdb=options.gdb or TcpAddress(LOOPBACK, 0))
    title = recording or (options.images[-1].path if options.images else "guest")
    around = Surroundings(
        command_line=("rdbg", "ui", *words),
        log=prepare(options),
        symbols=read_symbols(line.last("symbols")),
        helpers=run_helpers(),
        onlooker=page_of(Path(title).name, parse_number(line.last("port", "0") or "0", "--port", 0, 65535)),
    )
    session = Session(options, around)
    try:
        assert session.server is not None
        say(f"GDB may come too: target remote {':'.join(map(str, session.server.address))}")
        go_to_places(session, line.own.get("at", []))
        session.run()
    finally:
        session.close()
    return session.exit_code
