"""A disk that is full while a run is recorded."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

import rdbg.journal.writer
from rdbg.cli.main import main
from tests.cli.command import PROJECT, TANK, TANK_OUTPUT, assert_one_line
from tests.processes import RDBG


def test_the_run_goes_on_without_its_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    write = os.pwrite

    def full(handle: int, data: bytes, offset: int) -> int:
        if offset:  # all but the header
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(rdbg.journal.writer, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115  # pytest's own cannot be polled
    recording = tmp_path / "tank"
    assert main(["record", "-o", str(recording), "-kernel", str(TANK), "-serial", "stdio"]) == 1
    out, said = capfdbinary.readouterr()
    assert out == TANK_OUTPUT
    assert said.count(b"\n") == 1 and b"No space left on device" in said and b"goes on, unrecorded" in said
    monkeypatch.undo()
    assert main(["replay", str(recording), "-serial", "null"]) == 0


@pytest.mark.parametrize("room", [0, 300, 20_000, 74_000])
def test_no_room_to_begin_with(tmp_path: Path, room: int) -> None:
    """One line with a cure, and nothing is left or said to be."""
    words = ["record", "-o", tmp_path / "tank", "-kernel", TANK, "-serial", "null"]
    done = subprocess.run(
        ["prlimit", f"--fsize={room}", *RDBG, *words], stdin=subprocess.DEVNULL, capture_output=True, cwd=PROJECT
    )
    assert_one_line(done, 1, str(tmp_path / "tank"), "space")
    assert b"kept" not in done.stderr
    assert not list(tmp_path.iterdir())
