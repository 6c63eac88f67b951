"""Starting GDB on a session."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from rdbg.errors import RdbgError, UsageError

#: In order of preference; the gdb of most distributions knows no MIPS, so it comes last.
_PROGRAMS = ("gdb-multiarch", "gdb")


def find_gdb(program: str | None = None) -> str:
    """The GDB to start: the one named, the one of this Python environment, or one on the search path.

    Args:
        program: what the user named, or None.

    Raises:
        UsageError: it is not there.
    """
    if program is not None:
        found = shutil.which(program)
        if found is None:
            raise UsageError(f"{program}: there is no such program; name a GDB that knows MIPS")
        return found
    beside = Path(sys.executable).parent / "gdb"
    if beside.is_file() and os.access(beside, os.X_OK):
        return str(beside)
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found is not None:
            return found
    raise UsageError("there is no GDB; install one with: pip install 'rdbg[gdb]', or name one with --gdb-program")


def gdb_arguments(
    address: tuple[str, int], symbols: str | None, sources: Path | None, commands: Sequence[str]
) -> list[str]:
    """GDB's command line: rdbg's script, the connection, what the user wants.

    Args:
        address: host and port of the server.
        symbols: an ELF file, or None.
        sources: folder where the image was, and where its sources may be; or None.
        commands: GDB commands to begin with.
    """
    scripts = files("rdbg") / "gdb"
    words = ["-q", *([symbols] if symbols is not None else [])]
    # A GDB without Python says so in a line, and has all that it needs in the first of the two.
    words += ["-x", str(scripts / "rdbg.gdb"), "-x", str(scripts / "rdbg_gdb.py")]
    if sources is not None:
        words += ["-ex", f"directory {sources}"]
    words += ["-ex", f"target remote {address[0]}:{address[1]}"]
    for command in commands:
        words += ["-ex", command]
    return words


def start_gdb(program: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start GDB on this terminal.

    Raises:
        RdbgError: it cannot be started.
    """
    try:
        return subprocess.Popen([program, *arguments])
    except OSError as error:
        raise RdbgError(f"{program}: cannot start it: {error.strerror}") from error
