"""Processes that help another one, and must not outlive it."""

from __future__ import annotations

import os
import signal
import threading

#: Seconds between two looks whether the other process is still there.
_LOOK_SECONDS = 1.0


def become_helper(parent: int) -> None:
    """Make this process one that leaves the terminal's signals to its parent, and ends with it.

    Args:
        parent: its process number: when that is gone, however it ended, this one goes too.
    """
    for number in (signal.SIGINT, signal.SIGHUP):  # those of a terminal, which reach all of its processes
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # by which a pool ends the rest when one of its processes has died
    threading.Thread(target=_leave_with, args=(parent,), name="parent", daemon=True).start()


def _leave_with(parent: int) -> None:
    wait = threading.Event()
    while os.getppid() == parent:
        wait.wait(_LOOK_SECONDS)
    os._exit(1)
