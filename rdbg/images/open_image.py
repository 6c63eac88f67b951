"""Opening disk images: what format a file has, and the files behind it."""

from __future__ import annotations

import os
import re

from rdbg.emu.disk import SECTOR_SIZE
from rdbg.errors import RdbgError
from rdbg.images.disk_image import DiskImage
from rdbg.images.folder_disk import PREFIX
from rdbg.images.formats import FORMATS, QCOW2_MAGIC, probe_format
from rdbg.images.host_file import HostFile, identity
from rdbg.images.json_name import PREFIX as JSON
from rdbg.images.json_name import named_file
from rdbg.images.qcow2_header import read_header
from rdbg.images.qcow2_image import Qcow2Image
from rdbg.images.qcow2_writer import Qcow2Writer
from rdbg.images.raw_image import RawImage
from rdbg.quick_dataclass import dataclass

#: Files behind one another.
_MOST_BEHIND = 32
_PROTOCOL = re.compile(r"[a-z][a-z0-9+.-]*:")


@dataclass(frozen=True)
class OpenedImage:
    """An open image.

    Args:
        image: of it.
        format: ``raw`` or ``qcow2``.
        probed: the format was not named, but found.
    """

    image: DiskImage
    format: str
    probed: bool


def open_image(path: str, format: str | None, writable: bool) -> OpenedImage:
    """Open an image and all files behind it.

    Args:
        path: its name, or ``fat:DIR`` for a disk made of a folder.
        format: ``raw`` or ``qcow2``; None: what it begins with tells, as in QEMU.
        writable: whether it is going to be written.

    Raises:
        RdbgError: it cannot be used: a line that names the file, what is wrong, and the cure.
    """
    if path.startswith(PREFIX):
        from rdbg.images.folder_image import open_folder  # for the few that show a folder

        return OpenedImage(open_folder(path), "raw", False)
    return _open(path, format, writable, ())


def _open(path: str, format: str | None, writable: bool, before: tuple[tuple[int, int], ...]) -> OpenedImage:
    what = "the disk image" if not before else "the backing file"
    if len(before) > _MOST_BEHIND:
        raise RdbgError(
            f"{path}: more than {_MOST_BEHIND} backing files behind one another; join them with qemu-img convert"
        )
    if identity(path) in before:  # looked at before it is opened: the lock on it is our own
        raise RdbgError(f"{path}: {_circle(before, identity(path))}; mend it with qemu-img rebase -u")
    file = HostFile(path, writable, what)
    try:
        probed = format is None
        found = format or probe_format(file.read(0, SECTOR_SIZE))
        if found == "raw":
            return OpenedImage(RawImage(file), found, probed)
        if found != "qcow2":
            raise RdbgError(
                f"{path}: an image of format {found}, and rdbg reads {' and '.join(FORMATS)}; convert it with qemu-img "
                "convert -O qcow2"
            )
        if file.read(0, len(QCOW2_MAGIC)) != QCOW2_MAGIC:
            raise RdbgError(f"{path}: not a qcow2 image; say format=raw, or give another file")
        header = read_header(file)
        behind = None
        if header.backing is not None:
            place, format = _behind(path, header.backing)
            behind = _open(place, format or header.backing_format, False, (*before, file.identity)).image
        try:
            image = Qcow2Image(file, header, behind)
            return OpenedImage(Qcow2Writer(image) if writable else image, found, probed)
        except BaseException:
            if behind is not None:
                behind.close()
            raise
    except BaseException:
        file.close()
        raise


def _circle(before: tuple[tuple[int, int], ...], this: tuple[int, int] | None) -> str:
    """What is wrong with images, the last of which has one of them behind it."""
    between = len(before) - before.index(this) - 1 if this is not None else 0
    if not between:
        return "this image is its own backing file"
    return "this image and its backing file back each other" if between == 1 else "this image is behind itself"


def _behind(path: str, name: str) -> tuple[str, str | None]:
    """The place of a backing file, and its format if its name says that. Names are relative to the image that has
    them."""
    format = None
    if name.startswith(JSON):
        try:
            name, format = named_file(name)
        except RdbgError as error:
            raise RdbgError(f"{path}: its backing file {error}; mend it with qemu-img rebase -u") from None
    elif name.startswith("file:"):
        name = name.removeprefix("file:")
    elif _PROTOCOL.match(name):
        raise RdbgError(
            f"{path}: its backing file {name[:80]!r} is no file of this host; copy it here, and qemu-img rebase"
        )
    return (name if os.path.isabs(name) else os.path.join(os.path.dirname(path), name)), format
