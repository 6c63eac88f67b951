"""`rdbg debug`: GDB on an image, with its symbols and its sources."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import TANK, start


def test_sources_are_found_beside_the_image(tmp_path: Path) -> None:
    """The ELF file names its sources without a folder, and GDB runs elsewhere."""
    commands = ["--ex", "break record_sample", "--ex", "continue", "--ex", "list", "--batch"]
    process = start("debug", TANK, *commands, cwd=tmp_path)
    out, errors = process.communicate(b"", 60)
    assert b"tank.samples[next] = value;" in out, errors
