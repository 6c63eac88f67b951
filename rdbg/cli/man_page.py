"""The manual page, from the tables that ``--help`` and the parser read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rdbg import __version__
from rdbg.cli.command_page import CommandPage, SpelledOption, Subcommand, option_head
from rdbg.cli.qemu_options import HARMLESS, WITHOUT_EFFECT, machine_options

_WHAT = "reverse debugger backend for GDB, for whole MIPS machines"
_DESCRIPTION = (
    "rdbg runs a whole MIPS machine behind GDB's remote protocol, writes down everything that is not deterministic, "
    "and so can take the machine to any instruction of its past: GDB's reverse commands work, on firmware, boot "
    "loaders and kernels. What a machine is, QEMU's options say.",
    "In GDB, monitor help lists what there is beside GDB's own commands.",
)
_EXIT_STATUS = (
    "The guest's exit code, where it gives one; else 0, 1 for what failed, 2 for wrong usage, and 128 and the number "
    "of the signal that ended a replay before its end.",
)


def man_page(commands: Mapping[str, Subcommand]) -> str:
    """All of it, in the macros of man(7).

    Args:
        commands: by name.
    """
    lines = [f'.TH RDBG 1 "" "rdbg {__version__}"', ".SH NAME", rf"rdbg \- {_WHAT}", ".SH SYNOPSIS"]
    for name, command in commands.items():
        lines += [".nf" if name == next(iter(commands)) else "", rf"\fBrdbg {_plain(name)}\fR {_plain(command.usage)}"]
    lines = [line for line in lines if line] + [".fi", ".SH DESCRIPTION", *_paragraphs(_DESCRIPTION), ".SH COMMANDS"]
    for name, command in commands.items():
        lines += [f".SS rdbg {_plain(name)} {_plain(command.usage)}".rstrip(), *_sentence(command.summary)]
        lines += _command(command.page())
    lines += [".SH MACHINE OPTIONS", *_sentence("What the machine is, as QEMU's options say it")]
    lines += _options(machine_options())
    lines += [".PP", _plain(WITHOUT_EFFECT), _plain(" ".join(f"-{name}" for name in HARMLESS))]
    lines += [".SH EXIT STATUS", *_paragraphs(_EXIT_STATUS)]
    lines += [".SH SEE ALSO", ".BR gdb (1),", ".BR gdb-multiarch (1),", ".BR qemu-system-mips (1)"]
    return "".join(f"{line}\n" for line in lines)


def _command(page: CommandPage) -> list[str]:
    lines = []
    for each in page.arguments:
        lines += [".TP", rf"\fB{_plain(each.name)}\fR {_plain(each.usage)}".rstrip(), _plain(each.help)]
    lines += _options(page.options)
    for text in (page.notes, page.ending):
        if text:
            lines += [".PP", *map(_plain, text.split("\n"))]
    if page.machine is None:
        lines += [".PP", "Takes all of the machine options below."]
    elif page.machine:
        taken = [spelling for option in machine_options(page.machine) for spelling in option.spellings]
        lines += [".PP", f"Takes of the machine options below: {_plain(', '.join(taken))}."]
    return lines


def _options(options: Iterable[SpelledOption]) -> list[str]:
    return [
        line for option in options for line in (".TP", rf"\fB{_plain(option_head(option))}\fR", _plain(option.help))
    ]


def _sentence(text: str) -> list[str]:
    return [_plain(text[0].upper() + text[1:] + ".")]


def _paragraphs(texts: Iterable[str]) -> list[str]:
    return [line for number, text in enumerate(texts) for line in ([".PP"] if number else []) + [_plain(text)]]


def _plain(text: str) -> str:
    """Text that troff takes as it stands: its own signs escaped, no line that begins as a request does."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped
