"""What a command takes, told once: its help, its parser, the man page and the shells' completion read it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from rdbg.quick_dataclass import dataclass

#: Columns of the help text.
WIDTH = 79
COLUMN = 28

#: What shells call to complete a line: no command for people.
COMPLETION = "--complete"

#: Words that a value may be, and what each means.
Choices = Callable[[], Mapping[str, str]]


class SpelledOption(Protocol):
    """An option as users see it: a command's own, or one of QEMU's."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its spellings, without dashes."""

    @property
    def value(self) -> str:
        """Name of its value; empty: it takes none."""

    @property
    def help(self) -> str:
        """What it does."""

    @property
    def choices(self) -> Choices | None:
        """What its value may be, where its name does not say so."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """Its spellings, with dashes."""


@dataclass(frozen=True)
class CommandOption:
    """An option that a command has beside QEMU's.

    Args:
        names: its spellings, without dashes.
        value: name of its value in the help text; empty: it takes none. FILE, RECORDING, DIR and the like are paths.
        help: what it does.
        choices: what its value may be.
    """

    names: tuple[str, ...]
    value: str
    help: str
    choices: Choices | None = None

    @property
    def spellings(self) -> tuple[str, ...]:
        """Its spellings, with dashes: one for a letter, two for a word."""
        return tuple(f"-{name}" if len(name) == 1 else f"--{name}" for name in self.names)


@dataclass(frozen=True)
class CommandArgument:
    """What may stand after a command that is no option, where it is chosen from several.

    Args:
        name: the word.
        usage: what follows it.
        help: what it does.
    """

    name: str
    usage: str
    help: str


@dataclass(frozen=True)
class CommandPage:
    """What a command takes.

    Args:
        operands: names of the words that are no options, in order; the last may come again.
        arguments: what the last operand is chosen from.
        options: its own.
        notes: what is to be said of these.
        machine: which of QEMU's options it takes, by name; None: all.
        ending: what is to be said after QEMU's options.
    """

    operands: tuple[str, ...] = ()
    arguments: tuple[CommandArgument, ...] = ()
    options: tuple[CommandOption, ...] = ()
    notes: str = ""
    machine: Collection[str] | None = ()
    ending: str = ""

    def values(self) -> dict[str, str]:
        """Name of each of its own options -> name of its value, for `parse_line`."""
        return option_values(self.options)


@dataclass(frozen=True)
class Subcommand:
    """One command of rdbg.

    Args:
        usage: what comes after its name.
        summary: one line.
        page: what it takes.
        run: does it; gives the exit code.
    """

    usage: str
    summary: str
    page: Callable[[], CommandPage]
    run: Callable[[Sequence[str]], int]


#: For --at, --from and --to.
PLACES: Mapping[str, str] = {
    "start": "where the history begins",
    "end": "where it ends",
}


def option_values(options: Iterable[CommandOption]) -> dict[str, str]:
    """Name of each option -> name of its value, for `parse_line`."""
    return {name: option.value for option in options for name in option.names}


def option_head(option: SpelledOption) -> str:
    """How an option is written: ``-o, --output FILE``."""
    return f"{', '.join(option.spellings)} {option.value}".rstrip()


def option_entries(options: Iterable[SpelledOption]) -> list[str]:
    """Options and what they do, in lines."""
    return [line for option in options for line in help_entry(option_head(option), option.help)]


def argument_entries(arguments: Sequence[CommandArgument]) -> list[str]:
    """Arguments and what they do, in lines."""
    return [line for each in arguments for line in help_entry(f"{each.name} {each.usage}".rstrip(), each.help)]


def help_entry(head: str, words: str) -> list[str]:
    """One option and what it does, in two columns. A long head may break where it has a blank."""
    text = textwrap.wrap(words, WIDTH - COLUMN)
    heads = textwrap.wrap(head, WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
    if len(heads) == 1 and len(heads[0]) < COLUMN:
        heads, text = [f"{heads[0]:<{COLUMN}}{text[0]}"], text[1:]
    return heads + [" " * COLUMN + line for line in text]


def filled(text: str) -> str:
    """Paragraphs, which blank lines part, in the width of the help text."""
    return "\n\n".join(textwrap.fill(part, WIDTH, break_on_hyphens=False) for part in text.split("\n\n"))
