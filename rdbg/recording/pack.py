"""A recording in one portable file: a zip archive of the journal and the snapshot store, which has the images."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from rdbg.errors import RdbgError, UsageError
from rdbg.host.progress import SILENT, Progress
from rdbg.host.regular_file import open_regular
from rdbg.journal.reader import JournalReader
from rdbg.recording.recording import OpenRecording, store_path
from rdbg.store.database import put_logs_aside
from rdbg.store.snapshot_store import SnapshotStore

JOURNAL = "journal"
SNAPSHOTS = "snapshots"
_BLOCK = 1 << 20
#: How a member may be compressed: as `pack` does it. Each is tried until the member unpacks to no more than it may.
_METHODS = (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED)
#: A member may be so many times as large as it is in the pack, and so many bytes larger: a pack of a few megabytes
#: must not fill a disk.
_MOST_TIMES = 64
_MORE_BYTES = 64 << 20
_LONGEST_REASON = 120
_ENCRYPTED = 1  # bit of a member's flags


def pack(recording: str, archive: str, progress: Progress = SILENT) -> None:
    """Put a recording in one file.

    Args:
        recording: the journal's name.
        archive: the file to make; it must not exist.
        progress: told how much of it is made.

    Raises:
        UsageError: the archive exists.
        RdbgError: the recording cannot be read or lacks its images, or the archive cannot be written.
    """
    _refuse(archive)
    opened = OpenRecording(recording)
    try:
        if opened.store is None:
            raise RdbgError(f"{store_path(recording)}: no snapshot store there; a pack needs it for the images")
        opened.spec(to_run=False)  # raises: an image is missing
        with _folder_beside(archive) as folder:
            copy, draft = folder / SNAPSHOTS, folder / "pack"
            opened.store.copy_to(str(copy))
            for method in _METHODS:
                with zipfile.ZipFile(draft, "w") as made:
                    files = {JOURNAL: (Path(recording), method), SNAPSHOTS: (copy, zipfile.ZIP_STORED)}
                    moved = _told(sum(path.stat().st_size for path, _ in files.values()), "bytes packed", progress)
                    for name, (path, how) in files.items():  # the store's contents are compressed
                        _add(made, name, path, how, moved)
                    fits = _is_modest(made.getinfo(JOURNAL))
                if fits:
                    break
            _put(draft, archive)
    except OSError as error:
        raise RdbgError(f"{archive}: cannot write the pack: {error.strerror}") from error
    finally:
        opened.close()


def unpack(archive: str, recording: str, progress: Progress = SILENT) -> None:
    """Take a recording out of its pack.

    Args:
        archive: what `pack` made.
        recording: name for the journal; neither it nor its snapshot store may exist.
        progress: told how much is taken out.

    Raises:
        UsageError: a file of that name exists.
        RdbgError: not a pack, a damaged one, or the files cannot be written.
    """
    store = store_path(recording)
    _refuse(recording)
    _refuse(store)
    try:
        with _folder_beside(recording) as folder:
            names = {JOURNAL: folder / "new", SNAPSHOTS: Path(store_path(str(folder / "new")))}
            _extract(archive, names, progress)
            _check(archive, names)
            # The journal comes last: a name without it is no recording yet.
            put_logs_aside(store)
            _put(names[SNAPSHOTS], store)
            try:
                _put(names[JOURNAL], recording)
            except BaseException:
                os.unlink(store)
                raise
    except OSError as error:
        raise RdbgError(f"{archive}: cannot unpack to {recording}: {error.strerror}") from error


def _add(made: zipfile.ZipFile, name: str, path: Path, method: int, moved: Callable[[int], None]) -> None:
    """Put a file in a pack."""
    member = zipfile.ZipInfo.from_file(path, name)
    member.compress_type = method
    with path.open("rb") as source, made.open(member, "w") as target:
        _move(source, target, moved)


def _move(source: IO[bytes], target: IO[bytes], moved: Callable[[int], None]) -> None:
    while block := source.read(_BLOCK):
        target.write(block)
        moved(len(block))


def _told(total: int, what: str, progress: Progress) -> Callable[[int], None]:
    """Adds up bytes, and tells of the sum."""
    done = 0

    def moved(count: int) -> None:
        nonlocal done
        done += count
        progress.advance(min(done, total), total, what)

    return moved


def _extract(archive: str, names: dict[str, Path], progress: Progress) -> None:
    try:
        with open(open_regular(archive, "the pack"), "rb") as file, zipfile.ZipFile(file) as packed:
            members = packed.infolist()
            if sorted(member.filename for member in members) != sorted(names):
                raise RdbgError(f"{archive}: not a packed recording; give a file made by 'rdbg pack'")
            moved = _told(sum(member.file_size for member in members), "bytes unpacked", progress)
            for member in members:
                if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED or not _is_modest(member):
                    raise RdbgError(
                        f"{archive}: not a packed recording: its {member.filename} is not as 'rdbg pack' makes it; "
                        "take a good copy"
                    )
                with packed.open(member) as source, open(names[member.filename], "xb") as target:
                    _move(source, target, moved)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise RdbgError(f"{archive}: not a packed recording, or damaged ({reason}); take a good copy") from error


def _is_modest(member: zipfile.ZipInfo) -> bool:
    return member.file_size <= _MOST_TIMES * member.compress_size + _MORE_BYTES


def _check(archive: str, names: dict[str, Path]) -> None:
    """What was in the pack must be a recording, and one: a journal and the store that belongs to it."""
    try:
        with closing(JournalReader(str(names[JOURNAL]))) as reader:
            SnapshotStore.open(str(names[SNAPSHOTS]), reader.header.recording_id).close()
    except RdbgError as error:
        reason = str(error)
        for part, path in names.items():
            reason = reason.replace(str(path), part)
        raise RdbgError(f"{archive}: not a packed recording ({reason})") from error


@contextmanager
def _folder_beside(path: str) -> Iterator[Path]:
    """A new folder that nobody else writes to, on the file system of ``path``; it goes with all that is in it."""
    with tempfile.TemporaryDirectory(prefix=".rdbg-", dir=os.path.dirname(os.path.abspath(path))) as folder:
        yield Path(folder)


def _put(made: Path, path: str) -> None:
    """Give a file its name, which must be free still."""
    try:
        os.link(made, path)
    except FileExistsError:
        _refuse(path)
        raise
    except OSError:  # a file system without hard links
        _refuse(path)
        os.rename(made, path)


def _refuse(path: str) -> None:
    if os.path.lexists(path):
        raise UsageError(f"{path}: this file exists; choose another name or remove it")
