"""Where goes what the guest sends, and who hears it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rdbg.emu.endpoint import Endpoint
from rdbg.emu.machine_api import OutputSink
from rdbg.emu.output_mark import OutputMark
from rdbg.navigation.branches import Branches
from rdbg.navigation.replayer import Replayer


class RunOutput:
    """What leaves by the endpoints of the run at hand.

    Args:
        replayer: the machine on its history.
        branches: of the run.
    """

    def __init__(self, replayer: Replayer, branches: Branches) -> None:
        self._replayer = replayer
        self._branches = branches

    def lead_to(self, sink: OutputSink | None) -> None:
        """Say where it goes. The sink is given each output once, when `Timeline.run` or `Timeline.step` pass its place
        for the first time; jumps and searches are silent. Packets and what is written to disks leave a live run alone,
        and none of its branches."""
        self._replayer.output.sink = sink
        for branch in self._branches.list():
            branch.track.output.sink = sink

    @contextmanager
    def heard(self, sink: OutputSink) -> Iterator[None]:
        """Meanwhile a sink is given all that the machine sends, also where it has been before."""
        gate, machine = self._replayer.output, self._replayer.machine

        def both(icount: int, endpoint: Endpoint, data: bytes) -> None:
            sink(icount, endpoint, data)
            gate(icount, endpoint, data)

        machine.set_output(both)
        try:
            yield
        finally:
            machine.set_output(gate)

    @property
    def is_shown(self) -> bool:
        """Whether `Timeline.run` or `Timeline.step` is at work: what the machine does now the user sees. Jumps and
        searches are silent."""
        return self._replayer.output.is_open

    @property
    def sent(self) -> OutputMark:
        """What has left by each endpoint since the start of the run, up to here."""
        return self._replayer.output.mark
