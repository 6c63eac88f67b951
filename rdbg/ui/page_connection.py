"""Connections of browsers: so many, and only such as ask for something in time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

#: At once: a browser opens six for a page. Each takes a descriptor of the process that moves the guest.
MOST_CONNECTIONS = 64
#: Seconds until the first request is there.
_PATIENCE = 10.0


class PageConnection(H11Protocol):
    """A connection; one too many is closed, and one that does not ask is, too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.BaseProtocol`."""
        full = len(self.connections) >= MOST_CONNECTIONS
        super().connection_made(transport)
        if full:
            transport.abort()
        else:
            self.loop.call_later(_PATIENCE, self._leave_unless_asked)

    def _leave_unless_asked(self) -> None:
        if self.scope is None:
            self.transport.close()
