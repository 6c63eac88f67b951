"""Copies of this process, which have its run as it stands: with its branches, its states in memory, and all that nobody
has written to a file. To make one takes milliseconds: memory is shared until somebody writes to it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Future
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

from rdbg.host.interrupts import ENDING_SIGNALS
from rdbg.host.parent_watch import become_helper
from rdbg.host.shared_flag import SharedFlag

#: What a copy does, with the arguments of a job.
_Work = Callable[..., Any]
#: What is called in a copy first, with what tells that it is to end its work.
_Become = Callable[[Callable[[], bool]], None]
_Job = tuple[Future[Any], tuple[Any, ...]]


#: Seconds that a copy has to end its work: one asks whether to every few milliseconds.
_GRACE = 2.0


class Copies:
    """A crew of copies of this process (`Crew`).

    Each has a pipe to this process that nobody else has, and no lock is shared: one that is killed, at whatever
    instruction and in the middle of an answer, is an end of its pipe, and takes nobody with it.

    Args:
        size: how many processes, at most: the host may not have room for all.
        work: what each does, with the arguments of `submit`.
        become: called in each first, with what tells that it is to end its work.
    """

    def __init__(self, size: int, work: _Work, become: _Become) -> None:
        #: Which of the jobs that wait one does next, by their arguments and by those of its last job; None: of none.
        self.choose: Callable[[Sequence[tuple[Any, ...]], tuple[Any, ...] | None], int] = lambda waiting, last: 0
        self._stop = SharedFlag()
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._dismissed = False
        self._processes: list[ForkProcess] = []
        pipes = self._started(size, work, become)
        self.size = len(pipes)
        self._living = len(pipes)
        # Only now: a thread that holds a lock while others are made would leave it locked in them.
        self._threads = [threading.Thread(target=self._serve, args=(pipe,), daemon=True) for pipe in pipes]
        for thread in self._threads:
            thread.start()

    def submit(self, *arguments: Any) -> Future[Any]:
        """Let one of them do the work.

        Raises:
            BrokenExecutor: none is left.
        """
        future: Future[Any] = Future()
        with self._changed:
            if not self._living:
                raise BrokenExecutor("all copies of the process were ended")
            self._jobs.append((future, arguments))
            self._changed.notify()
        return future

    def ask(self, start: int, end: int) -> Future[Any]:
        """Let one of them do the work on a stretch."""
        return self.submit(start, end)

    def dismiss(self) -> None:
        """End all that they do, and them. One that does not hear of it, since somebody has stopped it, is killed."""
        self._stop.set()
        with self._changed:
            self._dismissed = True
            self._changed.notify_all()
        deadline = time.monotonic() + _GRACE
        for process in self._processes:
            process.join(max(deadline - time.monotonic(), 0))
            if process.is_alive():
                process.kill()
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            process.join()
            process.close()
        self._processes.clear()
        self._give_up_jobs()

    def _started(self, size: int, work: _Work, become: _Become) -> list[Connection]:
        """Make the copies; our ends of their pipes."""
        context = multiprocessing.get_context("fork")
        ours: list[Connection] = []
        for _ in range(size):
            try:
                near, far = context.Pipe()
            except OSError:
                break  # as many as there is room for
            arguments = (far, [*ours, near], self._stop, work, become, os.getpid())
            process = context.Process(target=_live, args=arguments, daemon=True)
            # A signal between its first instruction and its being a helper would be taken for one to this process.
            signals = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
            try:
                process.start()
            except OSError:
                near.close()
                break
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, signals)
                far.close()
            self._processes.append(process)
            ours.append(near)
        return ours

    # --- in a thread for each -------------------------------------------------------------------
    def _serve(self, pipe: Connection) -> None:
        """Give one of them jobs until it, or the crew, is no more."""
        last: tuple[Any, ...] | None = None
        with pipe:
            while (job := self._next(last)) is not None:
                future, arguments = job
                if not future.set_running_or_notify_cancel():
                    continue
                last = arguments
                try:
                    pipe.send(arguments)
                    failed, answer = pipe.recv()
                except (OSError, EOFError):
                    self._lost(future)
                    return
                except Exception as error:  # what cannot be pickled: nobody must wait for it for ever
                    future.set_exception(error)
                    continue
                if failed:
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _next(self, last: tuple[Any, ...] | None) -> _Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._dismissed)
            if self._dismissed:
                return None
            job = self._jobs[self.choose([arguments for _, arguments in self._jobs], last)]
            self._jobs.remove(job)
            return job

    def _lost(self, future: Future[Any]) -> None:
        with self._changed:
            self._living -= 1
            living = self._living
        future.set_exception(BrokenExecutor("a copy of the process was ended"))
        if not living:
            self._give_up_jobs()

    def _give_up_jobs(self) -> None:
        """Nobody will do what waits."""
        with self._changed:
            jobs = list(self._jobs)
            self._jobs.clear()
        for future, _ in jobs:
            if future.set_running_or_notify_cancel():
                future.set_exception(BrokenExecutor("the copies of the process are no more"))


def _live(
    pipe: Connection, others: Sequence[Connection], stop: SharedFlag, work: _Work, become: _Become, parent: int
) -> None:
    """What a copy does: jobs, as they come, until its pipe or its parent is gone.

    Args:
        pipe: its own.
        others: ends of pipes that are not its business: open here they would hide that their owner is gone.
        stop: set: end the work.
        work: does a job.
        become: called first.
        parent: process number.
    """
    become_helper(parent)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
    for other in others:
        other.close()
    logging.disable(logging.WARNING)  # the process that this one is a copy of says it
    try:
        become(stop.is_set)
    except Exception:
        return  # one helper less
    while True:
        try:
            arguments = pipe.recv()
        except (OSError, EOFError):
            return
        try:
            answer = (False, work(*arguments))
        except Exception as error:
            answer = (True, error)
        try:
            pipe.send(answer)
        except OSError:
            return
        except Exception as error:  # it cannot be pickled, and nothing of it was sent
            pipe.send((True, RuntimeError(f"an answer could not be sent: {error!r}")))
