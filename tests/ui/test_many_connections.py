"""Strangers who connect to a page's port and say nothing, by the hundred: they take nothing from the page and GDB."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from rdbg.ui.page_connection import MOST_CONNECTIONS
from tests.processes import RDBG, spawn
from tests.ui.served_page import PROJECT, Page, served_page

#: What select() cannot watch.
_MANY = 1100
_WITH_MANY_DESCRIPTORS = """
import os, resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (4096 if hard == resource.RLIM_INFINITY else min(hard, 4096), hard))
for _ in range(int(sys.argv[1])):
    os.set_inheritable(os.dup(0), True)
os.execv(sys.argv[2], sys.argv[2:])
"""


def _descriptors(page: Page) -> int:
    return len(os.listdir(f"/proc/{page.process.pid}/fd"))


def test_strangers_take_few_descriptors_and_gdb_is_answered(recording: Path) -> None:
    with served_page("ui", recording) as page, ExitStack() as strangers:
        page.ask("tracks", **{"from": 0, "to": 1000})
        before = _descriptors(page)
        for _ in range(4 * MOST_CONNECTIONS):
            stranger = strangers.enter_context(socket.create_connection(("127.0.0.1", page.port), timeout=10))
            stranger.sendall(b"GET / HT")
        deadline = time.monotonic() + 30
        while _descriptors(page) > before + MOST_CONNECTIONS:  # the last ones are about to be closed
            assert time.monotonic() < deadline, _descriptors(page)
            time.sleep(0.02)
        _gdb_is_answered(page.gdb)
        strangers.close()
        page.until(lambda state: state["doing"] is not None)


def test_who_has_no_token_is_left_at_once(page: Page) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as stranger:
        stranger.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode())
        answer = b""
        while data := stranger.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 404")


def test_a_body_whose_length_nobody_says_is_refused(page: Page) -> None:
    head = (
        f"POST {page.path}api/obey HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nOrigin: {page.origin}\r\n"
        "Content-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as sender:
        sender.sendall(head.encode())
        assert sender.recv(4096).startswith(b"HTTP/1.1 413")


def test_gdb_is_answered_by_a_process_with_more_descriptors_than_select_can_watch(recording: Path) -> None:
    words = [sys.executable, "-c", _WITH_MANY_DESCRIPTORS, str(_MANY), *RDBG, "ui", str(recording)]
    process = spawn(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=PROJECT
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline() + process.stderr.readline()
        port = re.search(r"target remote 127.0.0.1:(\d+)", said)
        assert port is not None, said
        _gdb_is_answered(int(port[1]))
    finally:
        process.kill()
        process.wait()


def _gdb_is_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as gdb:
        gdb.sendall(b"+$qSupported#37")
        with gdb.makefile("rb") as answer:
            assert answer.read(12) == b"+$PacketSize"
