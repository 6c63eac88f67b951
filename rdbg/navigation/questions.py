"""Questions about the past. The machine stands where it stood when they are answered."""

from __future__ import annotations

from collections.abc import Sequence

from rdbg.emu.expression import Expression
from rdbg.navigation.search import SearchInterrupted
from rdbg.navigation.stops import Interrupted, StopConditions
from rdbg.navigation.traveller import Traveller
from rdbg.navigation.writes import LastWrite, Order, after_all_at


class QuestionInterrupted(Exception):
    """The user asked to stop before the answer was complete.

    Args:
        found: the writes up to then, latest first.
    """

    def __init__(self, found: Sequence[LastWrite] = ()) -> None:
        super().__init__("interrupted")
        self.found = found


def last_writes(
    traveller: Traveller, address: int, length: int, before: Order | None, count: int, interrupted: Interrupted
) -> list[LastWrite]:
    """The last ``count`` writes to any of these bytes that were made before ``before``, latest first.

    There are fewer if there were no more since the start.

    Raises:
        QuestionInterrupted: the user asked to stop.
    """
    origin = traveller.position
    found: list[LastWrite] = []
    try:
        search = traveller.write_search(address, length, interrupted)
        for write in search.before(before or after_all_at(origin), count):
            found.append(write)
    except SearchInterrupted:
        raise QuestionInterrupted(found) from None
    finally:
        traveller.go(origin)
    return found


def last_executed(
    traveller: Traveller, address: int, interrupted: Interrupted, condition: Expression = ()
) -> int | None:
    """Where the instruction at ``address`` was about to run last, before here, and the condition held, if there is one;
    None: nowhere.

    Raises:
        QuestionInterrupted: the user asked to stop.
    """
    origin = traveller.position
    try:
        conditions = {address: (condition,)} if condition else {}
        found = traveller.find(StopConditions(frozenset({address}), conditions=conditions), interrupted)
        return None if found is None else found.position
    except SearchInterrupted:
        raise QuestionInterrupted from None
    finally:
        traveller.go(origin)
