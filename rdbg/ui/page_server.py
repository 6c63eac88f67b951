"""Serves the page from a thread of its own: it stays there while the guest is moved for hours."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from typing import Any

import uvicorn

from rdbg.errors import RdbgError
from rdbg.net.tcp_address import LOOPBACK
from rdbg.session.onlooker import RunOnView
from rdbg.ui.access import Guarded, new_token
from rdbg.ui.page_app import PageApp
from rdbg.ui.page_connection import PageConnection
from rdbg.ui.page_desk import PageDesk
from rdbg.ui.run_state import RunState

_BACKLOG = 16


class PageServer:
    """An `Onlooker`: the page of a run.

    Args:
        run: see there.
        port: TCP port on loopback; 0 takes a free one.
        title: what the run is called.

    Raises:
        RdbgError: the port is in use.
    """

    def __init__(self, run: RunOnView, port: int, title: str) -> None:
        self._socket = _listening(port)
        port = self._socket.getsockname()[1]
        token = new_token()
        self.url = f"http://{LOOPBACK}:{port}/{token}/"  #: where the page is
        self._control = run.context.control
        self._control.page = self.url
        self._desk = PageDesk(run, self._publish)
        machine = run.context.timeline.machine
        about: dict[str, Any] = {
            "title": title,
            "architecture": machine.architecture.name,
            "gdb": f"{run.gdb[0]}:{run.gdb[1]}" if run.gdb is not None else None,
        }
        self._app = PageApp(self._desk, about)
        config = uvicorn.Config(
            Guarded(self._app.app, token, port),
            log_config=None,
            log_level="error",  # what strangers send amiss is no news for the terminal
            access_log=False,
            backlog=_BACKLOG,
            lifespan="off",
            ws="none",
            http=PageConnection,
            loop="asyncio",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="page", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> bool:
        """See `Onlooker`."""
        return self._desk.waiting

    def fileno(self) -> int:
        """See `Onlooker`."""
        return self._desk.fileno()

    def take_turn(self) -> None:
        """See `Onlooker`."""
        self._desk.take_turn()

    def look_on(self) -> None:
        """See `Onlooker`."""
        self._desk.look_on()

    def in_copy(self) -> None:
        """Keep no browser's connection open that the process itself has closed. Descriptors stay taken, so that who
        closes them in the end closes nobody else's."""
        self._desk.in_copy()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (self._socket.fileno(), *self._connections()):
            os.dup2(null, descriptor)
        os.close(null)

    def close(self) -> None:
        """Leave all browsers and close the port."""
        self._control.page = ""
        self._desk.close()
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join()
        self._desk.let_go()
        self._socket.close()

    def _connections(self) -> list[int]:
        transports = [getattr(each, "transport", None) for each in self._server.server_state.connections]
        sockets = [transport.get_extra_info("socket") for transport in transports if transport is not None]
        return [each.fileno() for each in sockets if each is not None and each.fileno() >= 0]

    def _publish(self, state: RunState) -> None:
        self._loop.call_soon_threadsafe(self._app.publish, state)

    def _stop(self) -> None:
        self._app.end()
        self._server.should_exit = True

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        finally:
            self._loop.close()


def _listening(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((LOOPBACK, port))
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise RdbgError(
            f"cannot listen for browsers on {LOOPBACK}:{port}: {error.strerror}; choose another --port"
        ) from error
    return made
