"""Saving states to the recording's store beside the running guest."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from rdbg.checkpoints.checkpoint import Checkpoint
from rdbg.checkpoints.page_store import PageStore, PageTable
from rdbg.emu.state_digest import StateDigest
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.store.index_codec import PackedIndex, pack_index
from rdbg.store.notes import StoredOutputs
from rdbg.store.snapshot import SnapshotInfo
from rdbg.store.snapshot_store import SnapshotStore

_log = logging.getLogger("rdbg.snapshots")


@dataclass(frozen=True)
class Job:
    """Something to save.

    Args:
        state: becomes a periodic snapshot; None: only the index is saved. Its table is retained until the job comes
            back from `BackgroundWriter.collect`.
        virtual_ns: virtual time of the state.
        index: as it is to be kept; None: it stays as it was.
        outputs: what more is known of the run's output.
    """

    state: Checkpoint | None
    virtual_ns: int = 0
    index: PackedIndex | None = None
    outputs: Sequence[StoredOutputs] = ()


class BackgroundWriter:
    """A thread with a connection of its own to a snapshot store.

    Page versions never change, so the thread reads them while the guest runs; hashing, compression and SQLite leave
    Python's lock to the guest. One job at a time: who finds it busy comes again later.

    Args:
        path: of the store, which exists.
        budget: bytes for periodic snapshots.
        pages: where the states' pages are.
        base: a stored snapshot and the table that has its pages: the first job's state is saved as a difference to it.
    """

    def __init__(
        self, path: str, budget: int, pages: PageStore, base: tuple[SnapshotInfo, PageTable] | None = None
    ) -> None:
        self._path = path
        self._budget = budget
        self._pages = pages
        self._base = base
        self._kept: Job | None = None  # its state is the base
        self._digest = StateDigest()
        self._digested = pages.zero_table()  # whose pages are in it: of the state saved last
        self._jobs: deque[Job | None] = deque()
        self._done: deque[Job] = deque()
        self._changed = threading.Condition()
        self._pending = 0
        self._thread: threading.Thread | None = None
        self.seconds = 0.0  #: CPU time that the latest job took
        self.trouble: RdbgError | None = None  #: why nothing is saved any more
        self._list: Sequence[SnapshotInfo] | None = None
        self.listed: tuple[SnapshotInfo, ...] | None = None  #: what the store holds, as of the latest job

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._pending > 0

    def submit(self, job: Job) -> None:
        """Take a job. It belongs to the thread until `collect` gives it back."""
        with self._changed:
            if self._thread is None:
                # A daemon: a process that is told to end does not wait for it; the store is whole at any time.
                thread = threading.Thread(target=self._work, name="snapshots", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    self._give_up(RdbgError(f"{self._path}: saving failed: {error}"))
                    self._done.append(job)
                    return
                self._thread = thread
            self._jobs.append(job)
            self._pending += 1
            self._changed.notify_all()

    def collect(self) -> list[Job]:
        """Jobs that are over: the caller may release their tables."""
        done = []
        while self._done:
            done.append(self._done.popleft())
        return done

    def wait(self) -> None:
        """Wait until no job is under way."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending == 0)

    def close(self) -> None:
        """Do what was submitted, and end the thread."""
        with self._changed:
            if self._thread is None:
                return
            self._jobs.append(None)
            self._changed.notify_all()
        self._thread.join()
        self._thread = None

    # --- in the thread -------------------------------------------------------------------------
    def _work(self) -> None:
        store: SnapshotStore | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._jobs))
                job = self._jobs.popleft()
            if job is None:
                break
            began = time.thread_time()
            try:
                if self.trouble is None:
                    if store is None:
                        store = SnapshotStore.open(self._path, periodic_budget=self._budget)
                    self._save(store, job)
            except RdbgError as error:
                self._give_up(error)
            except MemoryError:
                self._give_up(RdbgError(f"{self._path}: there is no memory left to save a snapshot with"))
            except Exception as error:
                # A mistake of ours: whoever waits for this job must not wait for ever.
                _log.debug("saving to %s failed", self._path, exc_info=True)
                self._give_up(RdbgError(f"{self._path}: saving failed: {type(error).__name__}: {error}"))
            finally:
                self.seconds = time.thread_time() - began
                with self._changed:
                    if self._kept is not job:
                        self._done.append(job)
                    self._pending -= 1
                    self._changed.notify_all()
        if store is not None:
            store.close()

    def _give_up(self, error: RdbgError) -> None:
        self.trouble = error
        _log.warning("no more snapshots are kept for the next session: %s", error)

    def _save(self, store: SnapshotStore, job: Job) -> None:
        if job.state is not None:
            info = self._save_state(store, job, job.state)
            if self._kept is not None:
                self._done.append(self._kept)
            self._kept, self._base = job, (info, job.state.table)
            # What another session on the recording adds or deletes is found out when it is used.
            self._list = store.list() if self._list is None or store.thinned else [*self._list, info]
            self.listed = tuple(self._list)
        if job.index is not None:
            store.notes.put_index(pack_index(job.index.intervals, job.index.words, job.index.cleared))
        store.notes.put_outputs(job.outputs)

    def _save_state(self, store: SnapshotStore, job: Job, state: Checkpoint) -> SnapshotInfo:
        base, table = None, self._pages.zero_table()
        if self._base is not None and store.holds(self._base[0]):
            base, table = self._base
        return store.save(
            "",
            state.state,
            self._pages.contents(state.table, self._pages.changed(table, state.table)),
            virtual_ns=job.virtual_ns,
            entered=state.entered,
            output=state.output,
            digest=self._digest_of(state),
            base=base,
        )

    def _digest_of(self, state: Checkpoint) -> bytes:
        """The machine's digest, when it is restored."""
        for page, data in self._pages.contents(state.table, self._pages.changed(self._digested, state.table)):
            self._digest.put(page, data)
        self._digested = state.table
        return self._digest.of(state.state)
