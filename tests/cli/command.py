"""Runs rdbg's command line in a process of its own."""

from __future__ import annotations

import contextlib
import io
import subprocess
from pathlib import Path

from rdbg.cli.main import main
from tests.processes import RDBG, spawn

PROJECT = Path(__file__).resolve().parents[2]
TANK = PROJECT / "examples" / "guest" / "tank.elf"
TANK_OUTPUT = (
    b"tank controller: the limit is 900\r\nlevel 319\r\nlevel 327\r\nlevel 320\r\nlevel 331\r\n"
    b"ALARM: level 336 is over the limit of 334\r\n"
)


def start(*words: str | Path, **options: object) -> subprocess.Popen[bytes]:
    """Start rdbg with its three streams on pipes."""
    streams: dict[str, object] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [*RDBG, *map(str, words)]
    return spawn(command, **({"cwd": PROJECT} | streams | options))


def rdbg_here(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run rdbg's command line in this process: for what ends before anything runs."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = main([str(word) for word in words])
    return subprocess.CompletedProcess(words, code, out.getvalue().encode(), errors.getvalue().encode())


def rdbg(*words: str | Path, typed: bytes = b"", timeout: float = 60) -> subprocess.CompletedProcess[bytes]:
    """Run rdbg to its end."""
    process = start(*words)
    try:
        out, errors = process.communicate(typed, timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def assert_one_line(done: subprocess.CompletedProcess[bytes], code: int, *parts: str) -> None:
    """Check that a command failed with one clear line that has these parts, and nothing else."""
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert said.startswith("rdbg: ") and said.count("\n") == 1 and said.endswith("\n"), said
    for part in parts:
        assert part in said
    assert done.stdout == b""
