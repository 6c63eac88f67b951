"""Named positions: with the recording, or as long as the session."""

from __future__ import annotations

from rdbg.errors import RdbgError
from rdbg.navigation.branches import Branches
from rdbg.navigation.places import Places
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.stored import StoredStates
from rdbg.store.snapshot import check_name


class Bookmarks:
    """The bookmarks of a run.

    Args:
        places: has those of the session.
        stored: has the store with those of the recording, if there is one.
        branches: of the run.
        replayer: the machine on its history.
    """

    def __init__(self, places: Places, stored: StoredStates, branches: Branches, replayer: Replayer) -> None:
        self._places = places
        self._stored = stored
        self._branches = branches
        self._replayer = replayer

    def all(self) -> dict[str, int]:
        """Name -> icount. Those of a recording are kept with it."""
        store = self._stored.store
        return {**self._places.bookmarks, **(store.notes.bookmarks() if store is not None else {})}

    def put(self, name: str) -> None:
        """Give this position a name, in place of an older one of that name.

        It is kept with the recording, but on a branch, on read-only media, or where the recording broke off, it lasts
        as long as the session.

        Raises:
            UsageError: the name cannot be one.
            RdbgError: the store cannot be written.
        """
        check_name(name)
        store, position = self._stored.store, self._replayer.machine.icount
        on_main = self._branches.current is self._branches.main
        if store is not None and store.writable and on_main and self._branches.synced():
            store.notes.put_bookmark(name, position)
        else:
            self._places.bookmarks[name] = position

    def delete(self, name: str) -> None:
        """Forget a named position.

        Raises:
            RdbgError: there is none of that name, or the store cannot be written.
        """
        store = self._stored.store
        if name not in self.all():
            known = ", ".join(sorted(self.all())) or "none"
            raise RdbgError(f"there is no bookmark '{name}'; there are: {known}")
        if self._places.bookmarks.pop(name, None) is None and store is not None:
            store.notes.delete_bookmark(name)
