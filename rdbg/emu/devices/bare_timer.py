"""The simple timer of the ``bare`` machine: an up-counter with compare, once or periodic.

====== ======= ==========================================================================================
offset name    meaning
====== ======= ==========================================================================================
0x00   COUNT   ticks since it was enabled or last matched in periodic mode; read only
0x04   COMPARE match value, at least 1
0x08   CONTROL bit 0 enable, bit 1 interrupt enable, bit 2 periodic
0x0c   STATUS  bit 0 matched; write 1 to clear
====== ======= ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State, System
from rdbg.emu.devices.fields import NANOSECONDS, Number, all_of, load_fields, save_fields
from rdbg.emu.devices.word_registers import WORD_MASK, WordRegisters

SIZE = 16
COUNT, COMPARE, CONTROL, STATUS = 0x00, 0x04, 0x08, 0x0C
ENABLE, INTERRUPT, PERIODIC = 1, 2, 4
MATCHED = 1
SECOND_NS = 1_000_000_000


class BareTimer(WordRegisters):
    """One timer.

    Args:
        name: unique in the machine.
        system: time and timers.
        irq: driven while it has matched and the interrupt is enabled.
        frequency_hz: ticks per second.
        big_endian: byte order of its registers.
    """

    _FIELDS = {"start_ns": NANOSECONDS, "compare": Number(1, WORD_MASK)} | all_of(
        Number(0, WORD_MASK), "stopped_count", "control", "status"
    )

    def __init__(
        self, name: str, system: System, irq: Callable[[bool], None], frequency_hz: int, big_endian: bool
    ) -> None:
        super().__init__(name, big_endian)
        self._system = system
        self._irq = irq
        self._frequency = frequency_hz
        self._timer = system.timer(f"{name}.match", self._on_match)
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.start_ns = 0  #: when COUNT was 0
        self.stopped_count = 0  #: COUNT while disabled
        self.compare = WORD_MASK
        self.control = 0
        self.status = 0

    def reset(self) -> None:
        """Stopped at 0, compare at its highest."""
        self._set_reset_state()
        self._timer.disarm()
        self._irq(False)

    def _count(self) -> int:
        if not self.control & ENABLE:
            return self.stopped_count
        return (self._system.now_ns - self.start_ns) * self._frequency // SECOND_NS & WORD_MASK

    def _tick_ns(self, ticks: int) -> int:
        """Virtual time of tick ``ticks``, rounded up so that the count has reached it then."""
        return self.start_ns - (-ticks * SECOND_NS // self._frequency)

    def _arm(self) -> None:
        if self.control & ENABLE and self._count() < self.compare:
            self._timer.arm(self._tick_ns(self.compare))
        else:
            self._timer.disarm()

    def _on_match(self) -> None:
        self.status |= MATCHED
        if self.control & PERIODIC:
            # An instruction may last many periods: matches that nobody could see apart are one.
            ticks = (self._system.now_ns - self.start_ns) * self._frequency // SECOND_NS
            self.start_ns = self._tick_ns(max(ticks // self.compare, 1) * self.compare)
        self._arm()
        self._update()

    def _update(self) -> None:
        self._irq(bool(self.status & MATCHED and self.control & INTERRUPT))

    def load_word(self, offset: int) -> int:
        """A load of a register."""
        return {COUNT: self._count(), COMPARE: self.compare, CONTROL: self.control, STATUS: self.status}[offset]

    def store_word(self, offset: int, value: int) -> None:
        """A store to a register."""
        if offset == COMPARE:
            self.compare = max(value, 1)
            self._arm()
        elif offset == CONTROL:
            self._set_control(value & (ENABLE | INTERRUPT | PERIODIC))
        elif offset == STATUS:
            self.status &= ~value
            self._update()

    def _set_control(self, value: int) -> None:
        if value & ENABLE and not self.control & ENABLE:
            self.start_ns = self._system.now_ns
        elif self.control & ENABLE and not value & ENABLE:
            self.stopped_count = self._count()
        self.control = value
        self._arm()
        self._update()

    def save(self) -> State:
        """All registers."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
