"""How each register of the CPU is read and written."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.architecture import RegisterInfo
from rdbg.emu.core import Core, CoreRegisters
from rdbg.emu.mips32 import (
    BADVADDR,
    CAUSE,
    EXTRA,
    EXTRA_CP0,
    F0,
    FCSR,
    FIR,
    HI,
    LO,
    MIPS32,
    PAIRS,
    PC,
    READ_ONLY,
    RESTART,
    STATUS,
    WIDE,
    WIDE_F0,
)
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

#: Status.FR: 32 registers of 64 bits, instead of 16 pairs.
STATUS_FR = 1 << 26
LOW = 0xFFFF_FFFF

_Read = Callable[[], int]
_Write = Callable[[int], None]


@dataclass(frozen=True)
class Register:
    """A register of a CPU.

    Args:
        info: what is known of it.
        read: its value now.
        write: sets it; None: it cannot be written.
    """

    info: RegisterInfo
    read: _Read
    write: _Write | None


def register_table(core: Core) -> tuple[Register, ...]:
    """All registers of the architecture in the order of their numbers; the core learns the numbers of those of CP0."""
    registers = core.registers
    cp0 = {STATUS: (12, 0), BADVADDR: (8, 0), CAUSE: (13, 0)}
    cp0.update({EXTRA + i: (register, select) for i, (_, register, select) in enumerate(EXTRA_CP0)})
    for number, (register, select) in cp0.items():
        registers.name_cp0(number, register, select)
    access = {
        LO: _Access(lambda: registers.read_hi_lo()[1], registers.write_lo),
        HI: _Access(lambda: registers.read_hi_lo()[0], registers.write_hi),
        PC: _Access(lambda: core.pc, registers.write_pc),
        FCSR: _Access(registers.read_fcsr, registers.write_fcsr),
        FIR: _Access(registers.read_fir, lambda value: None),
        RESTART: _Access(lambda: 0, lambda value: None),
        **{n: _general(registers, n) for n in range(32)},
        **{F0 + n: _low_float(registers, n) for n in range(32)},
        **{WIDE_F0 + n: _wide_float(registers, n) for n in range(32)},
        **{number: _cp0(registers, *place) for number, place in cp0.items()},
    }
    return tuple(
        Register(info, access[info.number].read, None if info.name in READ_ONLY else access[info.number].write)
        for info in MIPS32.registers
    )


class CpuRegisters:
    """The registers of a CPU by the debugger's numbers.

    Args:
        core: has them.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._registers = {register.info.number: register for register in register_table(core)}

    @property
    def layout(self) -> str:
        """The layout of the floating-point registers now (Status.FR): 16 pairs, or 32 of 64 bits."""
        return WIDE if _has_wide_floats(self._core.registers) else PAIRS

    def read(self, number: int) -> int:
        """The value of a register."""
        return self._registers[number].read()

    def write(self, number: int, value: int) -> None:
        """Set a register.

        Raises:
            RdbgError: it is read-only, there is none of that number, or the value is too large for it.
        """
        register = self._registers.get(number)
        if register is None or value >> register.info.bits:
            raise RdbgError(f"there is no register {number} that {value:#x} could be written to")
        if register.write is None:
            raise RdbgError(f"register {register.info.name} cannot be written: the hardware sets it")
        register.write(value)


@dataclass(frozen=True)
class _Access:
    read: _Read
    write: _Write


def _general(registers: CoreRegisters, n: int) -> _Access:
    return _Access(lambda: registers.read_gpr(n), lambda value: registers.write_gpr(n, value))


def _cp0(registers: CoreRegisters, register: int, select: int) -> _Access:
    return _Access(
        lambda: registers.read_cp0(register, select), lambda value: registers.write_cp0(register, select, value)
    )


def _low_float(registers: CoreRegisters, n: int) -> _Access:
    return _Access(lambda: registers.read_fpr(n) & LOW, lambda value: _write_low(registers, n, value))


def _wide_float(registers: CoreRegisters, n: int) -> _Access:
    return _Access(lambda: _read_wide(registers, n), lambda value: _write_wide(registers, n, value))


def _has_wide_floats(registers: CoreRegisters) -> bool:
    return bool(registers.read_cp0(12, 0) & STATUS_FR)


def _write_low(registers: CoreRegisters, n: int, value: int) -> None:
    registers.write_fpr(n, registers.read_fpr(n) & ~LOW | value & LOW)


def _read_wide(registers: CoreRegisters, n: int) -> int:
    """64 bits of a register. Of a pair (Status.FR=0) the even one stands for both."""
    if _has_wide_floats(registers):
        return registers.read_fpr(n)
    low = registers.read_fpr(n) & LOW
    return low | (registers.read_fpr(n + 1) & LOW) << 32 if n % 2 == 0 else low


def _write_wide(registers: CoreRegisters, n: int, value: int) -> None:
    if _has_wide_floats(registers):
        registers.write_fpr(n, value)
        return
    _write_low(registers, n, value)
    if n % 2 == 0:
        _write_low(registers, n + 1, value >> 32)
