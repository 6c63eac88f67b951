"""Which file stands at a path, to notice that another has taken its place."""

from __future__ import annotations

import os


def file_identity(path: str) -> tuple[int, int] | None:
    """Device and inode of the file at a path; None: there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
