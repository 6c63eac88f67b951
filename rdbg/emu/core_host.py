"""What the compiled core asks of the machine around it: what stands where, devices, and what happens between two
instructions."""

from __future__ import annotations

from typing import Protocol

from rdbg.emu import core as cpu
from rdbg.emu.bus import Bus, Claim
from rdbg.emu.entrance import Entrance
from rdbg.emu.inputs import InputEvent, InputKind, InputSource
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.memory_writes import MemoryWrites
from rdbg.emu.power import MachinePower
from rdbg.emu.semihosting import HostCalls
from rdbg.emu.spec import MachineSpec
from rdbg.emu.system import MachineSystem
from rdbg.errors import RdbgError

#: A CPU that waits, and that so many timers in a row have not woken, sleeps until an input comes: no more time passes
#: for it. (Half a minute of a timer that expires a thousand times a second, nine hours of a clock's seconds.)
_MOST_IDLE_EVENTS = 1 << 15
#: Status: an interrupt ends a wait only if it would be taken: unmasked, with IE set and neither EXL nor ERL.
_STATUS_IM, _STATUS_IE, _STATUS_HELD_OFF = 0xFF00, 0x1, 0x7
#: More than any timer expires at one position.
MOST_EXPIRIES = 1_000_000


class HostMachine(Protocol):
    """What is used of a machine."""

    spec: MachineSpec
    core: cpu.Core
    bus: Bus
    inputs: InputSource
    system: MachineSystem
    power: MachinePower
    entrance: Entrance
    host_calls: HostCalls | None
    writes: MemoryWrites

    @property
    def now_ns(self) -> int:
        """The devices' virtual time in nanoseconds."""


class CoreHost:
    """The host of a machine's core (`rdbg.emu.core.Host`).

    Args:
        machine: around the core.
    """

    def __init__(self, machine: HostMachine) -> None:
        self._machine = machine
        self._bus = machine.bus
        self._timers = machine.system.timers
        self.wait_idle = False  #: the run comes back when the CPU waits
        self.skip_ns = 0  #: idle time that the caller has waited for, in nanoseconds
        self.idle_ns: int | None = None  #: nanoseconds until a timer would end the wait; None: only an input can
        self.woken_by: list[InputEvent] = []  #: what has ended the CPU's wait and has not entered yet
        self._idle_position = -1  # where the CPU waits
        self._idle_events = 0  # how many events in a row, since it waits or an input came, have not woken it there
        self._no_more_at = -1  # a position at which nothing that waits outside may enter any more

    def saved_idle_events(self) -> int:
        """How many events have not woken the CPU where it waits, as far as that is part of the machine's state."""
        core = self._machine.core
        return self._idle_events if core.halted and self._idle_position == core.icount else 0

    def restore(self, woken_by: list[InputEvent], idle_events: int) -> None:
        """Take back what a snapshot of this position says."""
        self.woken_by = woken_by
        self._idle_position, self._idle_events = self._machine.core.icount, idle_events

    def classify(self, page: int) -> tuple[int, int]:
        """What stands at a guest-physical page: (a MAPPING value, backing page)."""
        mapping = self._bus.classify(page * PAGE_SIZE)
        if mapping.backing_page is not None:
            flags = (cpu.MAPPING_READ if mapping.readable else 0) | (cpu.MAPPING_WRITE if mapping.writable else 0)
            return cpu.MAPPING_MEMORY | flags, mapping.backing_page
        # Where nothing answers the bus is asked all the same: it logs the address of each access.
        if mapping.claim is not Claim.WHOLE:
            return cpu.MAPPING_PARTIAL, 0
        return cpu.MAPPING_IO | (cpu.MAPPING_READ if self._bus.ignored_page(page * PAGE_SIZE) else 0), 0

    def io_read(self, address: int, size: int) -> int:
        """A guest load from a device."""
        return self._bus.read(address, size)

    def io_stable(self, address: int, size: int) -> int:
        """The icount from which a guest load from a device, made now, may not be repeated without asking; 0: it may not
        at all."""
        until_ns = self._bus.stable_until(address, size)
        return self._icount_of(until_ns) if until_ns else 0

    def io_idle_store(self, address: int, size: int, value: int) -> bool:
        """Whether a guest store to a device would change nothing."""
        return self._bus.is_idle_store(address, size, value)

    def io_write(self, address: int, size: int, value: int) -> None:
        """A guest store to a device."""
        self._bus.write(address, size, value)

    def events(self, icount: int) -> tuple[int, int]:
        """Everything due at this position; returns what `plan` does."""
        self._machine.writes.between = True
        try:
            self._happen(icount)
            while self._machine.power.reset_wanted:
                self._machine.power.reset()
                self._no_more_at = icount
                self._happen(icount)
        finally:
            self._machine.writes.between = False
        return self.plan(icount + 1)

    def _happen(self, icount: int) -> None:
        if not self._machine.core.halted:
            while self.woken_by:  # of a wait that has ended
                self._enter_together()
            self._take_inputs(icount)
        elif self._is_known_by(icount):
            for event in self._machine.inputs.take_first(icount):
                self._machine.entrance.enter(event)
        expired = 0
        machine = self._machine
        if machine.inputs.asks_interrupts:
            self._before_work(icount)
        while (timer := self._timers.earliest()) is not None and (timer.deadline_ns or 0) <= machine.now_ns:
            timer.disarm()
            timer.function()
            # In a replay inputs enter before what else happens at their position: what a timer has made room for comes
            # behind it.
            self._no_more_at = icount
            expired += 1
            if expired > MOST_EXPIRIES:
                raise RdbgError(
                    f"timer {timer.name!r} expires again and again at icount {icount} and never catches up with the "
                    "virtual time: the snapshot that the run began from is damaged"
                )

    def plan(self, icount: int) -> tuple[int, int]:
        """What is known to come: the icount of the next event, which happens right there; and an icount, at least
        ``icount``, from which something that waits outside may enter anywhere."""
        timer = self._timers.earliest()
        event = self._icount_of(timer.deadline_ns) if timer is not None else cpu.NEVER
        known = self._machine.inputs.next_icount()
        if known is not None:
            event = min(event, max(known, icount))
        waiting = self._machine.inputs.waiting_from()
        return (0 if self._machine.power.reset_wanted else event), (
            cpu.NEVER if waiting is None else max(waiting, icount)
        )

    def before_interrupt(self, icount: int) -> None:
        """An interrupt is about to be taken: let whoever is asked hold it back."""
        machine = self._machine
        for event in machine.inputs.hold_interrupt(icount, self._idled_until(icount)):
            machine.entrance.enter(event)

    def _before_work(self, icount: int) -> None:
        """Devices are about to be done with a piece of work: let whoever is asked delay it."""
        machine = self._machine
        for number in self._timers.work_due(machine.now_ns):
            for event in machine.inputs.delay_work(icount, number, self._idled_until(icount)):
                machine.entrance.enter(event)
                self._idle_events = 0  # as after any input that comes in a wait

    def _idled_until(self, icount: int) -> int | None:
        """The virtual time in nanoseconds up to which the CPU has waited; None: it runs, or its wait begins here."""
        machine = self._machine
        return machine.now_ns if machine.core.halted and self._idle_position == icount else None

    def semihosting(self) -> None:
        """The guest calls the host."""
        host_calls = self._machine.host_calls
        assert host_calls is not None
        host_calls.call()

    def _take_inputs(self, icount: int) -> None:
        while self._is_known_by(icount) or (icount != self._no_more_at and self._waits_by(icount)):
            taken = self._machine.inputs.take(icount)
            if not taken:
                return
            for event in taken:
                self._machine.entrance.enter(event)

    def _is_known_by(self, icount: int) -> bool:
        """Whether an input is known to enter at ``icount``."""
        at = self._machine.inputs.next_icount()
        return at is not None and at <= icount

    def _waits_by(self, icount: int) -> bool:
        """Whether something waits outside that may enter at ``icount``."""
        at = self._machine.inputs.waiting_from(icount)
        return at is not None and at <= icount

    def _icount_of(self, deadline_ns: int | None) -> int:
        """The first icount whose time is at or after ``deadline_ns``."""
        if deadline_ns is None:
            return cpu.NEVER
        shift = self._machine.spec.shift
        return max(0, deadline_ns - self._machine.core.bias_ns + (1 << shift) - 1) >> shift

    def idle(self, icount: int, cpu_ns: int) -> bool:
        """The CPU waits. Let virtual time pass up to the next event, of the CPU itself at ``cpu_ns``; False: come back
        to the caller of run()."""
        if icount != self._idle_position:
            self._idle_position, self._idle_events = icount, 0
        if not self.woken_by and (self._is_known_by(icount) or self._waits_by(icount)):
            # A replay passes the same timers before it lets enter what came after them.
            after_timers = self._machine.now_ns + 1 if self._idle_events else None
            self.woken_by = list(self._machine.inputs.take(icount, after_timers))
        timer = self._timers.earliest()
        deadlines = [d for d in (timer.deadline_ns if timer else None, cpu_ns) if d is not None]
        deadline = min((d for d in deadlines if d < cpu.NEVER), default=None)
        status = self._machine.core.registers.read_cp0(12, 0)
        wakes = not self._machine.core.calling and status & _STATUS_IM and status & _STATUS_HELD_OFF == _STATUS_IE
        if self._idle_events >= _MOST_IDLE_EVENTS or not wakes:
            deadline = None
        now = self._machine.now_ns
        if self.woken_by:
            first = self.woken_by[0]
            wake_ns = first.value if first.kind is InputKind.WAKE else now
            if deadline is None or wake_ns <= deadline:
                self.skip_ns = max(0, self.skip_ns - max(0, wake_ns - now))
                self._pass_time(wake_ns)
                self._machine.writes.between = (
                    not self._machine.core.calling
                )  # what the answer to a call changes is the call's doing
                try:
                    self._enter_together()
                finally:
                    self._machine.writes.between = False
                self._idle_events = 0  # what came in may have armed a timer
                return True
        self.idle_ns = None if deadline is None else max(0, deadline - now)
        if deadline is None or self.idle_ns is None:
            return False
        if self.wait_idle and not self.woken_by:
            if self.skip_ns < self.idle_ns:
                return False
            self.skip_ns -= self.idle_ns
        self._idle_events += 1
        self._pass_time(deadline)
        return True

    def _enter_together(self) -> None:
        """Let those that woke the CPU at one moment enter: one wait may have several, each begins with a WAKE."""
        waking = self.woken_by
        count = 1
        while count < len(waking) and waking[count].kind is not InputKind.WAKE:
            count += 1
        self.woken_by = waking[count:]
        for event in waking[:count]:
            self._machine.entrance.enter(event)

    def _pass_time(self, until_ns: int) -> None:
        self._machine.core.bias_ns += max(0, until_ns - self._machine.now_ns)
        self._machine.core.ask_for_events()
