"""The commands: a function for each, and a table of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rdbg.cli.qemu_options import HARMLESS, help_entry, help_text, parse_line
from rdbg.cli.running import one_file, replaying, run_session
from rdbg.cli.standard_streams import writing
from rdbg.errors import UsageError
from rdbg.host.shell_progress import shell_progress
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.session.options import RecordMode

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

_RECORD_OWN = {"o": "FILE", "output": "FILE", "snapshot": "NAME"}
_SYMBOLS_OWN = {"o": "FILE", "output": "FILE", "at": "PLACE"}
_DUMP_OWN = {"pcap": "FILE"}
_NOWHERE = SerialSpec(SerialKind.NULL)


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
    return run_session(parse_line(words).options, ("rdbg", "run", *words))


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
    return run_session(replace(line.options, icount=icount), ("rdbg", "record", *words))


def _replay(words: Sequence[str]) -> int:
    line = parse_line(words, operands=True, allowed=_REPLAY_OPTIONS)
    return run_session(replaying(line.options, one_file("replay", line.operands)), ("rdbg", "replay", *words))


def _debug(words: Sequence[str]) -> int:
    from rdbg.cli.debug_command import debug

    return debug(words)


def _dump(words: Sequence[str]) -> int:
    from rdbg.recording.dump import write_dump

    line = parse_line(words, own=_DUMP_OWN, operands=True, allowed=())
    recording = one_file("dump", line.operands)
    capture = line.last("pcap")
    if capture is not None:
        return _capture(recording, Path(capture), words)
    with writing() as out:
        return 0 if write_dump(recording, out) else 1


def _capture(recording: str, path: Path, words: Sequence[str]) -> int:
    from rdbg.session.capture import write_capture

    options = replace(replaying(parse_line([]).options, recording), serials=(_NOWHERE,))
    with shell_progress() as progress:
        incoming, outgoing = write_capture(options, path, ("rdbg", "dump", *words), progress)
    with writing() as out:
        print(f"{incoming} packets that came in and {outgoing} that went out in {path}", file=out)
    return 0


def _info(words: Sequence[str]) -> int:
    from rdbg.recording.overview import write_info

    with writing() as out:
        return 0 if write_info(one_file("info", words), out) else 1


def _pack(words: Sequence[str]) -> int:
    from rdbg.recording.pack import pack

    with shell_progress() as progress:
        pack(*_two_files("pack", words), progress)
    return 0


def _unpack(words: Sequence[str]) -> int:
    from rdbg.recording.pack import unpack

    with shell_progress() as progress:
        unpack(*_two_files("unpack", words), progress)
    return 0


def _symbols(words: Sequence[str]) -> int:
    from rdbg.monitor.kernel_symbols import write_kernel_symbols
    from rdbg.session.session import Session, Surroundings

    line = parse_line(words, own=_SYMBOLS_OWN, operands=True, allowed=())
    output = line.last("o") or line.last("output")
    if output is None:
        raise UsageError("symbols: names no file to write to; add -o FILE")
    options = replace(replaying(line.options, one_file("symbols", line.operands)), serials=(_NOWHERE,))
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


def _query(words: Sequence[str]) -> int:
    from rdbg.cli.query_command import query

    return query(words)


def _query_help() -> str:
    from rdbg.cli.query_command import query_help

    return query_help()


def _profile(words: Sequence[str]) -> int:
    from rdbg.cli.profile_command import profile

    return profile(words)


def _profile_help() -> str:
    from rdbg.cli.profile_command import profile_help

    return profile_help()


def _coverage(words: Sequence[str]) -> int:
    from rdbg.cli.profile_command import coverage

    return coverage(words)


def _coverage_help() -> str:
    from rdbg.cli.profile_command import coverage_help

    return coverage_help()


def _chaos(words: Sequence[str]) -> int:
    from rdbg.cli.chaos import chaos

    code, told = chaos(words)
    with writing() as out:
        print(told, file=out)
    return code


def _chaos_help() -> str:
    from rdbg.cli.chaos_options import chaos_help

    return chaos_help()


def _two_files(command: str, operands: Sequence[str]) -> tuple[str, str]:
    if len(operands) != 2 or any(operand.startswith("-") for operand in operands):
        raise UsageError(f"{command}: give two files; see rdbg {command} --help")
    return operands[0], operands[1]


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
                ("--at PLACE", "where to stand first: start, end, an icount, N%, a name, 'packet N'"),
                ("--ex COMMAND", "a GDB command to begin with (may be repeated)"),
                ("--script FILE", "a file of GDB commands to go on with"),
                ("--batch", "leave GDB after that"),
            )
            + "\n\nAn ELF image is started as with -kernel, any other as with -bios. The options\nof rdbg run:\n\n"
            + help_text()
        ),
        _debug,
    ),
    "chaos": Subcommand(
        "[options] -- QEMU's options, or --shrink RECORDING",
        "run it many times, with interrupts at other moments, to find races",
        _chaos_help,
        _chaos,
    ),
    "query": Subcommand(
        "RECORDING QUESTION [ARGUMENTS] [options]",
        "ask a question of the whole run: a table, as text, JSON or CSV",
        _query_help,
        _query,
    ),
    "profile": Subcommand(
        "RECORDING -o FILE [--from PLACE] [--to PLACE] [options]",
        "count where a run spent its instructions: a profile",
        _profile_help,
        _profile,
    ),
    "coverage": Subcommand(
        "RECORDING -o FILE [--from PLACE] [--to PLACE] [options]",
        "write which code of a run was run, for lcov or Lighthouse",
        _coverage_help,
        _coverage,
    ),
    "dump": Subcommand(
        "FILE [--pcap CAPTURE]",
        "print a recording's journal in words, or write its packets",
        lambda: (
            "One line for each record. --pcap CAPTURE writes all network packets in\n"
            "pcapng's format instead, with the guest's time, and the icount in each\n"
            "packet's comment: monitor goto ICOUNT goes there. The recording is replayed\n"
            "for that."
        ),
        _dump,
    ),
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
