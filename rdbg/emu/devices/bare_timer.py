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

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.fields import NANOSECONDS, Number, all_of, load_fields, save_fields

SIZE = 16
COUNT, COMPARE, CONTROL, STATUS = 0x00, 0x04, 0x08, 0x0C
ENABLE, INTERRUPT, PERIODIC = 1, 2, 4
MATCHED = 1
SECOND_NS = 1_000_000_000
WORD = 0xFFFF_FFFF


class BareTimer(Device):
    """One timer.

    Args:
        name: unique in the machine.
        system: time and timers.
        irq: driven while it has matched and the interrupt is enabled.
        frequency_hz: ticks per second.
        big_endian: byte order of the CPU's bus, for narrow accesses.
    """

    _FIELDS = {"start_ns": NANOSECONDS, "compare": Number(1, WORD)} | all_of(
        Number(0, WORD), "stopped_count", "control", "status"
    )

    def __init__(
        self, name: str, system: System, irq: Callable[[bool], None], frequency_hz: int, big_endian: bool
    ) -> None:
        super().__init__(name)
        self._system = system
        self._irq = irq
        self._frequency = frequency_hz
        self._big_endian = big_endian
        self._timer = system.timer(f"{name}.match", self._on_match)
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.start_ns = 0  #: when COUNT was 0
        self.stopped_count = 0  #: COUNT while disabled
        self.compare = WORD
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
        return (self._system.now_ns - self.start_ns) * self._frequency // SECOND_NS & WORD

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

    def read(self, offset: int, size: int) -> int:
        """A guest load; narrow ones see their bytes of the word."""
        if size == 8:
            first, second = self.read(offset, 4), self.read(offset + 4, 4)
            return first << 32 | second if self._big_endian else second << 32 | first
        register = offset & ~3
        value = {COUNT: self._count(), COMPARE: self.compare, CONTROL: self.control, STATUS: self.status}[register]
        lane = 4 - size - (offset & 3) if self._big_endian else offset & 3
        return value >> (8 * lane) & ((1 << (8 * size)) - 1)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store of a word; narrower ones drive zeros on the other bytes."""
        if size == 8:
            high, low = value >> 32, value & WORD
            self.write(offset, 4, high if self._big_endian else low)
            self.write(offset + 4, 4, low if self._big_endian else high)
            return
        lane = 4 - size - (offset & 3) if self._big_endian else offset & 3
        word = value << (8 * lane) & WORD
        register = offset & ~3
        if register == COMPARE:
            self.compare = max(word, 1)
            self._arm()
        elif register == CONTROL:
            self._set_control(word & (ENABLE | INTERRUPT | PERIODIC))
        elif register == STATUS:
            self.status &= ~word
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
