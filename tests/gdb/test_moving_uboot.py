"""Debian's U-Boot copies itself to the top of RAM and goes on there: rdbg finds the copy, and GDB gets its symbols."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import rdbg
from tests.conftest import UBOOT_BIOS
from tests.linux.console import Console
from tests.processes import RDBG

pytestmark = pytest.mark.real("u-boot-qemu", "gcc-mipsel-linux-gnu")

PROMPT = b"maltael # "


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A recording, and what U-Boot itself says of where it is (bdinfo)."""
    path = tmp_path_factory.mktemp("uboot") / "uboot.rec"
    words = ["record", "-o", str(path), "--", "-M", "malta", "-m", "256", "-bios", str(UBOOT_BIOS), "-nographic"]
    with Console(words) as console:
        console.wait_for(PROMPT)
        console.type("bdinfo")
        said = console.wait_for(PROMPT)
        console.press(b"\x01x")
        console.finish()
    return path, said.decode().replace("\r", "")


@pytest.fixture(scope="module")
def elf(told: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian strips it: U-Boot's ELF file with one symbol, on the store that sends a character."""
    recording, console = told
    with rdbg.open(recording) as run:
        run.goto('output "relocaddr"')
        store = (run.pc - _said(console, "reloc off")) & 0xFFFF_FFFF
    assert store >= 0xBE00_0000
    path = tmp_path_factory.mktemp("symbols") / "u-boot"
    symbol = f"send_character=.text:{store - 0xBE000000:#x},function,global"
    image = UBOOT_BIOS.with_name("uboot.elf")
    subprocess.run(["mipsel-linux-gnu-objcopy", "--add-symbol", symbol, image, path], check=True)
    return path


def _said(console: str, name: str) -> int:
    found = re.search(rf"^{name} += (0x[0-9a-f]+)", console, re.MULTILINE)
    assert found is not None, console
    return int(found[1], 16)


def test_names_are_where_uboot_says_that_it_has_gone(told: tuple[Path, str], elf: Path) -> None:
    recording, console = told
    with rdbg.open(recording, symbols=elf) as run:
        run.goto('output "relocaddr"')
        assert run.symbol(run.pc) == ("send_character", 0)
        assert run.find("send_character") is not None and run.pc >= _said(console, "relocaddr")
        # It begins in flash, and prints there before there is a copy.
        run.goto("start")
        assert run.find("send_character") is not None and run.pc >= 0xBE00_0000
        assert run.symbol(run.pc) == ("send_character", 0)


def test_a_profile_names_code_of_both_copies(told: tuple[Path, str], elf: Path, tmp_path: Path) -> None:
    sums = {}
    for name, stretch in (("all", ()), ("flash", ("--to", "10%"))):
        path = tmp_path / f"{name}.folded"
        words = ["profile", told[0], "--symbols", elf, "-o", path, *stretch]
        subprocess.run([*RDBG, *map(str, words)], check=True, timeout=120, capture_output=True)
        sums[name] = sum(int(line.rsplit(" ", 1)[1]) for line in path.read_text().splitlines() if "send_ch" in line)
    assert 0 < sums["flash"] < sums["all"]


def test_gdb_has_the_symbols_of_both_copies(
    told: tuple[Path, str], elf: Path, gdb_program: str, tmp_path: Path
) -> None:
    recording, console = told
    script = tmp_path / "moving.gdb"
    script.write_text(_COMMANDS)
    words = ["debug", recording, "--gdb-program", gdb_program, "--symbols", elf, "--script", script, "--batch"]
    done = subprocess.run([*RDBG, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    moved = _said(console, "reloc off")
    assert "the image runs where it is linked: offset 0" in done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("u-boot: ", "pc "))]
    assert lines == [
        "pc 0xbe",
        f"u-boot: symbols {(1 << 32) - moved:#x} bytes lower",
        f"pc {_said(console, 'relocaddr') >> 24:#x}",
    ], done.stdout + done.stderr


_COMMANDS = """
set pagination off
monitor symbols offset
break send_character
continue
printf "pc 0x%x\\n", (unsigned) $pc >> 24
monitor goto end
rdbg symbols
reverse-continue
printf "pc 0x%x\\n", (unsigned) $pc >> 24
"""
