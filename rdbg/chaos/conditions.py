"""What makes a run fail: the values of ``--fail-on``."""

from __future__ import annotations

import re

from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass

EXIT, OUTPUT, WATCH, PANIC, HANG = "exit", "output", "watch", "panic", "hang"
FORMS = "exit, panic, output:REGEX, watch:EXPR, hang:SECONDS"

#: What kernels and boot loaders print when they give up: Linux; U-Boot.
PANIC_PATTERN = (
    rb"Kernel panic - not syncing|Oops[:\[]|Unhandled kernel unaligned access|Reserved instruction in kernel code"
    rb"|Kernel bug detected\[|BUG: |### ERROR ### Please RESET the board"
)

_LONGEST_HANG = 1e6


@dataclass(frozen=True)
class Condition:
    """One value of ``--fail-on``.

    Args:
        kind: EXIT, OUTPUT, WATCH, PANIC or HANG.
        text: as it was written.
        pattern: looked for in what the guest prints, for OUTPUT and PANIC.
        expression: for WATCH.
        seconds: of virtual time, for HANG.
    """

    kind: str
    text: str
    pattern: re.Pattern[bytes] | None = None
    expression: str = ""
    seconds: float = 0.0


#: What counts if no ``--fail-on`` is given.
DEFAULTS = ("exit", "panic")


def parse_condition(text: str) -> Condition:
    """Understand a value of ``--fail-on``.

    Raises:
        UsageError: it is none.
    """
    kind, colon, value = text.partition(":")
    if kind in (EXIT, PANIC) and not colon:
        return Condition(kind, text, re.compile(PANIC_PATTERN) if kind == PANIC else None)
    if kind == OUTPUT and value:
        try:
            return Condition(kind, text, re.compile(value.encode("utf-8", "surrogateescape"), re.MULTILINE))
        except (re.error, RecursionError, OverflowError) as error:
            raise UsageError(f"--fail-on {text}: not a regular expression: {error}") from None
    if kind == WATCH and value:
        return Condition(kind, text, expression=value)
    if kind == HANG and value:
        try:
            seconds = float(value.removesuffix("s"))
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= _LONGEST_HANG:
            raise UsageError(f"--fail-on {text}: not a time; write seconds of the guest's time, for example hang:2.5")
        return Condition(kind, text, seconds=seconds)
    raise UsageError(f"--fail-on {text}: not a condition; there are {FORMS}")


class OutputWatcher:
    """Looks for patterns in what the guest prints. An OutputSink.

    Args:
        conditions: those with patterns count.
    """

    #: A match is found if it is no longer than this.
    _REACH = 4096

    def __init__(self, conditions: tuple[Condition, ...]) -> None:
        self._conditions = [condition for condition in conditions if condition.pattern is not None]
        self.printed: dict[Endpoint, bytearray] = {}
        #: Condition, icount, endpoint, where in its output.
        self.found: tuple[Condition, int, Endpoint, int] | None = None

    def __call__(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        if endpoint.kind not in (EndpointKind.SERIAL, EndpointKind.CONSOLE):
            return
        kept = self.printed.setdefault(endpoint, bytearray())
        kept += data
        if self.found is not None:
            return
        begin = max(0, len(kept) - len(data) - self._REACH)
        for condition in self._conditions:
            assert condition.pattern is not None
            match = condition.pattern.search(kept, begin)
            if match is not None:
                self.found = (condition, icount, endpoint, match.start())
                return

    def line(self) -> str:
        """The line in which the match stands, as far as it was printed."""
        assert self.found is not None
        _, _, endpoint, at = self.found
        kept = self.printed[endpoint]
        begin = max(kept.rfind(b"\n", 0, at), kept.rfind(b"\r", 0, at)) + 1
        ends = [end for end in (kept.find(b"\n", at), kept.find(b"\r", at)) if end >= 0]
        return kept[begin : min(ends, default=len(kept))].decode("utf-8", "replace").strip()
