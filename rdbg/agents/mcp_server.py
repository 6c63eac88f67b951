"""The tools over the Model Context Protocol, on standard input and output."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import field
from queue import SimpleQueue

import anyio
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from rdbg import __version__
from rdbg.agents.bounded import clipped
from rdbg.agents.tools import TOOLS, AgentTool, call_tool
from rdbg.errors import RdbgError
from rdbg.library.recorded_run import RecordedRun
from rdbg.navigation.past import QuestionInterrupted
from rdbg.quick_dataclass import dataclass

_INSTRUCTIONS = (
    "A recorded run of a whole machine, which can be looked at in any order, forward and back. An icount is a moment: "
    "so many instructions from the start. Tools answer for the moment where the run stands; goto, find_output and "
    "search move there. When a tool fails, the run stands where it stood."
)


#: JSON-RPC 2.0, section 5.1.
_PARSE_ERROR, _INVALID_REQUEST = -32700, -32600


def _schema(tool: AgentTool) -> dict[str, object]:
    properties: dict[str, object] = {}
    for name, parameter in tool.parameters.items():
        default = {} if parameter.default is None else {"default": parameter.default}
        properties[name] = {"type": parameter.kind, "description": parameter.help, **default}
    needed = [
        name for name, parameter in tool.parameters.items() if parameter.default is None and not parameter.optional
    ]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _described(name: str, tool: AgentTool) -> types.Tool:
    return types.Tool.model_validate({"name": name, "description": tool.help, "inputSchema": _schema(tool)})


def _answer(text: str, failed: bool = False) -> types.CallToolResult:
    content = [types.TextContent(type="text", text=text)]
    return types.CallToolResult.model_validate({"content": content, "isError": failed})


def _refusal(error: Exception) -> types.JSONRPCError:
    """The answer to a line that is no message."""
    found = error.errors() if isinstance(error, ValidationError) else []
    unreadable = any(each["type"] == "json_invalid" for each in found)
    why = found[0]["msg"] if unreadable else "the line is no JSON-RPC message"
    code = _PARSE_ERROR if unreadable else _INVALID_REQUEST
    return types.JSONRPCError(
        jsonrpc="2.0",
        id=next((number for each in found if (number := _asked_as(each["input"])) is not None), None),
        error=types.ErrorData(code=code, message=clipped(why)),
    )


def _asked_as(value: object) -> int | str | None:
    """The number of the request that this was meant to be; None: it has none that could be sent back."""
    if isinstance(value, str):
        try:
            value = json.loads(value)  # takes a lone surrogate, which is no text
        except (ValueError, RecursionError):
            return None
    number = value.get("id") if isinstance(value, dict) else None
    if isinstance(number, bool) or not isinstance(number, int | str):
        return None
    return number if str(number).isprintable() else None


def serve(run: RecordedRun, name: str) -> None:
    """Serve until the client goes away.

    Args:
        run: the run.
        name: of the recording, for the client.
    """

    desk = _Desk(run)

    async def list_tools(
        context: ServerRequestContext[object], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(name, tool) for name, tool in TOOLS.items()])

    async def use_tool(
        context: ServerRequestContext[object], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        return await desk.ask(_Asked(params.name, params.arguments or {}))

    server: Server[object] = Server(
        "rdbg",
        version=__version__,
        title=f"rdbg: {name}",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=use_tool,
    )

    async def main() -> None:
        passed_on, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)

        async with stdio_server() as (reading, writing), anyio.create_task_group() as tasks:

            async def answer_what_is_none() -> None:
                """The library drops what is no message, and its sender would wait for ever."""
                async with passed_on:
                    async for message in reading:
                        if isinstance(message, Exception):
                            await writing.send(SessionMessage(_refusal(message)))
                        else:
                            await passed_on.send(message)

            tasks.start_soon(answer_what_is_none)
            await server.run(messages, writing, server.create_initialization_options())
            tasks.cancel_scope.cancel()

    def speak() -> None:
        try:
            anyio.run(main)
        except BaseException as error:
            desk.end(error)
        else:
            desk.end(None)

    # Ctrl-C ends the thread that works, and whoever listens goes with the process.
    threading.Thread(target=speak, name="mcp", daemon=True).start()
    desk.work()


@dataclass(frozen=True)
class _Asked:
    """A tool that a client asks for.

    Args:
        name: of the tool.
        arguments: as the client gave them.
        given_up: whether nobody waits for it any more.
        answer: what it answers.
    """

    name: str
    arguments: Mapping[str, object]
    given_up: threading.Event = field(default_factory=threading.Event)
    answer: Future[types.CallToolResult] = field(default_factory=Future)


class _Desk:
    """Where the thread that speaks with the client leaves what it wants, and the thread whose run it is does it: one
    after the other, and a client that cancels a tool is heard meanwhile.

    Args:
        run: the run.
    """

    def __init__(self, run: RecordedRun) -> None:
        self._run = run
        self._asked: SimpleQueue[_Asked | BaseException | None] = SimpleQueue()

    async def ask(self, asked: _Asked) -> types.CallToolResult:
        """The answer of a tool, in the thread that speaks. To be cancelled here gives it up."""
        self._asked.put(asked)
        try:
            return await asyncio.wrap_future(asked.answer)
        except asyncio.CancelledError:
            asked.given_up.set()
            raise

    def end(self, error: BaseException | None) -> None:
        """The client has gone, or speaking with it has failed."""
        self._asked.put(error)

    def work(self) -> None:
        """Use tools until the client goes."""
        while isinstance(asked := self._asked.get(), _Asked):
            if not asked.answer.set_running_or_notify_cancel():
                continue
            try:
                text = call_tool(self._run, asked.name, asked.arguments, asked.given_up.is_set)
                answer = _answer(text)
            except (RdbgError, QuestionInterrupted) as error:
                answer = _answer(clipped(str(error)), failed=True)
            except Exception as error:
                asked.answer.set_exception(error)
                continue
            asked.answer.set_result(answer)
        if asked is not None:
            raise asked
