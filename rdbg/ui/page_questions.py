"""What pages ask of a run: frozen dataclasses, which go to a copy of its process; answers go out as JSON."""

from __future__ import annotations

from typing import Any, Protocol

from rdbg.ui.run_view import RunView


class PageQuestion(Protocol):
    """A question that can be pickled."""

    def answer(self, view: RunView) -> Any:
        """The answer; it takes some hundredths of a second at most, and says so where it is not all of it.

        Raises:
            RdbgError: it makes no sense, or cannot be answered.
        """
        ...
