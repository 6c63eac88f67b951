"""Who may look: whoever has the page's address, whose token no other page in a browser can know."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The page runs its own script and style, asks its own server, and lies in no other page's frame.
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
#: Bytes of a request's body.
_LONGEST_BODY = 4096


def new_token() -> str:
    """128 bits that nobody can guess."""
    return secrets.token_urlsafe(16)


class Guarded:
    """An application for whoever has its token, called by its own name, from no other page.

    A name is checked, since a foreign page's name can be made to lead to this computer (DNS rebinding); where a request
    comes from, since a foreign page can have one sent here.

    Args:
        app: given what is left of a path behind the token.
        token: what a path begins with.
        port: of the server.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        names = ("127.0.0.1", "localhost", "[::1]")
        self._hosts = frozenset(f"{name}:{port}" for name in names)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or refuse, a request."""
        if scope["type"] != "http":
            return  # nothing else is spoken here
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        path = str(scope["path"]).split("/", 2)[2]

        async def guarded_send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self._app({**scope, "path": f"/{path}", "raw_path": f"/{path}".encode()}, receive, guarded_send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.getlist("host") != [headers.get("host", "")] or headers.get("host") not in self._hosts:
            return _refused("this server has another name", 421)
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return _refused("not for other pages", 403)
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _refused("not for other pages", 403)
        parts = str(scope["path"]).split("/", 2)
        given = parts[1] if len(parts) == 3 else ""
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token):
            return _refused("no such page; use the address that rdbg has printed", 404)
        if scope["method"] not in ("GET", "HEAD"):
            if origin is None or headers.get("content-type") != "application/json":
                return _refused("not for other pages", 403)
            length = headers.get("content-length", "")
            if "transfer-encoding" in headers or not length.isdecimal() or int(length) > _LONGEST_BODY:
                return _refused("too long", 413)
        return None


def _refused(why: str, status: int) -> Response:
    """A refusal; the connection is not kept for who asks so."""
    return PlainTextResponse(f"{why}\n", status, {"connection": "close"})
