"""States of a run that a replay can begin from: taking them, finding the nearest, standing there again."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rdbg.checkpoints.checkpoint import Checkpoint
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.emu.machine_api import MachineApi
from rdbg.errors import RdbgError
from rdbg.navigation.pace import MeasuredPace
from rdbg.navigation.stored import StoredStates
from rdbg.navigation.track import Track
from rdbg.store.snapshot import SnapshotInfo

_log = logging.getLogger("rdbg.snapshots")
_trace = logging.getLogger("rdbg.timeline")

#: Where a replay can begin.
Origin = Checkpoint | SnapshotInfo


class States:
    """States in memory and in the recording's store.

    Args:
        machine: stands on the track.
        keeper: the checkpoints.
        track: that the machine goes along.
        paced: how dense checkpoints stand.
        clock: seconds.
    """

    def __init__(
        self,
        machine: MachineApi,
        keeper: CheckpointKeeper,
        track: Track,
        paced: MeasuredPace,
        clock: Callable[[], float],
    ) -> None:
        self._machine = machine
        self._keeper = keeper
        self._paced = paced
        self._clock = clock
        self._pinned: Checkpoint | None = None  # where was looked closely last
        self._history, self._stored, self._output = track.history, track.stored, track.output

    def use(self, track: Track) -> None:
        """The machine goes along another run now."""
        self.pin(None)
        self._history, self._stored, self._output = track.history, track.stored, track.output

    def capture(self) -> Checkpoint:
        """The state here, for the caller to keep."""
        return self._keeper.capture(self._history.entered(self._machine.icount), self._output.mark)

    def checkpoint(self) -> None:
        """Make a checkpoint here."""
        began = self._clock()
        position = self._machine.icount
        self._keeper.take(self._history.entered(position), self._output.mark, max(self._history.end, position))
        _trace.debug("checkpoint at icount %d", position)
        self._paced.made_checkpoint(self._clock() - began)

    def checkpoint_if_far(self, distance: int) -> None:
        """Make a checkpoint here unless the replay to here takes at most ``distance`` instructions."""
        position = self._machine.icount
        if position - self._in_memory(position).position > distance:
            self.checkpoint()

    def checkpoint_regularly(self) -> None:
        """Make a checkpoint here if one is due, and end an interval of the index."""
        self._keeper.look(self._paced.interval)
        position, spacing = self._machine.icount, self._paced.spacing
        if position - self._in_memory(position).position < spacing:
            return
        following = self._keeper.checkpoints.next(position)
        if following is None or following.position - position > spacing // 2:
            self.checkpoint()

    def latest(self, position: int) -> Origin:
        """The latest state at or before ``position`` that can be restored, in memory or on disk."""
        found = self._in_memory(position)
        if self._pinned is not None and found.position < self._pinned.position <= position:
            found = self._pinned
        info = self._stored.latest(position)
        # Reading pages from disk takes as long as some replay does.
        if info is not None and info.position - found.position > self._paced.spacing // 2:
            return info
        return found

    def restore(self, origin: Origin) -> None:
        """Stand where a state was taken, with the inputs entered that had entered then.

        `catch_up` makes up for later ones (a debugger's write, a byte for an idle CPU). If a stored state is damaged,
        the machine stands at an earlier one.
        """
        while isinstance(origin, SnapshotInfo):
            try:
                checkpoint = self.restore_stored(origin)
            except RdbgError as error:
                _log.warning("%s; an earlier state is used", error)
                self._stored.discard(origin)
                origin = self.latest(origin.position)
                continue
            self._keeper.adopt(checkpoint, self._history.end)
            return
        self._put_back(origin)

    def restore_stored(self, info: SnapshotInfo, stored: StoredStates | None = None) -> Checkpoint:
        """Stand where a stored state was taken; gives it to the caller, with its table.

        Args:
            info: the state.
            stored: those that it is one of; None: of the run at hand. A branch has none of its own, and may share the
                past that it is of.

        Raises:
            RdbgError: it is gone or damaged, or not of this machine, which stands anywhere then.
        """
        loaded = (stored or self._stored).load(info)
        try:
            self._put_back(loaded.checkpoint)
            self._machine.know_page_digests(loaded.digests.copy())
            info.check(self._machine.digest())
        except RdbgError:
            self._keeper.store.release(loaded.checkpoint.table)
            raise
        return loaded.checkpoint

    def _put_back(self, checkpoint: Checkpoint) -> None:
        self._keeper.restore(checkpoint.state, checkpoint.table)
        self._history.seek(checkpoint.position, checkpoint.entered)
        self._output.mark = checkpoint.output

    def _in_memory(self, position: int) -> Checkpoint:
        found = self._keeper.checkpoints.latest(position)
        if found is None:
            raise RdbgError(f"icount {position} is before the start of this run")
        return found

    def pin(self, checkpoint: Checkpoint | None) -> None:
        """Keep one state beside all that memory allows, in place of the one before."""
        if self._pinned is not None:
            self._keeper.store.release(self._pinned.table)
        self._pinned = checkpoint
