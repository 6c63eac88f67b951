"""Branches of a run: other futures of a moment of its past, and the way from one to another.

A branch shares its past with the branch it left, up to a position, and has a history of its own from there. It lives in
memory, also where its run is a recording: what was recorded stays as it is. `kept_branches` keeps some beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdbg.checkpoints.keeper import Detached
from rdbg.errors import RdbgError, UsageError
from rdbg.history.history import History
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.snapshots import Snapshot, Snapshots
from rdbg.navigation.track import Track
from rdbg.quick_dataclass import dataclass

MAIN = "main"
#: The branch that a debugger's write in the past makes; it goes when the user moves away.
SCRATCH = "scratch"


@dataclass
class Branch:
    """One future.

    Args:
        name: given by the user; "main" is the run itself.
        track: its inputs, the shared past included, and all else of it.
        snapshots: named states made on it.
        parent: the branch that it left; None: it is the run itself.
        fork: icount at which it left its parent.
        entered: how many of the inputs at ``fork`` had entered: the past is shared up to there.
        position: where the user stood when leaving it.
        kept: whether it is kept beside the recording.
        unvisited: it was kept by another session, and nobody has been there in this one.
        digest: the machine's digest at ``position`` in that session, or zeros.
    """

    name: str
    track: Track
    snapshots: Snapshots
    parent: Branch | None = None
    fork: int = 0
    entered: int = 0
    position: int = 0
    kept: bool = False
    unvisited: bool = False
    digest: bytes = b""

    @property
    def history(self) -> History:
        """Its inputs."""
        return self.track.history

    def lineage(self) -> list[Branch]:
        """This branch, its parent, and so on."""
        line, at = [self], self.parent
        while at is not None:
            line.append(at)
            at = at.parent
        return line


@dataclass(frozen=True)
class BranchSnapshot:
    """A named state and the branch that it was made on.

    Args:
        snapshot: the state.
        branch: where it was made.
        here: whether its moment is in the run at hand, which may share it.
    """

    snapshot: Snapshot
    branch: Branch
    here: bool


class Branches:
    """All branches of a run, and which one the machine is on.

    Args:
        replayer: the machine on its history.
        snapshots: of the run itself.
    """

    def __init__(self, replayer: Replayer, snapshots: Snapshots) -> None:
        self._replayer = replayer
        self.current = Branch(MAIN, replayer.track(), snapshots)
        self.main = self.current
        self._others: dict[str, Branch] = {}
        self._aside: tuple[Branch, Detached] | None = None

    def list(self) -> list[Branch]:
        """The run itself, then the others by name."""
        return [self.main, *(self._others[name] for name in sorted(self._others))]

    def find(self, name: str) -> Branch:
        """The branch of that name.

        Raises:
            RdbgError: there is none.
        """
        for branch in self.list():
            if branch.name == name:
                return branch
        raise RdbgError(f"there is no branch '{name}'; there are: {', '.join(branch.name for branch in self.list())}")

    def fork(self, name: str) -> None:
        """Let a branch begin where the machine stands, and be on it. A scratch branch may replace the one before.

        Raises:
            UsageError: the name is taken.
        """
        self.check_free(name)
        replayer, keeper = self._replayer, self._replayer.keeper
        replayer.states.checkpoint()  # coming back is one restore
        position = replayer.machine.icount
        entered = replayer.history.entered(position)
        track = replayer.fork()
        branch = Branch(name, track, Snapshots(keeper, track.stored), self.current, position, entered, position)
        self._leave()
        self._set_aside(keeper.detach(position, entered))
        self._others[name] = branch
        self._enter(branch)

    def add(self, branch: Branch) -> None:
        """Have another one, which left the run itself."""
        self._others[branch.name] = branch

    def forked(self, branch: Branch) -> tuple[int, int]:
        """Where a branch, or the first of those between, left the run itself: position, and how many of its inputs had
        entered."""
        return _shared(branch, self.main)

    def check_free(self, name: str) -> None:
        """Raises UsageError unless a branch may have this name."""
        if name != SCRATCH and (name == MAIN or name in self._others):
            raise UsageError(f"there is a branch '{name}' already; 'monitor switch {name}' goes there")

    def rename(self, name: str) -> None:
        """Give the current branch another name.

        Raises:
            UsageError: the name is taken.
        """
        self.check_free(name)
        del self._others[self.current.name]
        self.current.name = name
        self._others[name] = self.current

    def switch(self, target: Branch) -> None:
        """Be on another branch, at some position that both have."""
        here, replayer = self.current, self._replayer
        if target is here:
            return
        self._leave()
        position, entered = _shared(here, target)
        replayer.keeper.sync()
        detached = replayer.keeper.detach(position, entered)
        if self._aside is not None and self._aside[0] is target:
            aside, self._aside = self._aside[1], None
            replayer.keeper.release(detached)
            replayer.keeper.attach(aside)
        else:
            self._set_aside(detached)
        self._enter(target)
        common = replayer.keeper.checkpoints.latest_shared(position, entered)
        replayer.states.restore(common)

    def synced(self) -> bool:
        """Let the disk have the journal up to here; False: the recording broke off, what refers to it is in vain.

        Raises:
            RdbgError: the journal of a finished recording is not what it was.
        """
        history = self._replayer.history
        try:
            history.sync()
        except RdbgError:
            if not history.live:
                raise
            return False
        return self.main.history.failure is None

    def snapshots(self) -> Sequence[BranchSnapshot]:
        """All named states: those of the branch at hand, then the others'."""
        here = self.current
        found = []
        for branch in [here, *(branch for branch in self.list() if branch is not here)]:
            shared = None if branch is here else _shared(here, branch)
            for snapshot in branch.snapshots.list():
                moment = snapshot.position, snapshot.entered
                found.append(BranchSnapshot(snapshot, branch, shared is None or moment <= shared))
        return found

    def drop(self, branch: Branch) -> None:
        """Forget a branch that the machine is not on. Branches that left it keep what they share with it."""
        if self._others.get(branch.name) is branch:
            del self._others[branch.name]

    def _leave(self) -> None:
        replayer = self._replayer
        self.current.position = replayer.machine.icount
        self.current.track = replayer.track()

    def _enter(self, branch: Branch) -> None:
        self.current = branch
        self._replayer.use(branch.track)

    def _set_aside(self, detached: Detached) -> None:
        """Keep what only the branch being left can use; what was kept for another goes: memory is bounded."""
        if self._aside is not None:
            self._replayer.keeper.release(self._aside[1])
        self._aside = (self.current, detached)


def _shared(one: Branch, other: Branch) -> tuple[int, int]:
    """Up to where two branches have the same past: position, and how many of its inputs."""
    ends: list[tuple[int, int]] = []
    first, second = one.lineage(), other.lineage()
    common = next(branch for branch in first if branch in second)
    for line in (first, second):
        # A branch may have left its parent before the parent left its own.
        ends += [(branch.fork, branch.entered) for branch in line[: line.index(common)]]
    return min(ends)
