"""``rdbg trace``: its rows are what single steps show."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

import rdbg as rdbg_package
from tests.cli.command import TANK, assert_one_line, rdbg
from tests.emu.guests import NOP, addiu, beq, beql, i_type, lui, lw, r_type, sw
from tests.emu.images import elf

_DATA = 0x80110000
_JAL, _LL, _SC, _LWL, _LWR, _SWL, _SWR, _LB, _SH = 3, 0x30, 0x38, 0x22, 0x26, 0x2A, 0x2E, 0x20, 0x29
_WORDS = (
    lui(8, _DATA >> 16),
    addiu(9, 0, 0x1234),
    sw(9, 0, 8),
    lw(10, 0, 8),
    i_type(_SH, 8, 9, 6),
    i_type(_LB, 8, 11, 1),
    i_type(_LL, 8, 12, 0),
    addiu(12, 12, 1),
    i_type(_SC, 8, 12, 0),  # holds
    i_type(_SC, 8, 12, 4),  # does not: the link is gone
    *(i_type(op, 8, 10, at) for op in (_SWL, _SWR, _LWL, _LWR) for at in range(4)),
    r_type(0x19, 9, 10, 0),  # multu
    _JAL << 26 | (0x80100000 + 4 * 31 & 0x0FFFFFFF) >> 2,  # to the word behind the slot
    sw(31, 0, 31),  # its slot: the address is of the linked register, and so is what is stored
    NOP,
    NOP,
    beql(0, 9, 2),  # not taken: its slot is passed over
    sw(9, 16, 8),
    beql(0, 0, 1),  # taken
    lw(13, 0, 8),
    lui(14, 0xB800),
    i_type(0x24, 14, 15, 0x3FD),  # the serial port's line status
    lui(16, 0xBF00),
    addiu(17, 0, 0x42),
    sw(17, 0x500, 16),  # a reset, which ends the run
    beq(0, 0, 0xFFFF),
    NOP,
)


@pytest.fixture(scope="module", params=["little", "big"])
def guest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a few instructions of each sort."""
    folder = tmp_path_factory.mktemp("trace")
    big = request.param == "big"
    image = folder / "guest.elf"
    words = struct.pack(f"{'>' if big else '<'}{len(_WORDS)}I", *_WORDS)
    image.write_bytes(elf(0x80100000, words, big_endian=big))
    path = folder / "guest.rr"
    done = rdbg("record", "-o", path, "--", "-kernel", image, "-serial", "null", "-nic", "none", "-no-reboot")
    assert done.returncode == 0, done.stderr
    return path


def _traced(recording: Path, *words: str) -> list[dict[str, Any]]:
    done = rdbg("trace", recording, "--format", "json", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _check(recording: Path, rows: list[dict[str, Any]]) -> int:
    """Go through the run in single steps beside a trace; how many accesses were compared."""
    compared = 0
    held: dict[str, int] = {}
    written: dict[int, int] = {}
    with rdbg_package.open(str(recording)) as run:
        run.goto(rows[0]["icount"])
        for row in rows:
            held.update(row["registers"])
            if row["icount"] >= run.position:
                while run.position < row["icount"]:  # the step of a branch ends behind its slot
                    run.step()
                if row["icount"] == run.position:
                    while run.pc != row["pc"]:
                        assert run.step() == row["icount"], "an exception takes no instruction"
                    now = run.registers()
                    assert {name: now[name] for name in held} == held, row
            for access in row["accesses"]:
                data = bytes.fromhex(access["data"])
                if access["access"] == "write":
                    written.update((access["address"] + at, byte) for at, byte in enumerate(data))
                else:
                    known = [written.get(access["address"] + at) for at in range(len(data))]
                    assert all(byte is None or byte == data[at] for at, byte in enumerate(known)), row
                compared += 1
            if row["icount"] == run.position:
                run.step()
        for address, byte in written.items():
            if address >> 28 == _DATA >> 28:  # memory, and no device register
                assert run.memory(address, 1)[0] == byte, hex(address)
    return compared


def test_every_sort_of_access_is_told_as_single_steps_show_it(guest: Path) -> None:
    rows = _traced(guest)
    assert _check(guest, rows) > 24
    by_pc = {row["pc"]: row for row in rows}
    slot = by_pc[0x80100000 + 4 * 28]
    assert slot["registers"]["ra"] == 0x80100000 + 4 * 29 and slot["accesses"][0]["address"] == 0x80100000 + 4 * 29
    assert by_pc[0x80100000 + 4 * 8]["accesses"] and not by_pc[0x80100000 + 4 * 9]["accesses"], "sc"
    assert 0x80100000 + 4 * 32 not in by_pc, "a slot that was passed over"
    status = by_pc[0x80100000 + 4 * 36]["accesses"]
    assert [(each["address"], len(each["data"])) for each in status] == [(0xB80003FD, 2)]


@pytest.mark.parametrize("guest", ["little"], indirect=True)
def test_a_stretch_has_the_rows_of_its_positions_also_within_a_step(guest: Path) -> None:
    """As tables have: what follows each other is the whole, and the first row has all registers."""
    rows = _traced(guest)
    slot = next(at for at, row in enumerate(rows) if row["pc"] == 0x80100000 + 4 * 28)
    position = rows[slot]["icount"]
    assert rows[slot - 1]["icount"] == position - 1, "its branch"
    before, behind = _traced(guest, "--to", str(position)), _traced(guest, "--from", str(position))
    assert before == rows[:slot] and behind[1:] == rows[slot + 1 :]
    held: dict[str, int] = {}
    for row in rows[: slot + 1]:
        held.update(row["registers"])
    assert behind[0] == rows[slot] | {"registers": held}
    table = rdbg("query", guest, "accesses", f"{_DATA:#x}+0x10000", "--from", str(position), "--json")
    assert table.returncode == 0, table.stderr
    behind_it = [json.loads(line)["icount"] for line in table.stdout.splitlines()]
    accessing = [
        row["icount"] for row in behind if any(each["address"] >> 16 == _DATA >> 16 for each in row["accesses"])
    ]
    assert behind_it and len(behind_it) == len(accessing) and min(behind_it) >= position


def test_a_program_with_interrupts_agrees_with_single_steps(tmp_path: Path) -> None:
    path, out = tmp_path / "tank.rr", tmp_path / "tank.tenet"
    assert rdbg("record", "-o", path, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    rows = _traced(path, "--from", "75700", "--to", "76200")
    assert _check(path, rows) > 100
    assert rdbg("trace", path, "--from", "75700", "--to", "76200", "-o", out).returncode == 0
    lines = out.read_text().splitlines()
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        words = [word.split("=", 1) for word in line.split(",")]
        registers = {name: int(value, 16) for name, value in words if name not in ("mr", "mw", "pc")}
        assert registers == row["registers"] and dict(words)["pc"] == hex(row["pc"])
        accesses = [(name, *value.split(":")) for name, value in words if name in ("mr", "mw")]
        assert accesses == [
            ("mw" if each["access"] == "write" else "mr", hex(each["address"]), each["data"])
            for each in row["accesses"]
        ]
    assert_one_line(rdbg("trace", path, "--format", "xml"), 2, "there is no such format")
    assert_one_line(rdbg("trace", path, "--from", "10", "--to", "5"), 2, "before --from")
    assert [row["icount"] for row in _traced(path, "--from", "75700", "--to", "+3")] == [75700, 75701, 75702]
    assert_one_line(rdbg("trace", path, "--to", "5", "-o", path), 1, "tank.rr")
