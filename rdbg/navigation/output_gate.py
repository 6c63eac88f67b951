"""Serial output reaches the user once, however often its place in the run is passed."""

from __future__ import annotations

from rdbg.checkpoints.checkpoint import OutputMark
from rdbg.emu.machine_api import OutputSink


class OutputGate:
    """An OutputSink that lets bytes through the first time only.

    Bytes are stamped with the icount of the last interrupt window, which depends on the guest alone. So the bytes sent
    with one stamp are the same at every passage, and counting them tells which are new. ``mark`` says how far the
    machine has come; set it when a state is restored.
    """

    def __init__(self) -> None:
        self.sink: OutputSink | None = None
        self.mark = OutputMark()
        self._shown = OutputMark()

    def __call__(self, icount: int, port: int, data: bytes) -> None:
        count = self.mark.count if icount == self.mark.stamp else 0
        self.mark = OutputMark(icount, count + len(data))
        if icount < self._shown.stamp:
            return
        shown = self._shown.count if icount == self._shown.stamp else 0
        fresh = self.mark.count - max(shown, count)
        if fresh > 0:
            self._shown = self.mark
            if self.sink is not None:
                self.sink(icount, port, data[-fresh:])
