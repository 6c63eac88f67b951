"""The named snapshots of all branches, as they are seen from the one at hand."""

from __future__ import annotations

from rdbg.errors import RdbgError
from rdbg.navigation.branches import Branches, BranchSnapshot
from rdbg.navigation.places import Places
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.snapshots import Snapshot
from rdbg.navigation.stops import Stop, StopReason
from rdbg.navigation.traveller import Traveller


class NamedSnapshots:
    """What `loadvm` and its like can name.

    Args:
        branches: of the run.
        traveller: goes to positions.
        replayer: the machine on its history.
        places: where the user has been.
    """

    def __init__(self, branches: Branches, traveller: Traveller, replayer: Replayer, places: Places) -> None:
        self._branches = branches
        self._traveller = traveller
        self._replayer = replayer
        self._places = places

    def save(self, name: str) -> None:
        """Keep the state of this position under a name, in place of an older one.

        If the run is recorded it is on disk afterwards, and the journal up to it. Where the recording broke off it
        lasts as long as the session.

        Raises:
            RdbgError: the name cannot be used, or the disk is full.
        """
        lasting, replayer = self._branches.synced(), self._replayer
        self._branches.current.snapshots.save(name, replayer.states.capture(), replayer.machine, in_memory=not lasting)

    def load(self, name: str) -> Stop:
        """Roll execution back (or forward) to a named snapshot's moment.

        Raises:
            RdbgError: there is none of that name, its moment is not in this run, or it is damaged.
        """
        replayer, machine = self._replayer, self._replayer.machine
        found = self._restorable(name, replayer.history.start, replayer.history.end)
        here = machine.icount
        replayer.states.checkpoint_if_far(replayer.paced.pace.rung)
        try:
            found.branch.snapshots.restore(found.snapshot, replayer)
        except RdbgError:
            self._traveller.go(here)
            raise
        self._places.leave(here)
        return Stop(StopReason.STEP, machine.icount, machine.pc)

    def delete(self, name: str) -> None:
        """Forget a named snapshot.

        Raises:
            RdbgError: there is none of that name.
        """
        found = self._find(name)
        found.branch.snapshots.delete(found.snapshot)

    def here(self) -> list[Snapshot]:
        """Those whose moment is in the run at hand, by position: those made on this branch, and others' in the past
        that it shares with them. Of two of one name its own counts."""
        found: dict[str, Snapshot] = {}
        for each in self._branches.snapshots():
            if each.here:
                found.setdefault(each.snapshot.name, each.snapshot)
        return sorted(found.values(), key=lambda snapshot: (snapshot.position, snapshot.name))

    def elsewhere(self) -> list[tuple[str, Snapshot]]:
        """Those whose moment is on other branches alone, with the branch's name."""
        return [(each.branch.name, each.snapshot) for each in self._branches.snapshots() if not each.here]

    def _find(self, name: str) -> BranchSnapshot:
        """The one of that name, preferably of the run at hand.

        Raises:
            RdbgError: there is none.
        """
        named = [each for each in self._branches.snapshots() if each.snapshot.name == name]
        if not named:
            known = ", ".join(sorted({each.snapshot.name for each in self._branches.snapshots()})) or "none"
            raise RdbgError(f"there is no snapshot '{name}'; there are: {known}")
        return next((each for each in named if each.here), named[0])

    def _restorable(self, name: str, start: int, end: int) -> BranchSnapshot:
        """The one of that name whose moment can be gone to.

        Args:
            name: its name.
            start: first position of the run at hand.
            end: the last.

        Raises:
            RdbgError: there is none of that name, or its moment is not in this run.
        """
        found = self._find(name)
        snapshot = found.snapshot
        if not found.here:
            raise RdbgError(
                f"snapshot '{name}' is of icount {snapshot.position} on branch '{found.branch.name}', which is not in "
                f"the past of this one; 'monitor switch {found.branch.name}' goes there"
            )
        if not start <= snapshot.position <= end:
            raise RdbgError(
                f"snapshot '{name}' is of icount {snapshot.position}, which is not in this run ({start} to {end})"
            )
        return found
