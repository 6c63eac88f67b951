"""A run's use of a recording's store: what is found there, and what is kept there for other sessions."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.state_digest import StateDigest
from rdbg.errors import RdbgError
from rdbg.navigation.branches import Branches
from rdbg.navigation.kept_branches import KeptBranches
from rdbg.navigation.periodic import PeriodicSnapshots
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.stored import StoredStates
from rdbg.store.snapshot_store import SnapshotStore


class RunStore:
    """Where a run's snapshots go, and come from.

    Args:
        replayer: the machine on its history.
        stored: states of the run itself.
        branches: of the run.
        kept: those in the store.
        initial: name of the snapshot that the recording starts from, or empty.
        budget: bytes that periodic snapshots may take in the store; 0: none are made.
        clock: host seconds.
    """

    def __init__(
        self,
        replayer: Replayer,
        stored: StoredStates,
        branches: Branches,
        kept: KeptBranches,
        initial: str,
        budget: int,
        clock: Callable[[], float],
    ) -> None:
        self._replayer = replayer
        self._stored = stored
        self._branches = branches
        self._kept = kept
        self._initial = initial
        self._budget = budget
        self._clock = clock
        self._periodic: PeriodicSnapshots | None = None

    def save_initial(self) -> None:
        """Keep the state here as what the recording starts from.

        Raises:
            RdbgError: it cannot be written.
        """
        try:
            snapshots = self._branches.current.snapshots
            snapshots.save(self._initial, self._replayer.states.capture(), self._replayer.machine, initial=True)
        except RdbgError as error:
            raise RdbgError(f"Could not create snapshot for icount record: {error}") from error

    def use(self, store: SnapshotStore | None) -> None:
        """Keep snapshots in this store from now on: the recording's files were put in place and opened anew."""
        self._stored.store = store
        if store is None:
            return
        history, keeper = self._replayer.history, self._replayer.keeper
        info = store.find(self._initial)
        first = keeper.checkpoints.latest(history.start)
        base = None if info is None or first is None else (info, first.table)
        if base is not None:
            # A live run may have gone on, or been written to, since then.
            digests = StateDigest() if history.live else self._replayer.machine.page_digests()
            if history.live:
                pages = keeper.store
                for page, data in pages.contents(base[1], pages.changed(pages.zero_table(), base[1])):
                    digests.put(page, data)
            self._stored.know(*base, digests)
        self._stored.update(store.list())
        if not history.live:
            notes = store.notes
            self._replayer.output.log.load(notes.outputs(), notes.output_data, history.end)
            self._kept.load()
        if self._budget and store.writable:
            self._periodic = PeriodicSnapshots(self._replayer, store.path, self._budget, base, self._clock)
            self._replayer.saver = self._periodic

    def adopt(self, store: SnapshotStore, initial: str) -> None:
        """Keep snapshots there from now on, where all are already: the run is about to be recorded; see
        `LateRecording`.

        Raises:
            RdbgError: it cannot be read; `leave` takes it back.
        """
        self._initial = initial
        self.use(store)
        self._branches.main.snapshots.adopt(store)

    def leave(self) -> None:
        """Take `adopt` back: the run cannot be recorded after all."""
        self._initial = ""
        self.look_only()
        self._stored.forget()
        self._branches.main.snapshots.adopt(None)

    def wait(self) -> None:
        """Nothing is to be half done in another thread."""
        if self._periodic is not None:
            self._periodic.wait()

    def look_only(self) -> None:
        """Make no snapshots any more, without writing down what is under way."""
        self._replayer.saver = self._periodic = None

    def close(self) -> None:
        """Write down what makes the next session quick, and make no snapshots any more."""
        periodic = self._periodic
        self.look_only()
        if periodic is not None:
            periodic.close()
