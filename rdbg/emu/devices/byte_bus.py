"""Controllers of a ``bare`` machine for SPI and I2C: one byte at a time, in virtual time.

====== ======= ==================================================================================================
offset name    meaning
====== ======= ==================================================================================================
0x00   DATA    SPI: a store sends a byte, a load gives the one that came back; I2C: the byte to send, or received
0x04   COMMAND SPI: bit n selects chip n; I2C: 1 start and send DATA (address and direction), 2 send DATA,
               4 receive into DATA, 8 stop
0x08   STATUS  bit 0 done, bit 1 acknowledged (I2C), both cleared by a store of 1; bit 2 busy
0x0c   CONTROL bit 0 interrupt while done
====== ======= ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rdbg.emu.device import State, System
from rdbg.emu.devices.fields import BYTE, HALF, all_of, load_fields, save_fields
from rdbg.emu.devices.word_registers import WordRegisters
from rdbg.emu.peripherals.python_device import PythonDevice

SIZE = 16
DATA, COMMAND, STATUS, CONTROL = 0x0, 0x4, 0x8, 0xC
DONE, ACKNOWLEDGED, BUSY = 1, 2, 4
START, SEND, RECEIVE, STOP = 1, 2, 4, 8
_SECOND_NS = 1_000_000_000


class ByteBus(WordRegisters):
    """What both have in common: something that takes a while and is then done.

    Args:
        name: unique in the machine.
        system: time and timers.
        irq: driven while something is done and the interrupt is enabled.
        frequency_hz: bits per second.
        chips: by select line, or by address.
        big_endian: byte order of its registers.
    """

    _FIELDS = all_of(BYTE, "data", "status", "control", "doing") | {"command": HALF}

    def __init__(
        self,
        name: str,
        system: System,
        irq: Callable[[bool], None],
        frequency_hz: int,
        chips: Mapping[int, PythonDevice],
        big_endian: bool,
    ) -> None:
        super().__init__(name, big_endian)
        self._system = system
        self._irq = irq
        self._bit_ns = max(1, _SECOND_NS // frequency_hz)
        self._chips = chips
        self._timer = system.work_timer(f"{name}.done", self._on_done, f"a transfer of {name}")
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.data = 0
        self.command = 0  #: SPI: the selected chips; I2C: address and direction, plus 0x100 while one answers
        self.status = 0
        self.control = 0
        self.doing = 0  #: the command that takes its time

    def reset(self) -> None:
        """Nothing is selected, nothing goes on."""
        self._set_reset_state()
        self._timer.disarm()
        self._irq(False)

    def _begin(self, command: int, bits: int) -> None:
        if not self.status & BUSY:
            self.doing = command
            self.status |= BUSY
            self._timer.arm(self._system.now_ns + bits * self._bit_ns)

    def _on_done(self) -> None:
        self.status = self.status & ~(BUSY | ACKNOWLEDGED) | DONE | (ACKNOWLEDGED if self.happen() else 0)
        self._update()

    def happen(self) -> bool:
        """What was begun is done; whether it was acknowledged."""
        raise NotImplementedError

    def store_command(self, value: int) -> None:
        """A store to COMMAND."""
        raise NotImplementedError

    def store_data(self, value: int) -> None:
        """A store to DATA."""
        raise NotImplementedError

    def load_word(self, offset: int) -> int:
        """A load of a register."""
        return {DATA: self.data, COMMAND: self.command & 0xFF, STATUS: self.status, CONTROL: self.control}[offset]

    def store_word(self, offset: int, value: int) -> None:
        """A store to a register."""
        if offset == DATA:
            self.store_data(value & 0xFF)
        elif offset == COMMAND:
            self.store_command(value & 0xFF)
        elif offset == STATUS:
            self.status &= ~(value & (DONE | ACKNOWLEDGED))
        else:
            self.control = value & 1
        self._update()

    def _update(self) -> None:
        self._irq(bool(self.status & DONE and self.control & 1))

    def save(self) -> State:
        """All registers."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)


class SpiController(ByteBus):
    """A byte goes out to the selected chips, and one comes back, at once in both directions."""

    def store_data(self, value: int) -> None:
        """A store to DATA: the byte goes out."""
        if not self.status & BUSY:
            self.data = value
            self._begin(SEND, 8)

    def store_command(self, value: int) -> None:
        """A store to COMMAND: chips are selected and no longer selected."""
        changed, self.command = self.command ^ value, value
        for line, chip in self._chips.items():
            if changed >> line & 1:
                chip.ask("selected", bool(value >> line & 1))

    def happen(self) -> bool:
        """The byte has gone out: what comes back is ones where no chip is selected."""
        back = 0xFF
        for line, chip in self._chips.items():
            if self.command >> line & 1:
                back &= chip.ask_byte("transfer", self.data)
        self.data = back
        return True


class I2cController(ByteBus):
    """A bus master: a start with address and direction, bytes with acknowledges, a stop."""

    def store_data(self, value: int) -> None:
        """A store to DATA."""
        self.data = value

    def store_command(self, value: int) -> None:
        """A store to COMMAND: one of them begins."""
        if value in (START, SEND, RECEIVE):
            self._begin(value, 9)
        elif value == STOP:
            self._begin(value, 1)

    def happen(self) -> bool:
        """A command is done."""
        chip = self._chips.get(self.command >> 1 & 0x7F) if self.command & 0x100 else None
        if self.doing == START:
            chip = self._chips.get(self.data >> 1)
            answers = chip is not None and bool(chip.ask("start", bool(self.data & 1)))
            self.command = self.data | (0x100 if answers else 0)
            return answers
        if self.doing == STOP:
            self.command = 0
            if chip is not None:
                chip.ask("stop")
            return True
        if self.doing == SEND:
            return chip is not None and bool(chip.ask("store", self.data))
        self.data = 0xFF if chip is None else chip.ask_byte("fetch")
        return chip is not None
