"""GDB, a page and a QMP client at one run, and a language model's tools at its recording: who looks finds what the
others find, whoever has moved."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters

from tests.gdb.driver import Gdb
from tests.qmp.machines import Wire
from tests.ui.served_page import PROJECT, TANK, Page, served_page
from tests.ui.test_gdb_beside import _pc, _until, _with_script


def test_gdb_page_qmp_and_tools_agree_whoever_moves(gdb_program: str, recording: Path, tmp_path: Path) -> None:
    socket = tmp_path / "q"
    tools = StdioServerParameters(command=sys.executable, args=["-m", "rdbg", "mcp", str(recording)], cwd=PROJECT)

    async def tool(client: Client, name: str, **arguments: object) -> str:
        result = await client.call_tool(name, arguments)
        assert not result.is_error, result
        return str(result.content[0].text)  # type: ignore[union-attr]

    async def agree(page: Page, wire: Wire, client: Client, gdb: Gdb | None, position: int) -> None:
        here = page.until(lambda state: state["position"] == position and state["doing"] == "stands")
        assert wire.value("query-replay")["icount"] == position
        pc = int(here["pc"], 16)
        assert f"icount {position} " in await tool(client, "goto", place=str(position))
        told = re.search(r"pc 0x([0-9a-f]+)", await tool(client, "where"))
        assert told and int(told[1], 16) == pc
        if gdb is not None:
            _until(lambda: _pc(gdb) == pc)
            assert f"icount {position}," in gdb.run("monitor when")

    async def live() -> None:
        with served_page("ui", recording, "-qmp", f"unix:{socket},server,nowait") as page:
            wire = Wire(socket)
            wire.next()
            wire.ask("qmp_capabilities")
            async with Client(tools, read_timeout_seconds=60) as client:
                lines = [line[1] for line in page.ask("console")["lines"]]
                await agree(page, wire, client, None, page.state()["position"])
                wire.ask("replay-seek", icount=lines[2])
                await agree(page, wire, client, None, lines[2])
                page.obey(f"goto {lines[1]}")
                await agree(page, wire, client, None, lines[1])
                with Gdb(gdb_program, TANK) as gdb:
                    _with_script(gdb, page)
                    page.until(lambda state: state["gdb"])
                    page.obey(f"goto {lines[4]}")
                    await agree(page, wire, client, gdb, lines[4])
                    gdb.run("reverse-stepi")
                    await agree(
                        page, wire, client, gdb, int(re.findall(r"icount (\d+)", gdb.run("monitor when").text)[0])
                    )
                    gdb.run("break record_sample")
                    gdb.run("reverse-continue")
                    await agree(
                        page, wire, client, gdb, int(re.findall(r"icount (\d+)", gdb.run("monitor when").text)[0])
                    )
                    assert "GDB is connected" in wire.ask("replay-seek", icount=5)[-1]["error"]["desc"]
                    found = re.search(r"icount (\d+)", await tool(client, "find_output", text="ALARM"))
                    assert found
                    gdb.run('rdbg goto output "ALARM"')
                    await agree(page, wire, client, gdb, int(found[1]))
                    gdb.run("detach")
            wire.ask("quit")

    anyio.run(live)
