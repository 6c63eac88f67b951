"""A kernel that moves itself when it boots (KASLR): its symbols are where it runs. The other tests say nokaslr."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import LINUX
from tests.gdb.driver import Gdb
from tests.linux.fetch import KERNEL
from tests.processes import RDBG, served

#: Without a root file system the kernel panics and reboots: the end of the recording.
_LINE = ["-M", "malta", "-kernel", str(LINUX / KERNEL), "-serial", "null", "-no-reboot"]


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording of a boot."""
    journal = tmp_path_factory.mktemp("kaslr") / "linux.rr"
    subprocess.run([*RDBG, "record", "-o", journal, "--", *_LINE, "-append", "panic=1"], check=True, timeout=300)
    return journal


@pytest.mark.real("linux-image-4kc-malta:mipsel")
@pytest.mark.timeout(900)
def test_a_breakpoint_at_a_symbol_hits(moved: Path, gdb_program: str, tmp_path: Path) -> None:
    journal, symbols = moved, tmp_path / "kernel.elf"
    said = subprocess.run(
        [*RDBG, "symbols", journal, "-o", symbols], check=True, timeout=300, capture_output=True, text=True
    ).stdout
    assert "the kernel has moved itself by" in said
    with served(["replay", str(journal), "-S", "-serial", "null"]) as port, Gdb(gdb_program, symbols) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(port)
        gdb.run("monitor goto end", timeout=300)
        gdb.forget()
        gdb.run("break panic")
        answer = gdb.run("reverse-continue", timeout=300)
        assert "Breakpoint 1" in answer and "panic" in answer
        assert "Unable to mount root fs" in gdb.run("x/s $a0")
        # The kernel's first self lies at 0x80100000, and is 16 MB long.
        assert gdb.value("$pc") - 0x8010_0000 > 0x0100_0000
