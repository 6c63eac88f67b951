"""What leaves by the endpoints: it is digested at every passage, and reaches the outside world once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager

from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.machine_api import OutputSink
from rdbg.emu.output_mark import NOTHING_SENT, OutputMark, Sent, chained, endpoint_order
from rdbg.navigation.output_log import OutputLog

#: What leaves by these changes the world for good: it goes out of a run that is lived, and never of a replay.
_FOR_GOOD = frozenset({EndpointKind.NETWORK, EndpointKind.DISK})


class _Stream:
    """What leaves by one endpoint, output by output, and which stretches of it have been let through.

    What is sent depends on the guest alone. So the outputs are the same at every passage, and their number tells which
    are new.
    """

    __slots__ = ("_at", "_ends", "_starts", "digest", "for_good", "outputs", "size")

    def __init__(self, endpoint: Endpoint) -> None:
        self.outputs = 0  # so far, their bytes and digest
        self.size = 0
        self.digest = NOTHING_SENT
        self.for_good = endpoint.kind in _FOR_GOOD
        # Stretches that were passed, as numbers of outputs before their starts and before their ends. They do not meet.
        self._starts = [0]
        self._ends = [0]
        self._at = 0  # the stretch that the machine is in, or at the end of

    def put(self, sent: Sent) -> None:
        """Stand where so much has been sent."""
        self.outputs, self.size, self.digest = sent.outputs, sent.size, sent.digest

    def find_stretch(self) -> None:
        """Note in which stretch the machine is, or begin one there."""
        self._at = bisect_right(self._starts, self.outputs) - 1
        if self._at < 0 or self._ends[self._at] < self.outputs:
            self._at += 1
            self._starts.insert(self._at, self.outputs)
            self._ends.insert(self._at, self.outputs)

    def let_through(self) -> bool:
        """Whether the latest output is new; it is not any more."""
        at, outputs = self._at, self.outputs
        if outputs <= self._ends[at]:
            return False
        self._ends[at] = outputs
        if at + 1 < len(self._starts) and self._starts[at + 1] == outputs:
            # The gap is closed: the two stretches are one.
            self._ends[at] = self._ends.pop(at + 1)
            del self._starts[at + 1]
        return True

    def new_before(self, outputs: int) -> bool:
        """Whether some of the first ``outputs`` that lie ahead are new."""
        return outputs > self._ends[self._at]

    def fork(self, endpoint: Endpoint) -> _Stream:
        """That of a run which shares this one's up to here."""
        self.find_stretch()
        other = _Stream(endpoint)
        other.outputs, other.size, other.digest = self.outputs, self.size, self.digest
        other._at = at = self._at
        other._starts = self._starts[: at + 1]
        other._ends = [*self._ends[:at], min(self._ends[at], self.outputs)]
        return other


class OutputGate:
    """An OutputSink that digests what leaves by each endpoint, and lets it through the first time only, and only while
    it is open.

    ``mark`` says how far the machine has come; set it when a state is restored. A jump forward leaves a gap: what lies
    in it is new when the user runs through it later. Replays that serve a jump or a search, with the gate closed, show
    nothing: what the user sees must not depend on which states there were to start from.

    Args:
        lived: the run goes on, and is the one that counts: packets and what is written to disks leave. Of a replay, or
            of a branch, they never do.
    """

    def __init__(self, lived: bool) -> None:
        self.sink: OutputSink | None = None
        self.log = OutputLog()  #: what is known of all that leaves
        self._passed = 0  # outputs before where the machine stands
        self._lived = lived
        self._open = False
        self._streams: dict[Endpoint, _Stream] = {}

    @property
    def mark(self) -> OutputMark:
        """How far the machine has come."""
        sent = (
            Sent(endpoint, stream.outputs, stream.size, stream.digest)
            for endpoint, stream in self._streams.items()
            if stream.outputs
        )
        return OutputMark(tuple(sorted(sent, key=lambda each: endpoint_order(each.endpoint))))

    @mark.setter
    def mark(self, mark: OutputMark) -> None:
        for endpoint in {*self._streams, *(sent.endpoint for sent in mark.endpoints)}:
            stream = self._streams.setdefault(endpoint, _Stream(endpoint))
            stream.put(mark.sent(endpoint))
            if self._open:
                stream.find_stretch()
        self._passed = sum(stream.outputs for stream in self._streams.values())

    @property
    def passed(self) -> int:
        """How many outputs are before where the machine stands."""
        return self._passed

    @property
    def is_open(self) -> bool:
        """Whether the user runs the guest forward now."""
        return self._open

    def forget_ahead(self) -> None:
        """The run may go another way from here."""
        self.log.forget_after(self._passed)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let what is new through meanwhile: the user runs the guest forward."""
        for stream in self._streams.values():
            stream.find_stretch()
        self._open = True
        try:
            yield
        finally:
            self._open = False

    def fork(self) -> OutputGate:
        """One for a run that shares this one's output up to here."""
        other = OutputGate(lived=False)
        other.sink = self.sink
        other.log, other._passed = self.log.fork(), self._passed
        other.forget_ahead()
        other._streams = {endpoint: stream.fork(endpoint) for endpoint, stream in self._streams.items()}
        return other

    def new_before(self, mark: OutputMark) -> bool:
        """Whether something that nobody has seen lies between here and ``mark``, which is ahead, while the gate is
        open."""
        if self.sink is None:
            return False
        for sent in mark.endpoints:
            stream = self._streams.setdefault(sent.endpoint, _Stream(sent.endpoint))
            if stream.new_before(sent.outputs) and (self._lived or not stream.for_good):
                return True
        return False

    def __call__(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        stream = self._streams.get(endpoint)
        if stream is None:
            stream = self._streams[endpoint] = _Stream(endpoint)
        if self._passed == self.log.count:
            self.log.add(icount, endpoint, data)
        self._passed += 1
        stream.outputs += 1
        stream.size += len(data)
        stream.digest = chained(stream.digest, icount, data)
        if self._open and stream.let_through() and self.sink is not None and (self._lived or not stream.for_good):
            self.sink(icount, endpoint, data)
