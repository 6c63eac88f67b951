"""Reserved instructions that do not end their block: the exception is theirs."""

from __future__ import annotations

import pytest

from rdbg.emu.machine_api import RunRequest
from tests.emu.guests import CODE, LOOP, NOP, addiu, beq, machine_with

CU1, FR = 1 << 29, 1 << 26
RESERVED = 10
PAIRED_SINGLES = {
    "add.ps": 0x46C41080, "c.f.ps": 0x46C41030, "cabs.f.ps": 0x46C41070, "movf.ps": 0x46C01091,
    "cvt.ps.s": 0x460410A6, "cvt.ps.pw": 0x468010A6, "alnv.ps": 0x4C44109E, "madd.ps": 0x4C4410A6,
    "nmsub.ps": 0x4C4410BE,
}  # fmt: skip
COPROCESSOR_OFF = 11


@pytest.mark.parametrize("word", PAIRED_SINGLES.values(), ids=PAIRED_SINGLES)
@pytest.mark.parametrize("status", [0, CU1, CU1 | FR], ids=["off", "pairs", "wide"])
@pytest.mark.parametrize("in_slot", [False, True])
def test_a_paired_single_is_where_it_stands(word: int, status: int, in_slot: bool) -> None:
    """With registers of 64 bits, too, where the translator goes on behind it."""
    front = [addiu(8, 8, 1), addiu(8, 8, 1), *([beq(0, 0, 1)] if in_slot else [])]
    code = [*front, word, addiu(8, 8, 1), addiu(8, 8, 1), LOOP, NOP]
    at = CODE + 4 * len(front)
    whole, stepped = (machine_with(code, status=status) for _ in range(2))
    end = len(front) + 1 + 18  # far enough not to cut the block
    whole.run(RunRequest(until=end))
    while stepped.icount < end:
        stepped.step()
    assert whole.digest() == stepped.digest()
    cause, epc = (whole.core.registers.read_cp0(register, 0) for register in (13, 14))
    assert (epc, cause >> 31) == (at - 4 * in_slot, in_slot)
    assert cause >> 2 & 31 in ([RESERVED] if status else [RESERVED, COPROCESSOR_OFF])
