"""Questions to the whole run, with the words of ``rdbg query``."""

from __future__ import annotations

import time
from functools import partial

from rdbg.analysis.answer import INTERRUPTED, AnswerInterrupted, answer_lines, namer
from rdbg.analysis.in_one_process import in_this_process
from rdbg.analysis.question_table import COMMON_OPTIONS, QUESTIONS, Asker, QuestionName, understand
from rdbg.monitor.command import MonitorCommand, MonitorContext

#: Rows that are shown unless a number is given: a prompt is no place for a million.
_SHOWN = 1000
#: Seconds after which lines that were found are shown.
_PATIENCE = 0.2


def _answer(context: MonitorContext, name: str, arguments: list[str]) -> str:
    asked = understand(Asker(context.timeline, context.symbols), name, arguments)
    make_pool = context.make_pool or partial(in_this_process, context.timeline)
    pool = make_pool(context.interrupted, context.progress)
    digits = context.timeline.machine.architecture.address_bits // 4
    told = time.monotonic()
    pending: list[str] = []
    shown = 0
    try:
        lines = answer_lines(asked, pool, namer(context.symbols), digits, context.symbols.elf is not None)
        for line in lines:
            if asked.limit is None and shown > _SHOWN:
                lines.close()  # type: ignore[attr-defined]  # it is a generator
                pending.append(f"... there are more than these {_SHOWN}; say --limit N, --count, or --from and --to\n")
                break
            pending.append(line)
            shown += 1
            if time.monotonic() - told > _PATIENCE:
                context.say("".join(pending))
                pending, told = [], time.monotonic()
    except AnswerInterrupted:
        pending.append(f"{INTERRUPTED}\n")
    return "".join(pending)


def _command(kind: QuestionName) -> MonitorCommand:
    def function(context: MonitorContext, arguments: list[str]) -> str:
        return _answer(context, kind.name, arguments)

    return MonitorCommand(
        kind.name, " ".join(filter(None, (kind.name, kind.usage, COMMON_OPTIONS))), kind.help, function
    )


QUESTION_COMMANDS = tuple(_command(kind) for kind in QUESTIONS.values())
