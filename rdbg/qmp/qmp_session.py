"""One end at which a program speaks QMP: requests in; greeting, answers and events out."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from rdbg import __version__
from rdbg.qmp.request_stream import RequestStream, Unreadable
from rdbg.quick_dataclass import dataclass

#: The QEMU whose protocol this is, for clients that look at it. What answers, the package says.
QEMU_VERSION = {"micro": 0, "minor": 2, "major": 7}
VERSION = {"qemu": QEMU_VERSION, "package": f"rdbg {__version__}"}
_GREETING = {"QMP": {"version": VERSION, "capabilities": []}}

GENERIC_ERROR, COMMAND_NOT_FOUND = "GenericError", "CommandNotFound"
#: Requests that wait; with more no more is read. QEMU has room for as many.
_MOST_WAITING = 8

_MEMBERS = ("execute", "arguments", "id")


class QmpError(Exception):
    """A request that fails.

    Args:
        description: a sentence for the client.
        kind: QEMU's class of the error.
    """

    def __init__(self, description: str, kind: str = GENERIC_ERROR) -> None:
        super().__init__(description)
        self.kind = kind


@dataclass(frozen=True)
class Request:
    """What a client asks for.

    Args:
        command: the command's name.
        arguments: its arguments by name.
        answer_with: what the answer is to repeat (``id``).
        wrong: why it is none, and no command; or None.
    """

    command: str
    arguments: Mapping[str, Any]
    answer_with: Mapping[str, Any]
    wrong: QmpError | None = None

    @property
    def is_nonsense(self) -> bool:
        """Whether it is no request, and nothing tells its answer from others."""
        return self.wrong is not None and not self.answer_with


class QmpSession:
    """A client after the other, as they come to one ``-qmp``.

    Args:
        write: sends bytes to the client.
        pretty: over several lines (``-qmp-pretty``).
        clock: host seconds since 1970, for the timestamps of events.
    """

    def __init__(
        self, write: Callable[[bytes], None], pretty: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self._write = write
        self._indent = 4 if pretty else None
        self._clock = clock
        self._stream = RequestStream()
        self._requests: deque[Request] = deque()
        self.negotiated = False  #: the client has said ``qmp_capabilities``: commands are obeyed, events are sent

    def greet(self) -> None:
        """A client has come. What another has asked for and not waited for is forgotten."""
        self._stream = RequestStream()
        self._requests.clear()
        self.negotiated = False
        self._send(_GREETING)

    def typed(self, data: bytes) -> None:
        """Take what it has sent. Of nonsense that comes faster than it can be refused, not all is refused: nobody waits
        for these answers."""
        for value in self._stream.feed(data):
            request = _request(value)
            if self.accepting or not (request.is_nonsense and self._requests[-1].is_nonsense):
                self._requests.append(request)

    @property
    def accepting(self) -> bool:
        """Whether more should be read."""
        return len(self._requests) < _MOST_WAITING

    @property
    def waiting(self) -> bool:
        """Whether a request waits."""
        return bool(self._requests)

    def next_request(self) -> Request | None:
        """The next request that was not answered yet."""
        return self._requests.popleft() if self._requests else None

    def asks_to_stop(self) -> bool:
        """Whether one that waits ends a movement that is under way."""
        return any(request.command in ("stop", "quit") for request in self._requests)

    def succeed(self, request: Request, value: object) -> None:
        """Answer with what came of it."""
        self._send({"return": value, **request.answer_with})

    def fail(self, request: Request, error: QmpError) -> None:
        """Answer with why it failed."""
        self._send({**request.answer_with, "error": {"class": error.kind, "desc": str(error)}})

    def tell(self, event: str, data: Mapping[str, object] | None = None) -> None:
        """Send an event, if the client is ready for it."""
        if self.negotiated:
            microseconds = int(self._clock() * 1_000_000)
            stamp = {"seconds": microseconds // 1_000_000, "microseconds": microseconds % 1_000_000}
            self._send({"timestamp": stamp, "event": event, **({} if data is None else {"data": data})})

    def _send(self, message: Mapping[str, object]) -> None:
        self._write(json.dumps(message, indent=self._indent).encode() + b"\r\n")


def _request(value: Any) -> Request:
    """What a value asks for (QEMU's qmp-spec.txt, section 2.3)."""
    if isinstance(value, Unreadable):
        return _wrong(value.why)
    if not isinstance(value, dict):
        return _wrong("QMP input must be a JSON object")
    named = {"id": value["id"]} if "id" in value else {}
    for member in value:
        if member not in _MEMBERS:
            return _wrong(f"QMP input member '{member}' is unexpected", named)
    if "execute" not in value:
        return _wrong("QMP input lacks member 'execute'", named)
    if not isinstance(value["execute"], str):
        return _wrong("QMP input member 'execute' must be a string", named)
    arguments = value.get("arguments", {})
    if not isinstance(arguments, dict):
        return _wrong("QMP input member 'arguments' must be an object", named)
    return Request(value["execute"], arguments, named)


def _wrong(why: str, named: Mapping[str, Any] | None = None) -> Request:
    return Request("", {}, named or {}, QmpError(why))
