"""The user leaves the branch at hand for another one, new or known."""

from __future__ import annotations

from rdbg.errors import RdbgError
from rdbg.navigation.branches import Branch, Branches
from rdbg.navigation.kept_branches import KeptBranches
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.scratch import Scratch
from rdbg.navigation.stops import Interrupted
from rdbg.navigation.traveller import Traveller


class Branching:
    """Makes branches that users name, and goes from one to another.

    Args:
        branches: of the run.
        scratch: the one that is not meant to last.
        kept: those beside the recording.
        traveller: moves the machine.
        replayer: the machine on its history.
    """

    def __init__(
        self, branches: Branches, scratch: Scratch, kept: KeptBranches, traveller: Traveller, replayer: Replayer
    ) -> None:
        self._branches = branches
        self._scratch = scratch
        self._kept = kept
        self._traveller = traveller
        self._replayer = replayer

    def begin(self, name: str, keep: bool) -> None:
        """Let the run go on from here another way, under a name; see `Timeline.branch`.

        Raises:
            UsageError: the name is taken, or nothing can be kept.
            RdbgError: it cannot be kept; it is there all the same.
        """
        if keep:
            self._kept.require_store(name)
        if self._scratch.active:
            self._branches.rename(name)
        elif not (keep and name == self._branches.current.name):
            self._kept.save(leaving=False)
            self._branches.fork(name)
        if keep:
            try:
                self._kept.keep()
            except RdbgError as error:
                raise RdbgError(f"{error}; the machine is on branch '{name}', in memory alone") from None

    def enter(self, target: Branch, interrupted: Interrupted) -> bool:
        """Be on another branch, wherever; a scratch branch is gone then. False: it was interrupted."""
        branches, scratch = self._branches, self._branches.current if self._scratch.active else None
        self._kept.save()
        arrives = True
        if target.unvisited:
            # Nobody has been there: the recording's own states lead to where it begins.
            main = branches.main
            stood = self._traveller.position if branches.current is main else main.position
            branches.switch(main)
            first = max(target.fork - 1, self._replayer.history.start)
            arrives = self._traveller.go(first, interrupted)
            if arrives:
                self._replayer.states.checkpoint()
                branches.switch(target)
                main.position = stood  # it went to where they part, and not the user
        else:
            branches.switch(target)
        if scratch is not None:
            branches.drop(scratch)
        return arrives
