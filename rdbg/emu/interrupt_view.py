"""An interrupt that is due, or was taken, as the CPU's registers tell of it (MIPS32 PRA vol. III, chapter 6)."""

from __future__ import annotations

from rdbg.emu.machine_api import MachineApi

#: What CP0 registers are called, by number and select.
_NAMES = {(8, 0): "badvaddr", (9, 0): "count", (12, 0): "status", (12, 1): "intctl", (13, 0): "cause",
          (14, 0): "epc", (15, 1): "ebase", (4, 0): "context"}  # fmt: skip
_STATUS_EXL, _STATUS_BEV = 1 << 1, 1 << 22
_CAUSE_IV, _EXCEPTION_CODE, _SPACING = 1 << 23, 0x7C, 0x3E0
#: Cause.IP2 is the first of the hardware's lines; 0 and 1 are the guest's own.
_FIRST_HARDWARE = 2


class InterruptView:
    """Looks at the registers that interrupts are about.

    Args:
        machine: where it stands when it is asked.
        timer_line: the hardware line of Count/Compare.
        board: the machine's name.
    """

    def __init__(self, machine: MachineApi, timer_line: int, board: str) -> None:
        self._machine = machine
        self._timer_line = timer_line
        self._board = board
        self._numbers = {register.name: register.number for register in machine.architecture.registers}

    def system(self, register: int, select: int) -> int | None:
        """What a handler would find in a register of CP0 if an interrupt were taken here; None: it is not known."""
        name = _NAMES.get((register, select))
        if name is None:
            return None
        if name == "epc":
            return self._machine.pc
        value = self._read(name)
        return value & ~_EXCEPTION_CODE if name == "cause" else value

    def handler(self) -> int | None:
        """Where the handler begins (section 6.2.2); None: that depends on the interrupt's line."""
        offset = 0x200 if self._read("cause") & _CAUSE_IV else 0x180
        if self._read("status") & _STATUS_BEV:
            return 0xBFC00200 + offset
        if offset == 0x200 and self._read("intctl") & _SPACING:
            return None
        return (self._read("ebase") & 0xFFFFF000) + offset

    @property
    def in_exception(self) -> bool:
        """Whether an exception was taken whose handler has not returned, nor saved what it needs to be interrupted."""
        return bool(self._read("status") & _STATUS_EXL)

    @property
    def interrupted(self) -> int:
        """Address of the instruction that the latest exception came before."""
        return self._read("epc")

    @property
    def line(self) -> str:
        """What the line is called that has asked for an interrupt, of several the highest."""
        asking = (self._read("cause") & self._read("status")) >> 8 & 0xFF
        line = asking.bit_length() - 1
        if line == self._timer_line + _FIRST_HARDWARE:
            return "timer"
        if line < _FIRST_HARDWARE:
            return f"software (IP{max(line, 0)})"
        if self._board == "malta" and line == _FIRST_HARDWARE:
            return "i8259's"
        return f"hardware {line - _FIRST_HARDWARE} (IP{line})"

    def _read(self, name: str) -> int:
        return self._machine.read_register(self._numbers[name])
