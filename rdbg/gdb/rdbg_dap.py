"""Going back in GDB's debug adapter: the requests ``stepBack`` and ``reverseContinue``, which GDB itself has not.

    gdb -i=dap -x .../rdbg/gdb/rdbg_dap.py

An editor that is told of them (the capability supportsStepBack) shows its buttons for going back. Tried with GDB 18;
a GDB that has them itself is left alone. Runs inside GDB: nothing of the rdbg package may be imported here.
"""

from __future__ import annotations

from typing import Any

from gdb.dap.events import exec_and_expect_stop
from gdb.dap.server import _commands, capability, request
from gdb.dap.state import set_thread


def _step_back(*, threadId: int, granularity: str = "statement", **args: Any) -> None:
    """One line or one instruction back, over calls: so editors have it."""
    set_thread(threadId)
    exec_and_expect_stop("reverse-stepi" if granularity == "instruction" else "reverse-next")


def _reverse_continue(*, threadId: int, **args: Any) -> None:
    """To the latest stop before here, or the start of the history."""
    set_thread(threadId)
    exec_and_expect_stop("reverse-continue &")


if "stepBack" not in _commands:
    # As for GDB's own steps: the answer comes at once, and the stop is an event.
    capability("supportsStepBack")(request("stepBack", response=False)(_step_back))
    request("reverseContinue")(_reverse_continue)
