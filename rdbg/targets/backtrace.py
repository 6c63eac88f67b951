"""The calls that have led to where a machine stands, told from the code of its functions.

A function that calls others makes room on the stack and saves where it returns to, at its beginning. That is found by
reading its code from there up to where it is; code that does it otherwise ends the backtrace.
Source: System V ABI, MIPS processor supplement, 3-11 (the stack frame); MIPS32 Instruction Set (vol. II).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from rdbg.emu.machine_api import MachineApi
from rdbg.emu.mips32 import MIPS32
from rdbg.quick_dataclass import dataclass

#: Numbers of registers: the frame pointer, the return address.
_FP, _RA = 30, 31
_MOST_FRAMES = 64
#: Bytes of a function that are read, at most.
_MOST_CODE = 4096
_ADDIU_SP_SP, _SW_RA_SP, _MOVE_FP_SP = 0x27BD, 0xAFBF, (0x03A0F021, 0x03A0F025)


@dataclass(frozen=True)
class Frame:
    """A call that has not returned.

    Args:
        pc: where it is.
        function: its name; empty: not known.
        offset: bytes from the function's beginning to ``pc``.
    """

    pc: int
    function: str
    offset: int


@dataclass(frozen=True)
class _Prologue:
    """What a function has done to the stack up to some place: bytes of room, and where the return address is."""

    room: int = 0
    saved: int | None = None
    by_frame_pointer: bool = False


def backtrace(machine: MachineApi, function_at: Callable[[int], tuple[str, int] | None]) -> list[Frame]:
    """The frames, the innermost first.

    Args:
        machine: where it stands.
        function_at: the name of the function at an address, and how far into it that is; None: not known.
    """
    architecture = machine.architecture
    pc = machine.pc
    if architecture.name != MIPS32.name:
        return [_frame(pc, function_at(pc))]
    stack = machine.read_register(architecture.number_of(architecture.stack_pointer))
    frame_pointer = machine.read_register(_FP)
    link = machine.read_register(_RA)
    frames: list[Frame] = []
    while len(frames) < _MOST_FRAMES:
        # Behind a call that does not return another function may begin.
        known = function_at(pc if not frames else pc - 8)
        frames.append(_frame(pc, None if known is None else (known[0], known[1] + (8 if frames else 0))))
        if known is None:
            break
        begin = pc - frames[-1].offset
        done = _prologue(machine, begin, pc)
        if done.by_frame_pointer:
            stack = frame_pointer
        if done.saved is None:
            if len(frames) > 1:
                break
            following = link
        else:
            word = machine.read_memory(architecture.wrapped(stack + done.saved), 4)
            if len(word) < 4:
                break
            following = int(struct.unpack(">I" if machine.big_endian else "<I", word)[0])
        stack = architecture.wrapped(stack + done.room)
        if following == 0 or following % 4 or (following == pc and not done.room):
            break
        pc = following
    return frames


def _frame(pc: int, known: tuple[str, int] | None) -> Frame:
    return Frame(pc, "", 0) if known is None else Frame(pc, *known)


def _prologue(machine: MachineApi, begin: int, pc: int) -> _Prologue:
    code = machine.read_memory(begin, min(max(pc - begin, 0), _MOST_CODE))
    words = struct.unpack(f"{'>' if machine.big_endian else '<'}{len(code) // 4}I", code[: len(code) // 4 * 4])
    room, saved, by_frame_pointer = 0, None, False
    for at, word in enumerate(words):
        if word >> 16 == _ADDIU_SP_SP:
            amount = (word & 0xFFFF) - (0x10000 if word & 0x8000 else 0)
            if amount < 0 and not room:
                room = -amount
            elif amount > 0 and at + 1 == len(words):
                room, saved = 0, None  # it is about to return
        elif word >> 16 == _SW_RA_SP:
            saved = word & 0xFFFF
        elif word in _MOVE_FP_SP:
            by_frame_pointer = True
    return _Prologue(room, saved, by_frame_pointer)
