"""What a process of a dask.distributed cluster does: it has the recording brought, opens it, and answers pieces."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rdbg.analysis.question import Piece, PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.session.options import silent_replay
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.timeline import QuestionInterrupted
from rdbg.workers.carried_recording import ArrivingFiles, CarriedRecording, part_folder, put_chunk
from rdbg.workers.pooled_pieces import PieceAnswer, parts_of

#: Packages of which all processes must have the same version: they make what a replay is.
ALIKE_PACKAGES = ("rdbg", "unicorn")
_FOLDER = "rdbg"
#: Recordings that a worker keeps beside the one that was asked last.
_KEPT = 2
#: Bytes that the checkpoints of a worker may take.
_CHECKPOINT_MEMORY = 256 << 20
#: Seconds after which a recording that nobody asks is closed.
_IDLE_SECONDS = 60.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class ClusterJob:
    """A piece that a worker is given.

    Args:
        carried: the recording.
        sender: whom to ask for it: the topic of events that the sender listens to.
        versions: those of `ALIKE_PACKAGES` where the question is asked.
        question: what is asked.
        piece: the stretch.
        newest_first: the order of the answer.
    """

    carried: CarriedRecording
    sender: str
    versions: tuple[str, ...]
    question: PieceQuestion[Any]
    piece: Piece
    newest_first: bool


def alike_versions() -> tuple[str, ...]:
    """Versions of `ALIKE_PACKAGES` here; empty for one that is not installed."""
    found = []
    for package in ALIKE_PACKAGES:
        try:
            found.append(version(package))
        except PackageNotFoundError:
            found.append("")
    return tuple(found)


def refuse_other_version(who: str, package: str, there: str, here: str) -> None:
    """Refuse a process whose replays may be others.

    Args:
        who: the process.
        package: one of `ALIKE_PACKAGES`.
        there: its version in that process; empty: not installed.
        here: its version where the question is asked.

    Raises:
        RdbgError: they differ.
    """
    if there != here:
        has = f"has {package} {there}" if there else f"has no {package}"
        raise RdbgError(f"{who} {has}, and here it is {here}; install the same version of rdbg[cluster] there")


def answer_job(job: ClusterJob) -> PieceAnswer:
    """What a piece has to say: a task of dask's.

    Raises:
        RdbgError: the recording cannot be used here, or what the question raises.
        QuestionInterrupted: nobody waits for it any more.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    for package, there, here in zip(ALIKE_PACKAGES, alike_versions(), job.versions, strict=True):
        refuse_other_version(f"worker {worker.address}", package, there, here)

    def ended() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled" or worker.status.name in ("closing", "closed", "failed")

    def bring() -> None:
        worker.log_event(job.sender, worker.address)

    return _MACHINE.answer(job, Path(worker.local_directory) / _FOLDER, ended, bring)


def take_chunk(key: str, sender: str, name: str, data: bytes, dask_worker: Any = None) -> None:
    """Bytes of a file that was asked for, called by the sender, in their order."""
    put_chunk(part_folder(Path(dask_worker.local_directory) / _FOLDER, key, sender), name, data)


class _Machine:
    """The machine of this process: one at a time, moved by a thread of its own, which no other work waits behind."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "rdbg")
        self._session: Session | None = None
        self._key = ""
        self._asked = 0

    def answer(
        self, job: ClusterJob, folder: Path, ended: Callable[[], bool], bring: Callable[[], None]
    ) -> PieceAnswer:
        """Answer a piece; see `answer_job`."""
        return self._thread.submit(self._answer, job, folder, ended, bring).result()

    def _answer(
        self, job: ClusterJob, folder: Path, ended: Callable[[], bool], bring: Callable[[], None]
    ) -> PieceAnswer:
        self._asked += 1
        if ended():
            raise QuestionInterrupted
        try:
            if self._session is None or self._key != job.carried.key:
                self._close()
                self._session = self._open(job, folder, ended, bring)
                self._key = job.carried.key
            timeline = self._session.timeline
            return parts_of(job.question, lambda: ReplayedRun(timeline, ended), job.piece, job.newest_first)
        except QuestionInterrupted:
            raise
        except BaseException:
            self._close()  # the next piece finds a machine that nothing has happened to
            raise
        finally:
            idle = threading.Timer(_IDLE_SECONDS, self._close_later, (self._asked,))
            idle.daemon = True
            idle.start()

    def _open(self, job: ClusterJob, folder: Path, ended: Callable[[], bool], bring: Callable[[], None]) -> Session:
        if job.carried.is_in_place():
            with contextlib.suppress(RdbgError):  # an image that is not beside it: it is carried, too
                return self._session_on(Path(job.carried.path))
        return self._session_on(_brought(job, folder, ended, bring))

    def _session_on(self, journal: Path) -> Session:
        session = Session(silent_replay(journal), Surroundings(terminal=False))
        session.timeline.copies.become(_CHECKPOINT_MEMORY, lambda: False)
        return session

    def _close_later(self, asked: int) -> None:
        with contextlib.suppress(RuntimeError):  # the process ends
            self._thread.submit(self._close_unless_asked, asked)

    def _close_unless_asked(self, asked: int) -> None:
        if self._asked == asked:
            self._close()

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _brought(job: ClusterJob, folder: Path, ended: Callable[[], bool], bring: Callable[[], None]) -> Path:
    """The journal, once it is here."""
    files = ArrivingFiles(folder, job.carried, job.sender)
    try:
        if files.journal is None:
            files.expect()
            bring()
            while not files.have_come():
                if ended():
                    raise QuestionInterrupted
                time.sleep(_LOOK_SECONDS)
        assert files.journal is not None
        files.journal.parent.touch()
        for old in sorted(folder.iterdir(), key=lambda each: -each.stat().st_mtime)[1 + _KEPT :]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise RdbgError(f"{folder}: cannot keep the recording there: {error.strerror}") from error
    return files.journal


#: One for each process: what it has open lives as long as it does, whoever asks.
_MACHINE = _Machine()
