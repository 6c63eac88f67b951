"""The commands: a function for each, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rdbg.cli.command_page import CommandArgument, CommandOption, CommandPage, Subcommand
from rdbg.cli.qemu_options import HARMLESS, parse_line
from rdbg.cli.running import one_file, replaying, run_session
from rdbg.cli.standard_streams import writing
from rdbg.errors import UsageError
from rdbg.host.shell_progress import shell_progress
from rdbg.session.options import RecordMode

#: Name of the snapshot that `rdbg record` starts from.
INITIAL_SNAPSHOT = "init"

#: What may be said about a run that is already recorded.
_REPLAY_OPTIONS = (
    "serial",
    "monitor",
    "qmp",
    "qmp-pretty",
    "mon",
    "name",
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
    "idle-work",
    *HARMLESS,
)

_RECORD_PAGE = CommandPage(
    options=(
        CommandOption(("o", "output"), "FILE", "the recording; FILE.snapshots belongs to it"),
        CommandOption(("snapshot",), "NAME", f"name of the snapshot made at the start (default {INITIAL_SNAPSHOT})"),
    ),
    notes="Ctrl-A x at the terminal, SIGINT, SIGTERM, or the guest's power-off ends the recording. The options of "
    "rdbg run:",
    machine=None,
)


def _run(words: Sequence[str]) -> int:
    return run_session(parse_line(words).options, ("rdbg", "run", *words))


def _record(words: Sequence[str]) -> int:
    line = parse_line(words, own=_RECORD_PAGE.values())
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


def _debug_page() -> CommandPage:
    from rdbg.cli.debug_command import DEBUG_PAGE

    return DEBUG_PAGE


def _debug(words: Sequence[str]) -> int:
    from rdbg.cli.debug_command import debug

    return debug(words)


def _ui(words: Sequence[str]) -> int:
    from rdbg.cli.ui_command import ui

    return ui(words)


def _ui_page() -> CommandPage:
    from rdbg.cli.ui_command import UI_PAGE

    return UI_PAGE


def _trace(words: Sequence[str]) -> int:
    from rdbg.cli.trace_command import trace

    return trace(words)


def _trace_page() -> CommandPage:
    from rdbg.cli.trace_command import TRACE_PAGE

    return TRACE_PAGE


def _mcp(words: Sequence[str]) -> int:
    from rdbg.cli.mcp_command import mcp

    return mcp(words)


def _mcp_page() -> CommandPage:
    from rdbg.cli.mcp_command import MCP_PAGE

    return MCP_PAGE


def _dump(words: Sequence[str]) -> int:
    from rdbg.cli.dump_command import dump

    return dump(words)


def _dump_page() -> CommandPage:
    from rdbg.cli.dump_command import DUMP_PAGE

    return DUMP_PAGE


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
    from rdbg.cli.symbols_command import symbols

    return symbols(words)


def _symbols_page() -> CommandPage:
    from rdbg.cli.symbols_command import SYMBOLS_PAGE

    return SYMBOLS_PAGE


def _query(words: Sequence[str]) -> int:
    from rdbg.cli.query_command import query

    return query(words)


def _query_page() -> CommandPage:
    from rdbg.cli.query_command import QUERY_PAGE

    return QUERY_PAGE


def _profile(words: Sequence[str]) -> int:
    from rdbg.cli.profile_command import profile

    return profile(words)


def _profile_page() -> CommandPage:
    from rdbg.cli.profile_command import PROFILE_PAGE

    return PROFILE_PAGE


def _coverage(words: Sequence[str]) -> int:
    from rdbg.cli.profile_command import coverage

    return coverage(words)


def _coverage_page() -> CommandPage:
    from rdbg.cli.profile_command import COVERAGE_PAGE

    return COVERAGE_PAGE


def _chaos(words: Sequence[str]) -> int:
    from rdbg.cli.chaos import chaos

    code, told = chaos(words)
    with writing() as out:
        print(told, file=out)
    return code


def _chaos_page() -> CommandPage:
    from rdbg.cli.chaos_options import CHAOS_PAGE

    return CHAOS_PAGE


def _board(words: Sequence[str]) -> int:
    from rdbg.cli.board_command import board

    return board(words)


def _board_page() -> CommandPage:
    from rdbg.cli.board_command import board_page

    return board_page()


def _two_files(command: str, operands: Sequence[str]) -> tuple[str, str]:
    if len(operands) != 2 or any(operand.startswith("-") for operand in operands):
        raise UsageError(f"{command}: give two files; see rdbg {command} --help")
    return operands[0], operands[1]


def _completion(words: Sequence[str]) -> int:
    from rdbg.cli.completion import shell_script

    with writing() as out:
        out.write(shell_script(words))
    return 0


def _complete(words: Sequence[str]) -> int:
    from rdbg.cli.completion import complete_for_shell

    with writing() as out:
        out.write(complete_for_shell(words, COMMANDS))
    return 0


def _man(words: Sequence[str]) -> int:
    from rdbg.cli.man_page import man_page

    if words:
        raise UsageError("man: takes nothing; see rdbg man --help")
    with writing() as out:
        out.write(man_page(COMMANDS))
    return 0


#: What shells ask while somebody types; no command for people.
COMPLETE = Subcommand("", "", CommandPage, _complete)
COMMANDS = {
    "run": Subcommand(
        "[QEMU's options]",
        "run a machine, as qemu-system-mips and qemu-system-mipsel do",
        lambda: CommandPage(
            machine=None, ending="With -s a run can be reversed at once: its history is kept in memory."
        ),
        _run,
    ),
    "record": Subcommand(
        "-o FILE [--snapshot NAME] [-- QEMU's options]",
        "the same, and write down everything that is not deterministic",
        lambda: _RECORD_PAGE,
        _record,
    ),
    "replay": Subcommand(
        "RECORDING [options]",
        "run a recording again; with -s or -S, for GDB",
        lambda: CommandPage(("RECORDING",), machine=_REPLAY_OPTIONS, ending="Everything else stands in the recording."),
        _replay,
    ),
    "debug": Subcommand(
        "RECORDING|IMAGE [options]",
        "start GDB on a recording, or on an image that starts now",
        _debug_page,
        _debug,
    ),
    "ui": Subcommand(
        "RECORDING|IMAGE [options]",
        "show a recording, or an image that starts now, in a browser",
        _ui_page,
        _ui,
    ),
    "trace": Subcommand(
        "RECORDING [--from PLACE] [--to PLACE] [options]",
        "write every instruction of a stretch, for Tenet or as JSON",
        _trace_page,
        _trace,
    ),
    "mcp": Subcommand(
        "RECORDING [--symbols FILE]",
        "let a language model look at a recording (MCP)",
        _mcp_page,
        _mcp,
    ),
    "chaos": Subcommand(
        "[options] -- QEMU's options, or --shrink RECORDING",
        "run it many times, interrupts at other moments, to find races",
        _chaos_page,
        _chaos,
    ),
    "query": Subcommand(
        "RECORDING QUESTION [ARGUMENTS] [options]",
        "ask a question of the whole run: a table, as text, JSON or CSV",
        _query_page,
        _query,
    ),
    "profile": Subcommand(
        "RECORDING -o FILE [--from PLACE] [--to PLACE] [options]",
        "count where a run spent its instructions: a profile",
        _profile_page,
        _profile,
    ),
    "coverage": Subcommand(
        "RECORDING -o FILE [--from PLACE] [--to PLACE] [options]",
        "write which code of a run was run, for lcov or Lighthouse",
        _coverage_page,
        _coverage,
    ),
    "board": Subcommand(
        "draft FIRMWARE [-o FILE] [options] | sources RECORDING",
        "draft a board for an unknown firmware, or see its peripherals",
        _board_page,
        _board,
    ),
    "dump": Subcommand(
        "RECORDING [--pcap CAPTURE]",
        "print a recording's journal in words, or write its packets",
        _dump_page,
        _dump,
    ),
    "info": Subcommand(
        "RECORDING",
        "say what a recording holds",
        lambda: CommandPage(("RECORDING",), notes="Machine, images, length, snapshots, damage."),
        _info,
    ),
    "pack": Subcommand(
        "RECORDING ARCHIVE",
        "put a recording into one file",
        lambda: CommandPage(("RECORDING", "ARCHIVE"), notes="Journal, snapshots and images."),
        _pack,
    ),
    "unpack": Subcommand(
        "ARCHIVE RECORDING",
        "take a recording out of it again",
        lambda: CommandPage(("ARCHIVE", "RECORDING"), notes="The reverse of rdbg pack."),
        _unpack,
    ),
    "symbols": Subcommand(
        "RECORDING -o FILE [--at PLACE]",
        "read a Linux kernel's symbols out of its memory, for GDB",
        _symbols_page,
        _symbols,
    ),
    "completion": Subcommand(
        "bash|zsh|fish",
        "print the script by which a shell completes our lines",
        lambda: CommandPage(
            ("SHELL",),
            (
                CommandArgument("bash", "", "for ~/.bashrc: source <(rdbg completion bash)"),
                CommandArgument("zsh", "", "for ~/.zshrc, behind compinit: source <(rdbg completion zsh)"),
                CommandArgument("fish", "", "rdbg completion fish > ~/.config/fish/completions/rdbg.fish"),
            ),
        ),
        _completion,
    ),
    "man": Subcommand(
        "", "print this program's manual page", lambda: CommandPage(notes="To read it: rdbg man | man -l -"), _man
    ),
}
