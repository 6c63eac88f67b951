"""What a session records to, or replays."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from rdbg.emu.disk import DiskSource, NoContents
from rdbg.emu.spec import MachineSpec
from rdbg.errors import RdbgError, UsageError
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.host.messages import say
from rdbg.journal.header import image_digest
from rdbg.recording.recording import NewRecording, OpenRecording, store_path
from rdbg.session.images import board_sources, read_image
from rdbg.session.options import RecordMode, RunOptions
from rdbg.session.replay_options import check_against
from rdbg.session.run_drives import RunDrives
from rdbg.timeline import Timeline

if TYPE_CHECKING:
    from rdbg.store.first_contents import FirstContents
    from rdbg.store.snapshot_store import SnapshotStore


class RunRecording:
    """The recording of a run: none, one that is made, or one that is replayed.

    Args:
        options: what to run.
        command_line: the words typed, for the journal.
        drives: of a live run: what the guest sees of them is kept.
    """

    def __init__(self, options: RunOptions, command_line: tuple[str, ...], drives: RunDrives | None) -> None:
        self._options = options
        self._command_line = command_line
        self._drives = drives
        self._contents: FirstContents | None = None  # of the disks of a replay
        self.new: NewRecording | None = None  #: is made
        self.replayed: OpenRecording | None = None

    @property
    def there(self) -> bool:
        """Whether there is one, made or replayed."""
        return self.new is not None or self.replayed is not None

    @property
    def path(self) -> str | None:
        """File of the journal that is recorded to, or replayed."""
        recording = self.new or self.replayed
        return None if recording is None else str(recording.path)

    @property
    def store(self) -> SnapshotStore | None:
        """Where its snapshots are; None: in memory only."""
        recording = self.new or self.replayed
        return None if recording is None else recording.store

    @property
    def initial_snapshot(self) -> str:
        """Name of the snapshot that the run starts from, or empty."""
        if self.replayed is not None:
            return self._options.icount.snapshot or self.replayed.header.initial_snapshot
        return self._options.icount.snapshot or "" if self.new is not None else ""

    def open(self, path: str) -> MachineSpec:
        """Open a recording for its replay, and give the machine in it.

        Raises:
            RdbgError: it cannot be read, or the options contradict it.
        """
        self.replayed = OpenRecording(path)
        check_against(self._options, self.replayed.header.machine, path)
        recorded = {reference.role: reference for reference in self.replayed.header.images}
        said = [read_image(file) for file in self._options.images]
        said += board_sources(next((image for image in said if image.role == "board"), None))
        for image in said:
            reference = recorded.get(image.role)
            if reference is None or reference.digest != image_digest(image.data):
                raise RdbgError(
                    f"{image.path}: not the {image.role} image that {path} was recorded with; drop it, "
                    "the recording has its own"
                )
        return self.replayed.spec()

    def disks(self, spec: MachineSpec) -> list[DiskSource]:
        """What the disks of a replay hold: no image is opened."""
        assert self.replayed is not None
        store = self.replayed.store
        if not any(drive.size_bytes for drive in spec.drives):
            return [NoContents(drive.name) for drive in spec.drives]
        if store is None:
            missing = store_path(self.replayed.path)
            raise RdbgError(f"{missing}: not there, and it has what the disks held; copy it along with the journal")
        from rdbg.images.recorded_disk import RecordedDisk
        from rdbg.store.first_contents import FirstContents

        contents = self._contents = FirstContents.open(store.path)
        return [RecordedDisk(drive.name, number, contents, say) for number, drive in enumerate(spec.drives)]

    def history(self, spec: MachineSpec, queue: LiveQueue) -> History:
        """The inputs of the run; a recording that is asked for is begun.

        Args:
            spec: the machine.
            queue: what waits outside.

        Raises:
            RdbgError: the recording cannot be begun, or read.
        """
        icount = self._options.icount
        if self.replayed is not None:
            history = History.replay(self.replayed.reader, queue)
            if history.notice:
                say(history.notice)
            return history
        if icount.mode is RecordMode.RECORD:
            self.new = NewRecording(str(icount.journal), spec, self._command_line, icount.snapshot or "")
            return History.recording(self.new.writer, queue)
        return History.live_run(queue)

    def publish(self, timeline: Timeline) -> None:
        """Put a recording that has begun in place, where all else is set up.

        Raises:
            RdbgError: anything of it failed; then it is not in place.
        """
        if self.new is not None:
            self._publish(self.new, timeline, timeline.store.use, go_on=False)
            timeline.history.watch(*self.new.files)
        elif self._drives is not None:
            self._drives.keep_no_reads()

    def _publish(
        self, recording: NewRecording, timeline: Timeline, use_store: Callable[[SnapshotStore], None], go_on: bool
    ) -> None:
        """Put a recording in place. Its store is to have what the guest looks at on its disks, before the journal tells
        of it.

        Args:
            recording: to be put in place.
            timeline: of its run.
            use_store: is given its store, in place.
            go_on: it has already what was looked at before.

        Raises:
            RdbgError: anything of it failed; then it is not in place.
        """
        disks: list[FirstContents] = []

        def prepare(store: SnapshotStore) -> None:
            if self._drives is not None and any(drive.size_bytes for drive in self._drives.described):
                from rdbg.store.first_contents import FirstContents

                disks.append(FirstContents.open(store.path))
                if not go_on:
                    self._drives.copy_past(disks[0])
            use_store(store)

        def undo() -> None:
            for contents in disks:
                contents.close()
            if go_on:
                timeline.store.leave()

        recording.publish(prepare, undo)
        for contents in disks:
            assert self._drives is not None
            self._drives.go_on_in(contents)
            recording.writer.companion = contents.write_out

    def begin_late(self, timeline: Timeline, spec: MachineSpec, path: str, force: bool) -> None:
        """Make a live run a recording after all, and go on recording it.

        Args:
            timeline: of the run.
            spec: its machine.
            path: the journal's name.
            force: an older recording of that name may go.

        Raises:
            RdbgError: it is one, or cannot become one, or the files cannot be written: then none is left behind.
        """
        initial = timeline.late_recording.require()
        if not force:
            for name in (path, store_path(path)):
                if os.path.lexists(name):
                    raise UsageError(
                        f"{name}: there is a file already; name another, or say --force to replace a recording"
                    )
        recording = NewRecording(path, spec, self._command_line, initial)
        try:
            self._keep_past_of_disks(recording)
            log = timeline.late_recording.write_past(recording.writer, recording.store, initial)
            self._publish(recording, timeline, lambda store: timeline.store.adopt(store, initial), go_on=True)
        except BaseException:
            recording.discard()
            raise
        self.new = recording
        timeline.late_recording.go_on(log, recording.writer)
        timeline.history.watch(*recording.files)

    def _keep_past_of_disks(self, recording: NewRecording) -> None:
        if self._drives is not None and any(drive.size_bytes for drive in self._drives.described):
            from rdbg.store.first_contents import FirstContents

            with closing(FirstContents.open(recording.store.path)) as contents:
                self._drives.keep_past(contents)

    def reopen(self) -> None:
        """Open anew what cannot be shared: this is a copy of the process that opened it."""
        if self._contents is not None:
            self._contents.reopen()

    def release(self) -> None:
        """Let go of the files; a recording that is still being made leaves none behind. May be called twice."""
        if self._contents is not None:
            self._contents.close()
            self._contents = None
        if self.new is not None:
            self.new.discard()
            self.new = None
        if self.replayed is not None:
            self.replayed.close()
            self.replayed = None
