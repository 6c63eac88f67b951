"""The tools, asked over standard input and output by the protocol's own client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

import rdbg as rdbg_package
from rdbg.agents.bounded import MOST_BYTES, bounded
from rdbg.agents.tools import TOOLS, call_tool
from rdbg.errors import RdbgError
from rdbg.navigation.past import QuestionInterrupted
from tests.cli.command import PROJECT, TANK, assert_one_line, rdbg

Asking = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture(scope="module")
def tank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of the tank controller, to its end."""
    path = tmp_path_factory.mktemp("mcp") / "tank.rr"
    assert rdbg("record", "-o", path, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    return path


def _session(recording: Path, story: Callable[[Client, Asking, Asking], Coroutine[Any, Any, None]]) -> None:
    """Start ``rdbg mcp`` and live through a story with it: the client, asking, and asking in vain."""
    server = StdioServerParameters(command=sys.executable, args=["-m", "rdbg", "mcp", str(recording)], cwd=PROJECT)

    async def live() -> None:
        async with Client(server, read_timeout_seconds=60) as client:

            async def call(name: str, failing: bool, arguments: dict[str, object]) -> str:
                result = await client.call_tool(name, arguments)
                text = "".join(part.text for part in result.content)  # type: ignore[union-attr]
                assert bool(result.is_error) == failing, text
                assert len(text.encode()) <= MOST_BYTES
                return text

            async def ask(name: str, /, **arguments: object) -> str:
                return await call(name, False, arguments)

            async def fail(name: str, /, **arguments: object) -> str:
                text = await call(name, True, arguments)
                assert "\n" not in text and "Traceback" not in text
                return text

            await story(client, ask, fail)

    anyio.run(live)


def test_the_tank_s_alarm_is_explained(tank: Path) -> None:
    async def story(client: Client, ask: Asking, fail: Asking) -> None:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(listed) == set(TOOLS) and len(listed) == 12
        assert all(tool.description for tool in listed.values())
        assert (await ask("where")).startswith("icount 0 (0.00%")
        found = await ask("find_output", text="ALARM")
        assert "output here: 'ALARM: level 336 is over the limit of 334'" in found
        stack = (await ask("backtrace")).splitlines()
        assert " put_char+" in stack[0] and " alarm+" in stack[2], stack
        assert any(" main+" in line and "entered at icount" in line for line in stack)
        # The sample behind the last one lands in the limit.
        wrote = await ask("who_wrote", address="tank+32", count=1)
        assert "record_sample" in wrote
        assert "0x384" in wrote and "0x14e" in wrote, wrote
        assert "84 03 00 00 -> 4e 01 00 00" in await ask("last_value", what="tank+32")
        assert "v0 is 0x" in await ask("last_value", what="v0")
        assert "record_sample" in await ask("origin", expression="tank+32")
        assert await ask("origin", expression="v0") == await ask("origin", expression="$v0")
        assert "no exception before" in await ask("last_exception")
        latest = (await ask("last_exception", kind="interrupt", count=2)).splitlines()
        assert len(latest) == 2 and "lines 0x80" in latest[0]
        icount = int(latest[0].split()[1].rstrip(":"))
        assert (await ask("goto", place=str(icount))).startswith(f"icount {icount} ")
        assert (await ask("disassemble", count=3)).startswith("=>")
        assert (await ask("search", address="main")).startswith("icount ")
        assert "pc 0x" in await ask("search", address="tank", kind="written", direction="forward")
        assert "ALARM" not in await ask("read", what="registers")
        assert (await ask("read", what="tank", length=4)).startswith("0x")
        assert (await ask("read", what="$pc", length=4)).startswith("$pc = 0x")
        await ask("goto", place="1000")
        assert "saved at icount" in await ask("snapshot", name="early")
        await ask("goto", place="end")
        here = await ask("goto", place="early")
        assert f"early = icount {here.split()[1]}" in await ask("where")

    _session(tank, story)


def test_what_fails_is_one_line_and_leaves_the_run_where_it_stood(tank: Path) -> None:
    async def story(client: Client, ask: Asking, fail: Asking) -> None:
        await ask("goto", place="5000")
        stood = await ask("where")
        for name, arguments, part in (
            ("goto", {}, "the argument 'place' is missing"),
            ("goto", {"place": 5}, "must be of type string"),
            ("goto", {"place": "nowhere"}, "there is no snapshot or bookmark 'nowhere'"),
            ("goto", {"place": "5", "fast": True}, "there is no argument 'fast'"),
            ("teleport", {}, "there is no tool 'teleport'"),
            ("find_output", {"text": "never said"}, "never said"),
            ("search", {"address": "tank", "kind": "painted"}, "the kind is runs or written"),
            ("search", {"address": "main", "where": "$nonesuch == 1"}, "nonesuch"),
            ("search", {"address": "main", "direction": "forward"}, "there is no such moment after"),
            ("read", {"what": "nonesuch"}, "nonesuch"),
            ("read", {"what": "tank", "length": 0}, "length must be at least 1"),
            ("read", {"what": "0x00000010"}, "nothing is mapped"),
            ("disassemble", {"count": -1}, "count must be at least 1"),
            ("who_wrote", {"address": "tank", "length": -1}, "a length is at least 1"),
            ("who_wrote", {"address": "tank", "length": 0}, "a length is at least 1"),
            ("who_wrote", {"address": "tank", "length": 10**30}, "no further than the address space"),
            ("last_exception", {"kind": "nonsense"}, "there is no exception 'nonsense'; there are interrupt, "),
            ("last_value", {"what": ""}, "names nothing"),
            ("who_wrote", {"address": "tank", "count": True}, "must be of type integer"),
            ("snapshot", {"name": ""}, "usage"),
        ):
            assert part in await fail(name, **arguments), name
            assert await ask("where") == stood

    _session(tank, story)


def test_a_place_beyond_the_run_is_said_to_be_and_leads_to_its_end(tank: Path) -> None:
    async def story(client: Client, ask: Asking, fail: Asking) -> None:
        end = await ask("goto", place="end")
        assert "beyond" not in end
        await ask("goto", place="5000")
        for place in ("752599", "+999999999", str(10**15)):
            assert await ask("goto", place=place) == f"{place} is beyond the run; this is its end:\n{end}"
            assert (await ask("where")).startswith("icount 752598 ")
        start = await ask("goto", place="start")
        assert await ask("goto", place="-5") == f"-5 is beyond the run; this is its start:\n{start}"

    _session(tank, story)


def test_what_asks_for_far_too_much_is_answered_short_and_at_once(tank: Path) -> None:
    async def story(client: Client, ask: Asking, fail: Asking) -> None:
        huge = 10**30
        assert (await ask("read", what="0x80000000", length=huge)).endswith("begin further on]")
        assert (await ask("disassemble", count=huge)).endswith("begin further on]")
        assert "[cut: " in await fail("goto", place="x" * 100_000)
        assert "[cut: " in await fail("t" * 100_000)
        await ask("goto", place="end")
        assert (await ask("who_wrote", address="tank", count=huge)).startswith("icount ")
        assert (await ask("last_exception", kind="interrupt", count=huge)).startswith("icount ")
        assert (await ask("backtrace", count=huge)).startswith("#0 ")

    _session(tank, story)


def test_a_tool_that_breaks_half_way_puts_the_run_back(tank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rdbg.agents import tools

    with rdbg_package.open(str(tank)) as run:
        run.goto(5000)
        stood = run.position

        def breaks(run: Any, given: Any) -> str:
            run.goto("end")
            raise ZeroDivisionError

        broken = tools.AgentTool("", breaks, {}, moves=True)
        monkeypatch.setattr(tools, "TOOLS", {"broken": broken})
        with pytest.raises(ZeroDivisionError):
            tools.call_tool(run, "broken", {})
        assert run.position == stood


def test_a_backtrace_agrees_with_the_calls_that_have_not_returned(tank: Path) -> None:
    from rdbg.agents.call_chain import call_chain

    with rdbg_package.open(str(tank)) as run:
        open_calls = 0
        for place in ("20%", "45%", 'output "ALARM" 1', "end"):
            run.goto(place)
            here = run.position
            frames = call_chain(run, 20)
            assert run.position == here
            for frame in frames:
                if frame.entered is None or not frame.called:
                    continue
                call = next(
                    row for row in run.calls(frame.function, start=frame.entered) if row.icount == frame.entered
                )
                assert (call.a0, call.a1, call.a2, call.a3) == frame.arguments
                assert call.returned is None or call.returned > here
                open_calls += 1
        assert open_calls > 4


def test_answers_are_cut_where_they_become_long_and_say_so() -> None:
    asked = iter(range(100_000))
    text = bounded((f"line {number} " + "ä" * (number % 900) for number in asked), "begin further on")
    assert len(text.encode()) <= MOST_BYTES and "[cut: only the first" in text and "begin further on]" in text
    assert next(asked) < 100, "what is not shown is not asked for"
    assert bounded(["a", "b"], "x") == "a\nb"


def test_bad_lines_are_told_in_one(tmp_path: Path, tank: Path) -> None:
    assert_one_line(rdbg("mcp"), 2, "give one file")
    assert_one_line(rdbg("mcp", tmp_path / "none"), 1, "none")
    assert_one_line(rdbg("mcp", tank, "--symbols", tmp_path / "none"), 1, "none")


def test_a_line_that_is_no_request_is_answered(tank: Path) -> None:
    call = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "goto", "arguments": {"place": "\ud800"}}}
    lines = [
        (json.dumps({**call, "id": 7}), 7, -32700),
        (json.dumps({**call, "id": "\ud800"}), None, -32700),
        (json.dumps({**call, "id": "eight"}), "eight", -32700),
        ("nonsense", None, -32700),
        ("[" * 100_000, None, -32700),
        ("9" * 10_000, None, -32700),
        ("[1]", None, -32600),
        ('{"jsonrpc": "2.0", "id": 9, "method": 5}', 9, -32600),
        ('{"jsonrpc": "2.0", "id": true, "method": 5}', None, -32600),
    ]
    served = subprocess.run(
        [sys.executable, "-m", "rdbg", "mcp", str(tank)],
        cwd=PROJECT,
        input="".join(line + "\n" for line, _, _ in lines),
        capture_output=True,
        text=True,
        timeout=60,
    )
    answers = [json.loads(line) for line in served.stdout.splitlines()]
    assert [(answer["id"], answer["error"]["code"]) for answer in answers] == [
        (number, code) for _, number, code in lines
    ]
    assert all("\n" not in answer["error"]["message"] for answer in answers)
    assert served.returncode == 0 and served.stderr == ""


#: A server with one tool more, which ends when it is given up.
_SLOW = """
import sys, time
from rdbg.agents.tools import TOOLS, AgentTool
from rdbg.cli.main import main
from rdbg.errors import UsageError

def linger(run, given):
    run.goto("50%")
    print("lingering", file=sys.stderr, flush=True)
    while not run.interrupted():
        time.sleep(0.01)
    raise UsageError("given up")

TOOLS["linger"] = AgentTool("Waits.", linger, {}, moves=True)
sys.exit(main(sys.argv[1:]))
"""


def test_a_tool_is_cancelled_and_leaves_the_run_where_it_was(tank: Path, tmp_path: Path) -> None:
    server = StdioServerParameters(command=sys.executable, args=["-c", _SLOW, "mcp", str(tank)], cwd=PROJECT)
    said = tmp_path / "said"

    async def live() -> None:
        with said.open("w") as errors:
            async with stdio_client(server, errlog=errors) as streams, ClientSession(*streams) as client:
                await client.initialize()
                await client.call_tool("goto", {"place": "1000"})
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(client.call_tool, "linger", {})
                    while "lingering" not in said.read_text():
                        await anyio.sleep(0.02)
                    tasks.cancel_scope.cancel()
                where = await client.call_tool("where", {})
                assert where.content[0].text.startswith("icount 1000 "), where  # type: ignore[union-attr]

    anyio.run(live)


def test_whatever_takes_long_ends_when_nobody_waits_for_it(tank: Path) -> None:
    with rdbg_package.open(str(tank)) as run:
        stood = run.goto(5000)
        for name, arguments in (
            ("goto", {"place": "end"}),
            ("search", {"address": "alarm"}),
            ("who_wrote", {"address": "tank+32"}),
            ("last_exception", {}),
        ):
            with pytest.raises((RdbgError, QuestionInterrupted)):
                call_tool(run, name, arguments, interrupted=lambda: True)
            assert run.position == stood
        assert call_tool(run, "where", {}).startswith(f"icount {stood} ")
