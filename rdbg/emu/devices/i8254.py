"""8254 programmable interval timer (Intel 8254 data sheet): three counters at 1.193182 MHz, binary counting."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State, System
from rdbg.emu.devices.byte_device import ByteDevice
from rdbg.emu.devices.fields import BIT, BYTE, NANOSECONDS, Number, all_of, load_field, load_fields

PIT_HZ = 1_193_182
SECOND_NS = 1_000_000_000

# Which byte of a 16-bit count comes next. The first three are also the access modes of the control word.
LOW, HIGH, WORD_LOW, WORD_HIGH = 1, 2, 3, 4

_FIELDS = (
    {"mode": Number(0, 7), "count": Number(1, 0x10000), "loaded_ns": NANOSECONDS}
    | all_of(Number(0, WORD_HIGH), "access", "read_next", "write_next", "latch_next")
    | all_of(BIT, "bcd", "status_latched")
    | {"write_low": BYTE, "latched": Number(0, 0x10000), "status": BYTE}
)


class Counter:
    """One counter. It computes its output and count from the time it was loaded; nothing ticks.

    Args:
        system: virtual time.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self.access = 0
        self.bcd = 0
        self.read_next = 0
        self.write_next = 0
        self.write_low = 0
        self.latched = 0
        self.latch_next = 0  #: 0: nothing latched
        self.status = 0
        self.status_latched = 0
        self.reset()

    def reset(self) -> None:
        """Mode 3 with the longest period, as firmware of the PC leaves it; the byte order state is kept."""
        self.mode = 3
        self.count = 0x10000
        self.loaded_ns = self._system.now_ns

    def ticks(self, now_ns: int) -> int:
        """Clock pulses since the count was loaded."""
        return (now_ns - self.loaded_ns) * PIT_HZ // SECOND_NS

    def value(self, now_ns: int) -> int:
        """The count as the guest reads it."""
        ticks = self.ticks(now_ns)
        if self.mode in (0, 1, 4, 5):
            return (self.count - ticks) & 0xFFFF
        if self.mode == 3:
            return self.count - 2 * ticks % self.count  # counts by two
        return self.count - ticks % self.count

    def output(self, now_ns: int) -> bool:
        """Level of OUT."""
        ticks = self.ticks(now_ns)
        if self.mode == 1:
            return ticks < self.count
        if self.mode == 2:
            return ticks % self.count == 0 and ticks != 0
        if self.mode == 3:
            return ticks % self.count < (self.count + 1) >> 1
        if self.mode in (4, 5):
            return ticks == self.count
        return ticks >= self.count

    def next_change(self, now_ns: int) -> int | None:
        """Virtual time at which OUT changes next; None: never."""
        ticks = self.ticks(now_ns)
        start = ticks - ticks % self.count
        if self.mode == 2:
            change = start + self.count + (0 if ticks == start and ticks else 1)
        elif self.mode == 3:
            half = (self.count + 1) >> 1
            change = start + (half if ticks - start < half else self.count)
        elif ticks < self.count:
            change = self.count
        elif self.mode in (4, 5) and ticks == self.count:
            change = self.count + 1
        else:
            return None
        return max(self.loaded_ns + change * SECOND_NS // PIT_HZ, now_ns + 1)

    def control(self, value: int) -> None:
        """A control word for this counter."""
        access = value >> 4 & 3
        if access == 0:
            self.latch_count()
            return
        self.access = self.read_next = self.write_next = access
        self.mode = value >> 1 & 7
        self.bcd = value & 1

    def latch_count(self) -> None:
        """Hold the count for reading; a second latch before it is read does nothing."""
        if not self.latch_next:
            self.latched = self.value(self._system.now_ns)
            self.latch_next = self.access

    def latch_status(self) -> None:
        """Hold the status byte for reading."""
        if not self.status_latched:
            output = self.output(self._system.now_ns)
            self.status = output << 7 | self.access << 4 | self.mode << 1 | self.bcd
            self.status_latched = 1

    def read(self) -> int:
        """The next byte: status if latched, then a latched count, then the running count."""
        if self.status_latched:
            self.status_latched = 0
            return self.status
        if self.latch_next:
            if self.latch_next == WORD_LOW:
                self.latch_next = HIGH
                return self.latched & 0xFF
            high = self.latch_next == HIGH
            self.latch_next = 0
            return (self.latched >> 8 if high else self.latched) & 0xFF
        value = self.value(self._system.now_ns)
        if self.read_next in (HIGH, WORD_HIGH):
            if self.read_next == WORD_HIGH:
                self.read_next = WORD_LOW
            return value >> 8 & 0xFF
        if self.read_next == WORD_LOW:
            self.read_next = WORD_HIGH
        return value & 0xFF

    def write(self, value: int) -> bool:
        """The next byte of a new count; True when the count is complete and loaded."""
        if self.write_next == WORD_LOW:
            self.write_low = value
            self.write_next = WORD_HIGH
            return False
        if self.write_next == WORD_HIGH:
            self.write_next = WORD_LOW
            value = value << 8 | self.write_low
        elif self.write_next == HIGH:
            value <<= 8
        self.count = value or 0x10000
        self.loaded_ns = self._system.now_ns
        return True


class I8254(ByteDevice):
    """The three counters; counter 0 drives an interrupt.

    Args:
        name: unique in the machine.
        system: time and timers.
        irq: driven with OUT of counter 0.
    """

    def __init__(self, name: str, system: System, irq: Callable[[bool], None]) -> None:
        super().__init__(name)
        self._system = system
        self._irq = irq
        self._timer = system.timer(f"{name}.irq", self._on_change)
        self.counters = tuple(Counter(system) for _ in range(3))
        self.next_change_ns = 0

    def reset(self) -> None:
        """Counter 0 runs at its slowest, 18.2 Hz."""
        for counter in self.counters:
            counter.reset()
        change = self.counters[0].next_change(self._system.now_ns)
        assert change is not None  # mode 3 goes on for ever
        self.next_change_ns = change
        self._timer.arm(change)

    def read_byte(self, offset: int) -> int:
        """Counter 0..2; the control register reads as 0."""
        return 0 if offset & 3 == 3 else self.counters[offset & 3].read()

    def write_byte(self, offset: int, value: int) -> None:
        """Counter 0..2, or a control word."""
        if offset & 3 != 3:
            if self.counters[offset & 3].write(value) and offset & 3 == 0:
                self._update(self._system.now_ns)
        elif value >> 6 != 3:
            self.counters[value >> 6].control(value)
        else:  # read-back command: latch counts and status of several counters at once
            for index, counter in enumerate(self.counters):
                if value & 2 << index:
                    if not value & 0x20:
                        counter.latch_count()
                    if not value & 0x10:
                        counter.latch_status()

    def _on_change(self) -> None:
        self._update(self.next_change_ns)

    def _update(self, now_ns: int) -> None:
        """Drive the interrupt as of ``now_ns`` and arm the timer for the next change."""
        counter = self.counters[0]
        self._irq(counter.output(now_ns))
        change = counter.next_change(now_ns)
        if change is None:
            self._timer.disarm()
        else:
            self.next_change_ns = change
            self._timer.arm(change)

    def save(self) -> State:
        """All counters."""
        state: State = {"next_change_ns": self.next_change_ns}
        for index, counter in enumerate(self.counters):
            held = vars(counter)
            for name in _FIELDS:
                state[f"{index}.{name}"] = held[name]
        return state

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        for index, counter in enumerate(self.counters):
            for name, kind in _FIELDS.items():
                setattr(counter, name, load_field(self.name, f"{index}.{name}", kind, state))
        load_fields(self, {"next_change_ns": NANOSECONDS}, state)
