"""The toy of another architecture: 64-bit addresses, instructions of 2 and 4 bytes, no delay slots, other registers.

Whatever stands above a machine must do with it what it does with any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.architecture import Architecture, ElfIdentity, RegisterInfo, RegisterKind
from tests.timeline.toy import BLOCK_LIMIT, Op, Toy

#: Bytes of the long instructions; the others have half as many.
LONG = {"load", "store", "branch"}

TOY64 = Architecture(
    name="toy64",
    bfd_name="toy64",
    elf=ElfIdentity(machine=0xF064, bits=64),
    address_bits=64,
    instruction_alignment=2,
    instruction_lengths=(2, 4),
    longest_step=1,
    longest_block=BLOCK_LIMIT,
    pc="place",
    stack_pointer="top",
    expedited=("place", "top"),
    registers=(
        *(RegisterInfo(10 + n, name, 64, "core", 1000 - n) for n, name in enumerate(("sum", "left", "right", "top"))),
        RegisterInfo(3, "place", 64, "control", 77, RegisterKind.CODE),
    ),
)


class Toy64(Toy):
    """The machine. Its program ends on one page and begins near the end of the one before, in the upper half."""

    architecture = TOY64
    data = 0xFFFF_FFF7_FFFF_8000
    _FIRST = 0xFFFF_FFC0_0000_0FF2

    @classmethod
    def lay_out(cls, program: Sequence[Op]) -> list[int]:
        """The address of each instruction: two bytes, or four."""
        lengths = [4 if op.kind in LONG else 2 for op in program]
        return list(accumulate(lengths[:-1], initial=cls._FIRST))

    def _clear_touched(self) -> None:
        super()._clear_touched()
        self._blocks: set[tuple[int, int]] = set()

    def _executed(self, pc: int) -> None:
        super()._executed(pc)
        self._blocks.add((pc, 4 if self._op(pc).kind in LONG else 2))

    def _executed_since(self) -> tuple[list[int], NDArray[np.uint64] | None]:
        return sorted(self._xv), np.array(sorted(self._blocks), np.uint64).reshape(-1, 2)
