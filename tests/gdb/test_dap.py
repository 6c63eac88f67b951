"""GDB's own debug adapter (GDB 14 and newer): what an editor that speaks DAP sees of a guest."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.gdb.conftest import PYPI_GDB
from tests.gdb.driver import Guest

ELF = Path(__file__).parent / "guest" / "counter-el.elf"


class Dap:
    """A client of ``gdb -i=dap``."""

    def __init__(self) -> None:
        self._gdb = subprocess.Popen(
            [str(PYPI_GDB), "-nx", "-q", "-i=dap"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
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


@pytest.mark.skipif(not PYPI_GDB.is_file(), reason="needs gdb-for-pwndbg (pip install rdbg[gdb])")
@pytest.mark.timeout(60)
def test_an_editor_goes_back_by_dap() -> None:
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest:
        dap = Dap()
        try:
            capabilities = dap.ask("initialize", adapterID="gdb", linesStartAt1=True, columnsStartAt1=True)["body"]
            attach = dap.send("attach", program=str(ELF), target=f"127.0.0.1:{guest.port}")
            dap.ask("setFunctionBreakpoints", breakpoints=[{"name": "note"}])
            dap.ask("configurationDone")
            assert dap.answer(attach)["success"]
            dap.stopped()
            said = dap.ask("evaluate", expression="reverse-continue", context="repl")
            assert said["success"], said
            frame = dap.ask("stackTrace", threadId=1)["body"]["stackFrames"][0]
            assert frame["name"] == "note"
            value = dap.ask("evaluate", expression="value", frameId=frame["id"], context="watch")
            assert value["body"]["result"] == "93"
            if capabilities.get("supportsStepBack"):
                assert dap.ask("reverseContinue", threadId=1)["success"]
                dap.stopped()
                assert dap.ask("stepBack", threadId=1, granularity="instruction")["success"]
                dap.stopped()
            assert "icount" in dap.ask("evaluate", expression="monitor when", context="repl")["body"]["result"]
        finally:
            dap.close()
