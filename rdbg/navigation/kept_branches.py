"""Branches that are kept beside the recording, for other sessions on it."""

from __future__ import annotations

import logging

from rdbg.errors import RdbgError, UsageError
from rdbg.navigation.branches import MAIN, SCRATCH, Branch, Branches
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.snapshots import Snapshots
from rdbg.navigation.stored import StoredStates
from rdbg.store.kept_branch import NO_DIGEST, KeptBranch, pack_branch, unpack_branch
from rdbg.store.notes import StoreNotes

_log = logging.getLogger("rdbg.snapshots")


class KeptBranches:
    """The branches in the recording's store. Each is kept with all that came since it, or what it left, left the run.

    Args:
        branches: of the run.
        replayer: the machine on its history.
        stored: of the run itself: has the store.
    """

    def __init__(self, branches: Branches, replayer: Replayer, stored: StoredStates) -> None:
        self._branches = branches
        self._replayer = replayer
        self._stored = stored
        self._ours: dict[str, bytes] = {}  # in the store, and read or written by this session: name -> check sum
        self._loaded = False
        self._left_out: set[str] = set()  # in the store, and of no use to this rdbg

    def load(self) -> None:
        """Have those that earlier sessions on the recording have kept."""
        if self._loaded or self._stored.store is None:
            return
        self._loaded = True
        self.refresh()

    def refresh(self) -> None:
        """See what other sessions on the recording have done since: what they have kept is there, and what they have
        deleted is not, or where this session has been on it, is in memory alone."""
        store = self._stored.store
        if store is None:
            return
        try:
            sums = store.notes.branch_sums()
            changed = [branch for branch in self._branches.list() if branch.kept and self._is_changed(branch, sums)]
            for branch in changed:
                self._ours.pop(branch.name, None)
                if branch.unvisited:
                    self._branches.drop(branch)
                else:
                    branch.kept = False
                    _log.warning(
                        "branch %r was deleted by another session: it is in memory alone here ('monitor branch %s "
                        "--keep' keeps it again)", branch.name, branch.name,
                    )  # fmt: skip
            ours = {branch.name for branch in self._branches.list()}
            new = [name for name in sums if name not in ours and name not in self._left_out] if self._loaded else []
            kept = store.notes.branches() if new else {}
        except RdbgError as error:
            _log.warning("what other sessions have done to the branches is not known: %s", error)
            return
        for name in new:
            try:
                self._branches.add(self._opened(name, unpack_branch(name, kept.get(name, b""))))
                self._ours[name] = sums[name]
            except RdbgError as error:
                self._left_out.add(name)
                _log.warning("%s: branch %r is left out: %s", store.path, name, error)

    def _is_changed(self, branch: Branch, sums: dict[str, bytes]) -> bool:
        """Whether what this session knows of a kept branch is not so any more. Where it has been, it goes on with what
        it has itself."""
        known = sums.get(branch.name)
        return known is None or branch.unvisited and known != self._ours.get(branch.name)

    def require_store(self, name: str) -> StoreNotes:
        """Check that a branch can be kept under a name.

        Raises:
            UsageError: there is no recording, or it has another branch of that name, or the name cannot be one.
            RdbgError: the recording cannot be written.
        """
        store = self._stored.store
        if store is None or self._branches.main.history.failure is not None:
            raise UsageError(
                "a branch is kept beside a recording, and this run has none; 'monitor record FILE' on branch 'main' "
                "makes one"
            )
        if not store.writable:
            raise RdbgError(
                f"{store.path}: cannot be written, so no branch can be kept there; copy the recording elsewhere"
            )
        if name in (MAIN, SCRATCH):
            raise UsageError(f"'{name}' is no name for a branch that is kept")
        if name not in self._ours and name in store.notes.branches():
            raise UsageError(
                f"the recording has another branch '{name}' already (another session has kept it, or it is damaged); "
                f"choose another name, or 'monitor delbranch {name}'"
            )
        return store.notes

    def keep(self) -> None:
        """Keep the branch at hand, as it is now; `save` does it again.

        Raises:
            RdbgError: it cannot be kept.
        """
        # A CPU that waits is seen before its wait is over, which another session cannot know: no digest yet.
        self._put(NO_DIGEST)

    def save(self, leaving: bool = True) -> None:
        """If the branch at hand is kept, let the store have it as it is. Where that fails a line says so, and it stays
        as it was there.

        Args:
            leaving: the user leaves it; False: another one is about to begin where the machine stands, which must not
                move.
        """
        current, replayer = self._branches.current, self._replayer
        if current.kept:
            self.refresh()
        if not current.kept or current.unvisited:
            return
        if leaving and replayer.history.live and replayer.machine.icount >= replayer.history.end:
            leaving = replayer.pass_idle_time()
        try:
            self._put(replayer.machine.digest() if leaving else NO_DIGEST)
        except RdbgError as error:
            _log.warning("branch %r is kept as it was before, and not as it is now: %s", current.name, error)

    def _put(self, digest: bytes) -> None:
        branch, replayer = self._branches.current, self._replayer
        notes = self.require_store(branch.name)
        main = self._branches.main.history
        if main.live:
            main.sync()  # what it shares must be there when it is
        history, position = replayer.history, replayer.machine.icount
        fork, entered = self._branches.forked(branch)
        shared, records = history.known.own_records()
        end = max(history.end, position)
        kept = KeptBranch(fork, entered, shared, position, end, digest, records, history.finished)
        self._ours[branch.name] = notes.put_branch(branch.name, pack_branch(kept))
        branch.kept = True

    def delete(self, name: str) -> None:
        """Forget a branch, kept or not. Those that left it keep what they share with it.

        Raises:
            RdbgError: there is none of that name, the machine is on it, or the store cannot be written.
        """
        branches, store = self._branches, self._stored.store
        found = next((branch for branch in branches.list() if branch.name == name), None)
        if found is branches.main:
            raise UsageError("branch 'main' is the run itself")
        if found is branches.current:
            raise UsageError(f"the machine is on branch '{name}'; 'monitor switch main' leaves it, and then it can go")
        in_store = store is not None and name in store.notes.branches()
        if found is None and not in_store:
            branches.find(name)  # raises, and lists those that there are
        if store is not None and in_store and (found is None or found.kept):
            store.notes.delete_branch(name)
        self._ours.pop(name, None)
        if found is not None:
            branches.drop(found)

    def arrived(self, branch: Branch) -> None:
        """The machine stands where the user stood on a branch in an earlier session.

        Raises:
            RdbgError: its state is not what it was.
        """
        machine, unvisited = self._replayer.machine, branch.unvisited
        branch.unvisited = False
        known = unvisited and branch.digest != NO_DIGEST and machine.icount == branch.position
        if known and machine.digest() != branch.digest:
            branch.kept = False  # what is in the store stays
            raise RdbgError(
                f"branch '{branch.name}' does not come to the state that it had at icount {branch.position}: it was "
                "kept by another version of rdbg, or what its disks held is not in the recording"
            )

    def _opened(self, name: str, kept: KeptBranch) -> Branch:
        main, replayer = self._branches.main, self._replayer
        history = main.history.kept_fork(kept.shared, kept.records, kept.end, kept.finished)
        if kept.fork > main.history.end:
            raise RdbgError(f"it left the run at icount {kept.fork}, and the journal ends at {main.history.end}")
        track = replayer.opened(history, replayer.events.fork(kept.fork), kept.fork)
        snapshots = Snapshots(replayer.keeper, track.stored)
        return Branch(name, track, snapshots, main, kept.fork, kept.entered, kept.position, True, True, kept.digest)
