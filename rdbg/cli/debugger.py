"""Starting GDB on a session."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from rdbg.emu.mips32 import MIPS32
from rdbg.errors import RdbgError, UsageError
from rdbg.quick_dataclass import dataclass

#: In order of preference; the gdb of most distributions knows no MIPS, so it comes last.
_PROGRAMS = ("gdb-multiarch", "gdb")
_INSTALL = "install one (Debian: apt install gdb-multiarch; anywhere: pip install gdb-for-pwndbg)"
#: Asking a GDB what it knows takes a third of a second.
_PATIENCE = 30.0
#: What GDB calls the guest's CPU.
_CPU = MIPS32.bfd_name


def find_gdb(program: str | None = None) -> str:
    """The GDB to start: the one named, the one of this Python environment, or one on the search path that knows MIPS.

    Args:
        program: what the user named, or None.

    Raises:
        UsageError: it is not there, or was built for other machines.
    """
    if program is not None:
        named = shutil.which(program)
        if named is None:
            raise UsageError(f"{program}: there is no such program; name a GDB that knows MIPS")
        if not _knows_mips(named):
            raise UsageError(f"{program} is no GDB that knows MIPS; name another, or {_INSTALL}")
        return named
    beside = Path(sys.executable).parent / "gdb"
    found = [str(beside)] if beside.is_file() and os.access(beside, os.X_OK) else []
    found += [path for path in map(shutil.which, _PROGRAMS) if path is not None]
    for path in found:
        if _knows_mips(path):
            return path
    if found:
        raise UsageError(
            f"{', '.join(found)}: built without MIPS, as most GDBs are; {_INSTALL}, or name one with --gdb-program"
        )
    raise UsageError(f"there is no GDB; {_INSTALL}, or name one with --gdb-program")


def _knows_mips(program: str) -> bool:
    """Whether it is a GDB that can debug this machine."""
    try:
        asked = subprocess.run(
            [program, "-nx", "-batch", "-ex", f"set architecture {_CPU}"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and _CPU.encode() in asked.stdout


@dataclass(frozen=True)
class GdbStart:
    """What GDB is to begin with.

    Args:
        address: host and port of the server.
        symbols: an ELF file, or None.
        sources: folder where the image was, and where its sources may be; or None.
        commands: GDB commands.
        batch: leave GDB after them, at the first that fails.
    """

    address: tuple[str, int]
    symbols: str | None
    sources: Path | None
    commands: Sequence[str]
    batch: bool


def gdb_arguments(start: GdbStart, folder: Path) -> list[str]:
    """GDB's command line: rdbg's script, the connection, what the user wants.

    Args:
        start: what to begin with.
        folder: for a file of commands.
    """
    scripts = files("rdbg") / "gdb"
    words = ["-q", *(["-batch"] if start.batch else []), *([start.symbols] if start.symbols is not None else [])]
    # A GDB without Python says so in a line, and has all that it needs in the first of the two.
    words += ["-x", str(scripts / "rdbg.gdb"), "-x", str(scripts / "rdbg_gdb.py")]
    if start.sources is not None:
        words += ["-d", str(start.sources)]
    words += ["-ex", f"target remote {start.address[0]}:{start.address[1]}"]
    if start.batch:
        # A file of commands ends where one fails; GDB's own exit code is that of the last one.
        path = folder / "batch.gdb"
        path.write_text("".join(f"{command}\n" for command in (*start.commands, "quit 0")))
        return [*words, "-ex", f"source {path}", "-ex", "quit 1"]
    for command in start.commands:
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


def exit_code(program: str, status: int) -> int:
    """The exit code for a GDB that has ended with that status.

    Raises:
        RdbgError: it was killed by a signal, as one that fails is.
    """
    if status < 0:
        raise RdbgError(f"{program}: ended by {signal.Signals(-status).name}")
    return status
