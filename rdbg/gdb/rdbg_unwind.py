"""Frames of code that has no symbols, for a GDB with Python.

Without a symbol GDB looks for the beginning of a function by searching back from the PC, as far as `set
heuristic-fence-post` says: not at all, by default. Then it prints a warning at each stop, and takes the frame for the
outermost one. So it is told that at once. rdbg_gdb.py loads this file. Runs inside GDB: nothing of the rdbg package may
be imported here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gdb
from gdb.unwinder import Unwinder, register_unwinder


@dataclass(frozen=True)
class _FrameId:
    """As GDB wants it."""

    sp: gdb.Value
    pc: gdb.Value


class _Frames(Unwinder):  # type: ignore[misc]
    """Takes the frames that GDB would warn of."""

    def __init__(self) -> None:
        super().__init__("rdbg")

    def __call__(self, pending: Any) -> Any:
        """What is known of a frame, or None: GDB finds out by itself."""
        if not pending.architecture().name().startswith("mips") or gdb.parameter("heuristic-fence-post"):
            return None
        pc, sp = pending.read_register("pc"), pending.read_register("sp")
        if _has_function(int(pc) & 0xFFFF_FFFF):
            return None
        frame = pending.create_unwind_info(_FrameId(sp, pc))
        # A caller that is the frame itself ends it. Without any, GDB 13 fails in the middle of `nexti`.
        frame.add_saved_register("pc", pc)
        frame.add_saved_register("sp", sp)
        return frame


def _has_function(address: int) -> bool:
    block = gdb.current_progspace().block_for_pc(_sign_extended(address))
    if block is not None and block.function is not None:
        return True
    return "No symbol" not in str(gdb.execute(f"info symbol {address:#x}", to_string=True))


def _sign_extended(address: int) -> int:
    """As GDB holds addresses of a 32-bit MIPS."""
    return address | 0xFFFF_FFFF_0000_0000 if address & 0x8000_0000 else address


register_unwinder(None, _Frames(), replace=True)
