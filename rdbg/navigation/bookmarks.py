"""Named positions: with the recording, or as long as the session."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.errors import RdbgError
from rdbg.navigation.places import Places
from rdbg.navigation.stored import StoredStates
from rdbg.store.snapshot import check_name


class Bookmarks:
    """The bookmarks of a run.

    Args:
        places: has those of the session.
        stored: has the store with those of the recording, if there is one.
    """

    def __init__(self, places: Places, stored: StoredStates) -> None:
        self._places = places
        self._stored = stored

    def all(self) -> dict[str, int]:
        """Name -> icount."""
        store = self._stored.store
        return {**self._places.bookmarks, **(store.notes.bookmarks() if store is not None else {})}

    def put(self, name: str, position: int, lasting: Callable[[], bool]) -> None:
        """Give a position a name, in place of an older one of that name.

        Args:
            name: the name.
            position: icount.
            lasting: asked, where it could be kept with the recording, whether it should.

        Raises:
            UsageError: the name cannot be one.
            RdbgError: the store cannot be written.
        """
        check_name(name)
        store = self._stored.store
        if store is not None and store.writable and lasting():
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
