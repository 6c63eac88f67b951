"""Serial output reaches the user once, however often its place in the run is passed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager

from rdbg.checkpoints.checkpoint import OutputMark
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.machine_api import OutputSink

#: A place in the stream of output: icount stamp, and how many bytes with that stamp come before.
_Place = tuple[int, int]


class OutputGate:
    """An OutputSink that lets bytes through the first time only, and only while it is open.

    Bytes are stamped with the icount of the instruction that sends them, which depends on the guest alone. So the
    bytes sent with one stamp are the same at every passage, and counting them tells which are new. ``mark`` says how
    far the machine has come; set it when a state is restored. A jump forward leaves a gap: what lies in it is new when
    the user runs through it later. Replays that serve a jump or a search, with the gate closed, show nothing: what the
    user sees must not depend on which states there were to start from.
    """

    def __init__(self) -> None:
        self.sink: OutputSink | None = None
        self._open = False
        self._mark = OutputMark()
        # Stretches of the stream that were passed: from each start to its end. They do not meet.
        self._starts: list[_Place] = [(-1, 0)]
        self._ends: list[_Place] = [(-1, 0)]
        self._at = 0  # the stretch that the machine is in, or at the end of

    @property
    def mark(self) -> OutputMark:
        """How far the machine has come."""
        return self._mark

    @mark.setter
    def mark(self, mark: OutputMark) -> None:
        self._mark = mark
        if self._open:
            self._find_stretch()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let what is new through meanwhile: the user runs the guest forward."""
        self._find_stretch()
        self._open = True
        try:
            yield
        finally:
            self._open = False

    def _find_stretch(self) -> None:
        """Note in which stretch the mark lies, or begin one there."""
        place = (self._mark.stamp, self._mark.count)
        self._at = bisect_right(self._starts, place) - 1
        if self._at < 0 or self._ends[self._at] < place:
            self._at += 1
            self._starts.insert(self._at, place)
            self._ends.insert(self._at, place)

    def fork(self) -> OutputGate:
        """One for a run that shares this one's stream up to here."""
        self._find_stretch()
        other = OutputGate()
        other.sink = self.sink
        other._mark = self._mark
        other._at = at = self._at
        other._starts = self._starts[: at + 1]
        other._ends = [*self._ends[:at], min(self._ends[at], (self._mark.stamp, self._mark.count))]
        return other

    def new_before(self, mark: OutputMark) -> bool:
        """Whether bytes that nobody has seen lie between here and ``mark``, which is ahead, while the gate is open."""
        return self.sink is not None and (mark.stamp, mark.count) > self._ends[self._at]

    def __call__(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        count = self._mark.count if icount == self._mark.stamp else 0
        self._mark = OutputMark(icount, count + len(data))
        if not self._open:
            return
        begin, end = (icount, count), (icount, count + len(data))
        while begin < end:
            if begin < self._ends[self._at]:  # passed before
                begin = min(end, self._ends[self._at])
                continue
            following = self._starts[self._at + 1] if self._at + 1 < len(self._starts) else end
            fresh = min(end, following)
            if fresh > begin:
                if self.sink is not None:
                    self.sink(icount, endpoint, data[begin[1] - count : fresh[1] - count])
                self._ends[self._at] = begin = fresh
            if following <= end and self._at + 1 < len(self._starts):
                # The gap is closed: the two stretches are one.
                self._ends[self._at] = max(self._ends[self._at], self._ends.pop(self._at + 1))
                self._starts.pop(self._at + 1)
