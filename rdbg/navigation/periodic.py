"""Periodic snapshots: states that go to the recording's store while the guest runs, for the next session."""

from __future__ import annotations

import time
from collections.abc import Callable

from rdbg.checkpoints.checkpoint import Checkpoint
from rdbg.checkpoints.page_store import PageTable
from rdbg.navigation.replayer import Replayer
from rdbg.store.background_writer import BackgroundWriter, Job
from rdbg.store.index_codec import PackedIndex
from rdbg.store.snapshot import SnapshotInfo

#: The spacing of snapshots is at least the run's length so far divided by this: their number, and all that is ever
#: written, grow with the logarithm of the run.
_PER_RUN = 1024
#: Seconds of CPU time that the writer leaves for each that it takes.
_IDLE_PARTS = 3
#: Seconds of replay between two states for each second of CPU time that the writer took for one: states that are cheap
#: to keep, as those of a loop that writes a few pages, lie closer together.
_EFFORT_PARTS = 10
#: Least seconds between two savings of the index, which is written as a whole.
_INDEX_SECONDS = 5.0


class PeriodicSnapshots:
    """Decides when a state goes to the store, and keeps the list of stored states up to date.

    In a live run every state is the truth. A replay saves states only where their recorded digest was just compared: a
    replay that diverged must not leave states for later ones.

    Args:
        replayer: the machine on its history; its stored states have a store that can be written.
        path: of the store.
        budget: bytes that periodic snapshots may take.
        base: a stored snapshot and the table with its pages, or None.
        clock: seconds.
        effort: seconds of CPU time of the thread that runs the guest.
    """

    def __init__(
        self,
        replayer: Replayer,
        path: str,
        budget: int,
        base: tuple[SnapshotInfo, PageTable] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        effort: Callable[[], float] = time.thread_time,
    ) -> None:
        self._replayer = replayer
        self._pages = replayer.keeper.store
        if base is not None:
            self._pages.retain(base[1])
        self._writer = BackgroundWriter(path, budget, self._pages, base)
        self._clock = clock
        self._effort = effort
        self._spent = effort()  # when the latest state was taken
        self._next_time = clock() + replayer.paced.pace.least_snapshot_seconds
        self._next_index = clock() + _INDEX_SECONDS
        self._live = replayer.history.live
        self._closed = False

    def consider(self) -> None:
        """The machine stands at a position: save it if it is time."""
        pace = self._replayer.paced.pace
        if self._closed or self._writer.busy or (pace.snapshot_spacing is None and self._clock() < self._next_time):
            return
        self._collect()
        if self._writer.trouble is None and self._replayer.agreement.verified and self._wanted():
            self._submit(self._replayer.states.capture(), self._replayer.machine.virtual_ns)

    def close(self) -> None:
        """Save the end of the run, if it is known, and the index; then end the writer."""
        if self._closed:
            return
        self._closed = True
        if not self._replayer.agreement.diverged and self._writer.trouble is None:
            self._writer.wait()
            self._collect()
            self._save_end()
            outputs = self._replayer.output.log.unsaved()
            self._writer.submit(Job(None, index=self._index(), outputs=outputs))
        self._writer.close()
        self._collect()

    def wait(self) -> None:
        """Wait until what is under way is in the store."""
        self._writer.wait()
        self._collect()

    def _save_end(self) -> None:
        """A live run's end must not need a replay: save the latest state there is."""
        replayer = self._replayer
        end = replayer.history.end
        latest: Checkpoint | None
        if replayer.machine.icount >= end:
            if not replayer.agreement.verified:
                return
            latest = replayer.states.capture()
        else:
            latest = replayer.keeper.checkpoints.latest(end)
            if latest is None or not self._live:
                return
            self._pages.retain(latest.table)
        stored = replayer.stored.latest(latest.position)
        if stored is not None and stored.position == latest.position and stored.entered == latest.entered:
            self._pages.release(latest.table)
            return
        now_ns = replayer.machine.virtual_ns if replayer.machine.icount == latest.position else 0
        self._writer.submit(Job(latest, now_ns))

    def _wanted(self) -> bool:
        replayer = self._replayer
        position, history = replayer.machine.icount, replayer.history
        gap = replayer.paced.pace.snapshot_spacing
        if gap is None:
            gap = (position - history.start) // _PER_RUN
            if not history.live or position < history.end:
                gap = max(gap, int(replayer.paced.speed * self._seconds_between()))
            elif self._effort() - self._spent < self._seconds_between():
                return False  # a replay of this takes about as long, however fast or slow these instructions are
        before, after = replayer.stored.latest(position), replayer.stored.next(position)
        if before is not None and position - before.position < gap:
            # The end is worth a state of its own: people go there first.
            return not history.live and before.position < position == history.end
        return position - history.start >= gap and (after is None or after.position - position >= gap // 2)

    def _seconds_between(self) -> float:
        """Seconds of replay from one state to the next, by what the latest one cost the writer."""
        pace = self._replayer.paced.pace
        if self._writer.seconds == 0:  # none yet
            return pace.snapshot_seconds
        return min(max(pace.least_snapshot_seconds, _EFFORT_PARTS * self._writer.seconds), pace.snapshot_seconds)

    def _submit(self, state: Checkpoint, virtual_ns: int) -> None:
        self._spent = self._effort()
        index: PackedIndex | None = None
        if self._clock() >= self._next_index or self._replayer.paced.pace.snapshot_spacing is not None:
            index = self._index()
            self._next_index = self._clock() + _INDEX_SECONDS
        self._writer.submit(Job(state, virtual_ns, index, self._replayer.output.log.unsaved()))

    def _index(self) -> PackedIndex:
        index = self._replayer.keeper.index
        return PackedIndex(tuple(index), tuple(index.words), tuple(index.cleared.conditions()))

    def _collect(self) -> None:
        """Take back what the writer is done with."""
        done = self._writer.collect()
        for job in done:
            if job.state is not None:
                self._pages.release(job.state.table)
        if self._writer.listed is not None:
            self._replayer.stored.update(self._writer.listed)
            self._writer.listed = None
        if done:
            self._next_time = self._clock() + _IDLE_PARTS * self._writer.seconds
