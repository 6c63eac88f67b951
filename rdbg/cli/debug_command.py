"""``rdbg debug``: GDB on a recording, or on an image that starts now."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rdbg.cli.command_page import PLACES, CommandOption, CommandPage
from rdbg.cli.page_opening import page_of
from rdbg.cli.qemu_options import ParsedLine, parse_line
from rdbg.cli.running import go_to_places, one_file, prepare, replaying, run_helpers
from rdbg.elf.elf_file import is_elf
from rdbg.emu.spec import MachineSpec
from rdbg.host.messages import say
from rdbg.net.tcp_address import LOOPBACK, TcpAddress
from rdbg.session.images import elf_image, image_folder, read_symbols
from rdbg.session.options import ImageFile, RunOptions

DEBUG_PAGE = CommandPage(
    operands=("RECORDING|IMAGE",),
    options=(
        CommandOption(("gdb-program",), "PROGRAM", "the GDB (default: this environment's, gdb-multiarch, gdb)"),
        CommandOption(("symbols",), "FILE", "an ELF file for GDB (default: the image itself, if it is one)"),
        CommandOption(
            ("at",), "PLACE", "where to stand first: start, end, an icount, N%, a name, 'packet N'", lambda: PLACES
        ),
        CommandOption(("ex",), "COMMAND", "a GDB command to begin with (may be repeated)"),
        CommandOption(("script",), "FILE", "a file of GDB commands to go on with"),
        CommandOption(("batch",), "", "leave GDB after that"),
        CommandOption(("ui",), "", "serve a page for a browser beside it, which shows the same run and moves GDB"),
    ),
    notes="An ELF image is started as with -kernel, any other as with -bios. The options of rdbg run:",
    machine=None,
)
#: GDB has the terminal.
_HOW_TO_TYPE = (
    "GDB shows what the guest prints; to type to it, add -serial tcp:127.0.0.1:4444,server,nowait "
    "and say 'nc 127.0.0.1 4444' in another terminal"
)


def debug(words: Sequence[str]) -> int:
    """Run the words after ``rdbg debug``; gives GDB's exit code, or 1 if something of the session failed."""
    from rdbg.cli.debugger import GdbStart, exit_code, find_gdb, gdb_arguments, start_gdb
    from rdbg.session.session import Session
    from rdbg.session.surroundings import Surroundings

    line = parse_line(words, own=DEBUG_PAGE.values(), operands=True)
    options, recording = what_to_run("debug", line)
    program = find_gdb(line.last("gdb-program"))
    log = prepare(options)
    gdb: subprocess.Popen[bytes] | None = None
    options = replace(options, gdb=options.gdb or TcpAddress(LOOPBACK, 0), stopped=True)
    commands = line.own.get("ex", []) + [f"source {script}" for script in line.own.get("script", [])]
    batch = "batch" in line.own
    symbols = line.last("symbols")
    around = Surroundings(
        command_line=("rdbg", "debug", *words),
        terminal=False,
        log=log,
        ended=lambda: gdb is not None and gdb.poll() is not None,
        symbols=read_symbols(symbols),
        helpers=run_helpers(),
        onlooker=page_of(Path(recording or "guest").name) if "ui" in line.own else None,
    )
    with tempfile.TemporaryDirectory(prefix="rdbg-") as folder:
        session = Session(options, around)
        try:
            go_to_places(session, line.own.get("at", []))
            assert session.server is not None
            symbols = symbols or _image_for_gdb(session.spec, Path(folder))
            start = GdbStart(session.server.address, symbols, image_folder(session.spec), commands, batch)
            arguments = gdb_arguments(start, Path(folder))
            if recording is None and not batch and session.console_is_shown:
                say(_HOW_TO_TYPE)
            gdb = start_gdb(program, arguments)
            session.run()
            code = exit_code(program, gdb.wait()) if recording is None or gdb.poll() is not None else 0
        finally:
            if gdb is not None and gdb.poll() is None:
                gdb.terminate()
                gdb.wait()
            session.close()
    return code or int(session.failed)


def _image_for_gdb(spec: MachineSpec, folder: Path) -> str | None:
    """Put a machine's ELF image where GDB can read it; None: it was not started from one."""
    data = elf_image(spec)
    if data is None:
        return None
    path = folder / "guest.elf"
    path.write_bytes(data)
    return str(path)


def what_to_run(command: str, line: ParsedLine) -> tuple[RunOptions, str | None]:
    """What a recording or an image that is named alone comes to: options, and the recording's path if it is one.

    Args:
        command: for messages.
        line: what was typed.
    """
    options = line.options
    if not line.operands and options.images:
        return options, None
    path = one_file(command, line.operands)
    head = _head_of(path)
    if _is_recording(head):
        return replaying(options, path), path
    role = "kernel" if is_elf(head) else "bios"
    return replace(options, images=(*options.images, ImageFile(role, path))), None


def _head_of(path: str) -> bytes:
    from rdbg.host.regular_file import open_regular

    with open(open_regular(path, "it"), "rb") as file:
        return file.read(16)


def _is_recording(head: bytes) -> bool:
    """Whether a file that begins so is a journal, or a packed recording, which is refused with what to do."""
    from rdbg.journal.file_header import MAGIC, PACK_MAGIC

    return head.startswith((MAGIC, PACK_MAGIC))
