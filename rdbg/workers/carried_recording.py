"""A recording that is carried to other computers: what it is known by there, and its bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.recording.recording import OpenRecording, store_path
from rdbg.store.snapshot_store import SnapshotStore

#: What the journal is called where it is carried to.
JOURNAL_NAME = "journal"
#: Bytes of a file that are on their way at once.
CHUNK_BYTES = 1 << 20
_DIGEST_BYTES = 32
#: Changes with each start of a host's kernel, and is shared by nobody else.
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class CarriedFile:
    """A file on its way.

    Args:
        name: what it is called where it is carried to.
        size: bytes.
        digest: BLAKE2b of its contents, 32 bytes.
    """

    name: str
    size: int
    digest: bytes


@dataclass(frozen=True)
class CarriedRecording:
    """What a recording is known by, wherever it is.

    Args:
        recording_id: that of its journal.
        path: the journal's name where it comes from.
        host: the host that it comes from (`host_mark`).
        in_place: digests of the journal and the snapshot store (empty: none) at that place.
        files: what is carried: journal and snapshot store, with all images in it.
    """

    recording_id: bytes
    path: str
    host: str
    in_place: tuple[bytes, bytes]
    files: tuple[CarriedFile, ...]

    @property
    def key(self) -> str:
        """A name that no other contents have."""
        digest = hashlib.blake2b(self.recording_id, digest_size=_DIGEST_BYTES)
        for file in self.files:
            digest.update(file.digest)
        return digest.hexdigest()

    def is_in_place(self) -> bool:
        """Whether the same files are at the same path of this host, whose processes may use them together. On another
        host the path can lead to one shared file, of which SQLite must not be used from two hosts."""
        try:
            return bool(self.host) and self.host == host_mark() and _digests_at(self.path) == self.in_place
        except RdbgError:
            return False


def host_mark() -> str:
    """What tells this host from others; empty: nothing does."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def file_digest(path: str | Path, size: int | None = None) -> bytes:
    """BLAKE2b of a file's contents.

    Args:
        path: the file.
        size: bytes of it that count: it may be growing; None: all.

    Raises:
        RdbgError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    try:
        with open(path, "rb") as file:
            left = os.fstat(file.fileno()).st_size if size is None else size
            while left and (block := file.read(min(CHUNK_BYTES, left))):
                digest.update(block)
                left -= len(block)
    except OSError as error:
        raise RdbgError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.digest()


def _digests_at(path: str) -> tuple[bytes, bytes]:
    """Digests of a journal and of the snapshot store beside it (empty: none).

    Raises:
        RdbgError: one cannot be read.
    """
    store = store_path(os.path.realpath(path))
    return file_digest(path), file_digest(store) if os.path.exists(store) else b""


@contextmanager
def ready_to_carry(path: str) -> Iterator[tuple[CarriedRecording, Path]]:
    """Make a recording ready: gives what it is known by, and the folder where its files are meanwhile.

    Args:
        path: the journal.

    Raises:
        RdbgError: it cannot be used, lacks an image, or cannot be copied.
    """
    with tempfile.TemporaryDirectory(prefix="rdbg-") as name:
        folder = Path(name)
        with closing(OpenRecording(path)) as recording:
            header = recording.header
            journal, store = folder / JOURNAL_NAME, store_path(str(folder / JOURNAL_NAME))
            try:
                os.symlink(os.path.abspath(path), journal)
            except OSError as error:
                raise RdbgError(f"{folder}: cannot copy {path} to there: {error.strerror}") from error
            if recording.store is not None:
                recording.store.copy_to(store)
            else:
                SnapshotStore.create(store, header.recording_id).close()
            lacking = [
                image
                for image in recording.spec(to_run=False).images
                for reference in header.images
                if reference.role == image.role
                and (recording.store is None or recording.store.image(reference.digest, reference.length) is None)
            ]
            if lacking:
                with closing(SnapshotStore.open(store, header.recording_id)) as copy:
                    for image in lacking:
                        copy.put_image(image.data)
            files = tuple(_measured(Path(made)) for made in (journal, store))
            place = os.path.abspath(path)
            yield CarriedRecording(header.recording_id, place, host_mark(), _digests_at(place), files), folder


def _measured(path: Path) -> CarriedFile:
    size = path.stat().st_size
    return CarriedFile(path.name, size, file_digest(path, size))


class ArrivingFiles:
    """The files of a recording where they are carried to. They have their names when all of them have arrived whole.

    Args:
        folder: of all recordings there.
        carried: the recording.
        sender: who sends it.
    """

    def __init__(self, folder: Path, carried: CarriedRecording, sender: str) -> None:
        self._carried = carried
        self._part = part_folder(folder, carried.key, sender)
        self._whole = folder / carried.key

    @property
    def journal(self) -> Path | None:
        """The journal, if all has arrived."""
        return self._whole / JOURNAL_NAME if self._whole.is_dir() else None

    def expect(self) -> None:
        """Be ready for `put_chunk`."""
        self._part.mkdir(parents=True, exist_ok=True)
        for file in self._carried.files:
            (self._part / file.name).touch()

    def have_come(self) -> bool:
        """Whether every byte is there; if so, they get their names.

        Raises:
            RdbgError: they are not what was sent.
        """
        for file in self._carried.files:
            if (self._part / file.name).stat().st_size < file.size:
                return False
        for file in self._carried.files:
            if file_digest(self._part / file.name) != file.digest:
                raise RdbgError(
                    f"{self._part / file.name}: arrived otherwise than it was sent; did the recording change? ask again"
                )
        self._part.rename(self._whole)
        return True


def part_folder(folder: Path, key: str, sender: str) -> Path:
    """Where files wait until they are whole."""
    return folder / f"{key}.{sender}"


def put_chunk(part: Path, name: str, data: bytes) -> None:
    """The next bytes of a file that arrives.

    Raises:
        OSError: they cannot be written.
    """
    with open(part / name, "ab") as file:
        file.write(data)
