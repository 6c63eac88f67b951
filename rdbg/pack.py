"""A recording in one portable file: a zip archive of the journal and the snapshot store, which has the images."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from contextlib import suppress

from rdbg.errors import RdbgError, UsageError
from rdbg.recording import OpenRecording, store_path

JOURNAL = "journal"
SNAPSHOTS = "snapshots"
_BLOCK = 1 << 20


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
    copy, draft = archive + ".snapshots.new", archive + ".new"
    try:
        if opened.store is None:
            raise RdbgError(f"{store_path(recording)}: no snapshot store there; a pack needs it for the images")
        opened.spec()  # raises: an image is missing
        _remove(copy)
        opened.store.copy_to(copy)
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as made:
            made.write(recording, JOURNAL)
            made.write(copy, SNAPSHOTS, zipfile.ZIP_STORED)  # its contents are compressed
        os.replace(draft, archive)
    except OSError as error:
        raise RdbgError(f"{archive}: cannot write the pack: {error.strerror}") from error
    finally:
        opened.close()
        _remove(copy)
        _remove(draft)


def is_pack(path: str) -> bool:
    """Whether a file is a zip archive, which a journal never is."""
    return zipfile.is_zipfile(path)


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
    drafts = (recording + ".new", store + ".new")
    try:
        with zipfile.ZipFile(archive) as packed:
            if sorted(packed.namelist()) != [JOURNAL, SNAPSHOTS]:
                raise RdbgError(f"{archive}: not a packed recording; give a file made by 'rdbg pack'")
            for name, draft in zip((JOURNAL, SNAPSHOTS), drafts, strict=True):
                with packed.open(name) as source, open(draft, "wb") as target:
                    shutil.copyfileobj(source, target, _BLOCK)
        # The journal comes last: a name without it is no recording yet.
        os.replace(drafts[1], store)
        os.replace(drafts[0], recording)
    except OSError as error:
        raise RdbgError(f"{archive}: cannot unpack to {recording}: {error.strerror}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise RdbgError(f"{archive}: not a packed recording, or damaged ({reason}); take a good copy") from error
    finally:
        for draft in drafts:
            _remove(draft)


def _refuse(path: str) -> None:
    if os.path.lexists(path):
        raise UsageError(f"{path}: this file exists; choose another name or remove it")


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
