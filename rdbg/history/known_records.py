"""Questions about the records of a run: what has come in, by what number, and when; what a replay has to come to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rdbg.emu.endpoint import Endpoint
from rdbg.emu.inputs import ENDPOINT_KINDS, InputEvent, InputKind
from rdbg.history.log import Log
from rdbg.history.log_queries import (
    ByteFromOutside,
    came_in,
    digests_at,
    listed_after,
    listed_before,
    listed_between,
    next_digest,
    register_writes,
    writing_inputs,
)
from rdbg.history.long_logs import BranchLog
from rdbg.journal.output_marks import Digests
from rdbg.journal.records import INPUT_KINDS, Record, event_of
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class NumberedInput:
    """An input with what it is called by.

    Args:
        number: of its record among all of the run, from 1.
        record: what it is.
        packet: its number among packets, from 1; None: it is none.
    """

    number: int
    record: Record
    packet: int | None


class Standing(Protocol):
    """What is used of a history."""

    @property
    def log(self) -> Log:
        """All records that are known."""
        ...

    @property
    def entered_records(self) -> int:
        """How many of them are behind where the machine stands."""
        ...


class KnownRecords:
    """All records of a run that are known. *Here* is where the machine stands.

    Args:
        history: of the run.
    """

    def __init__(self, history: Standing) -> None:
        self._history = history

    def records(self) -> list[Record]:
        """All that is known of the run, in order: inputs and digests."""
        return [self._history.log.record(ordinal) for ordinal in range(self._history.log.count)]

    @property
    def entered_packets(self) -> int:
        """How many packets are behind the cursor: the number of the latest one."""
        return self._history.log.packets_before(self._history.entered_records)

    def packet(self, number: int) -> InputEvent | None:
        """The packet of that number, from 1 in the order in which they entered, by whichever card; None: there are not
        so many."""
        ordinal = self._history.log.packet(number)
        return None if ordinal is None else event_of(self._history.log.record(ordinal))

    @property
    def packets(self) -> int:
        """How many packets the history has."""
        return self._history.log.packets_before(self._history.log.count)

    def input(self, number: int) -> InputEvent | None:
        """The input of that number, as `inputs_around` numbers them; None: there is none."""
        ordinal = number - 1
        if not 0 <= ordinal < self._history.log.count or self._history.log.record(ordinal).kind not in INPUT_KINDS:
            return None
        return event_of(self._history.log.record(ordinal))

    def inputs_around(self, most: int) -> tuple[list[NumberedInput], list[NumberedInput]]:
        """What came from outside last, up to here, and what comes next: at most so many of each, in order."""
        before = listed_before(self._history.log, self._history.entered_records, most)
        after = listed_after(self._history.log, self._history.entered_records, most)
        return [self._numbered(each) for each in before], [self._numbered(each) for each in after]

    def inputs_between(self, start: int, end: int, newest_first: bool = False) -> Iterator[NumberedInput]:
        """What came from outside at the positions from ``start`` to before ``end``, oldest or newest first."""
        first, behind = self._history.log.find(start - 1), self._history.log.find(end - 1)
        return (self._numbered(each) for each in listed_between(self._history.log, first, behind, newest_first))

    def _numbered(self, ordinal: int) -> NumberedInput:
        record = self._history.log.record(ordinal)
        packet = self._history.log.packets_before(ordinal) + 1 if record.kind == InputKind.PACKET else None
        return NumberedInput(ordinal + 1, record, packet)

    def outside_writes(self) -> list[InputEvent]:
        """What has entered from outside, up to here, and may have written memory: the debugger's writes, and resets."""
        return [event_of(record) for record in writing_inputs(self._history.log, self._history.entered_records)]

    def all_outside_writes(self) -> list[InputEvent]:
        """The same of all of the run, wherever the machine stands."""
        return [event_of(record) for record in writing_inputs(self._history.log, self._history.log.count)]

    def register_writes(self, journal_id: int) -> list[int]:
        """Positions, in order, at which the debugger has written to a register."""
        return list(register_writes(self._history.log, journal_id))

    def came_in(self, endpoint: Endpoint, most: int) -> list[ByteFromOutside]:
        """The last ``most`` bytes that have come in by an endpoint up to here, in order."""
        kinds = frozenset(int(kind) for kind, each in ENDPOINT_KINDS.items() if each is endpoint.kind)
        return came_in(self._history.log, self._history.entered_records, kinds, endpoint.port, most)

    def own_records(self) -> tuple[int, list[Record]]:
        """Of a run that has left another one: how many records it shares with the first that was left, and those that
        came then."""
        log = self._history.log
        shared = log.shared_with_first if isinstance(log, BranchLog) else log.count
        return shared, [log.record(ordinal) for ordinal in range(shared, log.count)]

    def expected_digests(self, icount: int) -> Digests | None:
        """The digests that the run had at ``icount`` when it was first passed, or None if none were taken.

        Raises:
            RdbgError: their record is malformed.
        """
        return digests_at(self._history.log, icount)

    def next_digest(self, icount: int) -> int | None:
        """Position of the first digest after ``icount`` that can be compared, or None."""
        return next_digest(self._history.log, icount)
