"""The PC's pair of 8259A interrupt controllers (Intel 8259A data sheet), with the edge/level registers of the PIIX4."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State
from rdbg.emu.devices.byte_device import ByteDevice
from rdbg.emu.devices.fields import BYTE, FLAG, Number, all_of, load_fields, save_fields

CASCADE_INPUT = 2
SPURIOUS_INPUT = 7
NO_PRIORITY = 8

# Steps of the initialisation sequence: which command word the data port expects next.
READY, EXPECT_ICW2, EXPECT_ICW3, EXPECT_ICW4 = range(4)


class I8259(ByteDevice):
    """One controller: register 0 is the command port, 1 the data port.

    Args:
        name: unique in the machine.
        output: drives INT.
        master: whether it has another one on input 2.
        level_mask: inputs that may be made level-triggered (the PIIX4 forbids timer, keyboard, cascade, RTC, FPU).
    """

    _FIELDS = (
        all_of(BYTE, "irr", "imr", "isr", "last_irr", "vector_base", "elcr")
        | {"lowest_priority": Number(0, 7), "init_step": Number(READY, EXPECT_ICW4)}
        | all_of(FLAG, "read_isr", "poll", "special_mask", "auto_eoi", "rotate_on_auto_eoi", "special_fully_nested")
        | all_of(FLAG, "wants_icw4", "single")
    )

    def __init__(self, name: str, output: Callable[[bool], None], master: bool, level_mask: int) -> None:
        super().__init__(name)
        self._output = output
        self._master = master
        self._level_mask = level_mask
        self.irr = 0
        self.elcr = 0
        self._initialise()

    def _initialise(self) -> None:
        """What ICW1 clears. Requests on level-triggered inputs stay: their sources still ask."""
        self.last_irr = 0
        self.irr &= self.elcr
        self.imr = 0
        self.isr = 0
        self.lowest_priority = 0  # number of the input with the highest priority
        self.vector_base = 0
        self.read_isr = False
        self.poll = False
        self.special_mask = False
        self.init_step = READY
        self.auto_eoi = False
        self.rotate_on_auto_eoi = False
        self.special_fully_nested = False
        self.wants_icw4 = False
        self.single = False

    def reset(self) -> None:
        """All inputs edge-triggered, nothing requested."""
        self.elcr = 0
        self._initialise()
        self._update()

    # --- requests ----------------------------------------------------------------------------
    def set_input(self, number: int, level: bool) -> None:
        """Drive input 0..7."""
        bit = 1 << number
        before = self.irr
        if self.elcr & bit:
            self.irr = self.irr | bit if level else self.irr & ~bit
        elif level and not self.last_irr & bit:
            self.irr |= bit
        self.last_irr = self.last_irr | bit if level else self.last_irr & ~bit
        if self.irr != before:
            self._update()

    def pending(self) -> int | None:
        """The input that would be acknowledged now, or None."""
        request = self._priority(self.irr & ~self.imr)
        in_service = self.isr
        if self.special_mask:
            in_service &= ~self.imr
        if self.special_fully_nested and self._master:
            in_service &= ~(1 << CASCADE_INPUT)
        if request < self._priority(in_service):
            return (request + self.lowest_priority) & 7
        return None

    def acknowledge(self, number: int) -> None:
        """The CPU takes input ``number``: it goes in service."""
        if self.auto_eoi:
            if self.rotate_on_auto_eoi:
                self.lowest_priority = (number + 1) & 7
        else:
            self.isr |= 1 << number
        if not self.elcr & 1 << number:
            self.irr &= ~(1 << number)
        self._update()

    def _priority(self, mask: int) -> int:
        """Rank (0 highest) of the most urgent input in ``mask``; 8 if there is none."""
        if not mask:
            return NO_PRIORITY
        ranked = (mask << 8 | mask) >> self.lowest_priority
        return (ranked & -ranked).bit_length() - 1

    def _update(self) -> None:
        self._output(self.pending() is not None)

    # --- registers ---------------------------------------------------------------------------
    def read_byte(self, offset: int) -> int:
        """Command port: IRR, ISR or the poll word; data port: IMR (or the poll word)."""
        if self.poll:
            self.poll = False
            number = self.pending()
            if number is None:
                return 0
            self.acknowledge(number)
            return number | 0x80
        if offset & 1:
            return self.imr
        return self.isr if self.read_isr else self.irr

    def write_byte(self, offset: int, value: int) -> None:
        """Command port: ICW1, OCW2, OCW3; data port: ICW2-4 or OCW1."""
        if offset & 1:
            self._write_data(value)
        elif value & 0x10:
            self._initialise()
            self._update()
            self.init_step = EXPECT_ICW2
            self.wants_icw4 = bool(value & 0x01)
            self.single = bool(value & 0x02)
        elif value & 0x08:
            if value & 0x04:
                self.poll = True
            if value & 0x02:
                self.read_isr = bool(value & 0x01)
            if value & 0x40:
                self.special_mask = bool(value & 0x20)
        else:
            self._end_of_interrupt(value >> 5, value & 7)

    def _write_data(self, value: int) -> None:
        if self.init_step == READY:
            self.imr = value
            self._update()
        elif self.init_step == EXPECT_ICW2:
            self.vector_base = value & 0xF8
            if not self.single:
                self.init_step = EXPECT_ICW3
            else:
                self.init_step = EXPECT_ICW4 if self.wants_icw4 else READY
        elif self.init_step == EXPECT_ICW3:
            self.init_step = EXPECT_ICW4 if self.wants_icw4 else READY
        else:
            self.special_fully_nested = bool(value & 0x10)
            self.auto_eoi = bool(value & 0x02)
            self.init_step = READY

    def _end_of_interrupt(self, command: int, number: int) -> None:
        """OCW2: bit 0 of the command is EOI, bit 1 'this input', bit 2 rotate."""
        if command in (0, 4):
            self.rotate_on_auto_eoi = command == 4
        elif command in (1, 5):
            rank = self._priority(self.isr)
            if rank == NO_PRIORITY:
                return
            number = (rank + self.lowest_priority) & 7
            self.isr &= ~(1 << number)
            if command == 5:
                self.lowest_priority = (number + 1) & 7
            self._update()
        elif command == 6:
            self.lowest_priority = (number + 1) & 7
            self._update()
        elif command in (3, 7):
            self.isr &= ~(1 << number)
            if command == 7:
                self.lowest_priority = (number + 1) & 7
            self._update()

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """All registers."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)

    def write_elcr(self, value: int) -> None:
        """Choose edge (0) or level (1) for each input."""
        self.elcr = value & self._level_mask


class Elcr(ByteDevice):
    """Ports 0x4d0 and 0x4d1: edge/level control of both controllers (82371AB data sheet). Holds no state of its own."""

    def __init__(self, name: str, master: I8259, slave: I8259) -> None:
        super().__init__(name)
        self._chips = (master, slave)

    def read_byte(self, offset: int) -> int:
        """The edge/level byte of master (0) or slave (1)."""
        return self._chips[offset & 1].elcr

    def write_byte(self, offset: int, value: int) -> None:
        """Set the edge/level byte of master (0) or slave (1)."""
        self._chips[offset & 1].write_elcr(value)

    def reset(self) -> None:
        """The controllers reset their own part."""

    def save(self) -> State:
        """Nothing: the controllers save it."""
        return {}

    def load(self, state: State) -> None:
        """Nothing: the controllers load it."""


class InterruptPair:
    """Master and slave wired together: ISA interrupts 0..15.

    Args:
        output: drives the CPU's interrupt line.
    """

    def __init__(self, output: Callable[[bool], None]) -> None:
        self.master = I8259("i8259.master", output, master=True, level_mask=0xF8)
        self.slave = I8259(
            "i8259.slave", lambda level: self.master.set_input(CASCADE_INPUT, level), master=False, level_mask=0xDE
        )
        self.elcr = Elcr("elcr", self.master, self.slave)

    def line(self, number: int) -> Callable[[bool], None]:
        """A function that drives ISA interrupt ``number``."""
        chip, index = (self.slave, number - 8) if number >= 8 else (self.master, number)
        return lambda level: chip.set_input(index, level)

    def acknowledge(self) -> int:
        """The interrupt acknowledge cycle: the vector of the most urgent request; 7 of its chip if it is spurious."""
        number = self.master.pending()
        if number is None:
            return self.master.vector_base + SPURIOUS_INPUT
        if number != CASCADE_INPUT:
            vector = self.master.vector_base + number
        else:
            inner = self.slave.pending()
            if inner is not None:
                self.slave.acknowledge(inner)
            vector = self.slave.vector_base + (SPURIOUS_INPUT if inner is None else inner)
        self.master.acknowledge(number)
        return vector
