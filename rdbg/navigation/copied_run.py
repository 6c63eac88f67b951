"""A run in copies of its process, which look at its past at the same time."""

from __future__ import annotations

from dataclasses import replace

from rdbg.host.progress import SILENT
from rdbg.navigation.branches import Branches
from rdbg.navigation.helpers import Helpers
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.run_store import RunStore
from rdbg.navigation.stops import Interrupted
from rdbg.navigation.stored import StoredStates
from rdbg.navigation.traveller import Traveller

#: Seconds between two looks at the outside world, and between two states, where the run is only passed through.
_SLICE_PASSING, _SPACING_PASSING = 0.02, 0.2


class CopiedRun:
    """Makes a run ready to be copied with its process, and to be looked at in the copy.

    Args:
        replayer: the machine on its history.
        traveller: searches the past.
        branches: of the run.
        stored: states of the run itself.
        store: that it uses.
    """

    def __init__(
        self, replayer: Replayer, traveller: Traveller, branches: Branches, stored: StoredStates, store: RunStore
    ) -> None:
        self._replayer = replayer
        self._traveller = traveller
        self._branches = branches
        self._stored = stored
        self._store = store

    def call(self, helpers: Helpers | None) -> None:
        """Let searches of the past that take long have helpers from now on."""
        self._traveller.helpers = helpers

    def prepare(self) -> None:
        """This process is about to be copied: nothing is to be half done in another thread."""
        self._store.wait()
        self._stored.finish_reading()

    def become(self, memory: int, ended: Interrupted) -> None:
        """This is in a copy of the process whose run it is. It can look at the past, wherever the machine stands in it,
        on whatever branch; it writes nothing down.

        Args:
            memory: bytes that its checkpoints may take beyond those that it has.
            ended: polled: whether what is done here is needed no more.
        """
        replayer = self._replayer
        self._store.look_only()
        self._traveller.helpers = None
        replayer.progress = SILENT
        replayer.given_up = ended
        for branch in self._branches.list():
            branch.history.only_look()
        replayer.history.only_look()
        self._stored.reopen()
        replayer.keeper.memory_limit = replayer.keeper.bytes_used + memory

    def only_pass_through(self) -> None:
        """What is learnt on the way is of no use to others: look up less often, and keep fewer states. For a copy
        that nobody talks to."""
        replayer = self._replayer
        replayer.paced.pace = replace(
            replayer.paced.pace, slice_seconds=_SLICE_PASSING, spacing_seconds=_SPACING_PASSING
        )

    def borders(self, start: int, end: int, parts: int, lead: int) -> list[int]:
        """Positions that divide a stretch into at most so many parts that take about as long: ``start`` first.

        Args:
            start: icount.
            end: icount.
            parts: how many, at most.
            lead: instructions that each lies behind a state: who begins there looks at so many before it.
        """
        states = [each for each in self._stored.positions if start < each + lead < end]
        if len(states) >= parts:  # as many lie in each second of a replay
            wanted = [states[len(states) * part // parts] for part in range(1, parts)]
        else:
            latest = self._replayer.states.latest
            wanted = [latest(start + (end - start) * part // parts).position for part in range(1, parts)]
        found = [start]
        found.extend(each + lead for each in wanted if found[0] < each + lead < end)
        return sorted(set(found))

    @property
    def speed(self) -> float:
        """Instructions that are replayed in a second, about."""
        return self._replayer.paced.speed
