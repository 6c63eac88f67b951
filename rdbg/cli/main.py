"""The command line: one function for each command, a table of them, and the way errors end."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from rdbg import __version__
from rdbg.cli.option_values import HelpWanted, hint
from rdbg.cli.qemu_options import HARMLESS, help_entry, help_text, parse_line
from rdbg.elf.elf_file import is_elf
from rdbg.errors import RdbgError, UsageError
from rdbg.host.messages import LogOutlet, say
from rdbg.host.outlet import Outlet
from rdbg.net.tcp_address import LOOPBACK, TcpAddress
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.images import read_image
from rdbg.session.options import ImageFile, RecordMode, RunOptions

#: Name of the snapshot that `rdbg record` starts from.
INITIAL_SNAPSHOT = "init"

#: What may be said about a run that is already recorded.
_REPLAY_OPTIONS = (
    "serial",
    "monitor",
    "pidfile",
    "gdb",
    "s",
    "listen-any",
    "S",
    "d",
    "D",
    "chardev",
    "nodefaults",
    "semihosting",
    "semihosting-config",
    "no-shutdown",
    "action",
    "checkpoint-memory",
    "snapshot-budget",
    *HARMLESS,
)

_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC

_RECORD_OWN = {"o": "FILE", "output": "FILE", "snapshot": "NAME"}
_SYMBOLS_OWN = {"o": "FILE", "output": "FILE", "at": "PLACE"}
_NOWHERE = SerialSpec(SerialKind.NULL)
_DEBUG_OWN = {
    "gdb-program": "PROGRAM",
    "symbols": "FILE",
    "at": "PLACE",
    "ex": "COMMAND",
    "script": "FILE",
    "batch": "",
}
#: GDB has the terminal.
_HOW_TO_TYPE = (
    "GDB shows what the guest prints; to type to it, add -serial tcp:127.0.0.1:4444,server,nowait "
    "and say 'nc 127.0.0.1 4444' in another terminal"
)


@dataclass(frozen=True)
class Subcommand:
    """One command of rdbg.

    Args:
        usage: what comes after its name.
        summary: one line.
        help: the rest of its help.
        run: does it; gives the exit code.
    """

    usage: str
    summary: str
    help: Callable[[], str]
    run: Callable[[Sequence[str]], int]


def _run(words: Sequence[str]) -> int:
    return _drive(parse_line(words).options, ("rdbg", "run", *words))


def _record(words: Sequence[str]) -> int:
    line = parse_line(words, own=_RECORD_OWN)
    output = line.last("o") or line.last("output")
    if output is None:
        raise UsageError("record: names no file to record to; add -o FILE")
    if line.options.icount.mode is not RecordMode.NONE:
        raise UsageError("record: -icount rr= says the same again; drop it, or use rdbg run")
    icount = replace(
        line.options.icount,
        mode=RecordMode.RECORD,
        journal=Path(output),
        snapshot=line.last("snapshot", INITIAL_SNAPSHOT),
    )
    return _drive(replace(line.options, icount=icount), ("rdbg", "record", *words))


def _replay(words: Sequence[str]) -> int:
    line = parse_line(words, operands=True, allowed=_REPLAY_OPTIONS)
    return _drive(_replaying(line.options, _one_file("replay", line.operands)), ("rdbg", "replay", *words))


def _replaying(options: RunOptions, path: str) -> RunOptions:
    return replace(options, icount=replace(options.icount, mode=RecordMode.REPLAY, journal=Path(path)))


def _drive(options: RunOptions, command_line: tuple[str, ...]) -> int:
    from rdbg.session.session import Session, Surroundings  # the emulator loads only when something is to run

    log = _prepare(options)
    session = Session(options, Surroundings(command_line=command_line, log=log))
    try:
        session.run()
    finally:
        session.close()
    return session.exit_code


def _debug(words: Sequence[str]) -> int:
    from rdbg.cli.debugger import GdbStart, exit_code, find_gdb, gdb_arguments, start_gdb
    from rdbg.session.session import Session, Surroundings

    line = parse_line(words, own=_DEBUG_OWN, operands=True)
    options = line.options
    recording = None
    if line.operands or not options.images:
        path = _one_file("debug", line.operands)
        head = _head_of(path)
        if is_elf(head):
            options = replace(options, images=(*options.images, ImageFile("kernel", path)))
        elif _is_recording(head):
            recording = path
            options = _replaying(options, path)
        else:
            options = replace(options, images=(*options.images, ImageFile("bios", path)))
    program = find_gdb(line.last("gdb-program"))
    log = _prepare(options)
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
        symbols=read_image(ImageFile("symbols", symbols)).data if symbols is not None else None,
    )
    with tempfile.TemporaryDirectory(prefix="rdbg-") as folder:
        session = Session(options, around)
        try:
            for place in line.own.get("at", []):
                session.goto(place)
            assert session.server is not None
            symbols = symbols or session.write_symbols(Path(folder))
            start = GdbStart(session.server.address, symbols, session.image_folder(), commands, batch)
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


def _dump(words: Sequence[str]) -> int:
    from rdbg.recording.dump import write_dump

    with _writing() as out:
        return 0 if write_dump(_one_file("dump", words), out) else 1


def _info(words: Sequence[str]) -> int:
    from rdbg.recording.overview import write_info

    with _writing() as out:
        return 0 if write_info(_one_file("info", words), out) else 1


def _pack(words: Sequence[str]) -> int:
    from rdbg.recording.pack import pack

    pack(*_two_files("pack", words))
    return 0


def _unpack(words: Sequence[str]) -> int:
    from rdbg.recording.pack import unpack

    unpack(*_two_files("unpack", words))
    return 0


def _symbols(words: Sequence[str]) -> int:
    from rdbg.monitor.kernel_symbols import write_kernel_symbols
    from rdbg.session.session import Session, Surroundings

    line = parse_line(words, own=_SYMBOLS_OWN, operands=True, allowed=())
    output = line.last("o") or line.last("output")
    if output is None:
        raise UsageError("symbols: names no file to write to; add -o FILE")
    options = replace(_replaying(line.options, _one_file("symbols", line.operands)), serials=(_NOWHERE,))
    session = Session(options, Surroundings(command_line=("rdbg", "symbols", *words), terminal=False))
    try:
        with session.interruptible():
            table = write_kernel_symbols(session.timeline, line.last("at") or "end", Path(output))
    finally:
        session.close()
    moved = f" (the kernel has moved itself by {table.moved:#x})" if table.moved else ""
    with _writing() as out:
        print(f"{len(table.symbols)} symbols in {output}{moved}; in GDB: file {output}", file=out)
    return 0


def _two_files(command: str, operands: Sequence[str]) -> tuple[str, str]:
    if len(operands) != 2 or any(operand.startswith("-") for operand in operands):
        raise UsageError(f"{command}: give two files; see rdbg {command} --help")
    return operands[0], operands[1]


def _one_file(command: str, operands: Sequence[str]) -> str:
    if len(operands) != 1 or operands[0].startswith("-"):
        raise UsageError(f"{command}: give one file; see rdbg {command} --help")
    return operands[0]


def _head_of(path: str) -> bytes:
    from rdbg.host.regular_file import open_regular

    with open(open_regular(path, "it"), "rb") as file:
        return file.read(16)


def _is_recording(head: bytes) -> bool:
    """Whether a file that begins so is a journal, or a packed recording, which is refused with what to do."""
    from rdbg.journal.format import MAGIC, PACK_MAGIC

    return head.startswith((MAGIC, PACK_MAGIC))


def _prepare(options: RunOptions) -> Outlet | None:
    """Say what was asked for in vain, and let loggers speak: warnings always, the subjects of -d in full. Gives the way
    of the log, if it has one of its own."""
    for notice in options.notices:
        say(notice)
    try:
        path = options.trace_file
        outlet: Outlet | None = Outlet(sys.stderr.fileno() if path is None else os.open(path, _LOG_FLAGS, 0o666))
    except io.UnsupportedOperation:
        outlet = None  # standard error is a test's, in memory
    except OSError as error:
        raise RdbgError(f"-D {options.trace_file}: cannot write it: {error.strerror}") from error
    handlers = [logging.StreamHandler() if outlet is None else LogOutlet(outlet)]
    logging.basicConfig(handlers=handlers, level=logging.WARNING)
    for subject in options.traces:
        logging.getLogger(f"rdbg.{subject}").setLevel(logging.DEBUG)
    return outlet


@contextmanager
def _writing() -> Iterator[TextIO]:
    """Standard output, for all that is printed: whether it arrives is known at the end of the block.

    Raises:
        RdbgError: it cannot be written.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget_output()
        raise RdbgError(f"standard output cannot be written: {error.strerror}") from error


def _entries(*entries: tuple[str, str]) -> str:
    return "\n".join(line for head, words in entries for line in help_entry(head, words))


COMMANDS = {
    "run": Subcommand(
        "[QEMU's options]",
        "run a machine, as qemu-system-mips and qemu-system-mipsel do",
        lambda: help_text() + "\n\nWith -s a run can be reversed at once: its history is kept in memory.",
        _run,
    ),
    "record": Subcommand(
        "-o FILE [--snapshot NAME] [-- QEMU's options]",
        "the same, and write down everything that is not deterministic",
        lambda: (
            _entries(
                ("-o, --output FILE", "the recording; FILE.snapshots belongs to it"),
                ("--snapshot NAME", f"name of the snapshot made at the start (default {INITIAL_SNAPSHOT})"),
            )
            + "\n\nCtrl-A x at the terminal, SIGINT, SIGTERM, or the guest's power-off ends the\nrecording."
            + " The options of rdbg run:\n\n"
            + help_text()
        ),
        _record,
    ),
    "replay": Subcommand(
        "FILE [options]",
        "run a recording again; with -s or -S, for GDB",
        lambda: help_text(_REPLAY_OPTIONS) + "\n\nEverything else stands in the recording.",
        _replay,
    ),
    "debug": Subcommand(
        "RECORDING|IMAGE [options]",
        "start GDB on a recording, or on an image that starts now",
        lambda: (
            _entries(
                ("--gdb-program PROGRAM", "the GDB (default: this environment's, gdb-multiarch, gdb)"),
                ("--symbols FILE", "an ELF file for GDB (default: the image itself, if it is one)"),
                ("--at PLACE", "where to stand first: start, end, an icount, N%"),
                ("--ex COMMAND", "a GDB command to begin with (may be repeated)"),
                ("--script FILE", "a file of GDB commands to go on with"),
                ("--batch", "leave GDB after that"),
            )
            + "\n\nAn ELF image is started as with -kernel, any other as with -bios. The options\nof rdbg run:\n\n"
            + help_text()
        ),
        _debug,
    ),
    "dump": Subcommand("FILE", "print a recording's journal in words", lambda: "One line for each record.", _dump),
    "info": Subcommand(
        "FILE", "say what a recording holds", lambda: "Machine, images, length, snapshots, damage.", _info
    ),
    "pack": Subcommand(
        "FILE ARCHIVE", "put a recording into one file", lambda: "Journal, snapshots and images.", _pack
    ),
    "symbols": Subcommand(
        "RECORDING -o FILE [--at PLACE]",
        "read a recorded Linux kernel's symbols out of its memory, for GDB",
        lambda: (
            _entries(
                ("-o, --output FILE", "an ELF file of symbols alone: for GDB's file command, or rdbg debug --symbols"),
                ("--at PLACE", "where in the recording to look (default: end)"),
            )
            + "\n\nNeeds a kernel with CONFIG_KALLSYMS; exported data are found where the kernel\nsupports modules."
        ),
        _symbols,
    ),
    "unpack": Subcommand(
        "ARCHIVE FILE", "take a recording out of it again", lambda: "The reverse of rdbg pack.", _unpack
    ),
}

_OVERVIEW = "rdbg: a reverse debugger backend for GDB, for whole MIPS machines"


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [_OVERVIEW, "", "usage: rdbg COMMAND ...", ""]
    lines += [f"  {name:<{width}}{command.summary}" for name, command in COMMANDS.items()]
    lines += ["", "rdbg COMMAND --help says more; rdbg --version says which rdbg this is."]
    return "\n".join(lines)


def _dispatch(words: Sequence[str]) -> int:
    if not words:
        print(_overview(), file=sys.stderr)
        return 2
    name, rest = words[0], words[1:]
    if name in ("-h", "--help", "help"):
        with _writing() as out:
            print(_overview(), file=out)
        return 0
    if name == "--version":
        with _writing() as out:
            print(f"rdbg {__version__}", file=out)
        return 0
    command = COMMANDS.get(name)
    if command is None:
        cure = "for QEMU's options write rdbg run ..." if name.startswith("-") else "see rdbg --help"
        raise UsageError(f"{name}: no such command{hint(name, COMMANDS)}; {cure}")
    if any(word in ("-h", "--help", "-help") for word in rest):
        with _writing() as out:
            print(f"usage: rdbg {name} {command.usage}\n\n{command.summary}\n\n{command.help()}", file=out)
        return 0
    return command.run(rest)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and give the exit code: the guest's, or 0; 1 for a failed run, 2 for wrong usage."""
    try:
        _hold_standard_streams()
        try:
            return _dispatch(sys.argv[1:] if arguments is None else arguments)
        except HelpWanted as wanted:
            with _writing() as out:
                out.write(str(wanted))
            return 0
    except RdbgError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining about it at exit.
        _forget_output()
        return 1
    except MemoryError:
        say("the host has no more memory for it; close something, or raise the limit (ulimit -v)")
    except OSError as error:
        # What a file of the user's is about is said where it is opened; this is the host's own trouble.
        say(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except ImportError as error:
        say(f"cannot load all of rdbg: {error}; raise the limit on memory (ulimit -v), or install it again")
    return 1


def _hold_standard_streams() -> None:
    """Where one of the three streams is closed, put one in its place: no other file may take its number, or what is
    written there would end up in a recording. Input is at its end then, messages vanish, and output fails."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)


def _forget_output() -> None:
    """Keep the interpreter from trying once more at its end, and complaining."""
    with suppress(OSError):  # it may be no file at all
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
