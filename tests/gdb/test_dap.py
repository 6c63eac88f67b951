"""GDB's own debug adapter (GDB 14 and newer): what an editor that speaks DAP sees of a guest."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PYPI_GDB
from tests.gdb.driver import Guest
from tests.processes import spawn

SCRIPT = Path(__file__).parents[2] / "rdbg" / "gdb" / "rdbg_dap.py"
ELF = Path(__file__).parent / "guest" / "counter-el.elf"


class Dap:
    """A client of ``gdb -i=dap``.

    Args:
        script: a file that GDB is to load, or None.
    """

    def __init__(self, script: Path | None = None) -> None:
        command = [str(PYPI_GDB), "-nx", "-q", "-i=dap", *(["-x", str(script)] if script is not None else [])]
        self._gdb = spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def send(self, command: str, **arguments: object) -> int:
        """Send a request; gives its number."""
        self._number += 1
        request = {"seq": self._number, "type": "request", "command": command, "arguments": arguments}
        data = json.dumps(request).encode()
        assert self._gdb.stdin is not None
        self._gdb.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._gdb.stdin.flush()
        return self._number

    def read(self) -> dict[str, Any]:
        """The next message."""
        assert self._gdb.stdout is not None
        length = 0
        while line := self._gdb.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(self._gdb.stdout.read(length))
        return message

    def answer(self, number: int) -> dict[str, Any]:
        """The response to a request; events on the way are kept."""
        while True:
            message = self.read()
            if message["type"] == "response" and message["request_seq"] == number:
                return message
            self.events.append(message)

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """A request and its response."""
        return self.answer(self.send(command, **arguments))

    def stopped(self) -> dict[str, Any]:
        """The next stop."""
        while True:
            for event in self.events:
                if event.get("event") == "stopped":
                    self.events.remove(event)
                    body: dict[str, Any] = event["body"]
                    return body
            self.events.append(self.read())

    def close(self) -> None:
        """End GDB."""
        self._gdb.kill()
        self._gdb.communicate()

    def attach(self, guest: Guest) -> dict[str, Any]:
        """Connect to a guest, with a breakpoint on its function ``note``; gives what GDB is capable of."""
        capabilities: dict[str, Any] = self.ask("initialize", adapterID="gdb")["body"]
        attach = self.send("attach", program=str(ELF), target=f"127.0.0.1:{guest.port}")
        self.ask("setFunctionBreakpoints", breakpoints=[{"name": "note"}])
        self.ask("configurationDone")
        assert self.answer(attach)["success"]
        self.stopped()
        return capabilities

    def frame(self) -> dict[str, Any]:
        """The innermost frame."""
        frame: dict[str, Any] = self.ask("stackTrace", threadId=1)["body"]["stackFrames"][0]
        return frame

    def evaluate(self, expression: str, **more: object) -> str:
        """An expression's value, or what a command prints (context "repl")."""
        answer = self.ask("evaluate", expression=expression, **more)
        assert answer["success"], answer
        return str(answer["body"]["result"])


pytestmark = [
    pytest.mark.skipif(not PYPI_GDB.is_file(), reason="needs gdb-for-pwndbg (pip install '.[gdb]')"),
    pytest.mark.timeout(60),
]


def test_an_editor_goes_back_by_its_console() -> None:
    """GDB's debug adapter knows no requests for going back; its console knows all of GDB's commands."""
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, closing(Dap()) as dap:
        assert not dap.attach(guest).get("supportsStepBack")
        dap.evaluate("reverse-continue", context="repl")
        frame = dap.frame()
        assert frame["name"] == "note"
        assert dap.evaluate("value", frameId=frame["id"], context="watch") == "93"
        dap.evaluate("reverse-stepi", context="repl")
        assert dap.frame()["name"] == "work"
        assert "icount" in dap.evaluate("monitor when", context="repl")


def test_an_editor_goes_back_by_its_buttons() -> None:
    """With rdbg's script the adapter has the requests that an editor's buttons send."""
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, closing(Dap(SCRIPT)) as dap:
        assert dap.attach(guest)["supportsStepBack"] is True
        for expected in ("93", "83"):
            assert dap.ask("reverseContinue", threadId=1)["success"]
            assert dap.stopped()["reason"] == "breakpoint"
            frame = dap.frame()
            assert frame["name"] == "note"
            assert dap.evaluate("value", frameId=frame["id"], context="watch") == expected
        assert dap.ask("stepBack", threadId=1)["success"]
        assert dap.stopped()["reason"] == "step"
        line = dap.frame()
        assert line["name"] == "work"
        assert dap.ask("stepBack", threadId=1, granularity="instruction")["success"]
        dap.stopped()
        assert int(dap.frame()["instructionPointerReference"], 16) < int(line["instructionPointerReference"], 16)
        assert dap.ask("continue", threadId=1)["success"]
        dap.stopped()
        assert dap.frame()["name"] == "note"
        dap.ask("setFunctionBreakpoints", breakpoints=[])
        assert dap.ask("reverseContinue", threadId=1)["success"]
        dap.stopped()  # at the start of the history
        assert dap.frame()["instructionPointerReference"].endswith("bfc00000")


def test_a_jump_is_a_stop_for_an_editor() -> None:
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, closing(Dap(SCRIPT)) as dap:
        dap.attach(guest)
        dap.evaluate("rdbg goto start", context="repl")
        dap.stopped()
        assert dap.frame()["instructionPointerReference"].endswith("bfc00000")
        dap.evaluate("monitor goto 50%", context="repl")
        dap.stopped()
        assert not dap.frame()["instructionPointerReference"].endswith("bfc00000")
        dap.evaluate("monitor when", context="repl")
        assert not [event for event in dap.events if event.get("event") == "stopped"]
