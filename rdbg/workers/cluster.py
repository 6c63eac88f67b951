"""Pieces of questions, handed to a dask.distributed cluster."""

from __future__ import annotations

import importlib.metadata
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from rdbg.analysis.in_one_process import in_this_process
from rdbg.analysis.question import Piece, PiecePool, PieceQuestion
from rdbg.errors import RdbgError, UsageError
from rdbg.host.messages import say
from rdbg.host.progress import Progress
from rdbg.timeline import QuestionInterrupted, Timeline
from rdbg.workers.carried_recording import CHUNK_BYTES, CarriedRecording, ready_to_carry
from rdbg.workers.cluster_worker import (
    ALIKE_PACKAGES,
    ClusterJob,
    alike_versions,
    answer_job,
    refuse_other_version,
    take_chunk,
)
from rdbg.workers.pooled_pieces import PIECE_SECONDS, PieceAnswer, PooledPieces

#: Seconds that a scheduler may take to answer.
_CONNECT_SECONDS = 5.0
#: Seconds that a cluster may be without workers before a question is given up.
_EMPTY_SECONDS = 30.0
_LOOK_SECONDS = 1.0
#: Workers that the recording is brought to at once.
_BROUGHT_AT_ONCE = 4
_LONGEST_REASON = 200
_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+/?")


@contextmanager
def cluster_pool(
    address: str,
    recording: str,
    timeline: Timeline,
    interrupted: Callable[[], bool],
    progress: Progress,
    seconds: float = PIECE_SECONDS,
) -> Iterator[PiecePool]:
    """A pool of a cluster's workers.

    Args:
        address: the scheduler's, as tcp://HOST:PORT or tls://HOST:PORT.
        recording: the journal of the run.
        timeline: the run, here.
        interrupted: polled; True ends a question.
        progress: told how far a question has come.
        seconds: replay that a piece has at least.

    Raises:
        RdbgError: the scheduler cannot be reached, or its workers are of no use.
    """
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"--scheduler {address}: not an address of a scheduler; write it as tcp://HOST:PORT")
    client = _connected(address)
    try:
        size = len(_workers(client, address))
    finally:
        client.close()
    with ExitStack() as kept:

        @cache
        def ready() -> tuple[CarriedRecording, Path]:
            return kept.enter_context(ready_to_carry(recording))

        alone = in_this_process(timeline, interrupted, progress)
        # With one worker, too, the work is for the cluster: two pieces are with it at a time.
        size = max(size, 2)
        yield PooledPieces(
            timeline, alone, lambda: _ClusterHands(address, *ready()), size, interrupted, progress, seconds
        )


def _connected(address: str) -> Any:
    try:
        import distributed
    except ImportError as error:
        raise UsageError(
            "--scheduler needs the package distributed, which is not here; pip install 'rdbg[cluster]'"
        ) from error
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what it has to say ends in a line of rdbg's
    connect: Any = distributed.Client
    try:
        return connect(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except Exception as error:
        raise RdbgError(
            f"{address}: no scheduler of dask can be reached there ({_reason(error)}); start one with: dask scheduler"
        ) from error


def _workers(client: Any, address: str) -> dict[str, int]:
    """Threads of each worker, all of which can be used.

    Raises:
        RdbgError: there is none, or one cannot be used.
    """
    try:
        threads: dict[str, int] = client.nthreads()
        if not threads:
            raise RdbgError(f"{address}: this cluster has no workers; start some with: dask worker {address}")
        for package, here in zip(ALIKE_PACKAGES, alike_versions(), strict=True):
            found = client.run(importlib.metadata.version, package, workers=list(threads), on_error="return")
            there = {f"worker {worker}": answer for worker, answer in found.items()}
            try:
                there[f"scheduler {address}"] = client.run_on_scheduler(importlib.metadata.version, package)
            except importlib.metadata.PackageNotFoundError as error:
                there[f"scheduler {address}"] = error
            for who, answer in there.items():
                if isinstance(answer, str | importlib.metadata.PackageNotFoundError):  # else it was lost just now
                    refuse_other_version(who, package, answer if isinstance(answer, str) else "", here)
    except RdbgError:
        raise
    except Exception as error:
        raise RdbgError(f"{address}: the cluster does not answer ({_reason(error)}); look at its log") from error
    return threads


class _ClusterHands:
    """A cluster's workers, as hands."""

    def __init__(self, address: str, carried: CarriedRecording, folder: Path) -> None:
        self._address = address
        self._carried = carried
        self._folder = folder
        self._versions = alike_versions()
        self._sender = f"rdbg-{uuid.uuid4().hex}"
        self._given: set[Future[PieceAnswer]] = set()
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self._client = _connected(address)
        try:
            threads = _workers(self._client, address)
            self._client.subscribe_topic(self._sender, self._asked_for)
        except BaseException:
            self._client.close()
            raise
        if any(number > 1 for number in threads.values()):
            say(
                f"{address}: its workers have several threads, and answer one piece at a time in each process; "
                "more cores are used with: dask worker --nworkers -1 --nthreads 1"
            )
        self.size = len(threads)
        self._bringing = ThreadPoolExecutor(_BROUGHT_AT_ONCE, "bring")
        self._executor = self._client.get_executor(pure=False)
        threading.Thread(target=self._look_after, name="cluster", daemon=True).start()

    @property
    def stay(self) -> bool:
        return False

    def submit(self, question: PieceQuestion[Any], piece: Piece, newest_first: bool) -> Future[PieceAnswer]:
        job = ClusterJob(self._carried, self._sender, self._versions, question, piece, newest_first)
        future: Future[PieceAnswer] = Future()
        with self._lock:
            self._given.add(future)

        def done(answered: Future[PieceAnswer]) -> None:
            error: BaseException
            try:
                self._end(future, answered.result())
                return
            except (CancelledError, RdbgError, QuestionInterrupted) as told:
                error = told
            except Exception as lost:
                error = self._failure(lost, piece)
            self._end(future, error)

        self._executor.submit(answer_job, job).add_done_callback(done)
        return future

    def dismiss(self) -> None:
        self._gone.set()
        self._bringing.shutdown(wait=False, cancel_futures=True)
        try:
            self._executor.shutdown(wait=False)
        except Exception:
            pass  # a scheduler that is not there any more has nothing to cancel
        finally:
            self._client.close()

    def _end(self, future: Future[PieceAnswer], outcome: PieceAnswer | BaseException) -> None:
        with self._lock:
            if future not in self._given:
                return
            self._given.discard(future)
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _fail(self, error: RdbgError) -> None:
        with self._lock:
            given = list(self._given)
        for future in given:
            self._end(future, error)

    def _failure(self, error: BaseException, piece: Piece) -> RdbgError:
        if type(error).__name__ == "KilledWorker":
            return RdbgError(
                f"{self._address}: one worker after another was lost at the piece from {piece.start} to {piece.end} "
                "(is their memory full?); look at their logs"
            )
        return RdbgError(f"{self._address}: a worker failed ({_reason(error)}); look at its log")

    def _look_after(self) -> None:
        """Give up when there is nobody left who could answer."""
        seen = time.monotonic()
        while not self._gone.wait(_LOOK_SECONDS):
            try:
                workers = self._client.nthreads()
            except Exception:
                continue  # a scheduler that was lost: what was given ends as cancelled
            if workers:
                seen = time.monotonic()
            elif time.monotonic() - seen > _EMPTY_SECONDS:
                self._fail(RdbgError(f"{self._address}: all workers of this cluster are gone; start some again"))

    def _asked_for(self, event: tuple[float, Any]) -> None:
        if not self._gone.is_set():
            self._bringing.submit(self._bring, event[1])

    def _bring(self, worker: str) -> None:
        """Send the recording's files to a worker, a chunk after another."""
        try:
            for file in self._carried.files:
                with open(self._folder / file.name, "rb") as source:
                    left = file.size
                    while left and not self._gone.is_set():
                        data = source.read(min(CHUNK_BYTES, left))
                        if not data:
                            raise RdbgError(f"{self._carried.path}: became shorter while it was sent; ask again")
                        left -= len(data)
                        self._client.run(take_chunk, self._carried.key, self._sender, file.name, data, workers=[worker])
        except RdbgError as error:
            self._fail(error)
        except Exception as error:
            if not self._gone.is_set() and self._is_there(worker):
                self._fail(
                    RdbgError(f"{self._address}: the recording cannot be brought to {worker} ({_reason(error)})")
                )

    def _is_there(self, worker: str) -> bool:
        """Whether a worker is not lost: what it was given, others do."""
        try:
            return worker in self._client.nthreads()
        except Exception:
            return False


def _reason(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
