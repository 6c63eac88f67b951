"""Going back in GDB's debug adapter: the requests ``stepBack`` and ``reverseContinue``, which GDB itself has not.

    gdb -i=dap -x .../rdbg/gdb/rdbg_dap.py

An editor that is told of them (the capability supportsStepBack) shows its buttons for going back. Tried with GDB 18;
a GDB that has them itself is left alone. It loads rdbg_gdb.py, which lies beside it: a jump (``rdbg goto``, ``monitor
loadvm``) is a stop for the editor then. Runs inside GDB: nothing of the rdbg package may be imported here.
"""

from __future__ import annotations

import os
from typing import Any

import gdb
from gdb.dap.events import exec_and_expect_stop
from gdb.dap.frames import _clear_frame_ids
from gdb.dap.scopes import clear_scopes
from gdb.dap.server import _commands, capability, request
from gdb.dap.state import set_thread
from gdb.dap.varref import clear_vars


def _step_back(*, threadId: int, granularity: str = "statement", **args: Any) -> None:
    """One line or one instruction back, over calls: so editors have it."""
    set_thread(threadId)
    exec_and_expect_stop("reverse-stepi" if granularity == "instruction" else "reverse-next")


def _reverse_continue(*, threadId: int, **args: Any) -> None:
    """To the latest stop before here, or the start of the history."""
    set_thread(threadId)
    exec_and_expect_stop("reverse-continue &")


def _forget(event: Any) -> None:
    """The adapter forgets frames and variables when the guest runs on. A jump ends in a stop without that."""
    for forget in (_clear_frame_ids, clear_scopes, clear_vars):
        forget(event)


if "stepBack" not in _commands:
    # As for GDB's own steps: the answer comes at once, and the stop is an event.
    capability("supportsStepBack")(request("stepBack", response=False)(_step_back))
    request("reverseContinue")(_reverse_continue)

gdb.events.stop.connect(_forget)
gdb.execute("source " + os.path.join(os.path.dirname(os.path.abspath(__file__)), "rdbg_gdb.py"))
