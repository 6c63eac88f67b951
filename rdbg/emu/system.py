"""What devices see of the machine: virtual time, timers, interrupt lines, storage, the way out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from rdbg.emu.device import Device
from rdbg.emu.dma_name import Detail
from rdbg.emu.endpoint import Endpoint
from rdbg.errors import RdbgError

if TYPE_CHECKING:
    from rdbg.emu.machine import Machine


log = logging.getLogger("rdbg.guest")

#: Of a piece of work, however often it is delayed: an hour. A journal may say anything.
_LONGEST_DELAY_NS = 3_600_000_000_000


class VirtualTimer:
    """A timer of one device; see device.Timer.

    Args:
        name: unique in the machine.
        function: called when it expires.
        changed: told that its deadline is another one, and whether it was armed.
        work: what it ends, in words: a piece of the device's work, which may take longer. Empty: it ends none.
    """

    def __init__(
        self, name: str, function: Callable[[], None], changed: Callable[[bool], None], work: str = ""
    ) -> None:
        self.name = name
        self.function = function
        self.work = work
        self._changed = changed
        self._deadline_ns: int | None = None

    @property
    def deadline_ns(self) -> int | None:
        """Virtual time of the next expiry in nanoseconds; None while disarmed."""
        return self._deadline_ns

    def arm(self, deadline_ns: int) -> None:
        """Expire before the first instruction at or after ``deadline_ns``."""
        self._deadline_ns = deadline_ns
        self._changed(True)

    def disarm(self) -> None:
        """Forget the deadline."""
        self.restore(None)

    def restore(self, deadline_ns: int | None) -> None:
        """Take a deadline back from a saved state."""
        if deadline_ns != self._deadline_ns:
            self._deadline_ns = deadline_ns
            self._changed(False)


def _deadline(timer: VirtualTimer) -> int:
    return timer.deadline_ns or 0


class MachineSystem:
    """The `System` that a machine gives to its devices."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.timers: dict[str, VirtualTimer] = {}
        self._earliest: VirtualTimer | None = None
        self._earliest_known = True  # False: a deadline has changed since it was looked for
        self.powered = False  #: devices are built before there is a CPU: until then time is 0 and lines go nowhere

    @property
    def now_ns(self) -> int:
        """Virtual time in nanoseconds: of the access that a device answers, or of the event that happens."""
        return self._machine.now_ns if self.powered else 0

    @property
    def pc(self) -> int:
        """Virtual address of the instruction whose access a device answers, or that is next."""
        return self._machine.core.place[1] if self.powered else 0

    @property
    def last_position(self) -> int:
        """The last position that the machine can stand at before what a device does now."""
        return self._machine.last_position if self.powered else 0

    def timer(self, name: str, function: Callable[[], None]) -> VirtualTimer:
        """Make a virtual timer."""
        return self._timer(VirtualTimer(name, function, self._timer_changed))

    def work_timer(self, name: str, function: Callable[[], None], work: str) -> VirtualTimer:
        """Make one for the end of a piece of the device's own work."""
        return self._timer(VirtualTimer(name, function, self._timer_changed, work))

    def _timer(self, made: VirtualTimer) -> VirtualTimer:
        if made.name in self.timers:
            raise RdbgError(f"two timers of this board are named {made.name!r}: device names must differ")
        self.timers[made.name] = made
        return made

    def work_due(self, now_ns: int) -> list[int]:
        """Numbers of the timers at which a piece of work is due."""
        return [
            number
            for number, timer in enumerate(self.timers.values())
            if timer.work and timer.deadline_ns is not None and timer.deadline_ns <= now_ns
        ]

    @property
    def works(self) -> tuple[str, ...]:
        """What each timer ends, by number, in words; empty: it ends no piece of a device's work."""
        return tuple(timer.work for timer in self.timers.values())

    def delay(self, number: int, duration_ns: int) -> None:
        """Let the work of a timer take longer; nothing, if it has none to do."""
        timer = next(islice(self.timers.values(), number, None), None)
        if timer is not None and timer.work and timer.deadline_ns is not None:
            latest_ns = max(timer.deadline_ns, self.now_ns + _LONGEST_DELAY_NS)
            timer.arm(min(timer.deadline_ns + duration_ns, latest_ns))

    def _timer_changed(self, is_armed: bool) -> None:
        self._earliest_known = False
        if is_armed:
            self._ask_for_events()

    def _ask_for_events(self) -> None:
        if self.powered:
            self._machine.ask_for_events()

    def earliest(self) -> VirtualTimer | None:
        """The armed timer that expires first; of two at once, the one made first."""
        if not self._earliest_known:
            armed = [timer for timer in self.timers.values() if timer.deadline_ns is not None]
            self._earliest = min(armed, key=_deadline, default=None)
            self._earliest_known = True
        return self._earliest

    def set_cpu_irq(self, line: int, level: bool) -> None:
        """Drive hardware interrupt ``line`` (0 to 5) of the CPU."""
        if self.powered:
            self._machine.set_cpu_irq(line, level)

    def output(self, endpoint: Endpoint, data: bytes) -> None:
        """Send bytes, or a packet, out of an endpoint."""
        self._machine.output(endpoint, data)

    def room_grown(self) -> None:
        """An endpoint can take more input: ask for it soon."""
        self._ask_for_events()

    def request_reset(self) -> None:
        """Reset the whole machine before the next instruction."""
        self._machine.request_reset()

    def request_shutdown(self, exit_code: int) -> None:
        """Power the machine off before the next instruction."""
        self._machine.request_shutdown(exit_code)

    def mapping_changed(self) -> None:
        """What the address space shows has changed."""
        if self.powered:
            self._machine.mapping_changed()

    def read_backing(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a backing."""
        return self._machine.read_backing(name, offset, size)

    def write_backing(self, name: str, offset: int, data: bytes) -> None:
        """Change bytes of a backing."""
        self._machine.write_backing(name, offset, data)

    @property
    def packet_number(self) -> int:
        """Running number of the packet that entered last."""
        return self._machine.packets

    def dma_read(self, address: int, size: int, source: Device | str = "a device's", *, detail: Detail = "") -> bytes:
        """Bytes from a guest-physical address on, as the bus resolves it."""
        return self._machine.dma_read(address, size, source, detail)

    def dma_direct(self, address: int, size: int, write: bool) -> int:
        """How many of ``size`` bytes from a guest-physical address on lie in memory without a gap."""
        return self._machine.dma.direct(address, size, write)

    def dma_write(self, address: int, data: bytes, source: Device | str, *, detail: Detail = "") -> None:
        """Write bytes to a guest-physical address on."""
        self._machine.dma_write(address, data, source, detail)

    def log(self, message: str) -> None:
        """One line about something the guest did that is not modelled or not allowed."""
        log.info("%s: %s", self._machine.place() if self.powered else "power-on", message)
