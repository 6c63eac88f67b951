"""Many runs of one guest on all cores, each with a seed of its own."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import field
from itertools import islice
from pathlib import Path

from rdbg.chaos import worker
from rdbg.chaos.plan import Plan
from rdbg.chaos.runner import Outcome
from rdbg.chaos.worker import Result
from rdbg.errors import RdbgError
from rdbg.host.interrupts import on_ending_signals
from rdbg.host.shared_flag import SharedFlag
from rdbg.quick_dataclass import dataclass

#: Seconds between two looks at signals while runs take long.
_LOOK_SECONDS = 0.1
#: For workers to stop by themselves after a signal: they look many times a second.
_GRACE_SECONDS = 5.0
#: Runs handed out ahead, for each process: enough that none waits for its next.
_AHEAD = 3


@dataclass(frozen=True)
class Keeping:
    """Which runs that fail become recordings, and where.

    Args:
        folder: made when the first one is kept.
        all: every one; False: the first of each outcome.
    """

    folder: Path
    all: bool = False

    def path(self, seed: int) -> Path:
        """The recording of a seed."""
        return self.folder / f"seed-{seed}"


@dataclass
class Summary:
    """What came of a campaign.

    Args:
        first: seed of the first run.
        runs: that came to their end.
        failures: of these.
        outcomes: how often each was met.
        failed: seed and outcome of each run that failed, by seed.
        kept: recordings, by seed.
        signal: that ended it early; 0: none did.
    """

    first: int
    runs: int = 0
    failures: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    failed: dict[int, Outcome] = field(default_factory=dict)
    kept: dict[int, Path] = field(default_factory=dict)
    signal: int = 0

    def add(self, result: Result) -> bool:
        """Count a run; whether it is the first that failed in its way."""
        outcome = result.outcome
        if outcome is None:
            return False
        self.runs += 1
        new = outcome.way not in self.outcomes
        self.outcomes[outcome.way] = self.outcomes.get(outcome.way, 0) + 1
        if outcome.failed:
            self.failures += 1
            self.failed[result.seed] = outcome
        return new and bool(outcome.failed)


class Campaign:
    """Runs seed after seed on several processes.

    Args:
        plan: what is run.
        keeping: which failures are kept.
        jobs: processes.
        told: called after each run, with what is known by then.
    """

    def __init__(self, plan: Plan, keeping: Keeping, jobs: int, told: Callable[[Summary], None]) -> None:
        self._plan = plan
        self._keeping = keeping
        self._jobs = jobs
        self._told = told
        # A fork has all modules loaded already, which is most of what a worker needs to start.
        self._context = multiprocessing.get_context("fork")
        self._stop = SharedFlag()

    def run(self, first: int, count: int, until_failure: bool = False) -> Summary:
        """Run ``count`` seeds from ``first`` on. SIGINT, SIGTERM and SIGHUP end it: what was kept stays.

        Args:
            first: seed of the first run.
            count: of runs.
            until_failure: the first run that fails ends it.

        Raises:
            RdbgError: a recording cannot be written, the guest not loaded, or a process has died.
        """
        summary = Summary(first)
        pool = ProcessPoolExecutor(
            min(self._jobs, count), self._context, worker.begin, (self._plan, self._stop, os.getpid())
        )

        def note(number: int) -> None:
            summary.signal = number
            self._stop.set()

        with on_ending_signals(note):
            try:
                self._drive(pool, summary, iter(range(first, first + count)), until_failure)
            except BrokenProcessPool:
                if summary.signal:
                    return summary  # it was meant for all of them
                raise RdbgError(
                    "a process that ran the guest has died (was it killed, or is the host's memory full?); use fewer "
                    "at a time with --jobs"
                ) from None
            finally:
                self._stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                if summary.signal:
                    _kill_the_deaf()
                pool.shutdown()
        return summary

    def _drive(self, pool: ProcessPoolExecutor, summary: Summary, seeds: Iterator[int], until_failure: bool) -> None:
        ahead = self._jobs * _AHEAD
        running: set[Future[Result]] = {pool.submit(worker.run_seed, seed) for seed in islice(seeds, ahead)}
        early: dict[int, Result] = {}  # runs that ended before one with a lower seed
        following = summary.first
        keeping: dict[Future[Result], int] = {}
        while running or keeping:
            done, _ = wait(running | set(keeping), _LOOK_SECONDS, FIRST_COMPLETED)
            if summary.signal:
                return
            for future in done & set(keeping):
                seed = keeping.pop(future)
                if future.result().outcome is not None:
                    summary.kept[seed] = self._keeping.path(seed)
            early |= {result.seed: result for result in (future.result() for future in done & running)}
            running -= done
            while following in early:
                # In the order of seeds: which run is the first that fails depends on these alone.
                result = early.pop(following)
                following += 1
                if (new := summary.add(result)) or self._keeping.all:
                    self._keep(pool, keeping, result)
                if new and until_failure:
                    for future in running:
                        future.cancel()
                    running, early, seeds = set(), {}, iter(())
            running |= {pool.submit(worker.run_seed, seed) for seed in islice(seeds, max(0, ahead - len(running)))}
            self._told(summary)

    def _keep(self, pool: ProcessPoolExecutor, keeping: dict[Future[Result], int], result: Result) -> None:
        if result.outcome is not None and result.outcome.failed:
            path = str(self._path(result.seed))
            keeping[pool.submit(worker.keep_seed, result.seed, path, result.outcome)] = result.seed

    def _path(self, seed: int) -> Path:
        try:
            self._keeping.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            folder = self._keeping.folder
            raise RdbgError(f"--keep {folder}: cannot make this folder: {error.strerror}; choose another") from error
        return self._keeping.path(seed)


def _kill_the_deaf() -> None:
    """End workers that do not hear that they are to stop: a regular expression may search for ever."""
    deadline = time.monotonic() + _GRACE_SECONDS
    for process in multiprocessing.active_children():
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
