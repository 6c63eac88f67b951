"""The options of ``rdbg chaos``, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rdbg.chaos.conditions import FORMS, parse_condition
from rdbg.chaos.plan import symbol_table
from rdbg.chaos.watch_expression import parse_watch_expression
from rdbg.cli.command_page import CommandOption, CommandPage, option_values
from rdbg.cli.qemu_options import ParsedLine, parse_line
from rdbg.elf.elf_file import is_elf
from rdbg.errors import UsageError
from rdbg.session.images import read_image
from rdbg.session.options import ImageFile, RecordMode, RunOptions

_OPTIONS = (
    CommandOption(("n",), "RUNS", "how many runs (default 100)"),
    CommandOption(("seed",), "N", "seed of the first run, one more for each (default 1)"),
    CommandOption(("jobs",), "N", "runs at a time (default: one for each core)"),
    CommandOption(
        ("fail-on",),
        "CONDITION",
        f"what makes a run fail; may be repeated: {FORMS} (default: exit and panic)",
    ),
    CommandOption(("keep",), "DIR", "where recordings of failing runs go (default: chaos)"),
    CommandOption(("keep-all",), "", "keep every failing run, not the first of each outcome alone"),
    CommandOption(("until-failure",), "", "end with the first run that fails"),
    CommandOption(
        ("from",),
        "RECORDING[:PLACE]",
        "start all runs there: a snapshot of it, its end, an icount, N%; no boot is repeated",
    ),
    CommandOption(("type",), "TEXT", r"type this to the guest, at moved moments; \n \r \t \e \\ \xHH"),
    CommandOption(("inputs",), "RECORDING", "type what was typed in this recording, at moved moments"),
    CommandOption(("for",), "SECONDS", "of the guest's time after which a run ends (default 10)"),
    CommandOption(("patience",), "SECONDS", "of the host's time after which a run is given up (default 60)"),
    CommandOption(
        ("symbols",),
        "FILE",
        "an ELF file with symbols for watch: and --shrink (default: the image itself, if it is one)",
    ),
    CommandOption(
        ("json",), "", "the summary as JSON, and progress lines on stderr; with --shrink what was found as JSON"
    ),
    CommandOption(("shrink",), "RECORDING", "find the fewest moved interrupts with which this kept run still fails"),
    CommandOption(("o", "output"), "FILE", "where --shrink puts the shrunk run (default: RECORDING.shrunk)"),
)
_OWN = option_values(_OPTIONS)

_NOTES = (
    "Exit code: 0 no run failed, 1 some did, 2 wrong usage. Each run follows from its seed: the same seed gives the "
    "same recording. For output: and panic, what the guest prints on its serial ports counts; watch:EXPR is a "
    "condition over symbols and memory, such as 'lost > 0' or 'word(0x80100000) == 5'. What the machine is, the "
    "options of rdbg run say:"
)

#: What a command line hands on to make one of the runs again.
HANDED_ON = ("fail-on", "from", "type", "inputs", "for", "patience", "symbols")
#: What belongs to a single run with somebody who looks at it.
_ALONE = frozenset({"serial", "chardev", "monitor", "pidfile", "gdb", "s", "S", "listen-any", "d", "D", "no-shutdown",
                    "checkpoint-memory", "snapshot-budget", "idle-work"})  # fmt: skip

_LONGEST = 1e6

#: Options that say what the machine is.
_MACHINE = ("M", "cpu", "m", "bios", "kernel", "initrd", "append", "pflash", "drive", "device", "nic", "net", "netdev",
            "EB", "EL", "icount", "rtc", "semihosting", "semihosting-config", "no-reboot")  # fmt: skip


#: What the command takes.
CHAOS_PAGE = CommandPage(options=_OPTIONS, notes=_NOTES, machine=_MACHINE)


def parse_chaos(words: Sequence[str]) -> tuple[ParsedLine, tuple[str, ...]]:
    """The command line, and which of its words are QEMU's. Behind ``--`` all are."""
    if "--" not in words:
        line = parse_line(words, own=_OWN)
        return line, tuple(_without_own(words))
    at = list(words).index("--")
    own = parse_line(words[:at], own=_OWN)
    rest = parse_line(words[at:], start=own.options)
    return replace(rest, own=own.own), (*_without_own(words[:at]), *words[at + 1 :])


def _without_own(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        name = word.removeprefix("--") if word.startswith("--") else word.removeprefix("-")
        if name != word and name in _OWN:
            if _OWN[name]:
                next(rest, None)
        else:
            kept.append(word)
    return kept


def refuse_alone(options: RunOptions) -> None:
    said = sorted(_ALONE & options.said)
    if said:
        dashes = "--" if "-" in said[0] else "-"
        raise UsageError(
            f"chaos: {dashes}{said[0]} is for a single run; drop it (what the guest prints is looked at by --fail-on, "
            "what is typed to it says --type or --inputs, and GDB opens what is kept)"
        )
    if options.icount.mode is not RecordMode.NONE:
        raise UsageError("chaos: -icount rr= is for a single run; drop it: a run that fails is recorded")


def symbols_file(line: ParsedLine) -> bytes | None:
    """The file of --symbols.

    Raises:
        RdbgError: it cannot be read, or is no ELF file.
    """
    path = line.last("symbols")
    if path is None:
        return None
    image = read_image(ImageFile("symbols", path))
    if not is_elf(image.data):
        raise UsageError(f"--symbols {path}: not an ELF file")
    return image.data


def checked_conditions(texts: Sequence[str], elf: bytes | None) -> tuple[str, ...]:
    """Check the values of --fail-on.

    Args:
        texts: these.
        elf: the file with the symbols.

    Raises:
        UsageError: one is wrong.
    """
    symbols = symbol_table(elf)
    for text in texts:
        condition = parse_condition(text)
        if condition.expression:
            parse_watch_expression(condition.expression, symbols)
    return tuple(texts)


def seconds(line: ParsedLine, name: str, default: float) -> float:
    text = line.last(name)
    if text is None:
        return default
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = 0.0
    if not 0 < value <= _LONGEST:
        raise UsageError(f"--{name} {text}: not a time; write seconds, for example 2.5")
    return value
