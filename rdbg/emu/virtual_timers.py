"""The virtual timers of a machine's devices: their deadlines are part of its state, and nothing of the host is read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from rdbg.errors import RdbgError

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
        self.deadline_ns: int | None = None  #: of the next expiry, in nanoseconds of virtual time; None while disarmed

    def arm(self, deadline_ns: int) -> None:
        """Expire before the first instruction at or after ``deadline_ns``."""
        self.deadline_ns = deadline_ns
        self._changed(True)

    def disarm(self) -> None:
        """Forget the deadline."""
        self.restore(None)

    def restore(self, deadline_ns: int | None) -> None:
        """Take a deadline back from a saved state."""
        if deadline_ns != self.deadline_ns:
            self.deadline_ns = deadline_ns
            self._changed(False)


class VirtualTimers:
    """All timers of a machine, in the order in which they were made.

    Args:
        armed: told that one has another deadline, which may be the next event.
    """

    def __init__(self, armed: Callable[[], None]) -> None:
        self.by_name: dict[str, VirtualTimer] = {}
        self._armed = armed
        self._earliest: VirtualTimer | None = None
        self._earliest_known = True  # False: a deadline has changed since it was looked for

    def make(self, name: str, function: Callable[[], None], work: str = "") -> VirtualTimer:
        """Make a timer.

        Args:
            name: unique in the machine.
            function: called when it expires.
            work: what it ends, in words: a piece of the device's work, which may take longer. Empty: it ends none.

        Raises:
            RdbgError: there is one of that name.
        """
        if name in self.by_name:
            raise RdbgError(f"two timers of this board are named {name!r}: device names must differ")
        made = self.by_name[name] = VirtualTimer(name, function, self._changed, work)
        return made

    def earliest(self) -> VirtualTimer | None:
        """The armed timer that expires first; of two at once, the one made first."""
        if not self._earliest_known:
            armed = [timer for timer in self.by_name.values() if timer.deadline_ns is not None]
            self._earliest = min(armed, key=_deadline, default=None)
            self._earliest_known = True
        return self._earliest

    def work_due(self, now_ns: int) -> list[int]:
        """Numbers of the timers at which a piece of work is due."""
        return [
            number
            for number, timer in enumerate(self.by_name.values())
            if timer.work and timer.deadline_ns is not None and timer.deadline_ns <= now_ns
        ]

    @property
    def works(self) -> tuple[str, ...]:
        """What each timer ends, by number, in words; empty: it ends no piece of a device's work."""
        return tuple(timer.work for timer in self.by_name.values())

    def delay(self, number: int, duration_ns: int, now_ns: int) -> None:
        """Let the work of a timer take longer; nothing, if it has none to do."""
        timer = next(islice(self.by_name.values(), number, None), None)
        if timer is not None and timer.work and timer.deadline_ns is not None:
            latest_ns = max(timer.deadline_ns, now_ns + _LONGEST_DELAY_NS)
            timer.arm(min(timer.deadline_ns + duration_ns, latest_ns))

    def _changed(self, is_armed: bool) -> None:
        self._earliest_known = False
        if is_armed:
            self._armed()


def _deadline(timer: VirtualTimer) -> int:
    return timer.deadline_ns or 0
