"""Whether a replay is what was recorded: digests are written down in a live run, and compared on the first passage."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.machine_api import MachineApi
from rdbg.errors import RdbgError
from rdbg.history.history import History


class Agreement:
    """How far a run is known to agree with its recording.

    Args:
        machine: stands at the start of what is to be compared.
        history: of the run.
        spacing: instructions between the digests of a live run.
        clock: seconds.
    """

    def __init__(self, machine: MachineApi, history: History, spacing: int, clock: Callable[[], float]) -> None:
        self._machine = machine
        self._history = history
        self._spacing = spacing
        self._clock = clock
        self._recorded = not history.live
        self._up_to = machine.icount  # agreed, or digested last
        self._digest_cost = 0.0
        self._digest_time = clock()
        self.compared = 0  #: how many recorded digests agree
        self.diverged = False  #: whether this replay is known not to be what was recorded

    @property
    def verified(self) -> bool:
        """Whether the state here is beyond doubt: the run was lived in this session, or the state agrees with its
        recorded digest."""
        return not self.diverged and (not self._recorded or self._machine.icount == self._up_to)

    def fail(self) -> None:
        """The run went wrong: that cannot have been recorded."""
        self.diverged = self._recorded

    def note(self) -> None:
        """At the end of a live run: write a digest down if one is due."""
        position = self._machine.icount
        due = position - self._up_to >= self._spacing
        if due and self._clock() - self._digest_time > 50 * self._digest_cost:
            began = self._clock()
            self._history.note_digest(position, self._machine.digest())
            self._digest_time = self._clock()
            self._digest_cost = self._digest_time - began
            self._up_to = position

    def next(self) -> int | None:
        """Where the first passage of a recording must stop to compare digests."""
        return None if self._history.live else self._history.next_digest(max(self._machine.icount, self._up_to))

    def verify(self, position: int | None) -> None:
        """Compare the digest of a position that was just reached, if it has one and it is the first time.

        Raises:
            RdbgError: it differs.
        """
        if position is None or self._history.live or position <= self._up_to:
            return
        expected = self._history.expected_digest(position)
        if expected is None:
            return
        if self._machine.icount != position or self._machine.digest() != expected:
            self.diverged = True
            raise RdbgError(
                f"the replay diverged from the recording between icount {self._up_to} and icount {position}: "
                "the state there is not the recorded one; was it recorded with another version of rdbg?"
            )
        self.compared += 1
        self._up_to = position
