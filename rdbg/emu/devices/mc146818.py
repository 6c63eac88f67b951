"""MC146818A real-time clock and CMOS RAM (Motorola MC146818A data sheet) as a PC has it: index and data port.

The clock never ticks: it is a base time plus the virtual time since that was set, and the time registers are worked
out when somebody looks. One timer serves the update-ended and alarm flags, another the periodic interrupt.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import FOREVER, State, System
from rdbg.emu.devices.byte_device import ByteDevice
from rdbg.emu.devices.calendar import DAY_S, CivilTime, from_epoch, to_epoch
from rdbg.emu.devices.fields import NANOSECONDS, Bytes, Number, all_of, load_bytes, load_fields, save_fields

SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH, YEAR = range(10)
REG_A, REG_B, REG_C, REG_D, SHUTDOWN_STATUS = 0x0A, 0x0B, 0x0C, 0x0D, 0x0F
CENTURY = 0x32
CENTURY_PS2 = 0x37  #: another index of the century byte

A_UIP, A_RATE, A_DIVIDER, A_DIVIDER_RESET = 0x80, 0x0F, 0x70, 0x60
B_SET, B_PIE, B_AIE, B_UIE, B_SQWE, B_BINARY, B_24H = 0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02
C_IRQF, C_PF, C_AF, C_UF = 0x80, 0x40, 0x20, 0x10
D_VALID = 0x80

TIME_REGISTERS = (SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY)
SECOND_NS = 1_000_000_000
CRYSTAL_HZ = 32_768
UPDATE_NS = 8 * SECOND_NS // CRYSTAL_HZ  #: how long before an update UIP is seen (244 us)
DONT_CARE = 0xC0  #: an alarm byte with both top bits set matches always


class Mc146818(ByteDevice):
    """The clock. Register 0 is the index port, 1 the data port.

    Args:
        name: unique in the machine.
        system: time and timers.
        irq: drives the interrupt request.
        base_s: seconds since 1970-01-01 UTC shown at power-on.
    """

    _FIELDS = {"index": Number(0, 0x7F), "base_s": Number(-FOREVER, FOREVER)} | all_of(
        NANOSECONDS, "base_set_ns", "offset_ns", "next_periodic_ns", "next_alarm_ns"
    )

    def __init__(self, name: str, system: System, irq: Callable[[bool], None], base_s: int) -> None:
        super().__init__(name)
        self._system = system
        self._irq = irq
        self._periodic = system.timer(f"{name}.periodic", self._on_periodic)
        self._update = system.timer(f"{name}.update", self._on_update)
        self.index = 0
        self.cmos = bytearray(128)
        self.cmos[REG_A] = 0x26  # 32768 Hz crystal, periodic rate 1024 Hz
        self.cmos[REG_B] = B_24H
        self.cmos[REG_D] = D_VALID
        self.base_s = base_s
        self.base_set_ns = system.now_ns
        self.offset_ns = 0
        self.next_periodic_ns = 0
        self.next_alarm_ns = 0
        self._store_time()

    def reset(self) -> None:
        """Interrupts off. Time and CMOS RAM live on a battery."""
        self.cmos[SHUTDOWN_STATUS] = 0
        self.cmos[REG_B] &= ~(B_PIE | B_AIE | B_SQWE) & 0xFF
        self.cmos[REG_C] = 0
        self._periodic.disarm()
        self._arm_update()
        self._irq(False)

    # --- ports -------------------------------------------------------------------------------
    def read_byte(self, offset: int) -> int:
        """The index port reads as ones; the data port is the register that the index names."""
        if offset & 1 == 0:
            return 0xFF
        if self.index == CENTURY_PS2:
            self.index = CENTURY
        index = self.index
        if index in TIME_REGISTERS:
            if self._running():
                self._store_time()
        elif index == REG_A:
            uip = self._update_in_progress()
            return self.cmos[REG_A] | (A_UIP if uip else 0)
        elif index == REG_C:
            value = self.cmos[REG_C]
            self._irq(False)
            self.cmos[REG_C] = 0
            if value & (C_UF | C_AF):
                self._arm_update()
            return value
        return self.cmos[index]

    def stable_until(self, offset: int, size: int) -> int:
        """Register A up to the next update, which kernels poll for to measure time, and memory."""
        if size != 1 or offset & 1 == 0 or self.index in (*TIME_REGISTERS, CENTURY_PS2, REG_C):
            return 0
        if self.index != REG_A or not self._running():
            return FOREVER
        now = self._system.now_ns
        update = now + SECOND_NS - self._clock_ns() % SECOND_NS
        if self._update.deadline_ns is not None:
            update = min(update, self._update.deadline_ns)
        return update - UPDATE_NS if now < update - UPDATE_NS else 0

    def is_idle_store(self, offset: int, size: int, value: int) -> bool:
        """The index that is set already."""
        return size == 1 and offset & 1 == 0 and self.index == value & 0x7F

    def write_byte(self, offset: int, value: int) -> None:
        """Set the index, or the register that it names."""
        if offset & 1 == 0:
            self.index = value & 0x7F
            return
        if self.index == CENTURY_PS2:
            self.index = CENTURY
        index = self.index
        if index in TIME_REGISTERS:
            self.cmos[index] = value
            if self._running():
                self._take_time()
                self._arm_update()
        elif index in (SECONDS_ALARM, MINUTES_ALARM, HOURS_ALARM):
            self.cmos[index] = value
            self._arm_update()
        elif index == REG_A:
            self._write_a(value)
        elif index == REG_B:
            self._write_b(value)
        elif index not in (REG_C, REG_D):
            self.cmos[index] = value

    def _write_a(self, value: int) -> None:
        old = self.cmos[REG_A]
        old_period = self._period()
        if value & A_DIVIDER_RESET == A_DIVIDER_RESET:
            if self._running():
                self._store_time()
            old &= ~A_UIP
        elif old & A_DIVIDER_RESET == A_DIVIDER_RESET and value & A_DIVIDER <= 0x20:
            # The first update comes half a second after the divider chain is released.
            if not self.cmos[REG_B] & B_SET:
                self.offset_ns = SECOND_NS // 2
                self._take_time()
            old &= ~A_UIP
        self.cmos[REG_A] = value & ~A_UIP & 0xFF | old & A_UIP
        if (old ^ value) & A_RATE:
            self._arm_periodic(self._system.now_ns, old_period)
        self._arm_update()

    def _write_b(self, value: int) -> None:
        old = self.cmos[REG_B]
        old_period = self._period()
        if value & B_SET:
            if self._running():
                self._store_time()
            self.cmos[REG_A] &= ~A_UIP & 0xFF
            value &= ~B_UIE
        elif old & B_SET and self.cmos[REG_A] & A_DIVIDER <= 0x20:
            self.offset_ns = self._clock_ns() % SECOND_NS
            self._take_time()
        # A flag that is already set interrupts as soon as its enable bit is.
        if value & self.cmos[REG_C] & (C_PF | C_AF | C_UF):
            self.cmos[REG_C] |= C_IRQF
            self._irq(True)
        else:
            self.cmos[REG_C] &= ~C_IRQF & 0xFF
            self._irq(False)
        self.cmos[REG_B] = value
        if (old ^ value) & B_PIE:
            self._arm_periodic(self._system.now_ns, old_period)
        self._arm_update()

    # --- time --------------------------------------------------------------------------------
    def _running(self) -> bool:
        return not self.cmos[REG_B] & B_SET and self.cmos[REG_A] & A_DIVIDER <= 0x20

    def _clock_ns(self) -> int:
        """Nanoseconds since 1970 that the clock shows."""
        return self.base_s * SECOND_NS + self._system.now_ns - self.base_set_ns + self.offset_ns

    def _encode(self, value: int) -> int:
        return value if self.cmos[REG_B] & B_BINARY else value // 10 << 4 | value % 10

    def _decode(self, value: int) -> int:
        return value if self.cmos[REG_B] & B_BINARY else (value >> 4) * 10 + (value & 0x0F)

    def _decode_or_any(self, value: int) -> int:
        """A time byte as QEMU reads it: -1 where both top bits are set."""
        return -1 if value & DONT_CARE == DONT_CARE else self._decode(value)

    def _store_time(self) -> None:
        """Work out the time registers."""
        if self.cmos[REG_B] & B_SET:
            return
        time = from_epoch(self._clock_ns() // SECOND_NS)
        cmos = self.cmos
        cmos[SECONDS] = self._encode(time.second)
        cmos[MINUTES] = self._encode(time.minute)
        if cmos[REG_B] & B_24H:
            cmos[HOURS] = self._encode(time.hour)
        else:
            cmos[HOURS] = self._encode(time.hour % 12 or 12) | (0x80 if time.hour >= 12 else 0)
        cmos[WEEKDAY] = self._encode(time.weekday + 1)
        cmos[DAY] = self._encode(time.day)
        cmos[MONTH] = self._encode(time.month)
        cmos[YEAR] = self._encode(time.year % 100) & 0xFF
        cmos[CENTURY] = self._encode(time.year // 100) & 0xFF

    def _take_time(self) -> None:
        """Set the clock from the time registers."""
        cmos, decode = self.cmos, self._decode_or_any
        hour = decode(cmos[HOURS] & 0x7F)
        if not cmos[REG_B] & B_24H:
            hour = _remainder(hour, 12) + (12 if cmos[HOURS] & 0x80 else 0)
        year = decode(cmos[YEAR]) + 100 * decode(cmos[CENTURY])
        self.base_s = to_epoch(
            CivilTime(year, decode(cmos[MONTH]), decode(cmos[DAY]), hour, decode(cmos[MINUTES]), decode(cmos[SECONDS]))
        )
        self.base_set_ns = self._system.now_ns

    def _update_in_progress(self) -> bool:
        if not self._running():
            return False
        deadline = self._update.deadline_ns
        if deadline is not None and self._system.now_ns >= deadline - UPDATE_NS:
            self.cmos[REG_A] |= A_UIP  # held until the update is over, however late the guest looks again
            return True
        return self._clock_ns() % SECOND_NS >= SECOND_NS - UPDATE_NS

    # --- update-ended and alarm --------------------------------------------------------------
    def _arm_update(self) -> None:
        """Arm the timer for the next second, or for the alarm only, if nothing else can change."""
        cmos = self.cmos
        if cmos[REG_A] & A_DIVIDER_RESET == A_DIVIDER_RESET:
            self._update.disarm()
            return
        next_ns = self._system.now_ns + SECOND_NS - self._clock_ns() % SECOND_NS
        self.next_alarm_ns = next_ns + (self._seconds_to_alarm() - 1) * SECOND_NS
        if not cmos[REG_A] & A_UIP and cmos[REG_C] & C_UF:
            if cmos[REG_B] & B_SET or cmos[REG_C] & C_AF:
                self._update.disarm()
                return
            next_ns = self.next_alarm_ns
        self._update.arm(next_ns)

    def _on_update(self) -> None:
        self._store_time()
        cmos = self.cmos
        cmos[REG_A] &= ~A_UIP & 0xFF
        flags = C_UF | (C_AF if self._system.now_ns >= self.next_alarm_ns else 0)
        new = flags & ~cmos[REG_C]
        cmos[REG_C] |= flags
        if new & cmos[REG_B]:
            cmos[REG_C] |= C_IRQF
            self._irq(True)
        self._arm_update()

    def _hour24(self, hour: int) -> int:
        if self.cmos[REG_B] & B_24H:
            return hour
        return _remainder(hour, 12) + (12 if self.cmos[HOURS] & 0x80 else 0)

    def _seconds_to_alarm(self) -> int:
        """Seconds from now to the next moment that matches the alarm registers: 1 to a day."""
        self._store_time()
        cmos, decode = self.cmos, self._decode_or_any
        alarm_hour = decode(cmos[HOURS_ALARM])
        if alarm_hour != -1:
            alarm_hour = self._hour24(alarm_hour)
        alarm = (alarm_hour, decode(cmos[MINUTES_ALARM]), decode(cmos[SECONDS_ALARM]))
        now = (self._hour24(decode(cmos[HOURS])), decode(cmos[MINUTES]), decode(cmos[SECONDS]))
        return _next_match(alarm, now)

    # --- periodic ----------------------------------------------------------------------------
    def _period(self) -> int:
        """Crystal ticks between periodic interrupts; 0: none (data sheet, table 5)."""
        rate = self.cmos[REG_A] & A_RATE
        if not self.cmos[REG_B] & B_PIE or rate == 0:
            return 0
        return 1 << (rate + 7 if rate <= 2 else rate) - 1

    def _arm_periodic(self, now_ns: int, old_period: int) -> None:
        """Arm for the next tick; ``old_period``: a change of rate counts from the last tick; 0: from now."""
        period = self._period()
        if not period:
            self._periodic.disarm()
            return
        now = now_ns * CRYSTAL_HZ // SECOND_NS
        gone = 0
        if old_period:
            gone = min(now - (self.next_periodic_ns * CRYSTAL_HZ // SECOND_NS - old_period), period)
        self.next_periodic_ns = (now + period - gone) * SECOND_NS // CRYSTAL_HZ + 1
        self._periodic.arm(self.next_periodic_ns)

    def _on_periodic(self) -> None:
        self._arm_periodic(self.next_periodic_ns, 0)
        self.cmos[REG_C] |= C_PF
        if self.cmos[REG_B] & B_PIE:
            self.cmos[REG_C] |= C_IRQF
            self._irq(True)

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """Registers, CMOS RAM and the base of the time."""
        return save_fields(self, self._FIELDS) | {"cmos": bytes(self.cmos)}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        self.cmos = bytearray(load_bytes(self, "cmos", state, Bytes(128, 128)))


def _remainder(value: int, divisor: int) -> int:
    """Remainder with the sign of the value, as the reference computes it for an undecodable hour."""
    return value % divisor if value >= 0 else -(-value % divisor)


def _next_second(second: int, now: int) -> tuple[int, int]:
    """The second that matches next, and how many of the next greater unit later that is; -1 matches any."""
    later = 0
    if second == -1:
        second = now + 1
    elif now > second:
        later = 1
    return (0, later + 1) if second == 60 else (second, later)


def _next_match(alarm: tuple[int, int, int], now: tuple[int, int, int]) -> int:
    """Seconds until hour, minute, second match; -1 in ``alarm`` matches anything.

    Fields above the lowest given one that match anything roll on; those below start at zero.
    """
    hour, minute, second = alarm
    now_hour, now_minute, now_second = now
    if hour == -1:
        hour = now_hour
        if minute == -1:
            second, later = _next_second(second, now_second)
            minute = now_minute + later
        elif now_minute == minute:
            second, later = _next_second(second, now_second)
            hour += later
        elif now_minute > minute:
            hour += 1
    elif now_hour == hour:
        if minute == -1:
            second, later = _next_second(second, now_second)
            minute = (now_minute + later) % 60
        elif now_minute == minute:
            if second == -1:
                second = now_second + 1
            second %= 60
    minute, second = max(minute, 0), max(second, 0)
    if second == 60:
        second = 0
        minute += 1
    if minute == 60:
        minute = 0
        hour += 1
    hour = _remainder(hour, 24)
    seconds = ((hour - now_hour) * 60 + minute - now_minute) * 60 + second - now_second
    return seconds + DAY_S if seconds <= 0 else seconds
