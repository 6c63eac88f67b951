"""A file that appears under its name when it is whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rdbg.errors import RdbgError


@contextmanager
def whole_file(path: Path, magic: bytes, what: str) -> Iterator[BinaryIO]:
    """Write a file that takes its name in the end, and not at all if something goes wrong.

    Args:
        path: its name. Another file of that kind that stands there is replaced, and nothing else is: it may be the
            recording that is read.
        magic: how such files begin.
        what: such a file, with its article, for messages: ``a capture``.

    Raises:
        RdbgError: it cannot be written, or what stands there is something else.
    """
    try:
        _check_target(path, magic, what)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with draft.open("xb") as file:
            try:
                yield file
                file.flush()
                draft.replace(path)
            except BaseException:
                draft.unlink()
                raise
    except OSError as error:
        raise RdbgError(f"{path}: cannot write it: {error.strerror}") from error


def _check_target(path: Path, magic: bytes, what: str) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    if stat.S_ISREG(status.st_mode):
        with path.open("rb") as file:
            if file.read(len(magic)) in (b"", magic):
                return
    raise RdbgError(f"{path}: will not overwrite what is not {what}; choose another name")
