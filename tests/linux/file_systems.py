"""Disks and discs for guests, made by the tools of their own file systems."""

from __future__ import annotations

import subprocess
from pathlib import Path


def ext4(image: Path, mebibytes: int, content: Path | None = None, label: str | None = None) -> Path:
    """A raw image that holds one ext4 file system; the same bytes each time for the same content.

    Args:
        image: the file to make.
        mebibytes: its size.
        content: a folder with what it holds; None: nothing.
        label: of the file system; None: none.

    Returns:
        ``image``.
    """
    uuid = "00000000-0000-4000-8000-000000000001"
    words = ["mke2fs", "-q", "-F", "-t", "ext4", "-U", uuid, "-E", f"hash_seed={uuid},root_owner=0:0"]
    words += ["-d", str(content)] if content is not None else []
    words += ["-L", label] if label is not None else []
    environment = {"E2FSPROGS_FAKE_TIME": "1700000000", "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
    subprocess.run([*words, str(image), f"{mebibytes}M"], check=True, env=environment, stdout=subprocess.DEVNULL)
    return image


def is_clean(image: Path) -> bool:
    """Whether ``e2fsck`` finds nothing wrong with an ext4 image, its journal replayed."""
    words = ["e2fsck", "-f", "-y", str(image)]
    done = subprocess.run(words, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}, stdout=subprocess.PIPE, text=True)
    return done.returncode == 0


def iso9660(image: Path, content: Path) -> Path:
    """A CD-ROM that holds a folder, with Rock Ridge names.

    Args:
        image: the file to make.
        content: the folder.

    Returns:
        ``image``.
    """
    words = ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "RDBG", "-o", str(image), str(content)]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    return image
