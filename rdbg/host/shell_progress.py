"""Progress of a command that was typed at a shell: a bar where somebody sees it, lines for programs, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rdbg.host.messages import tell
from rdbg.host.progress import SILENT, PacedProgress, Progress

if TYPE_CHECKING:
    from tqdm import tqdm

#: Seconds between two pictures of a bar, and between two lines.
_BAR_EVERY = 0.1
_LINE_EVERY = 0.5


@contextmanager
def shell_progress(as_json: bool = False, bar: bool = True) -> Iterator[Progress]:
    """A Progress that is shown on standard error while the context lasts.

    Args:
        as_json: lines such as ``{"progress": {"done": 3, "total": 8, "what": "runs"}}``, ``total`` null where nobody
            knows it.
        bar: a bar, if standard error is a terminal; False: somebody else writes there.
    """
    if as_json:
        yield PacedProgress(_tell_json, _LINE_EVERY)
    elif bar and sys.stderr is not None and sys.stderr.isatty():
        shown = _Bar(sys.stderr)
        try:
            yield PacedProgress(shown.show, _BAR_EVERY)
        finally:
            shown.clear()
    else:
        yield SILENT


def _tell_json(done: int, total: int | None, what: str) -> None:
    import json  # most commands tell nobody

    tell(json.dumps({"progress": {"done": done, "total": total, "what": what}}))


class _Bar:
    """A bar at a terminal, for one work after another."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._bar: tqdm[None] | None = None

    def show(self, done: int, total: int | None, what: str) -> None:
        """Draw it anew."""
        bar = self._bar
        if bar is None or bar.total != total or done < bar.n:
            self.clear()
            from tqdm import tqdm  # where something takes long

            bar = self._bar = tqdm(
                desc=what, initial=done, total=total, file=self._terminal, leave=False, unit="", unit_scale=True
            )
        bar.n = done
        bar.set_description_str(what, refresh=False)
        bar.refresh()

    def clear(self) -> None:
        """Leave the line empty."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
