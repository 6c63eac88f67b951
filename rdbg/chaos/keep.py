"""A run that failed becomes a recording like any other."""

from __future__ import annotations

from contextlib import closing

from rdbg.chaos.runner import Finished, Runner
from rdbg.emu.output_mark import OutputMark
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.snapshots import Snapshots
from rdbg.navigation.stored import StoredStates
from rdbg.recording.recording import NewRecording
from rdbg.store.first_contents import FirstContents

#: The bookmarks at the failure, and at the interrupt that leads to it where that is known.
FAILURE = "failure"
RACE = "race"
#: The snapshot that the recording starts from.
INITIAL = "init"


def keep(runner: Runner, run: Finished, path: str, command_line: tuple[str, ...], race: int | None = None) -> None:
    """Write a run down: all of it, or no file.

    Args:
        runner: has just run it; its machine is put back to the start.
        run: the run.
        path: the journal's name; what stood there is replaced.
        command_line: that makes this run again; what made it fail stands in it.
        race: icount of the interrupt that leads to the failure, if it is known.

    Raises:
        RdbgError: the files cannot be written.
    """
    guest = runner.guest
    records = run.history.known.records()
    guest.rewind()
    recording = NewRecording(path, guest.spec, command_line, INITIAL, guest.start)
    try:
        history = History.live_run(LiveQueue(guest.machine.input_room), guest.start)
        stored = StoredStates(guest.keeper, history, recording.store)
        Snapshots(guest.keeper, stored).save(
            INITIAL, guest.keeper.capture(0, OutputMark()), guest.machine, initial=True
        )
        for record in records:
            recording.writer.append(record)
        recording.writer.sync(run.ending.icount)
        if guest.disks.contents is not None:
            with closing(FirstContents.open(recording.store.path)) as contents:
                guest.disks.contents.copy_to(contents)
        recording.store.notes.put_bookmark(FAILURE, run.outcome.position)
        if race is not None:
            recording.store.notes.put_bookmark(RACE, race)
        recording.publish()
        recording.writer.close(run.ending)
    except BaseException:
        recording.discard()
        raise
    recording.store.close()
