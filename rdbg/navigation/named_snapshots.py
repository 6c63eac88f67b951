"""The named snapshots of all branches, as they are seen from the one at hand."""

from __future__ import annotations

from rdbg.errors import RdbgError
from rdbg.navigation.branches import Branches, BranchSnapshot
from rdbg.navigation.snapshots import Snapshot


class NamedSnapshots:
    """What `loadvm` and its like can name.

    Args:
        branches: of the run.
    """

    def __init__(self, branches: Branches) -> None:
        self._branches = branches

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

    def find(self, name: str) -> BranchSnapshot:
        """The one of that name, preferably of the run at hand.

        Raises:
            RdbgError: there is none.
        """
        named = [each for each in self._branches.snapshots() if each.snapshot.name == name]
        if not named:
            known = ", ".join(sorted({each.snapshot.name for each in self._branches.snapshots()})) or "none"
            raise RdbgError(f"there is no snapshot '{name}'; there are: {known}")
        return next((each for each in named if each.here), named[0])

    def restorable(self, name: str, start: int, end: int) -> BranchSnapshot:
        """The one of that name whose moment can be gone to.

        Args:
            name: its name.
            start: first position of the run at hand.
            end: the last.

        Raises:
            RdbgError: there is none of that name, or its moment is not in this run.
        """
        found = self.find(name)
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
