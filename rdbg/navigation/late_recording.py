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


def initial_name(branches: Branches) -> str:
    """A name that no snapshot of the run itself has, for the one that its recording starts from."""
    names = {snapshot.name for snapshot in branches.main.snapshots.list()}
    free = (_INITIAL + "-again" * times for times in range(len(names) + 1))
    return next(name for name in free if name not in names)


def require_recordable(branches: Branches) -> None:
    """Check that the run at hand can become a recording.

    Raises:
        UsageError: it is one, or the machine is on a branch.
    """
    current, main = branches.current, branches.main
    if main.history.recorded:
        failure = main.history.failure
        if failure is not None:
            raise UsageError(f"{failure}; what came after that is in no journal, so a second one cannot have it all")
        raise UsageError("this run is a recording already; 'rdbg pack' copies one")
    if current is not main:
        named = "a scratch branch" if current.name == SCRATCH else f"branch '{current.name}'"
        raise UsageError(
            f"the machine is on {named}, which left 'main' behind: a recording keeps the run itself, branch 'main'; "
            "'monitor switch main' goes there; 'monitor branch NAME --keep' then keeps a branch beside the recording"
        )


def write_past(
    branches: Branches, replayer: Replayer, places: Places, writer: JournalWriter, store: SnapshotStore, initial: str
) -> RecordedLog:
    """Write down all that is known of the run.

    Args:
        branches: of the run; the machine is on the run itself.
        replayer: the machine on its history.
        places: has bookmarks.
        writer: of the journal, with nothing in it.
        store: beside it, with nothing in it but images.
        initial: name of the snapshot that the recording starts from.

    Raises:
        RdbgError: the files cannot be written.
    """
    history, keeper = replayer.history, replayer.keeper
    first = keeper.checkpoints.latest(history.start)
    assert first is not None  # it is never given up
    write_state(store, keeper.store, initial, first, 0, initial=True)
    branches.main.snapshots.copy_to(store)
    for name, icount in places.bookmarks.items():
        if icount <= history.end:
            store.notes.put_bookmark(name, icount)
    if replayer.machine.icount >= history.end:
        replayer.note_digest()
    return history.written_by(writer)
