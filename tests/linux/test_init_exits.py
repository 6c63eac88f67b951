"""An init that exits, which the kernel does not survive: from the panic back to the system call that led to it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LINUX
from tests.gdb.driver import Gdb
from tests.linux.fetch import BUSYBOX
from tests.linux.initramfs import initramfs
from tests.processes import RDBG, served

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(900)]

EXIT_CODE = 3
#: Number of exit_group in the o32 ABI (arch/mips/kernel/syscalls/syscall_o32.tbl).
EXIT_GROUP = 4246
SYSCALL = 0x0000_000C


@pytest.fixture(scope="module")
def panicked(machine: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording; the reboot after the panic ends it."""
    folder = tmp_path_factory.mktemp("exits")
    initrd, journal, console = folder / "initrd.gz", folder / "exits.rr", folder / "console"
    initrd.write_bytes(initramfs(LINUX / BUSYBOX, f"exit {EXIT_CODE}"))
    words = list(machine)
    words[words.index("-initrd") + 1] = str(initrd)
    command = [*RDBG, "record", "-o", str(journal), "--", *words, "-no-reboot", "-serial", f"file:{console}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert b"Attempted to kill init! exitcode=0x00000300" in console.read_bytes()
    return journal


@pytest.fixture
def gdb(gdb_program: str, panicked: Path, symbols: Path) -> Iterator[Gdb]:
    with served(["replay", str(panicked), "-S", "-serial", "null"]) as port, Gdb(gdb_program, symbols) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(port)
        gdb.run("monitor goto end", timeout=300)
        gdb.forget()
        yield gdb


def test_from_the_panic_back_to_the_exit_of_init(gdb: Gdb) -> None:
    gdb.run("tbreak panic")
    assert "panic" in gdb.run("reverse-continue", timeout=300)
    assert "Attempted to kill init! exitcode=0x%08x" in gdb.run("x/s $a0")
    assert gdb.value("$a1") == EXIT_CODE << 8
    gdb.run("tbreak do_group_exit")
    assert "do_group_exit" in gdb.run("reverse-continue", timeout=300)
    assert gdb.value("$a0") == EXIT_CODE << 8
    gdb.run("tbreak handle_sys")
    assert "handle_sys" in gdb.run("reverse-continue", timeout=300)
    assert (gdb.value("$v0"), gdb.value("$a0")) == (EXIT_GROUP, EXIT_CODE)
    place = gdb.value("$epc")
    gdb.run("tbreak *$epc")
    gdb.run("reverse-continue", timeout=300)
    assert (gdb.value("$pc"), gdb.value("*(unsigned *) $pc")) == (place, SYSCALL)
    gdb.run("tbreak panic")
    assert "panic" in gdb.run("continue", timeout=300)
