"""A disk that is full while a run is recorded."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import rdbg.journal.writer
from rdbg.cli import main
from tests.cli.command import TANK, TANK_OUTPUT


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
