"""What the page asks its server: addresses and their answers. It runs in the server's thread."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import BrokenExecutor, Future
from dataclasses import asdict
from functools import partial
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from rdbg.errors import RdbgError, UsageError
from rdbg.navigation.replayer import GivenUp
from rdbg.timeline import QuestionInterrupted
from rdbg.ui.call_spans import CallSpans
from rdbg.ui.console_lines import ConsoleLines
from rdbg.ui.heat import HeatMap
from rdbg.ui.page_desk import MOVING, GdbMoves, PageDesk
from rdbg.ui.page_questions import PageQuestion
from rdbg.ui.passing_through import SurveyOn
from rdbg.ui.run_state import GuestDoes, RunState
from rdbg.ui.tracks import Tracks

_log = logging.getLogger("rdbg.ui")

#: The page's files, all of which lie in rdbg/ui/page.
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".txt": "text/plain",
    ".svg": "image/svg+xml",
}
_LONGEST_LINE = 200
#: Seconds of silence after which a stream says that it is still there.
_SILENCE = 15.0
#: How often the copies of a process may be lost before it is said.
_MOST_LOSSES = 3


class PageApp:
    """The application.

    Args:
        desk: where the run's thread takes requests.
        about: what the page says of the run: title and the like.
    """

    def __init__(self, desk: PageDesk, about: dict[str, Any]) -> None:
        self._desk = desk
        self._about = about
        self._state: RunState | None = None
        self._listeners: set[asyncio.Queue[str]] = set()
        self._gdbs: list[asyncio.Queue[str]] = []
        self._survey: asyncio.Task[None] | None = None
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/page/{name}", self._file),
                Route("/api/about", self._tell_about),
                Route("/api/states", self._states),
                Route("/api/marks", self._marks),
                Route("/api/console", self._console),
                Route("/api/tracks", self._tracks),
                Route("/api/heat", self._heat),
                Route("/api/calls", self._calls),
                Route("/api/moment", self._moment),
                Route("/api/gdb", self._gdb),
                Route("/api/obey", self._obey, methods=["POST"]),
            ],
            exception_handlers={RdbgError: _refused, ValueError: _senseless},
        )

    def publish(self, state: RunState) -> None:
        """A new state, in the server's thread."""
        self._state = state
        text = json.dumps(asdict(state))
        for listener in self._listeners:
            while not listener.empty():  # who is slow hears the latest
                listener.get_nowait()
            listener.put_nowait(text)

    def end(self) -> None:
        """The run ends: so do all streams."""
        for queue in (*self._listeners, *self._gdbs):
            queue.put_nowait("")

    # --- files ---------------------------------------------------------------------------------
    async def _page(self, request: Request) -> Response:
        return _page_file("index.html")

    async def _file(self, request: Request) -> Response:
        return _page_file(request.path_params["name"])

    # --- the run -------------------------------------------------------------------------------
    async def _tell_about(self, request: Request) -> Response:
        return JSONResponse(self._about)

    async def _states(self, request: Request) -> Response:
        return self._stream(self._listeners.add, self._listeners.discard, lambda: self._state)

    async def _marks(self, request: Request) -> Response:
        return JSONResponse(await self._in_turn(self._desk.marks))

    async def _console(self, request: Request) -> Response:
        first = _number(request, "first") if "first" in request.query_params else None
        question = ConsoleLines(
            _number(request, "console"), first, _number(request, "count", 200), _number(request, "at")
        )
        return JSONResponse(await self._ask(question))

    async def _tracks(self, request: Request) -> Response:
        self._survey_on()
        question = Tracks(_number(request, "from"), _number(request, "to"), _number(request, "bins", 500))
        return JSONResponse(await self._ask(question))

    async def _heat(self, request: Request) -> Response:
        low, high = _number(request, "low"), _number(request, "high", (1 << 63) - 1)
        columns = _number(request, "columns", 300)
        return JSONResponse(
            await self._ask(HeatMap(_number(request, "from"), _number(request, "to"), columns, low, high))
        )

    async def _calls(self, request: Request) -> Response:
        return JSONResponse(await self._ask(CallSpans(_number(request, "from"), _number(request, "to"))))

    async def _moment(self, request: Request) -> Response:
        return JSONResponse(await self._in_turn(self._desk.moment))

    # --- passing through the run ---------------------------------------------------------------
    def _survey_on(self) -> None:
        """See to it that somebody passes through what nobody knows yet, while there are pages to show it."""
        if self._survey is None or self._survey.done():
            self._survey = asyncio.create_task(self._pass_through())

    async def _pass_through(self) -> None:
        """Stretch by stretch, so that other questions have their turn between two of them."""
        try:
            more = True
            while more and self._listeners:
                found = await self._ask(SurveyOn())
                more = await self._in_turn(partial(self._desk.learn, found), needs_standing=False)
                if found.end == found.start:
                    return
        except (RdbgError, QuestionInterrupted) as error:
            _log.warning("the run could not be passed through: %s", error)

    # --- moving --------------------------------------------------------------------------------
    async def _gdb(self, request: Request) -> Response:
        """For the script in GDB: lines that GDB is to obey, as they come."""
        return self._stream(self._gdbs.append, self._gdbs.remove, lambda: None)

    async def _obey(self, request: Request) -> Response:
        try:
            said = await request.json()
        except RecursionError:
            raise UsageError("no command: brackets within brackets within brackets") from None
        line = said.get("line", "") if isinstance(said, dict) else ""
        if not isinstance(line, str) or not line.strip() or not line.isprintable() or len(line) > _LONGEST_LINE:
            raise UsageError("no command")
        name = line.split()[0]
        state = self._state
        if state is not None and state.gdb and name in MOVING:
            return JSONResponse({"said": self._ask_gdb(state, line), "by": "gdb"})
        return JSONResponse({"said": await self._in_turn(lambda: self._desk.obey(line)), "by": "rdbg"})

    def _ask_gdb(self, state: RunState, line: str) -> str:
        """Have GDB move the guest, so that it knows."""
        if state.doing is GuestDoes.MOVES:
            raise GdbMoves("GDB moves the guest; interrupt it there first (Ctrl-C)")
        if not self._gdbs:
            raise UsageError(f"a debugger is connected that does not listen to the page: say there 'monitor {line}'")
        self._gdbs[-1].put_nowait(line)
        return ""

    # --- asking --------------------------------------------------------------------------------
    async def _in_turn(self, work: Callable[[], Any], needs_standing: bool = True) -> Any:
        return await asyncio.wrap_future(self._desk.ask(work, needs_standing))

    async def _ask(self, question: PageQuestion) -> Any:
        """The answer to a question about the past, by a copy of the process."""
        losses = 0
        while True:
            crew = await self._in_turn(self._desk.crew, needs_standing=False)
            future: Future[Any] = crew.submit(question)
            try:
                return await asyncio.wrap_future(future)
            except (BrokenExecutor, GivenUp) as error:  # another one has taken its place, or it was ended
                losses += 1
                if losses > _MOST_LOSSES:
                    raise RdbgError("the process that looks at the past was ended again and again") from error

    def _stream(
        self,
        join: Callable[[asyncio.Queue[str]], None],
        leave: Callable[[asyncio.Queue[str]], None],
        first: Callable[[], RunState | None],
    ) -> Response:
        async def events() -> AsyncIterator[str]:
            queue: asyncio.Queue[str] = asyncio.Queue()
            join(queue)
            try:
                state = first()
                yield f"data: {json.dumps(asdict(state))}\n\n" if state is not None else ": hello\n\n"
                while True:
                    try:
                        text = await asyncio.wait_for(queue.get(), _SILENCE)
                    except TimeoutError:
                        yield ":\n\n"
                        continue
                    if not text:
                        return
                    yield f"data: {text}\n\n"
            finally:
                leave(queue)

        return StreamingResponse(events(), media_type="text/event-stream")


def _page_file(name: str) -> Response:
    file = next((each for each in (files("rdbg.ui") / "page").iterdir() if each.name == name), None)
    media = _TYPES.get(name[name.rfind(".") :])
    if file is None or media is None:
        return Response("no such file\n", 404, media_type="text/plain")
    return Response(file.read_bytes(), media_type=media)


def _number(request: Request, name: str, default: int = 0) -> int:
    """A value of a request, a whole number from 0 on.

    Raises:
        ValueError: it is none, or one that no icount can be.
    """
    number = int(request.query_params.get(name, default))
    if not 0 <= number < 1 << 63:
        raise ValueError(name)
    return number


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 409 if isinstance(error, GdbMoves) else 400)


async def _senseless(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the request makes no sense"}, 400)
