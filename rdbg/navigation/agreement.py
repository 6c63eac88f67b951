"""Whether a replay is what was recorded: digests of state and output are written down in a live run, and compared on
the first passage."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.machine_api import MachineApi
from rdbg.emu.output_mark import Sent
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.journal.output_marks import Digests
from rdbg.navigation.output_gate import OutputGate


class Agreement:
    """How far a run is known to agree with its recording.

    Args:
        machine: stands at the start of what is to be compared.
        history: of the run.
        output: what the machine has sent.
        spacing: instructions between the digests of a live run.
        clock: seconds.
    """

    def __init__(
        self, machine: MachineApi, history: History, output: OutputGate, spacing: int, clock: Callable[[], float]
    ) -> None:
        self._machine = machine
        self._history = history
        self._output = output
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
            self._history.note_digest(position, Digests(self._machine.digest(), self._output.mark))
            self._digest_time = self._clock()
            self._digest_cost = self._digest_time - began
            self._up_to = position

    def next(self) -> int | None:
        """Where the first passage of a recording must stop to compare digests."""
        return None if self._history.live else self._history.known.next_digest(max(self._machine.icount, self._up_to))

    def verify(self, position: int | None) -> None:
        """Compare the digest of a position that was just reached, if it has one and it is the first time.

        Raises:
            RdbgError: it differs, or what was sent does.
        """
        if position is None or self._history.live or position <= self._up_to:
            return
        expected = self._history.known.expected_digests(position)
        if expected is None:
            return
        if self._machine.icount != position or self._machine.digest() != expected.state:
            raise self._diverged(position, "the state there is not the recorded one")
        difference = self._output.mark.difference(expected.output)
        if difference is not None:
            raise self._diverged(position, _not_sent(*difference))
        self.compared += 1
        self._up_to = position

    def _diverged(self, position: int, what: str) -> RdbgError:
        self.diverged = True
        return RdbgError(
            f"the replay diverged from the recording between icount {self._up_to} and icount {position}: {what}; was "
            "it recorded with another version of rdbg?"
        )


def _not_sent(replayed: Sent, recorded: Sent) -> str:
    """That an endpoint of a replay has sent something else than was recorded, in words."""
    told = f"{replayed.endpoint} has not sent what was recorded"
    if (replayed.outputs, replayed.size) == (recorded.outputs, recorded.size):
        return f"{told} (as much, but other bytes, or elsewhere)"
    return f"{told} ({_amount(replayed)} so far, and the recording has {_amount(recorded)})"


def _amount(sent: Sent) -> str:
    return f"{sent.size} bytes in {sent.outputs} outputs"
