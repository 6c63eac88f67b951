"""A recording in one portable file: a zip archive of the journal and the snapshot store, which has the images."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rdbg.errors import RdbgError, UsageError
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


def pack(recording: str, archive: str) -> None:
    """Put a recording in one file.

    Args:
        recording: the journal's name.
        archive: the file to make; it must not exist.

    Raises:
        UsageError: the archive exists.
        RdbgError: the recording cannot be read or lacks its images, or the archive cannot be written.
    """
    _refuse(archive)
    opened = OpenRecording(recording)
    try:
        if opened.store is None:
            raise RdbgError(f"{store_path(recording)}: no snapshot store there; a pack needs it for the images")
        opened.spec()  # raises: an image is missing
        with _folder_beside(archive) as folder:
            copy, draft = folder / SNAPSHOTS, folder / "pack"
            opened.store.copy_to(str(copy))
            for method in _METHODS:
                with zipfile.ZipFile(draft, "w") as made:
                    made.write(recording, JOURNAL, method)
                    made.write(copy, SNAPSHOTS, zipfile.ZIP_STORED)  # its contents are compressed
                    fits = _is_modest(made.getinfo(JOURNAL))
                if fits:
                    break
            _put(draft, archive)
    except OSError as error:
        raise RdbgError(f"{archive}: cannot write the pack: {error.strerror}") from error
    finally:
        opened.close()


def unpack(archive: str, recording: str) -> None:
    """Take a recording out of its pack.

    Args:
        archive: what `pack` made.
        recording: name for the journal; neither it nor its snapshot store may exist.

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
            _extract(archive, names)
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


def _extract(archive: str, names: dict[str, Path]) -> None:
    try:
        with open(open_regular(archive, "the pack"), "rb") as file, zipfile.ZipFile(file) as packed:
            members = packed.infolist()
            if sorted(member.filename for member in members) != sorted(names):
                raise RdbgError(f"{archive}: not a packed recording; give a file made by 'rdbg pack'")
            for member in members:
                if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED or not _is_modest(member):
                    raise RdbgError(
                        f"{archive}: not a packed recording: its {member.filename} is not as 'rdbg pack' makes it; "
                        "take a good copy"
                    )
                with packed.open(member) as source, open(names[member.filename], "xb") as target:
                    shutil.copyfileobj(source, target, _BLOCK)
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
