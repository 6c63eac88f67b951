"""What `make wheels` gives away works where there is no compiler and no source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
#: What stands in a checkout and belongs to nobody else.
_NOT_GIVEN = (".git", ".venv", ".make", ".*_cache", ".hypothesis", "build", "dist", "*.egg-info", "*.so", "core.c")
_OWN = shutil.ignore_patterns(*_NOT_GIVEN, "__pycache__")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist and the wheel, made of a copy of this tree."""
    copy = tmp_path_factory.mktemp("tree") / "rdbg"
    shutil.copytree(PROJECT, copy, ignore=_OWN)
    made = subprocess.run(
        ["make", "wheels", f"PYTHON={sys.executable}"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return copy / "dist"


def test_the_sdist_holds_all_that_a_reader_needs(dist: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.split("/", 1)[-1] for name in file.getnames()}
    for path in ("docs/gdb.md", "examples/tank.gdb", "examples/guest/tank.elf", "editors/vscode/launch.json",
                 "rdbg/ui/page/page.js", "rdbg/ui/page_sources/page.js", "docs/pictures/ui.png",
                 "tests/test_wheel.py", "rdbg/emu/core.pyx", "Makefile", "CHANGELOG.md", "LICENSE"):  # fmt: skip
        assert path in names
    assert not [name for name in names if name.endswith((".so", ".pyc", "core.c"))]


def test_the_wheel_records_and_finds_the_bug_without_a_compiler(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    assert "manylinux" in wheel.name
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    assert {f"rdbg/ui/page/{name}" for name in ("index.html", "page.js", "page.css", "uplot-licence.txt")} <= names
    assert not [name for name in names if "page_sources" in name]
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    # No compiler can be found: what is not a finished package cannot be installed.
    surroundings = {"PATH": str(programs), "HOME": str(tmp_path), "CC": "/nonexistent", "LANG": "C.UTF-8"}
    surroundings |= {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            words, cwd=tmp_path, env=surroundings, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(str(programs / "pip"), "install", "--quiet", "--only-binary", ":all:", f"{wheel}[gdb]")
    rdbg = str(programs / "rdbg")
    assert "formats: journal" in run(rdbg, "--version")
    share = tmp_path / "venv" / "share"
    for path in ("man/man1/rdbg.1", "bash-completion/completions/rdbg", "zsh/site-functions/_rdbg",
                 "fish/vendor_completions.d/rdbg.fish"):  # fmt: skip
        assert "rdbg" in (share / path).read_text()
    assert run(rdbg, "completion", "bash") == (share / "bash-completion" / "completions" / "rdbg").read_text()
    guest = str(PROJECT / "examples" / "guest" / "tank.elf")
    run(rdbg, "record", "-o", "tank.rec", "--", "-M", "malta", "-kernel", guest, "-serial", "null")
    script = str(PROJECT / "examples" / "tank.gdb")
    said = run(rdbg, "debug", "tank.rec", "-serial", "null", "--at", "end", "--script", script, "--batch")
    assert "record_sample" in said and "New value = 900" in said
