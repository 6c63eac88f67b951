"""The tools over the Model Context Protocol, on standard input and output."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from rdbg import __version__
from rdbg.agents.bounded import clipped
from rdbg.agents.tools import TOOLS, AgentTool, call_tool
from rdbg.errors import RdbgError
from rdbg.library.recorded_run import RecordedRun

_INSTRUCTIONS = (
    "A recorded run of a whole machine, which can be looked at in any order, forward and back. An icount is a moment: "
    "so many instructions from the start. Tools answer for the moment where the run stands; goto, find_output and "
    "search move there. When a tool fails, the run stands where it stood."
)


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


def serve(run: RecordedRun, name: str) -> None:
    """Serve until the client goes away.

    Args:
        run: the run.
        name: of the recording, for the client.
    """

    async def list_tools(
        context: ServerRequestContext[object], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(name, tool) for name, tool in TOOLS.items()])

    async def use_tool(
        context: ServerRequestContext[object], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        try:
            return _answer(call_tool(run, params.name, params.arguments or {}))
        except RdbgError as error:
            return _answer(clipped(str(error)), failed=True)

    server: Server[object] = Server(
        "rdbg",
        version=__version__,
        title=f"rdbg: {name}",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=use_tool,
    )

    async def main() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    ends: list[BaseException] = []
    try:
        anyio.run(main)
    except* (KeyboardInterrupt, SystemExit) as group:  # a signal in the middle of a tool
        ends.extend(_leaves(group))
    if ends:
        raise ends[0]


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
