"""``rdbg board draft``: an unknown firmware gets a board that it comes further on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgpack
import pytest

from rdbg.emu.devices.explored_registers import PATIENCE
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import MachineState, RunRequest
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from tests.cli.command import assert_one_line, rdbg_here
from tests.emu.bench_system import BenchMachine
from tests.emu.boards.test_bare import BASE, KERNEL, spec

GUEST = Path(__file__).parent / "guest" / "lamps-el.elf"
UBOOT = Path("/usr/lib/u-boot/maltael/u-boot.bin")
LENGTH = ("--instructions", "200000")


def draft(firmware: Path, output: Path, *more: str | Path) -> subprocess.CompletedProcess[bytes]:
    done = rdbg_here("board", "draft", firmware, "-o", output, *LENGTH, *more)
    assert done.returncode == 0, done.stderr
    return done


def run(board: str, firmware: Path, role: str, length: int) -> Machine:
    images = (Image(role, str(firmware), firmware.read_bytes()), Image("board", "b.toml", board.encode()))
    machine = Machine(MachineSpec("bare", "24Kf", False, 8 << 20, 3, images))
    machine.run(RunRequest(until=length))
    return machine


def test_a_firmware_comes_further_on_the_board_that_is_drafted_for_it(tmp_path: Path) -> None:
    output = tmp_path / "board.toml"
    assert b"8 registers in 2 devices" in draft(GUEST, output).stderr
    text = output.read_text()
    assert "# 129 loads and 1 store; first at pc 0x80000010 (ready), icount 4" in text
    assert "sequence = [[0x0, 64], [0xffffffff, 1]" in text and "base = 0x1f010008" in text
    alone = text[: text.index("[[registers]]")]
    stuck = run(alone, GUEST, "kernel", 20_000)
    assert stuck.pc & 0xFFF00000 == 0xBFC00000  # the first load was a bus error, and so is the vector's fetch
    there = run(text, GUEST, "kernel", 20_000)
    assert 0x80000074 <= there.pc <= 0x8000008C  # it blinks


def test_a_draft_goes_on_from_what_is_known(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("1.toml", "2.toml", "3.toml"))
    draft(GUEST, first)
    known = first.read_text()
    cut = known[: known.rindex("[[registers.register]]")]  # the last one of the pins
    second.write_text(cut)
    assert b"1 registers in 1 devices" in draft(GUEST, third, "--from", second).stderr
    text = third.read_text()
    assert text.startswith(cut.rstrip()) and "base = 0x1f010024" in text
    assert b"0 registers in 0 devices" in draft(GUEST, tmp_path / "4.toml", "--from", third).stderr


@pytest.mark.real("u-boot-qemu")
def test_u_boot_for_a_board_that_is_not_known(tmp_path: Path) -> None:
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    draft(UBOOT, first, "--at", "0xbe000000")
    text = first.read_text()
    assert "base = 0x1fc00010" in text and "1 load; first at pc 0xbe001b48" in text  # the board's revision
    known = text.replace("offset = 0x0\n", "offset = 0x0\nreset = 0x420\n")
    assert known != text
    (tmp_path / "known.toml").write_text(known)
    draft(UBOOT, second, "--from", tmp_path / "known.toml")
    more = second.read_text()
    assert "base = 0x14000068" in more and "base = 0x1be00048" in more and "stored: 0x55" in more
    there, before = run(more, UBOOT, "bios", 107_000), run(known, UBOOT, "bios", 107_000)
    assert there.pc & 0xFFF00000 == 0xBE000000 and before.pc & 0xFFF00000 == 0xBFC00000


def test_a_register_that_is_waited_for_changes() -> None:
    machine = BenchMachine(spec(BASE + "[[explore]]\nbase = 0x10000000\nsize = 0x1000\n", KERNEL))
    at = 0x10000000
    machine.write(at + 4, 4, 0x1234)
    assert machine.read(at + 4, 4) == 0x1234 and machine.read(at + 6, 1) == 0
    values = [machine.read(at + 4, 4) for _ in range(3 * PATIENCE)]
    assert values[PATIENCE - 2] == 0x1234 and values[PATIENCE + 1] == 0xFFFFFFFF and values[2 * PATIENCE + 1] == 0
    machine.reset()
    assert machine.read(at + 4, 4) == 0


def test_its_saved_state_is_checked() -> None:
    machine = Machine(spec(BASE + "[[explore]]\nbase = 0x10000000\nsize = 0x1000\n", KERNEL))
    good = machine.save_state()
    parts = msgpack.unpackb(good.devices)
    for bad in (
        {"values": 1},
        {"values": [1]},
        {"values": [1, 256]},
        {"values": ["a", 1]},
        {"polled": -1},
        {"polls": b""},
    ):
        state = {"values": [0, 1], "polled": 0, "polls": 0, **bad}
        parts["devices"]["explored0"][1] = state
        with pytest.raises(RdbgError, match="explored0"):
            machine.load_state(MachineState(good.icount, good.cpu, msgpack.packb(parts)))


def test_bad_input(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.bin"
    nothing.write_bytes(bytes(4096))
    assert_one_line(rdbg_here("board"), 2, "say one of draft, sources")
    assert_one_line(rdbg_here("board", "draft", tmp_path / "no"), 1, "no: cannot read the firmware")
    assert_one_line(rdbg_here("board", "draft", nothing), 2, "does not tell its byte order")
    assert_one_line(rdbg_here("board", "draft", GUEST, "--at", "x"), 2, "--at x: must be a number")
    assert_one_line(rdbg_here("board", "draft", nothing, "-EL", "--at", "0xbfc00001"), 2, "multiple of 0x1000")
    assert_one_line(rdbg_here("board", "draft", GUEST, "--ram", "0"), 2, "--ram 0: must be")
    assert_one_line(rdbg_here("board", "draft", GUEST, "--from", nothing), 1, "nothing.bin")


def test_a_draft_replaces_no_file_but_the_board_that_it_goes_on_from(tmp_path: Path) -> None:
    firmware, board = tmp_path / "firmware.elf", tmp_path / "board.toml"
    firmware.write_bytes(GUEST.read_bytes())
    refused = rdbg_here("board", "draft", firmware, "-o", firmware, *LENGTH)
    assert_one_line(refused, 2, "firmware.elf: there is a file already; name another")
    assert firmware.read_bytes() == GUEST.read_bytes()
    assert rdbg_here("board", "draft", firmware, "-o", board, *LENGTH).returncode == 0
    board.write_text(board.read_text() + "# looked at by hand\n")
    assert_one_line(rdbg_here("board", "draft", firmware, "-o", board, *LENGTH), 2, "there is a file already")
    assert rdbg_here("board", "draft", firmware, "--from", board, "-o", board, *LENGTH).returncode == 0
    assert "# looked at by hand" in board.read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["board.toml", "firmware.elf"]


def test_a_draft_in_another_folder_names_the_same_peripherals(tmp_path: Path) -> None:
    known, firmware = tmp_path / "known", tmp_path / "firmware.bin"
    known.mkdir()
    (tmp_path / "drafts" / "new").mkdir(parents=True)
    quiet = "    def read(self, offset, size): return 0\n    def write(self, offset, size, value): pass\n"
    (known / "d.py").write_text(f"from rdbg.peripheral import Peripheral\nclass Device(Peripheral):\n{quiet}")
    firmware.write_bytes(b"".join(word.to_bytes(4, "little") for word in (0x3C08BF00, 0x8D090000, 0x1000FFFF, 0)))
    (known / "board.toml").write_text(
        'endian = "little"\nreset_pc = 0xbfc00000\n[[ram]]\nbase = 0\nsize = 0x100000\n'
        '[[rom]]\nbase = 0x1fc00000\nsize = 0x1000\n[[device]]\npython = "d.py:Device"\nbase = 0x1f000000\n'
    )
    output = tmp_path / "drafts" / "new" / "board.toml"
    draft(firmware, output, "--from", known / "board.toml")
    assert 'python = "../../known/d.py:Device"' in output.read_text()
    draft(firmware, output, "--from", output)  # which finds it there
