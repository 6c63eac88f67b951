"""A recording on disk: a journal and the snapshot store beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing, suppress

from rdbg import __version__
from rdbg.emu.boards.python_toml import is_python
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.host.clock import host_seconds
from rdbg.host.regular_file import read_regular
from rdbg.journal.header import ImageReference, JournalHeader, describe
from rdbg.journal.reader import JournalReader
from rdbg.journal.writer import JournalWriter, sync_directory
from rdbg.store.database import put_logs_aside, refuse_store_target, remove, remove_store
from rdbg.store.snapshot_store import SnapshotStore

#: Environment variable: "1" lets peripherals in Python run that come with a recording.
ALLOW_PYTHON = "RDBG_RECORDED_PYTHON"


def store_path(journal: str) -> str:
    """Name of the snapshot store of a journal."""
    return journal + ".snapshots"


class NewRecording:
    """A recording being started.

    Both files grow under names that end in ``.new``. Save the initial snapshot in ``store``, then `publish`: until
    then an earlier recording of that name stands untouched.

    Args:
        path: the journal's name.
        spec: the machine; its images are kept in the store.
        command_line: the words typed.
        initial_snapshot: name of the snapshot that replay starts from, or empty.
        start: icount where the recording starts.

    Raises:
        RdbgError: the name is taken by something else, or the files cannot be written.
    """

    def __init__(
        self,
        path: str,
        spec: MachineSpec,
        command_line: tuple[str, ...] = (),
        initial_snapshot: str = "",
        start: int = 0,
    ) -> None:
        self.path = path
        header = describe(
            spec,
            created=host_seconds(),
            rdbg_version=__version__,
            command_line=command_line,
            initial_snapshot=initial_snapshot,
            start=start,
        )
        self.writer = JournalWriter(path, header)
        self._target = store_path(os.path.realpath(path))
        self._draft = self._target + ".new"
        try:
            for name in (self._target, self._draft, self._target + ".old"):
                if os.path.lexists(name):
                    refuse_store_target(name)
        except BaseException:
            self.writer.discard()
            raise
        try:
            self.store = SnapshotStore.create(self._draft, header.recording_id)
            for image in spec.images:
                self.store.put_image(image.data)
        except BaseException:
            self.discard()
            raise

    @property
    def files(self) -> tuple[str, str]:
        """Journal and snapshot store, as they are called once they are published."""
        return os.path.realpath(self.path), self._target

    def publish(
        self,
        prepare: Callable[[SnapshotStore], None] = lambda store: None,
        undo: Callable[[], None] = lambda: None,
    ) -> None:
        """Put both files in place of an earlier recording of that name. ``store`` is another object afterwards.

        The journal's renaming is the moment that counts, and the last thing that can fail: a process killed before it
        leaves the earlier journal, and its store under the name that ends in ``.old``, where `OpenRecording` finds it.

        Args:
            prepare: is given the store in its place before that moment, and does what may fail: then nothing is
                published.
            undo: called if nothing is: lets go of the store, whatever ``prepare`` came to.

        Raises:
            RdbgError: a file cannot be renamed, or ``prepare`` failed; the earlier recording stands.
        """
        old = self._target + ".old"
        self.store.close()
        try:
            had_store = _belongs(self._target, self.path)
            if had_store:
                os.replace(self._target, old)
            try:
                put_logs_aside(self._target)
                os.replace(self._draft, self._target)
                try:
                    sync_directory(self._target)
                    self.store = SnapshotStore.open(self._target, self.writer.header.recording_id)
                    prepare(self.store)
                    self.writer.publish()
                except BaseException:
                    undo()
                    self.store.close()
                    os.replace(self._target, self._draft)
                    raise
            except BaseException:
                if had_store:
                    os.replace(old, self._target)
                raise
        except OSError as error:
            raise RdbgError(f"{self.path}: cannot put the new recording in place: {error.strerror}") from error
        with suppress(OSError):
            remove(old)  # nobody needs it, and nobody is misled by it

    def check_store(self) -> None:
        """Look at the snapshots once more, which are closed: without them the recording cannot be replayed, and another
        program may have written to them. What has been read before does not tell.

        Raises:
            RdbgError: they are not what they were.
        """
        with closing(SnapshotStore.open(self.store.path, self.writer.header.recording_id)) as store:
            store.named()

    def discard(self) -> None:
        """Give up before `publish`, leaving no file."""
        self.writer.discard()
        if hasattr(self, "store"):
            self.store.close()
        remove_store(self._draft)


class OpenRecording:
    """A recording opened for replay.

    Args:
        path: the journal's name.

    Raises:
        RdbgError: the journal cannot be used, or the store beside it is not its own.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.reader = JournalReader(path)
        self.reader.lock()
        try:
            self.store = self._open_store()
        except BaseException:
            self.reader.close()
            raise

    @property
    def header(self) -> JournalHeader:
        """The journal's header."""
        return self.reader.header

    def spec(self, to_run: bool = True) -> MachineSpec:
        """The machine that was recorded, its images from the store or, failing that, from the files named.

        Args:
            to_run: it is to be built; False: only looked at.

        Raises:
            RdbgError: an image is in neither place, or is another one; or it is to be run and has peripherals in Python
                that this user has not got and has not allowed.
        """
        spec = self.header.spec(self._image)
        if to_run and os.environ.get(ALLOW_PYTHON) != "1":
            for image in spec.images:
                if is_python(image.role) and not _is_here(image):
                    raise RdbgError(
                        f"{self.path}: has a peripheral in Python, {image.path}, which differs here or is not here: "
                        f"put the file back, or look at it with 'rdbg board sources {self.path}' and let it run with "
                        f"{ALLOW_PYTHON}=1"
                    )
        return spec

    def close(self) -> None:
        """Let go of both files."""
        self.reader.close()
        if self.store is not None:
            self.store.close()

    def _open_store(self) -> SnapshotStore | None:
        wanted = store_path(os.path.realpath(self.path))
        old = wanted + ".old"
        if not os.path.exists(wanted) and not os.path.exists(old):
            if self.header.initial_snapshot:
                SnapshotStore.open(store_path(self.path))  # raises: there is none
            return None
        try:
            return SnapshotStore.open(wanted, self.header.recording_id)
        except RdbgError as error:
            # A process was killed while it put a new recording in place: the journal is still the old one.
            if os.path.exists(old):
                try:
                    return SnapshotStore.open(old, self.header.recording_id)
                except RdbgError:
                    pass
            raise error

    def _image(self, reference: ImageReference) -> bytes:
        data = self.store.image(reference.digest, reference.length) if self.store is not None else None
        if data is not None:
            return data
        try:
            return read_regular(reference.path, f"the {reference.role} image", reference.length)
        except RdbgError as error:
            raise RdbgError(
                f"{self.path}: the {reference.role} image is not in {store_path(self.path)}, and {error}; "
                "copy the snapshot store along with the journal"
            ) from error


def _is_here(image: Image) -> bool:
    """Whether this user has the same file at the same place: it is theirs."""
    try:
        return read_regular(image.path, "the source", len(image.data)) == image.data
    except RdbgError:
        return False


def _belongs(store: str, journal: str) -> bool:
    """Whether a store is that of the journal that now has the name. Its log is folded in, so that renaming it is
    safe."""
    if not os.path.exists(store) or not os.path.exists(journal):
        return False
    try:
        reader = JournalReader(journal)
        reader.close()
        SnapshotStore.open(store, reader.header.recording_id).close()
    except RdbgError:
        return False
    return True
