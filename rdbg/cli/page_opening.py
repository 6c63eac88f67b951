"""Serving the page of a session."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rdbg.errors import UsageError
from rdbg.host.messages import say

if TYPE_CHECKING:
    from rdbg.session.onlooker import Onlooker, RunOnView

_NEEDED = ("starlette", "uvicorn")


def page_of(title: str, port: int = 0) -> Callable[[RunOnView], Onlooker]:
    """Makes the page of a session, and says where it is.

    Args:
        title: what the run is called.
        port: TCP port on loopback; 0 takes a free one.

    Raises:
        UsageError: what serves it is not installed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(f"the page needs {' and '.join(missing)}: pip install 'rdbg[ui]'")

    def make(run: RunOnView) -> Onlooker:
        from rdbg.ui.page_server import PageServer  # what it loads takes a while

        server = PageServer(run, port, title)
        say(f"the page of this run, for a browser on this computer: {server.url}")
        return server

    return make
