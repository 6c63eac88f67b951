"""Standard input, output and error of the process, in whatever state it was given them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from rdbg.errors import RdbgError


@contextmanager
def writing() -> Iterator[TextIO]:
    """Standard output, for all that is printed: whether it arrives is known at the end of the block.

    Raises:
        RdbgError: it cannot be written.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        forget_output()
        raise RdbgError(f"standard output cannot be written: {error.strerror}") from error


def hold_standard_streams() -> None:
    """Where one of the three streams is closed, put one in its place: no other file may take its number, or what is
    written there would end up in a recording. Input is at its end then, messages vanish, and output fails."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)  # takes the lowest number that is free
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)


def forget_output() -> None:
    """Keep the interpreter from trying once more at its end, and complaining."""
    with suppress(OSError):  # it may be no file at all
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
