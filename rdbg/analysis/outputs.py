"""``output``: what the guest sent, and where: lines of its consoles, packets, and what was written to disks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.analysis.rows import Column, ColumnKind
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.errors import UsageError
from rdbg.host.printable import printable
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import OutputLog, SentOutput

#: A line, or a piece of a long one: what follows is a row of its own.
_LINE = re.compile(rb"[^\n]{0,1023}\n|[^\n]{1,1024}")
#: What users call each kind of endpoint.
KINDS = {
    "serial": EndpointKind.SERIAL,
    "console": EndpointKind.CONSOLE,
    "network": EndpointKind.NETWORK,
    "disk": EndpointKind.DISK,
    "gpio": EndpointKind.GPIO,
}


@dataclass(frozen=True)
class OutputRow:
    """Something that left.

    Args:
        icount: standing there, the instruction that sends it (of a line, its first byte) is next.
        endpoint: by which it left.
        number: of a packet, how many have left by that card with it; of a line, the number of its first byte among
            those that left by that port, from 1; of a disk, the first sector written.
        size: bytes.
        text: what a console printed, without the end of the line.
    """

    icount: int
    endpoint: str
    number: int
    size: int
    text: str | None

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        Column("icount", ColumnKind.ICOUNT),
        Column("endpoint", ColumnKind.TEXT, width=10),
        Column("number", ColumnKind.NUMBER),
        Column("size", ColumnKind.NUMBER),
        Column("text", ColumnKind.TEXT),
    )


@dataclass(frozen=True)
class Outputs:
    """What left, in the order of the run.

    Args:
        endpoints: kinds and numbers of those asked for, a number below 0 for any; empty: of all.
    """

    endpoints: tuple[tuple[int, int], ...] = ()

    #: What has left is known as a whole, so it is asked as one piece.
    reaches_behind: ClassVar[bool] = True

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[OutputRow]:
        """Those in a piece; see `PieceQuestion`."""
        found = output_rows(run.outputs(), piece.start, piece.end, self._wanted)
        return iter(found[::-1] if newest_first else found)

    def _wanted(self, endpoint: Endpoint) -> bool:
        asked = ((int(endpoint.kind), endpoint.port), (int(endpoint.kind), -1))
        return not self.endpoints or any(each in self.endpoints for each in asked)


def endpoint_named(text: str) -> tuple[int, int]:
    """Kind and number of an endpoint as users write it: ``serial``, ``serial0``, ``disk1``; -1: any.

    Raises:
        UsageError: there is no such kind.
    """
    kind = text.rstrip("0123456789")
    if kind not in KINDS:
        raise UsageError(f"'{text}' is no endpoint; say one of {', '.join(KINDS)}, with a number or without")
    return int(KINDS[kind]), int(text[len(kind) :] or -1)


def output_rows(
    log: OutputLog, start: int, end: int, wanted: Callable[[Endpoint], bool] | None = None
) -> list[OutputRow]:
    """The rows of a stretch of a run.

    Args:
        log: all that has left.
        start, end: icounts; what begins there is in, and what begins at the end is not.
        wanted: tells of which endpoints; None: of all.
    """
    chosen = [each for each in log.endpoints() if wanted is None or wanted(each)]
    consoles = [each for each in log.consoles() if each in chosen]
    others = frozenset(chosen) - frozenset(consoles)
    found = [row for console in consoles for row in console_lines(log, console, start, end)]
    if others:
        found += [_row(sent) for sent in log.rows(start, end, others)]
    return sorted(found, key=lambda row: row.icount)


def console_lines(log: OutputLog, console: Endpoint, start: int, end: int) -> Iterator[OutputRow]:
    """The lines that a console printed whose first byte left in a stretch."""
    text, befores, icounts = log.stream(console)
    if not len(befores):
        return
    first = int(befores[0])
    lines = [match.span() for match in _LINE.finditer(text)]
    places = np.searchsorted(befores, [first + at for at, _ in lines], "right") - 1
    for (at, until), place in zip(lines, places.tolist(), strict=True):
        icount = int(icounts[place])
        if start <= icount < end:
            shown = text[at:until].rstrip(b"\r\n").decode("utf-8", "backslashreplace")
            yield OutputRow(icount, str(console), first + at + 1, until - at, printable(shown))


def _row(sent: SentOutput) -> OutputRow:
    number = sent.sector if sent.endpoint.kind is EndpointKind.DISK else sent.number
    return OutputRow(sent.icount, str(sent.endpoint), number, sent.size, None)
