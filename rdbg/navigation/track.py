"""A run that a machine goes along, and what is its own."""

from __future__ import annotations

from typing import Protocol

from rdbg.history.history import History
from rdbg.navigation.agreement import Agreement
from rdbg.navigation.event_log import EventLog
from rdbg.navigation.output_gate import OutputGate
from rdbg.navigation.stored import StoredStates
from rdbg.quick_dataclass import dataclass


class Saver(Protocol):
    """Keeps states for the next session."""

    def consider(self) -> None:
        """The machine stands at a position: save it if it is time."""


@dataclass(frozen=True)
class Track:
    """A run that a machine goes along: all that is its own while another one has its turn.

    Args:
        history: its inputs.
        stored: its states on disk.
        output: what of its output has been seen.
        events: where exceptions were raised and interrupts taken.
        saver: saves states of it.
        agreement: whether it is what was recorded.
    """

    history: History
    stored: StoredStates
    output: OutputGate
    events: EventLog
    saver: Saver | None
    agreement: Agreement
