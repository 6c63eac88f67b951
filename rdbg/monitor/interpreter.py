"""The ``monitor`` commands: a table of name, usage, help and function, and obeying a line. Knows a Timeline and no GDB.

Where QEMU's monitor has a command, its name and wording are QEMU's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace

from rdbg.analysis.quoted_words import quoted_words
from rdbg.errors import RdbgError, UsageError
from rdbg.monitor.branch_commands import BRANCH_COMMANDS
from rdbg.monitor.command import MonitorCommand, MonitorContext, no_arguments, one_argument, recording_state
from rdbg.monitor.control_commands import CONTROL_COMMANDS
from rdbg.monitor.device_commands import DEVICE_COMMANDS
from rdbg.monitor.info_commands import INFO_COMMANDS, INFO_TOPICS
from rdbg.monitor.line_progress import line_progress
from rdbg.monitor.past_commands import PAST_COMMANDS
from rdbg.monitor.record_commands import RECORD_COMMANDS
from rdbg.monitor.snapshot_commands import SNAPSHOT_COMMANDS
from rdbg.monitor.symbol_commands import SYMBOL_COMMANDS
from rdbg.monitor.travel_commands import TRAVEL_COMMANDS


def obey(context: MonitorContext, words: Sequence[str]) -> str:
    """Obey the words of a line and give the text for the user, ending in a newline (or empty).

    Raises:
        RdbgError: it cannot be done; UsageError: the words are wrong.
    """
    name, *arguments = words
    name = SHORT.get(name, name)
    command = _OWN.get(name) or commands().get(name)
    if command is None:
        raise UsageError(f"unknown command: '{name}'{_meant(name)}; 'monitor help' lists them")
    progress = line_progress(context.say)
    with context.timeline.telling(progress):
        text = command.function(replace(context, progress=progress), arguments)
    return text if not text or text.endswith("\n") else text + "\n"


def run(context: MonitorContext, line: str) -> str:
    """The same of one line as it was typed; what cannot be done is said in the text."""
    try:
        words = quoted_words(line)
        return obey(context, words) if words and words[0] else ""
    except UsageError as error:
        return f"{error}\n"
    except RdbgError as error:
        return f"Error: {error}\n"


#: Of the list of commands, in columns; and of a usage that has what it is for beside it.
_WIDTH = 100
_LONGEST_USAGE = 34

#: QEMU's one-letter names.
SHORT = {"c": "cont", "s": "stop", "q": "quit", "?": "help"}


def _meant(word: str) -> str:
    near = [name for name in commands() if name.startswith(word) or word.startswith(name)]
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _help(context: MonitorContext, arguments: list[str]) -> str:
    if not arguments:
        return _listing(_usages(commands())) + "\n'monitor help info' lists what info can show.\n"
    name = one_argument(arguments, "help [COMMAND]")
    if name == "info":
        reports = context.timeline.machine.reports()
        return _listing(_usages(INFO_TOPICS) | {f"info {topic}": report.help for topic, report in reports.items()})
    command = commands().get(name)
    if command is None:
        raise UsageError(f"unknown command: '{name}'{_meant(name)}; 'monitor help' lists them")
    return f"{command.usage} -- {command.help}\n"


def _usages(commands: dict[str, MonitorCommand]) -> dict[str, str]:
    return {command.usage: command.help for command in commands.values()}


def _listing(usages: dict[str, str]) -> str:
    """A line for each, or several where its usage is long: a terminal is no wider than `_WIDTH`."""
    column = max(len(usage) for usage in usages if len(usage) <= _LONGEST_USAGE) + 2
    lines: list[str] = []
    for usage, phrase in usages.items():
        says = textwrap.wrap(phrase, _WIDTH - column)
        if len(usage) <= _LONGEST_USAGE:
            lines.append(f"{usage:<{column}}{says.pop(0)}")
        else:
            lines += textwrap.wrap(usage, _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
        lines += [" " * column + line for line in says]
    return "\n".join(lines) + "\n"


def _quit(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "quit")
    context.leave()
    return recording_state(context) or "rdbg ends; a recording is closed and can be replayed\n"


_BEFORE_QUESTIONS = (
    MonitorCommand("help", "help [COMMAND]", "what there is, or one command's use", _help),
    *TRAVEL_COMMANDS,
    *DEVICE_COMMANDS,
    *CONTROL_COMMANDS,
    *SNAPSHOT_COMMANDS,
    *RECORD_COMMANDS,
    *BRANCH_COMMANDS,
    *PAST_COMMANDS,
    *SYMBOL_COMMANDS,
)
_BEHIND_QUESTIONS = (
    *INFO_COMMANDS,
    MonitorCommand("quit", "quit", "end rdbg itself, not only this GDB's connection", _quit),
)
_OWN = {command.name: command for command in (*_BEFORE_QUESTIONS, *_BEHIND_QUESTIONS)}


def commands() -> dict[str, MonitorCommand]:
    """All commands by name, in the order in which they are listed."""
    # What answers these loads with the first of them.
    from rdbg.monitor.origin_commands import ORIGIN_COMMANDS
    from rdbg.monitor.question_commands import QUESTION_COMMANDS

    every = (*_BEFORE_QUESTIONS, *ORIGIN_COMMANDS, *QUESTION_COMMANDS, *_BEHIND_QUESTIONS)
    return {command.name: command for command in every}
