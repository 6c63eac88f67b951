"""The GDBs that tests run with: Debian's and the one from PyPI."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path

import pytest

PYPI_GDB = Path(sysconfig.get_path("scripts")) / "gdb"


@pytest.fixture(params=[pytest.param("gdb-multiarch", marks=pytest.mark.real("gdb-multiarch")), "pypi"])
def gdb_program(request: pytest.FixtureRequest) -> str:
    """Path of a GDB that knows MIPS."""
    if request.param == "pypi":
        if not PYPI_GDB.is_file():
            pytest.skip("needs gdb-for-pwndbg (pip install rdbg[gdb])")
        return str(PYPI_GDB)
    found = shutil.which(request.param)
    assert found is not None
    return found
