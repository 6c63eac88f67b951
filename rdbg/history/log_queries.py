"""What can be asked of the records of a run, whoever has them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.errors import RdbgError
from rdbg.history.log import Log
from rdbg.journal.output_marks import Digests, parse_digests
from rdbg.journal.records import DIGEST_KINDS, INPUT_KINDS, KIND_DIGEST, POKE_KINDS, Record, event_of
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class ByteFromOutside:
    """A byte that came in by an endpoint.

    Args:
        number: among those that came in there, from 1; None: a break on the line, which looks like a byte.
        input: the number of its input.
        value: the byte.
    """

    number: int | None
    input: int
    value: int


#: What lets something that is due come later.
MOVING_KINDS = frozenset({int(InputKind.HOLD), int(InputKind.DELAY)})
#: Beside those that only say when another one comes.
_LISTED_KINDS = frozenset(INPUT_KINDS) - MOVING_KINDS - {int(InputKind.WAKE)}
_WRITING_KINDS = frozenset({int(InputKind.POKE_MEMORY), int(InputKind.RESET)})


def inputs_at(log: Log, icount: int) -> Iterator[int]:
    """Numbers of the inputs that stand at ``icount``, in order."""
    ordinal = log.next_of(log.find(icount - 1), INPUT_KINDS)
    while ordinal is not None and log.record(ordinal).icount == icount:
        yield ordinal
        ordinal = log.next_of(ordinal + 1, INPUT_KINDS)


def listed_before(log: Log, ordinal: int, most: int) -> list[int]:
    """Numbers of the latest ``most`` of the first ``ordinal`` records that say what came from outside, in order."""
    found: list[int] = []
    while ordinal > 0 and len(found) < most:
        ordinal -= 1
        if log.record(ordinal).kind in _LISTED_KINDS:
            found.append(ordinal)
    return found[::-1]


def listed_after(log: Log, ordinal: int, most: int) -> list[int]:
    """Numbers of the first ``most`` such records from ``ordinal`` on."""
    found: list[int] = []
    following = log.next_of(ordinal, _LISTED_KINDS)
    while following is not None and len(found) < most:
        found.append(following)
        following = log.next_of(following + 1, _LISTED_KINDS)
    return found


def listed_between(log: Log, first: int, behind: int, backward: bool) -> Iterator[int]:
    """Numbers of such records from ``first`` to before ``behind``, in order or the last one first."""
    if backward:
        for ordinal in range(behind - 1, first - 1, -1):
            if log.record(ordinal).kind in _LISTED_KINDS:
                yield ordinal
        return
    following = log.next_of(first, _LISTED_KINDS)
    while following is not None and following < behind:
        yield following
        following = log.next_of(following + 1, _LISTED_KINDS)


def came_in(log: Log, count: int, kinds: frozenset[int], port: int, most: int) -> list[ByteFromOutside]:
    """The last bytes that came in by an endpoint, in order.

    Args:
        count: only the first ``count`` records count.
        kinds: of the inputs by such endpoints.
        port: the endpoint's number.
        most: how many bytes.
    """
    latest: deque[ByteFromOutside] = deque(maxlen=most)
    number = 0
    ordinal = log.next_of(0, kinds)
    while ordinal is not None and ordinal < count:
        event = event_of(log.record(ordinal))
        if event.port == port:
            for value in event.data:
                number += 1
                latest.append(ByteFromOutside(number, ordinal + 1, value))
            if event.kind is InputKind.SERIAL_BREAK:
                latest.append(ByteFromOutside(None, ordinal + 1, 0))
        ordinal = log.next_of(ordinal + 1, kinds)
    return list(latest)


def writing_inputs(log: Log, count: int) -> Iterator[Record]:
    """Those of the first ``count`` records that may have written memory: the debugger's writes, and resets."""
    ordinal = log.next_of(0, _WRITING_KINDS)
    while ordinal is not None and ordinal < count:
        yield log.record(ordinal)
        ordinal = log.next_of(ordinal + 1, _WRITING_KINDS)


def register_writes(log: Log, journal_id: int) -> Iterator[int]:
    """Positions of the debugger's writes to a register, in order."""
    kinds = frozenset({int(InputKind.POKE_REGISTER)})
    ordinal = log.next_of(0, kinds)
    while ordinal is not None:
        event = event_of(log.record(ordinal))
        if event.port == journal_id:
            yield event.icount
        ordinal = log.next_of(ordinal + 1, kinds)


def entering(
    log: Log, cursor: int, icount: int, kinds: frozenset[int] = INPUT_KINDS - POKE_KINDS
) -> tuple[list[InputEvent], int]:
    """The next inputs after a cursor that enter at ``icount``, up to one of another kind, such as a write of the
    debugger; and where the cursor is behind them.

    Raises:
        RdbgError: the place of one of them was not met.
    """
    found: list[InputEvent] = []
    while (ordinal := log.next_of(cursor, INPUT_KINDS)) is not None:
        record = log.record(ordinal)
        if record.kind not in kinds or record.icount > icount:
            break
        if record.icount < icount:
            raise RdbgError(
                f"the replay diverged: the input recorded at icount {record.icount} cannot enter there, but at "
                f"icount {icount}; the fault lies before that"
            )
        found.append(event_of(record))
        cursor = ordinal + 1
    return found, cursor


def digests_at(log: Log, icount: int) -> Digests | None:
    """What the record that `digest_at` finds says.

    Raises:
        RdbgError: it is malformed.
    """
    data = digest_at(log, icount)
    try:
        return None if data is None else parse_digests(data)
    except RdbgError as error:
        raise RdbgError(f"icount {icount} of the journal: {error}; take a good copy") from error


def digest_at(log: Log, icount: int) -> bytes | None:
    """The data of the digest record at ``icount``, unless an input at the same place came after it."""
    for ordinal in range(log.find(icount) - 1, -1, -1):
        record = log.record(ordinal)
        if record.icount != icount or record.kind in INPUT_KINDS:
            return None
        if record.kind == KIND_DIGEST:
            return record.data
    return None


def next_digest(log: Log, icount: int) -> int | None:
    """Position of the first digest after ``icount`` that `digest_at` gives, or None."""
    ordinal = log.next_of(log.find(icount), DIGEST_KINDS)
    while ordinal is not None:
        position = log.record(ordinal).icount
        if digest_at(log, position) is not None:
            return position
        ordinal = log.next_of(log.find(position), DIGEST_KINDS)
    return None
