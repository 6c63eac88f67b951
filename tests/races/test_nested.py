"""Interrupts within interrupts come where they come on QEMU, one after another."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.differential.qemu import memory_from_qemu
from tests.differential.rdbg_side import memory_from_rdbg
from tests.races.both import ICOUNT
from tests.races.layout import assemble

pytestmark = pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")

PROGRAM = Path(__file__).with_name("nested.S").read_text()
TICKS = (877, 901, 953, 1001, 1111, 1234)
#: Of the stack, for each handler that is under way.
FRAME_BYTES = 64


@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
def test_each_comes_before_the_same_instruction(big_endian: bool, tmp_path: Path) -> None:
    entry = struct.Struct(">5I" if big_endian else "<5I")
    depths: list[int] = []
    for ticks in TICKS:
        guest = assemble(f"        .equ TICKS, {ticks}\n{PROGRAM}", big_endian, tmp_path, "nested")
        log = guest.symbols["log"], guest.symbols["log_bound"] - guest.symbols["log"]
        theirs = memory_from_qemu(guest.path, guest.symbols["finish"], *log, big_endian, icount=ICOUNT)
        ours = memory_from_rdbg(guest.path, guest.symbols["finish"], *log, big_endian)
        on_qemu, here = list(entry.iter_unpack(theirs)), list(entry.iter_unpack(ours))
        # From where one came between a branch and its slot the two go on differently (docs/cpu.md).
        same = next((number for number, (cause, *_) in enumerate(on_qemu) if cause >> 31), len(on_qemu))
        assert on_qemu[:same] == here[:same], ticks
        depths += [depth // FRAME_BYTES for _, _, _, depth, _ in here[:same]]
    assert len(depths) > 10 * len(TICKS) and set(depths) == {1, 2, 3}
