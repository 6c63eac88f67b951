"""A machine that starts without an image: GDB brings the program."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.gdb.driver import Gdb
from tests.processes import RDBG, served

GUEST = Path(__file__).resolve().parents[2] / "examples" / "guest" / "tank.elf"


def test_load_and_go_both_ways(gdb_program: str) -> None:
    with served(["run", "-S", "-serial", "null"]) as port, Gdb(gdb_program, GUEST) as gdb:
        gdb.connect(port)
        assert gdb.value("$pc") == 0xBFC0_0000
        assert "Start address" in gdb.run("load")
        gdb.run("break main")
        assert "Breakpoint 1" in gdb.run("continue")
        at_main = gdb.value("$pc")
        gdb.run("stepi")
        gdb.run("reverse-stepi")
        assert gdb.value("$pc") == at_main


def test_load_onto_a_board_of_ones_own(gdb_program: str) -> None:
    board = GUEST.parents[1] / "bare.toml"
    with served(["run", "-M", f"bare,file={board}", "-S", "-serial", "null"]) as port, Gdb(gdb_program, GUEST) as gdb:
        gdb.connect(port)
        assert "Start address" in gdb.run("load")
        gdb.run("break main")
        assert "Breakpoint 1" in gdb.run("continue")


def test_the_program_may_be_for_any_mips(gdb_program: str, tmp_path: Path) -> None:
    """Of a description that names another architecture GDB says that they are ambiguous."""
    data = bytearray(GUEST.read_bytes())
    data[36:40] = (0x50001000).to_bytes(4, "little")  # e_flags: EF_MIPS_ARCH_32, EF_MIPS_ABI_O32
    older = tmp_path / "older.elf"
    older.write_bytes(data)
    with served(["run", "-S", "-serial", "null"]) as port, Gdb(gdb_program, older) as gdb:
        assert "architecture" not in gdb.connect(port)
        assert "Start address" in gdb.run("load")


def test_nothing_to_run_and_nobody_to_bring_it() -> None:
    done = subprocess.run([*RDBG, "run", "-S"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "let GDB load it" in done.stderr
