"""The package itself: version, and what is said where it cannot be built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rdbg

PROJECT = Path(__file__).parents[1]


def test_version_is_a_release_number() -> None:
    assert all(part.isdigit() for part in rdbg.__version__.split("."))


@pytest.mark.parametrize("words", [("make", "setup", "VENV={}/venv"), ("python3", "setup.py", "build_ext", "-b", "{}")])
def test_without_a_compiler_it_is_said_in_a_line_before_anything_else(tmp_path: Path, words: tuple[str, ...]) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "sh"):
        (programs / name).symlink_to(str(shutil.which(name)))
    (programs / "python3").write_text(f'#!{shutil.which("sh")}\nexec {sys.executable} "$@"\n')
    (programs / "python3").chmod(0o755)
    environment = {"PATH": str(programs), "HOME": str(tmp_path)}
    command = [str(programs / words[0]), *(word.format(tmp_path) for word in words[1:])]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode and "needs a C compiler" in done.stderr and "apt install gcc" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "venv").exists()
