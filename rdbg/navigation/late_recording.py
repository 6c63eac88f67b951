"""A live run that nobody recorded becomes a recording after all: what of its past is written down."""

from __future__ import annotations

from rdbg.errors import UsageError
from rdbg.history.long_logs import RecordedLog
from rdbg.journal.writer import JournalWriter
from rdbg.navigation.branches import SCRATCH, Branches
from rdbg.navigation.places import Places
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.snapshots import write_state
from rdbg.store.snapshot_store import SnapshotStore

#: Name of the snapshot that a recording starts from.
_INITIAL = "init"


class LateRecording:
    """Writes down all that is known of a run, and lets it go on as a recording. Between the two the files are put in
    place, and the run uses the store among them (`RunStore.adopt`).

    Args:
        branches: of the run.
        replayer: the machine on its history.
        places: has bookmarks.
    """

    def __init__(self, branches: Branches, replayer: Replayer, places: Places) -> None:
        self._branches = branches
        self._replayer = replayer
        self._places = places

    def require(self) -> str:
        """Check that this live run, which nobody records, can become a recording.

        Returns:
            a free name for the snapshot that the recording starts from.

        Raises:
            UsageError: it is one, or the machine is on a branch.
        """
        current, main = self._branches.current, self._branches.main
        if main.history.recorded:
            failure = main.history.failure
            if failure is not None:
                raise UsageError(
                    f"{failure}; what came after that is in no journal, so a second one cannot have it all"
                )
            raise UsageError("this run is a recording already; 'rdbg pack' copies one")
        if current is not main:
            named = "a scratch branch" if current.name == SCRATCH else f"branch '{current.name}'"
            raise UsageError(
                f"the machine is on {named}, which left 'main' behind: a recording keeps the run itself, branch "
                "'main'; 'monitor switch main' goes there; 'monitor branch NAME --keep' then keeps a branch beside the "
                "recording"
            )
        names = {snapshot.name for snapshot in main.snapshots.list()}
        free = (_INITIAL + "-again" * times for times in range(len(names) + 1))
        return next(name for name in free if name not in names)

    def write_past(self, writer: JournalWriter, store: SnapshotStore, initial: str) -> RecordedLog:
        """Write all of this run so far to the files of a recording. They can still be thrown away; see `go_on`.

        Args:
            writer: of the journal, with nothing in it.
            store: beside it, with nothing in it but images.
            initial: name of the snapshot that the recording starts from.

        Raises:
            RdbgError: the files cannot be written.
        """
        history, keeper = self._replayer.history, self._replayer.keeper
        first = keeper.checkpoints.latest(history.start)
        assert first is not None  # it is never given up
        write_state(store, keeper.store, initial, first, 0, initial=True)
        self._branches.main.snapshots.copy_to(store)
        for name, icount in self._places.bookmarks.items():
            if icount <= history.end:
                store.notes.put_bookmark(name, icount)
        if self._replayer.machine.icount >= history.end:
            self._replayer.note_digest()
        return history.written_by(writer)

    def go_on(self, log: RecordedLog, writer: JournalWriter) -> None:
        """From now on the run is recorded in a journal that is in place and has all of it so far. Bookmarks of it are
        in the store."""
        history, bookmarks = self._replayer.history, self._places.bookmarks
        history.go_on_with(log, writer)
        for name in [name for name, icount in bookmarks.items() if icount <= history.end]:
            del bookmarks[name]
