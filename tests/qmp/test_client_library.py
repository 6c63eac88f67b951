"""QEMU's own client library drives a run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from qemu.qmp import EventListener, QMPClient
from qemu.qmp.qmp_client import ExecuteError

from tests.cli.command import TANK, start
from tests.processes import free_port

_PATIENCE = 60.0


@contextlib.asynccontextmanager
async def _connected(address: str | tuple[str, int]) -> AsyncIterator[tuple[QMPClient, EventListener]]:
    client = QMPClient("rdbg")
    for _ in range(600):
        try:
            await client.connect(address)
            break
        except Exception:  # not there yet
            await client.disconnect()
            await asyncio.sleep(0.1)
    try:
        with client.listener(("STOP", "RESUME", "RESET", "SHUTDOWN")) as events:
            yield client, events
    finally:
        with contextlib.suppress(Exception):  # the server has ended
            await client.disconnect()


@contextlib.contextmanager
def _driven(*words: str | Path) -> Iterator[None]:
    """A run that a client ends."""
    with start(*words) as process:
        try:
            yield
            assert process.wait(60) == 0
        finally:
            process.kill()


async def _next(events: EventListener) -> str:
    return str((await asyncio.wait_for(events.get(), _PATIENCE))["event"])


def test_a_recording_is_travelled(tmp_path: Path) -> None:
    journal, path = tmp_path / "rec", tmp_path / "qmp"
    with start("record", "-o", journal, "--", "-kernel", TANK, "-serial", "null") as process:
        assert process.wait(60) == 0

    async def travel() -> None:
        async with _connected(str(path)) as (qmp, events):
            assert qmp.greeting is not None and "rdbg" in qmp.greeting.QMP.version["package"]
            assert await qmp.execute("query-status") == {"status": "paused", "singlestep": False, "running": False}
            assert await qmp.execute("query-replay") == {"icount": 0, "mode": "play", "filename": str(journal)}
            assert await qmp.execute("query-name") == {"name": "tank"}
            await qmp.execute("replay-break", {"icount": 5000})
            await qmp.execute("cont")
            assert [await _next(events), await _next(events)] == ["RESUME", "STOP"]
            there = await qmp.execute("query-replay")
            assert isinstance(there, dict) and there["icount"] in (4999, 5000)
            with pytest.raises(ExecuteError, match="cannot set breakpoint at the instruction in the past") as failed:
                await qmp.execute("replay-break", {"icount": 100})
            assert failed.value.error_class == "GenericError"
            registers = await qmp.execute("human-monitor-command", {"command-line": "when"})
            await qmp.execute("replay-seek", {"icount": 100})
            assert [await _next(events), await _next(events)] == ["RESUME", "STOP"]
            await qmp.execute("replay-seek", {"icount": 5000})
            assert await qmp.execute("human-monitor-command", {"command-line": "when"}) == registers
            assert [await _next(events), await _next(events)] == ["RESUME", "STOP"]
            with pytest.raises(ExecuteError, match="cannot seek to the specified instruction count"):
                await qmp.execute("replay-seek", {"icount": 1 << 62})
            with pytest.raises(ExecuteError, match="cannot seek to the specified instruction count"):
                await qmp.execute("replay-seek", {"icount": -1})
            with pytest.raises(ExecuteError, match="cannot change the machine"):
                await qmp.execute("system_reset")
            await qmp.execute("replay-break", {"icount": 6000})
            await qmp.execute("replay-delete-break")
            await qmp.execute("cont")
            assert [await _next(events), await _next(events), await _next(events)] == ["RESUME", "SHUTDOWN", "STOP"]
            assert (await qmp.execute("query-status"))["status"] == "shutdown"
            commands = {entry["name"] for entry in await qmp.execute("query-commands")}
            assert {"replay-seek", "query-commands", "qmp_capabilities"} <= commands
            await qmp.execute("quit")
            assert await _next(events) == "SHUTDOWN"

    words = ["-S", "-serial", "null", "-no-shutdown", "-name", "guest=tank,debug-threads=on"]
    with _driven("replay", journal, *words, "-qmp", f"unix:{path},server,nowait"):
        asyncio.run(travel())
    assert not path.exists()


def test_a_live_run_over_tcp_goes_back_and_on(tmp_path: Path) -> None:
    port = free_port()

    async def drive() -> None:
        async with _connected(("127.0.0.1", port)) as (qmp, events):
            assert (await qmp.execute("query-status"))["status"] == "prelaunch"
            await qmp.execute("replay-break", {"icount": 5000})
            await qmp.execute("cont")
            assert [await _next(events), await _next(events)] == ["RESUME", "STOP"]
            await qmp.execute("replay-seek", {"icount": 1000})
            assert (await qmp.execute("query-replay"))["mode"] == "none"
            assert [await _next(events), await _next(events)] == ["RESUME", "STOP"]
            await qmp.execute("human-monitor-command", {"command-line": "goto end"})
            await qmp.execute("system_reset")
            await qmp.execute("cont")
            assert [await _next(events), await _next(events)] == ["RESUME", "RESET"]
            await qmp.execute("quit")

    words = ["-kernel", TANK, "-serial", "null", "-S", "-chardev"]
    words += [f"socket,id=q,host=127.0.0.1,port={port},server=on,wait=off", "-mon", "chardev=q,mode=control"]
    with _driven("run", *words):
        asyncio.run(drive())


def test_a_replay_that_was_cut_off_stands_at_its_end_for_a_client(tmp_path: Path) -> None:
    journal, path = tmp_path / "rec", tmp_path / "qmp"
    with start("record", "-o", journal, "--", "-kernel", TANK, "-serial", "null", "-monitor", "stdio", "-S") as process:
        assert process.stdin is not None
        process.stdin.write(b"replay_break 9000\ncont\n")
        process.stdin.flush()
        assert process.stdout is not None
        said = b""
        while b"paused\r" not in said:
            process.stdin.write(b"info status\n")
            process.stdin.flush()
            said += process.stdout.read1(4096)  # type: ignore[attr-defined]
        process.stdin.write(b"quit\n")
        process.stdin.flush()
        process.stdout.read()
        assert process.wait(60) == 0

    async def look() -> None:
        async with _connected(str(path)) as (qmp, events):
            await qmp.execute("cont")
            assert [await _next(events), await _next(events)] == ["RESUME", "STOP"]
            assert (await qmp.execute("query-status"))["status"] == "paused"
            assert (await qmp.execute("query-replay"))["icount"] in (8999, 9000)
            await qmp.execute("quit")

    with _driven("replay", journal, "-S", "-serial", "null", "-qmp", f"unix:{path},server,nowait"):
        asyncio.run(look())
