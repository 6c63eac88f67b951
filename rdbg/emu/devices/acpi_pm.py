"""Power management ports of the PIIX4 (82371AB data sheet, chapter 7.2): events, control with power-off, timer, APM."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State, System
from rdbg.emu.devices.byte_device import ByteDevice
from rdbg.emu.devices.fields import BYTE, HALF, NANOSECONDS, WORD, all_of, load_fields, save_fields

PORTS = 64
STATUS, ENABLE, CONTROL, TIMER = 0, 2, 4, 8
CONTROL_END, TIMER_END = 6, 12

STATUS_TIMER = 0x0001
SCI_EVENTS = 0x0521  #: timer, global lock, power button, RTC
CONTROL_SCI_ENABLE = 0x0001
CONTROL_SLEEP_ENABLE = 0x2000
SLEEP_OFF, SLEEP_TO_DISK = 0, 2
PM_TIMER_HZ = 3_579_545
SECOND_NS = 1_000_000_000

APM_CONTROL, APM_STATUS = 0, 1


class AcpiPm(ByteDevice):
    """Events, control and the 24-bit 3.58 MHz timer. Sleeping with type 0 or 2 powers the machine off.

    Args:
        name: unique in the machine.
        system: time, power-off.
        irq: drives the system control interrupt.
    """

    _FIELDS = all_of(WORD, "status", "enable", "control") | {"overflow": NANOSECONDS}

    def __init__(self, name: str, system: System, irq: Callable[[bool], None]) -> None:
        super().__init__(name)
        self._system = system
        self._irq = irq
        self._timer = system.timer(f"{name}.overflow", self._update)
        self.status = self.enable = 0
        self.control = CONTROL_SCI_ENABLE  # ACPI is on from the start: there is no SMM firmware to switch it
        self.overflow = 0  #: tick at which the timer's top bit changes next

    def reset(self) -> None:
        """No events."""
        self.status = self.enable = 0
        self.control = CONTROL_SCI_ENABLE
        self.overflow = 0
        self._timer.disarm()
        self._irq(False)

    def _ticks(self) -> int:
        return self._system.now_ns * PM_TIMER_HZ // SECOND_NS

    def _current_status(self) -> int:
        if self._ticks() >= self.overflow:
            self.status |= STATUS_TIMER
        return self.status

    def read_byte(self, offset: int) -> int:
        """A byte of a register; offsets without one read as ones."""
        return self.read(offset, 1)

    def read(self, offset: int, size: int) -> int:
        """A guest load of any width; each register gives its bytes."""
        data = bytearray(b"\xff" * PORTS)
        data[STATUS:ENABLE] = self._current_status().to_bytes(2, "little")
        data[ENABLE:CONTROL] = self.enable.to_bytes(2, "little")
        data[CONTROL:CONTROL_END] = self.control.to_bytes(2, "little")
        data[TIMER:TIMER_END] = (self._ticks() & 0xFF_FFFF).to_bytes(4, "little")
        return int.from_bytes(data[offset : offset + size], "little")

    def write_byte(self, offset: int, value: int) -> None:
        """A byte of a register; its other byte stays (events) or is kept (enables, control)."""
        if offset < ENABLE:
            self._clear(value << (8 * (offset & 1)))
        elif offset < CONTROL:
            self._set_enable(_merge(self.enable, offset & 1, value))
        elif offset < CONTROL_END:
            self._set_control(_merge(self.control, offset & 1, value))

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store: registers that are covered whole are written once."""
        while size:
            if size >= 2 and offset % 2 == 0 and offset < CONTROL_END:
                word = value & 0xFFFF
                if offset == STATUS:
                    self._clear(word)
                elif offset == ENABLE:
                    self._set_enable(word)
                else:
                    self._set_control(word)
                step = 2
            else:
                self.write_byte(offset, value & 0xFF)
                step = 1
            offset, size, value = offset + step, size - step, value >> (8 * step)

    def _clear(self, events: int) -> None:
        if self._current_status() & events & STATUS_TIMER:
            self.overflow = self._ticks() + 0x80_0000 & ~0x7F_FFFF
        self.status &= ~events
        self._update()

    def _set_enable(self, value: int) -> None:
        self.enable = value
        self._update()

    def _set_control(self, value: int) -> None:
        self.control = value & ~CONTROL_SLEEP_ENABLE
        if value & CONTROL_SLEEP_ENABLE:
            sleep_type = value >> 10 & 7
            if sleep_type in (SLEEP_OFF, SLEEP_TO_DISK):
                self._system.request_shutdown(0)
            else:
                self._system.log(f"guest asks for sleep type {sleep_type}: not modelled, it stays awake")

    def _update(self) -> None:
        status = self._current_status()
        self._irq(status & self.enable & SCI_EVENTS != 0)
        if self.enable & STATUS_TIMER and not status & STATUS_TIMER:
            self._timer.arm(-(-self.overflow * SECOND_NS // PM_TIMER_HZ))
        else:
            self._timer.disarm()

    def save(self) -> State:
        """All registers."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)


class ApmPorts(ByteDevice):
    """Ports 0xb2 (control) and 0xb3 (status): the door that firmware calls the power management through."""

    _FIELDS = all_of(BYTE, "control", "status")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.control = self.status = 0

    def read_byte(self, offset: int) -> int:
        """What was stored."""
        return self.control if offset == APM_CONTROL else self.status

    def write_byte(self, offset: int, value: int) -> None:
        """Keep it: no system management code listens."""
        if offset == APM_STATUS:
            self.status = value
        else:
            self.control = value

    def reset(self) -> None:
        """Both zero."""
        self.control = self.status = 0

    def save(self) -> State:
        """Both registers."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)


class GeneralPurposeEvents(ByteDevice):
    """Status (write 1 to clear) and enable bytes of the general-purpose events. Nothing raises any."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.enable = 0

    def read_byte(self, offset: int) -> int:
        """Offsets 0 and 1: status; 2 and 3: enable."""
        return 0 if offset < 2 else self.enable >> (8 * (offset - 2)) & 0xFF

    def write_byte(self, offset: int, value: int) -> None:
        """Only the enables keep anything."""
        if offset >= 2:
            self.enable = _merge(self.enable, offset - 2, value)

    def reset(self) -> None:
        """All disabled."""
        self.enable = 0

    def save(self) -> State:
        """The enables."""
        return save_fields(self, ("enable",))

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, {"enable": HALF}, state)


def _merge(word: int, index: int, byte: int) -> int:
    shift = 8 * index
    return word & ~(0xFF << shift) | byte << shift
