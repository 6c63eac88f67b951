"""Copies of this process, which have its run as it stands: with its branches, its states in memory, and all that nobody
has written to a file. To make one takes milliseconds: memory is shared until somebody writes to it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.synchronize import Event
from typing import Any

from rdbg.host.parent_watch import become_helper

#: What this process does, if it is a copy: a pool hands a job a function and its arguments, nothing that lives on.
_work: list[Callable[..., Any]] = []


def _begin(work: Callable[..., Any], become: Callable[[Callable[[], bool]], None], stop: Event, parent: int) -> None:
    become_helper(parent)
    logging.disable(logging.WARNING)  # the process that this one is a copy of says it
    become(stop.is_set)
    _work[:] = [work]


def _do(arguments: tuple[Any, ...]) -> Any:
    return _work[0](*arguments)


class Copies:
    """A crew of copies of this process (`Crew`).

    Args:
        size: how many processes.
        work: what each does, with the arguments of `submit`.
        become: called in each first, with what tells that it is to end its work.
    """

    def __init__(self, size: int, work: Callable[..., Any], become: Callable[[Callable[[], bool]], None]) -> None:
        context = multiprocessing.get_context("fork")
        self.size = size
        self._stop = context.Event()
        self._pool = ProcessPoolExecutor(size, context, _begin, (work, become, self._stop, os.getpid()))

    def submit(self, *arguments: Any) -> Future[Any]:
        """Let one of them do the work."""
        return self._pool.submit(_do, arguments)

    def ask(self, start: int, end: int) -> Future[Any]:
        """Let one of them do the work on a stretch."""
        return self.submit(start, end)

    def dismiss(self) -> None:
        """End all that they do, and them."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
