"""A page that rdbg serves in a process of its own, and requests to it."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.processes import RDBG, spawn

PROJECT = Path(__file__).resolve().parents[2]
TANK = PROJECT / "examples" / "guest" / "tank.elf"
_PATIENCE = 30.0


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Page:
    """A served page.

    Args:
        url: its address.
        gdb: the port where GDB is listened for.
        process: rdbg's.
    """

    url: str
    gdb: int
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def origin(self) -> str:
        return self.url.removesuffix(self.path)

    def request(self, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
        """Any request; names of headers have _ for -."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def ask(self, what: str, **values: object) -> Any:
        """What the page asks."""
        reply = self.request("GET", f"{self.path}api/{what}?{urlencode(values)}")
        assert reply.status == 200, reply.body
        return reply.json

    def obey(self, line: str) -> Reply:
        """A command, as the page gives it."""
        body = json.dumps({"line": line})
        return self.request("POST", f"{self.path}api/obey", body, Origin=self.origin, content_type="application/json")

    def state(self) -> Any:
        """Where the run stands."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request("GET", f"{self.path}api/states")
            line = connection.getresponse().readline()
            assert line.startswith(b"data: "), line
            return json.loads(line[6:])
        finally:
            connection.close()

    def until(self, holds: Callable[[Any], bool]) -> Any:
        """The first state of which something holds."""
        deadline = time.monotonic() + _PATIENCE
        while not holds(state := self.state()):
            assert time.monotonic() < deadline, state
            time.sleep(0.02)
        return state


@contextmanager
def served_page(*words: str | Path) -> Iterator[Page]:
    """rdbg, run with these words, which serves a page; it must end without a complaint."""
    process = spawn(
        [*RDBG, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, cwd=PROJECT,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        url, port = re.search(r"http://\S+", said), re.search(r"target remote 127.0.0.1:(\d+)", said)
        assert url is not None and port is not None, said + process.stderr.read()
        yield Page(url[0], int(port[1]), process)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=_PATIENCE)[1]
        assert "Traceback" not in errors and "Error" not in errors, errors
    finally:
        process.kill()
        process.wait()


def record(path: Path, guest: Path = TANK) -> Path:
    """Record a guest to its end."""
    words = ("record", "-o", str(path), "--", "-M", "malta", "-kernel", str(guest), "-serial", "null")
    done = subprocess.run([*RDBG, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return path
