"""What may come next in a command line, from the tables that ``--help`` and the parser read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum

from rdbg.cli.card_models import CARD_NAMES, card_model
from rdbg.cli.command_page import CommandPage, SpelledOption, Subcommand
from rdbg.cli.qemu_options import OPTIONS
from rdbg.quick_dataclass import dataclass

#: Names of values and operands that are paths.
_FILES = re.compile(r"F|FILE|RECORDING|IMAGE|ARCHIVE|CAPTURE|PROGRAM|BOARD")
_FOLDERS = re.compile(r"DIR")


class Paths(Enum):
    """Which paths may come next."""

    FILES = "files"
    FOLDERS = "folders"


@dataclass(frozen=True)
class OfferedWord:
    """A word that may come next.

    Args:
        text: all of it.
        help: what it means; may be empty.
    """

    text: str
    help: str = ""


@dataclass(frozen=True)
class Completions:
    """What may come next.

    Args:
        words: candidates that begin as what is typed.
        paths: whether a path may come too.
        prefix: what of the word typed is before that path.
    """

    words: tuple[OfferedWord, ...] = ()
    paths: Paths | None = None
    prefix: str = ""


def completions(words: Sequence[str], commands: Mapping[str, Subcommand]) -> Completions:
    """What may come next.

    Args:
        words: behind ``rdbg``, up to the cursor; the last is what is typed of the word there, maybe nothing.
        commands: by name.
    """
    *before, typed = words
    if not before:
        general = {"--help": "what there is", "--version": "versions of rdbg, Unicorn, Python and the formats"}
        return _words(typed, {name: command.summary for name, command in commands.items()} | general)
    command = commands.get(before[0])
    if command is None:
        return Completions()
    page = command.page()
    waiting, operands = _walked(page, before[1:])
    if waiting is not None:
        return _value(waiting, typed)
    if typed.startswith("-"):
        return _words(typed, dict(_spelled(page, typed)))
    return _operand(page, operands, typed)


def _walked(page: CommandPage, words: Sequence[str]) -> tuple[SpelledOption | None, int]:
    """The option whose value comes next, and how many words were operands."""
    own = {name: option for option in page.options for name in option.names}
    machine = {name: option for option in OPTIONS for name in option.names if _takes(page, option.names)}
    waiting: SpelledOption | None = None
    operands = 0
    for word in words:
        if waiting is not None:
            waiting = None
            continue
        name = word.removeprefix("--") if word.startswith("--") else word.removeprefix("-")
        if name == word or not name:
            operands += name == word
            continue
        of_machine = machine.get(name)
        is_own = name in own and (of_machine is None or bool(of_machine.value) or word.startswith("--"))
        option: SpelledOption | None = own[name] if is_own else of_machine
        waiting = option if option is not None and option.value else None
    return waiting, operands


def _takes(page: CommandPage, names: Sequence[str]) -> bool:
    return page.machine is None or bool(set(names) & set(page.machine))


def _spelled(page: CommandPage, typed: str) -> Iterator[tuple[str, str]]:
    yield "--help", "what the command takes"
    for option in page.options:
        for spelling in option.spellings:
            yield spelling, option.help
    for machine in OPTIONS:
        if machine.help and _takes(page, machine.names):
            for name in machine.names:
                # QEMU's options may be written with two dashes; who types two wants to see two.
                dashes = "--" if typed.startswith("--") or "-" in name else "-"
                yield f"{dashes}{name}", machine.help


def _operand(page: CommandPage, number: int, typed: str) -> Completions:
    if page.arguments and number == len(page.operands) - 1:
        return _words(typed, {each.name: each.help for each in page.arguments})
    if number < len(page.operands):
        return Completions((), _path_kind(page.operands[number].split("|")))
    return Completions()


def _value(option: SpelledOption, typed: str) -> Completions:
    """The value of an option, or the part of it behind the last comma."""
    head, comma, part = typed.rpartition(",")
    before = head + comma
    chosen = dict(option.choices()) if option.choices is not None else {}
    parts = _parts_of(option)
    keys = parts.keys | (_card_keys(typed.partition(",")[0]) if option.value.startswith("CARD") else {})
    key, equals, value = part.partition("=")
    if equals and key in keys:
        return _alternatives(f"{before}{key}=", value, keys[key])
    is_list = option.value.endswith(",...")
    words = {**parts.first, **chosen} if not comma or is_list else dict.fromkeys(parts.flags, "")
    if comma or not words:
        words |= {f"{name}=": "" for name in keys}
    return _alternatives(before, part, words)


def _card_keys(name: str) -> dict[str, dict[str, str]]:
    """What can be said of a card."""
    properties = card_model(name).properties if name in CARD_NAMES else {}
    return {key: {"on": "", "off": ""} if kind.startswith("bool") else {} for key, kind in properties.items()}


@dataclass(frozen=True)
class _Parts:
    """What a value is made of, as its name in the table says.

    Args:
        first: what may stand at its beginning.
        keys: what ``key=`` may be followed by.
        flags: words without ``=`` that may follow.
    """

    first: dict[str, str]
    keys: dict[str, dict[str, str]]
    flags: tuple[str, ...]


def _parts_of(option: SpelledOption) -> _Parts:
    """Reads ``file=F[,if=ide|none]``: words in small letters stand for themselves, others name what is meant."""
    first: dict[str, str] = {}
    keys: dict[str, dict[str, str]] = {}
    flags: list[str] = []
    for number, part in enumerate(re.sub(r"[\[\] ]", "", option.value).split(",")):
        key = ""
        for alternative in part.split("|"):
            name, equals, value = alternative.partition("=")
            if equals and not name.isupper():
                key = name
                keys.setdefault(key, {})[value] = ""
            elif key:
                keys[key][alternative] = ""
            elif number == 0:
                first[alternative] = ""
            elif alternative.islower():
                flags.append(alternative)
    return _Parts(first, keys, tuple(flags))


def _alternatives(prefix: str, typed: str, known: Mapping[str, str]) -> Completions:
    """What may follow a prefix: words that stand for themselves, and paths where a name says so."""
    words: dict[str, str] = {}
    paths, behind = _path_kind(known), ""
    for each, help_ in known.items():
        start = re.match(r"[a-z][a-z:]*:/*(?=[A-Z])", each)
        if start is not None:
            words[start[0]] = help_
            if typed.startswith(start[0]) and (kind := _path_kind([each[start.end() :]])):
                paths, behind = kind, start[0]
        elif help_ or re.fullmatch(r"[a-z0-9][a-z0-9:.+=-]*|[a-z_]\w*=", each):
            words[each] = help_
    found = _words(prefix + typed, {prefix + word: help_ for word, help_ in words.items()})
    return Completions(found.words, paths, prefix + behind)


def _path_kind(names: Iterable[str]) -> Paths | None:
    """Whether one of several names is a path's."""
    words = [re.split(r"[\[.:]", name)[0] for name in names]
    if any(_FOLDERS.fullmatch(word) for word in words):
        return Paths.FOLDERS
    return Paths.FILES if any(_FILES.fullmatch(word) for word in words) else None


def _words(typed: str, known: Mapping[str, str]) -> Completions:
    return Completions(tuple(OfferedWord(text, help_) for text, help_ in known.items() if text.startswith(typed)))
