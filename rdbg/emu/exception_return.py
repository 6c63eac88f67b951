"""Returns from exceptions: where one leads, and which entry it belongs to (MIPS32 PRA vol. III, section 6.2)."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.expression import Operation, Step
from rdbg.emu.machine_api import Conditions

ERET = 0x42000018
_SP = 29
_BEV, _ERL, _EXL, _KSU, _IV = 1 << 22, 1 << 2, 1 << 1, 0x18, 1 << 23
#: CP0 registers: (number, select).
_STATUS, _INTCTL, _CAUSE, _EPC, _EBASE, _ERROREPC = (12, 0), (12, 1), (13, 0), (14, 0), (15, 1), (30, 0)

#: Reads a CP0 register by number and select, without side effects.
ReadCp0 = Callable[[int, int], int]


def return_address(word: int, cp0: ReadCp0) -> int | None:
    """Where an instruction returns to, if it is a return from an exception that is allowed here.

    Args:
        word: the instruction.
        cp0: of the CPU that is about to run it.
    """
    status = cp0(*_STATUS)
    if word != ERET or not (status & (_ERL | _EXL) or not status & _KSU):
        return None
    return cp0(*(_ERROREPC if status & _ERL else _EPC))


def ends_handler(cp0: ReadCp0) -> bool:
    """Whether a return from an exception would end a handler: of an exception, or of a reset or NMI. Else it is a jump,
    as in code that begins a program by it, and no exception led here."""
    return cp0(*_STATUS) & (_ERL | _EXL) != 0


def handled(word: int, cp0: ReadCp0) -> int | None:
    """Where the exception happened whose handler the CPU is in, and is still in behind an instruction; None: in none.

    Args:
        word: the instruction.
        cp0: of the CPU that is about to run it.
    """
    if not ends_handler(cp0) or return_address(word, cp0) is not None:
        return None
    return cp0(*(_ERROREPC if cp0(*_STATUS) & _ERL else _EPC))


def by_interrupt(cp0: ReadCp0) -> bool:
    """Whether the latest exception was an interrupt."""
    return cp0(*_CAUSE) & 0x7C == 0


def entries(address: int, stack: int, epc: int, cp0: ReadCp0) -> Conditions:
    """Exception entries whose handler returns to an address: to what was interrupted, or behind a system call.

    Args:
        address: where it returns to.
        stack: the stack pointer there; it tells the entry from those of other threads in the same code.
        epc: number of register EPC.
        cp0: of the CPU at the return.

    Returns:
        breakpoints at the vectors, with their conditions.
    """
    base = 0xBFC0_0200 if cp0(*_STATUS) & _BEV else cp0(*_EBASE) & 0xFFFF_F000
    spacing = cp0(*_INTCTL) & 0x3E0 if cp0(*_CAUSE) & _IV else 0
    offsets = {0, 0x180, *(0x200 + spacing * number for number in range(8 if spacing else 1))}

    def equals(register: int, value: int) -> tuple[Step, ...]:
        return Step(Operation.REGISTER, register), Step(Operation.CONSTANT, value), Step(Operation.EQUAL)

    same_stack = equals(_SP, stack)
    codes = tuple(
        (*equals(epc, at & 0xFFFF_FFFF), *same_stack, Step(Operation.AND), Step(Operation.END))
        for at in (address, address - 4)
    )
    return {base + offset: codes for offset in offsets}
