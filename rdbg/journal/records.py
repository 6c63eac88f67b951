"""What stands in a journal, one record at a time."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.quick_dataclass import dataclass

#: Kinds of records that are not inputs. With InputKind's numbers they fill 5 bits; never reuse one.
KIND_DIGEST = 30
KIND_END = 31

POKE_KINDS = frozenset({int(InputKind.POKE_MEMORY), int(InputKind.POKE_REGISTER)})
INPUT_KINDS = frozenset(int(kind) for kind in InputKind)
DIGEST_KINDS = frozenset({KIND_DIGEST})


class Record(NamedTuple):
    """One record: an input, a state digest or the end of the run.

    Args:
        icount: its position.
        kind: a number of InputKind, KIND_DIGEST or KIND_END.
        port: of an input; for KIND_END the EndReason.
        value: of an input; for KIND_END the guest's exit code.
        data: of an input; for KIND_DIGEST what `output_marks.build_digests` made; for KIND_END the virtual time in
            nanoseconds.
    """

    icount: int
    kind: int
    port: int = 0
    value: int = 0
    data: bytes = b""


class EndReason(IntEnum):
    """Why a run ended. The numbers stand in journals: never reuse one."""

    STOPPED = 1  #: the user ended it
    SHUTDOWN = 2  #: the guest did: by a power-off, an exit register, semihosting, or a reset with -no-reboot


@dataclass(frozen=True)
class EndOfRun:
    """The end of a finished recording.

    Args:
        icount: last position of the run.
        reason: why it ended.
        exit_code: what the guest gave, for SHUTDOWN.
        virtual_ns: virtual time there in nanoseconds, or 0 if it was not noted.
    """

    icount: int
    reason: EndReason
    exit_code: int = 0
    virtual_ns: int = 0


def record_of(event: InputEvent) -> Record:
    """The record of an input."""
    return Record(event.icount, int(event.kind), event.port, event.value, event.data)


def event_of(record: Record) -> InputEvent:
    """The input that a record tells of (its kind is one of InputKind)."""
    return InputEvent(record.icount, InputKind(record.kind), record.port, record.value, record.data)


def record_of_end(end: EndOfRun) -> Record:
    """The record of the end of the run."""
    virtual_time = end.virtual_ns.to_bytes(8, "little") if end.virtual_ns else b""
    return Record(end.icount, KIND_END, int(end.reason), end.exit_code, virtual_time)


def end_of(record: Record) -> EndOfRun:
    """The end that a record tells of."""
    return EndOfRun(record.icount, EndReason(record.port), record.value, int.from_bytes(record.data, "little"))
