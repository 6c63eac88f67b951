"""The clock of the RTL8139, and its timer, which counts 33 MHz clocks up to 32 bits. An interrupt comes when it is at a
number other than 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rdbg.emu.device import State, System
from rdbg.emu.devices.fields import FLAG, NANOSECONDS, WORD, Kind, load_field
from rdbg.emu.devices.network.rtl8139 import rtl8139_registers as r

TIMER_PERIOD_NS = r.CLOCK_NS << 32


class Rtl8139Clock:
    """The clock.

    Args:
        card: name of the card.
        system: virtual time.
        interrupt: called when the timer is at its number.
    """

    #: What the card's state calls them.
    _FIELDS: Mapping[str, tuple[str, Kind]] = {
        "timer_interrupt": ("_wanted", WORD),
        "clock_runs": ("runs", FLAG),
        "timer_base_ns": ("_base_ns", NANOSECONDS),
    }

    def __init__(self, card: str, system: System, interrupt: Callable[[], None]) -> None:
        self._card = card
        self._system = system
        self._interrupt = interrupt
        self._timer = system.timer(f"{card}.timer", self._expired)
        self.runs = True
        self._wanted = 0  # the number at which the interrupt comes; 0: none does
        self._base_ns = 0  # when it was at 0

    def reset(self) -> None:
        """It runs, from 0, and no interrupt is wanted."""
        self.runs = True
        self._wanted = 0
        self._base_ns = 0
        self.arm()

    @property
    def count(self) -> int:
        """The number at which the timer is."""
        return (self._system.now_ns - self._base_ns) // r.CLOCK_NS

    def restart(self) -> None:
        """A store to the timer: it begins at 0 again."""
        self._base_ns = self._system.now_ns
        self.arm()

    @property
    def wanted(self) -> int:
        """The number at which an interrupt comes; 0: none does."""
        return self._wanted

    @wanted.setter
    def wanted(self, number: int) -> None:
        if number != self._wanted:
            self._wanted = number
            self.arm()

    def arm(self) -> None:
        """Have the interrupt come at the next time that the timer is at its number."""
        now = self._system.now_ns
        passed = max(now - self._base_ns, 0)
        self._base_ns += passed // TIMER_PERIOD_NS * TIMER_PERIOD_NS
        if not self._wanted:
            self._timer.disarm()
            return
        deadline = self._base_ns + self._wanted * r.CLOCK_NS
        self._timer.arm(deadline if deadline > now else deadline + TIMER_PERIOD_NS)

    def _expired(self) -> None:
        if self.runs:
            self._interrupt()
            self.arm()

    def save(self) -> State:
        """Its part of the card's state."""
        return {name: getattr(self, attribute) for name, (attribute, _) in self._FIELDS.items()}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        for name, (attribute, kind) in self._FIELDS.items():
            setattr(self, attribute, load_field(self._card, name, kind, state))
