"""Pins of a ``bare`` machine: general-purpose inputs and outputs with names.

====== ================ ==============================================================================
offset name             meaning: bit n stands for pin n
====== ================ ==============================================================================
0x00   INPUT            levels at the pins: of outputs what they drive, else what comes from outside
0x04   OUTPUT           levels that outputs drive
0x08   DIRECTION        1: the pin is an output
0x0c   SET              stores set bits of OUTPUT where they have ones; loads give OUTPUT
0x10   CLEAR            stores clear bits of OUTPUT where they have ones; loads give OUTPUT
0x14   TOGGLE           stores invert bits of OUTPUT where they have ones; loads give OUTPUT
0x18   RISING           1: a pin that goes high sets its bit of PENDING
0x1c   FALLING          1: a pin that goes low sets its bit of PENDING
0x20   PENDING          the interrupt line is high while any bit is set and enabled; write 1 to clear
0x24   INTERRUPT_ENABLE 1: the pin's bit of PENDING drives the interrupt line
====== ================ ==============================================================================
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import FOREVER, State, System
from rdbg.emu.devices.fields import WORD, all_of, load_fields, save_fields
from rdbg.emu.devices.word_registers import WordRegisters
from rdbg.emu.endpoint import Endpoint, EndpointKind

SIZE = 0x28
INPUT, OUTPUT, DIRECTION, SET, CLEAR, TOGGLE = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
RISING, FALLING, PENDING, INTERRUPT_ENABLE = 0x18, 0x1C, 0x20, 0x24


class Gpio(WordRegisters):
    """Up to 32 pins. A change of an output leaves by the endpoint as a line of text: ``led=1``, or ``led=in`` when the
    pin becomes an input.

    Args:
        name: unique in the machine.
        system: the way out.
        port: number of the endpoint.
        irq: driven while a bit is pending and enabled.
        pins: their names, bit 0 first; empty: there is no such pin.
        high: bits of the pins that are high at power-on while nobody drives them.
        big_endian: byte order of the registers.
    """

    _FIELDS = all_of(WORD, "outside", "levels", "direction", "rising", "falling", "pending", "interrupt_enable", "last")

    def __init__(
        self,
        name: str,
        system: System,
        port: int,
        irq: Callable[[bool], None],
        pins: tuple[str, ...],
        high: int,
        big_endian: bool,
    ) -> None:
        super().__init__(name, big_endian)
        self._system = system
        self.endpoint = Endpoint(EndpointKind.GPIO, port)
        self._irq = irq
        self.pins = pins
        self._mask = sum(1 << bit for bit, pin in enumerate(pins) if pin)
        self.outside = high  #: levels that come from outside, which a reset does not change
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.levels = 0  #: OUTPUT
        self.direction = 0
        self.rising = 0
        self.falling = 0
        self.pending = 0
        self.interrupt_enable = 0
        self.last = self.outside  #: INPUT, as it was when edges were looked for

    def reset(self) -> None:
        """All pins are inputs, and nothing is pending."""
        self._set_reset_state()
        self._irq(False)

    @property
    def level_bits(self) -> int:
        """The levels at the pins."""
        return self.levels & self.direction | self.outside & ~self.direction & self._mask

    def set_pin(self, bit: int, level: bool) -> None:
        """Somebody outside drives a pin (between two instructions); of an output it is seen when that becomes an
        input."""
        if self._mask >> bit & 1:
            self.outside = self.outside & ~(1 << bit) | level << bit
            self._look_at_edges()

    def report(self) -> str:
        """Each pin, its direction and its level, a line for each."""
        lines = []
        for bit, pin in enumerate(self.pins):
            if pin:
                direction = "output" if self.direction >> bit & 1 else "input"
                pending = ", interrupt pending" if self.pending & self.interrupt_enable & 1 << bit else ""
                lines.append(f"{self.name}.{bit:<4}{pin:<24}{direction:<8}{self.level_bits >> bit & 1}{pending}\n")
        return "".join(lines)

    def _look_at_edges(self) -> None:
        now = self.level_bits
        self.pending |= now & ~self.last & self.rising | self.last & ~now & self.falling
        self.last = now
        self._irq(bool(self.pending & self.interrupt_enable))

    def _drive(self, levels: int, direction: int) -> None:
        """Change outputs, and say so outside."""
        old_levels, old_direction = self.levels, self.direction
        self.levels, self.direction = levels & self._mask, direction & self._mask
        changed = (old_levels ^ self.levels) & self.direction | old_direction ^ self.direction
        for bit, pin in enumerate(self.pins):
            if changed >> bit & 1:
                text = str(self.levels >> bit & 1) if self.direction >> bit & 1 else "in"
                self._system.output(self.endpoint, f"{pin}={text}\n".encode())
        self._look_at_edges()

    def load_word(self, offset: int) -> int:
        """A load of a register."""
        if offset in (OUTPUT, SET, CLEAR, TOGGLE):
            return self.levels
        return {
            INPUT: self.level_bits,
            DIRECTION: self.direction,
            RISING: self.rising,
            FALLING: self.falling,
            PENDING: self.pending,
            INTERRUPT_ENABLE: self.interrupt_enable,
        }[offset]

    def store_word(self, offset: int, value: int) -> None:
        """A store to a register."""
        value &= self._mask
        if offset == DIRECTION:
            self._drive(self.levels, value)
        elif offset in (OUTPUT, SET, CLEAR, TOGGLE):
            levels = {
                OUTPUT: value,
                SET: self.levels | value,
                CLEAR: self.levels & ~value,
                TOGGLE: self.levels ^ value,
            }[offset]
            self._drive(levels, self.direction)
        else:
            if offset == RISING:
                self.rising = value
            elif offset == FALLING:
                self.falling = value
            elif offset == PENDING:
                self.pending &= ~value
            elif offset == INTERRUPT_ENABLE:
                self.interrupt_enable = value
            self._irq(bool(self.pending & self.interrupt_enable))

    def stable_until(self, offset: int, size: int) -> int:
        """Loads change nothing, and what they give changes with stores and inputs alone."""
        return FOREVER

    def save(self) -> State:
        """All registers, and what comes from outside."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
