"""A QMP client and a GDB at one run: neither moves it behind the other's back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import TANK, rdbg_here, start
from tests.gdb.driver import Gdb
from tests.processes import free_port
from tests.qmp.machines import BARE, RUN, Wire, counting_guest, ready


def test_gdb_s_movements_are_told_of_and_its_view_is_left_alone(gdb_program: str, tmp_path: Path) -> None:
    guest, port = counting_guest(tmp_path / "guest.elf"), free_port()
    options = [*BARE, "-kernel", guest, "-S", "-gdb", f"tcp:127.0.0.1:{port}"]
    with ready(RUN, *options, folder=tmp_path) as wire, Gdb(gdb_program, guest) as gdb:
        wire.ask("replay-break", icount=30000)
        wire.ask("cont")
        wire.until("STOP")
        gdb.connect(port)
        pc = gdb.value("$pc")
        assert wire.value("query-status") == {"status": "debug", "singlestep": False, "running": False}
        for command, arguments in (("replay-seek", {"icount": 100}), ("system_reset", {})):
            assert wire.ask(command, **arguments) == [
                {
                    "error": {
                        "class": "GenericError",
                        "desc": "GDB is connected: use its monitor command, so that it looks again",
                    }
                }
            ]
        assert wire.value("human-monitor-command", command_line="goto 100").startswith("GDB is connected")
        assert "GDB is connected" in wire.ask("cont")[-1]["error"]["desc"]
        gdb.run("stepi")
        assert [wire.next()["event"], wire.next()["event"]] == ["RESUME", "STOP"]
        gdb.run("reverse-stepi")
        assert [wire.next()["event"], wire.next()["event"]] == ["RESUME", "STOP"]
        gdb.forget()
        assert gdb.value("$pc") == pc
        gdb.send("continue")
        wire.until("RESUME")
        assert wire.value("query-status") == {"status": "running", "singlestep": False, "running": True}
        assert "GDB has let the guest run" in wire.ask("query-replay")[-1]["error"]["desc"]
        assert wire.value("human-monitor-command", command_line="info status") == "VM status: running\r\n"
        assert wire.value("query-name") == {}
        wire.send(b'{"execute":"stop"}')
        stopped = gdb.wait()
        assert stopped.stops and stopped.stops[0].get("signal-name") == "SIGINT"
        assert {str(list(wire.next())[-1]) for _ in range(2)} == {"event", "return"}
        gdb.run("detach")
        assert wire.next()["event"] == "RESUME"
        assert wire.ask("stop")[-1] == {"return": {}}
        wire.ask("quit")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["-qmp", "file:x"], "no program can speak QMP there"),
        (["-qmp", "tcp:0.0.0.0:0,server,nowait"], "-qmp tcp:0.0.0.0:0 is open to other hosts"),
        (["-qmp", "stdio"], "-qmp stdio: a serial port or monitor has the terminal"),
        (["-mon", "chardev=x,mode=controll"], "did you mean control"),
        (["-mon", "mode=control"], "names no back end"),
        (["-mon", "chardev=x,mode=control"], "there is no -chardev with that id"),
        (["-qmp", "unix:/nowhere/q,server,nowait"], "-qmp unix:/nowhere/q: cannot listen"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(words: list[str], part: str) -> None:
    serial = () if "stdio" in words else ("-serial", "null")
    done = rdbg_here("run", "-kernel", TANK, *serial, *words)
    assert done.returncode in (1, 2) and done.stderr.count(b"\n") == 1
    assert part.encode() in done.stderr, done.stderr


def test_pretty_messages_are_the_same_over_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "q"
    with start("run", "-kernel", TANK, "-serial", "null", "-S", "-qmp-pretty", f"unix:{path},server,nowait") as process:
        wire = Wire(path)
        try:
            wire.send(b'{"execute":"qmp_capabilities"}{"execute":"query-status"}{"execute":"quit"}')
            said = b"".join(iter(lambda: wire.socket.recv(4096), b"")).decode()
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert said.startswith('{\n    "QMP"')
    messages, decoder = [], json.JSONDecoder()
    while said := said.strip():
        message, end = decoder.raw_decode(said)
        messages.append(list(message)[-1])
        said = said[end:]
    assert messages == ["QMP", "return", "return", "data", "return"]
