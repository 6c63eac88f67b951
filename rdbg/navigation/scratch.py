"""The branch that a debugger's write in the past makes: it goes when the user moves away from it."""

from __future__ import annotations

from rdbg.navigation.branches import SCRATCH, Branch, Branches
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.traveller import Traveller
from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True)
class Moment:
    """A moment of a scratch branch, to come back to; see `Scratch.moment`."""

    branch: Branch
    position: int
    records: int
    entered: int


class Scratch:
    """The scratch branch, if the machine is on one.

    Args:
        branches: of the run.
        traveller: moves the machine.
        replayer: the machine on its history.
    """

    def __init__(self, branches: Branches, traveller: Traveller, replayer: Replayer) -> None:
        self._branches = branches
        self._traveller = traveller
        self._replayer = replayer

    @property
    def active(self) -> bool:
        """Whether the machine is on it."""
        return self._branches.current.name == SCRATCH

    def begin(self) -> None:
        """Make one here, and be on it."""
        self._branches.fork(SCRATCH)

    def drop(self) -> bool:
        """Go back to the moment where it began, and forget it. False: the machine is on none."""
        scratch = self._branches.current
        if not self._leave():
            return False
        self._traveller.go(scratch.fork)
        return True

    def leave_behind(self) -> None:
        """Going back to before its first moment leaves it."""
        here = self._traveller.position
        if here < self._branches.current.fork and self._leave():
            self._traveller.go(here)

    def moment(self) -> Moment | None:
        """This moment of it, for `come_back`; None: the machine is on none."""
        if not self.active:
            return None
        history, position = self._replayer.history, self._traveller.position
        return Moment(self._branches.current, position, history.entered_records, history.entered(position))

    def come_back(self, moment: Moment) -> bool:
        """Undo all that happened on it since a moment. False: it is gone."""
        scratch = self._branches.current
        if scratch is not moment.branch:
            return False
        if (moment.position, moment.entered) == (scratch.fork, scratch.entered):
            return self.drop()
        keeper = self._replayer.keeper
        keeper.sync()
        keeper.release(keeper.detach(moment.position, moment.entered))
        scratch.history.rewind(moment.position, moment.records)
        self._replayer.states.restore(self._replayer.states.latest(moment.position))
        self._traveller.go(moment.position)
        self._replayer.output.forget_ahead()
        self._replayer.events.forget_after(moment.position)
        return True

    def _leave(self) -> bool:
        """Be on the branch that it left, and forget it."""
        scratch = self._branches.current
        if not self.active or scratch.parent is None:
            return False
        self._branches.switch(scratch.parent)
        self._branches.drop(scratch)
        return True
