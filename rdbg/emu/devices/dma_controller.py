"""A controller of a ``bare`` machine that copies memory by itself.

====== =========== ==============================================================================================
offset name        meaning
====== =========== ==============================================================================================
0x00   SOURCE      guest-physical address
0x04   DESTINATION guest-physical address
0x08   LENGTH      bytes, at most 16 MiB
0x0c   CONTROL     bit 0 start; bit 1 interrupt while done or failed; bit 2, 3: source, destination stays (a register)
0x10   STATUS      bit 0 done, bit 1 failed (nothing answers there), both cleared by a store of 1; bit 2 busy
====== =========== ==============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.bus import BusError
from rdbg.emu.device import State, System
from rdbg.emu.devices.fields import WORD, all_of, load_fields, save_fields
from rdbg.emu.devices.word_registers import WordRegisters

SIZE = 20
SOURCE, DESTINATION, LENGTH, CONTROL, STATUS = 0x0, 0x4, 0x8, 0xC, 0x10
START, INTERRUPT, FIXED_SOURCE, FIXED_DESTINATION = 1, 2, 4, 8
DONE, FAILED, BUSY = 1, 2, 4
MOST_BYTES = 16 << 20
_PIECE = 64 << 10
_REGISTER = 4


class DmaController(WordRegisters):
    """One channel. It copies when the time that it takes is over, all at once.

    Args:
        name: unique in the machine.
        system: memory, time and timers.
        irq: driven while it is done or has failed and the interrupt is enabled.
        bytes_per_us: bytes per microsecond.
        big_endian: byte order of its registers.
    """

    _FIELDS = all_of(WORD, "source", "destination", "length", "control", "status")

    def __init__(
        self, name: str, system: System, irq: Callable[[bool], None], bytes_per_us: int, big_endian: bool
    ) -> None:
        super().__init__(name, big_endian)
        self._system = system
        self._irq = irq
        self._speed = bytes_per_us
        self._timer = system.work_timer(f"{name}.done", self._on_done, f"a transfer of {name}")
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.source = self.destination = self.length = self.control = self.status = 0

    def reset(self) -> None:
        """Nothing goes on."""
        self._set_reset_state()
        self._timer.disarm()
        self._irq(False)

    def load_word(self, offset: int) -> int:
        """A load of a register."""
        if offset > STATUS:
            return 0
        return {
            SOURCE: self.source,
            DESTINATION: self.destination,
            LENGTH: self.length,
            CONTROL: self.control,
            STATUS: self.status,
        }[offset]

    def store_word(self, offset: int, value: int) -> None:
        """A store to a register; while it is busy only STATUS and the interrupt's bit take one."""
        busy = self.status & BUSY
        if offset == STATUS:
            self.status &= ~(value & (DONE | FAILED))
        elif offset == CONTROL:
            kept = self.control & ~INTERRUPT if busy else value & (FIXED_SOURCE | FIXED_DESTINATION)
            self.control = kept | value & INTERRUPT
            if value & START and not busy:
                self.status |= BUSY
                self._timer.arm(self._system.now_ns + max(1, self.length * 1000 // self._speed))
        elif not busy and offset == SOURCE:
            self.source = value
        elif not busy and offset == DESTINATION:
            self.destination = value
        elif not busy and offset == LENGTH:
            self.length = min(value, MOST_BYTES)
        self._update()

    def _on_done(self) -> None:
        try:
            self._copy()
            ended = DONE
        except BusError as error:
            self._system.log(f"{self.name}: {error}")
            ended = FAILED
        self.status = self.status & ~BUSY | ended
        self._update()

    def _copy(self) -> None:
        fixed = self.control & (FIXED_SOURCE | FIXED_DESTINATION)
        step = _REGISTER if fixed else _PIECE
        for at in range(0, self.length, step):
            size = min(step, self.length - at)
            source = self.source + (0 if self.control & FIXED_SOURCE else at)
            destination = self.destination + (0 if self.control & FIXED_DESTINATION else at)
            self._system.dma_write(destination, self._system.dma_read(source, size), self)

    def _update(self) -> None:
        self._irq(bool(self.status & (DONE | FAILED) and self.control & INTERRUPT))

    def save(self) -> State:
        """All registers."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
