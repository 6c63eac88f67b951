"""Where the user has been: a history of places to go back and forward in, and bookmarks."""

from __future__ import annotations

from dataclasses import dataclass, field

from rdbg.navigation.writes import LastWrite

#: Older places fall out; nobody goes back further by hand.
_REMEMBERED = 1000


@dataclass
class Places:
    """Positions the user stood at before a jump, as in a web browser, and positions with names.

    Every movement leaves a place behind: jumps, runs in either direction, snapshots. Single steps in a row are one.
    """

    bookmarks: dict[str, int] = field(default_factory=dict)
    #: The last question about a write (address, length, where it was asked) and the one that it led to.
    answered: dict[tuple[int, int, int], LastWrite] = field(default_factory=dict)
    _stepping: bool = False
    _behind: list[int] = field(default_factory=list)
    _ahead: list[int] = field(default_factory=list)

    def leave(self, position: int, step: bool = False) -> None:
        """The user moves away from ``position``.

        Args:
            position: where the movement began.
            step: it is a single step; one after another counts as one movement.
        """
        in_a_row, self._stepping = step and self._stepping, step
        if in_a_row:
            self._ahead.clear()
            return
        if not self._behind or self._behind[-1] != position:
            self._behind.append(position)
        del self._behind[:-_REMEMBERED]
        self._ahead.clear()

    def back(self, here: int) -> int | None:
        """The place before; None: there is none."""
        self._stepping = False
        while self._behind:
            place = self._behind.pop()
            if place != here:
                self._ahead.append(here)
                return place
        return None

    def forward(self, here: int) -> int | None:
        """The place that `back` left; None: there is none."""
        while self._ahead:
            place = self._ahead.pop()
            if place != here:
                self._behind.append(here)
                return place
        return None
