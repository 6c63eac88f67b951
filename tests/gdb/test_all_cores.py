"""Tables at GDB's prompt: found by all cores, with lines that say how far they are."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.gdb.driver import Gdb
from tests.processes import free_port, listens, spawn
from tests.workers.runs import IMPATIENT, calls_recording, children_of, wait_for_children

FEW = "executions hot_loop --where a0%4096==77"
ALL = "executions hot_loop --count"


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return calls_recording(tmp_path_factory.mktemp("run"))


@pytest.fixture
def server(recording: tuple[Path, Path]) -> Iterator[tuple[int, int]]:
    """rdbg on two cores or more, as its process number and its port. All copies that it makes work for a command."""
    port = free_port()
    words = ["replay", str(recording[0]), "-serial", "null", "-S", "-gdb", f"tcp:127.0.0.1:{port}"]
    words += ["--idle-work", "off"]
    process = spawn(
        [*IMPATIENT, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not listens(port):
            assert process.poll() is None
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


@pytest.mark.xfail(len(os.sched_getaffinity(0)) < 2, reason="needs two cores", run=False)
def test_a_table_at_the_prompt_uses_all_cores_and_says_how_far_it_is(
    gdb_program: str, recording: tuple[Path, Path], server: tuple[int, int]
) -> None:
    path, elf = recording
    pid, port = server
    with Gdb(gdb_program, elf) as gdb:
        gdb.connect(port)
        pc = gdb.value("$pc")
        gdb.send(f"monitor {ALL}")
        os.kill(wait_for_children(pid, 2)[-1], signal.SIGKILL)
        answer = gdb.wait(stop=False, timeout=120)
        progress, count = [line.rstrip("\n") for line in answer.progress], answer.text
        assert count == rdbg("query", path, *ALL.split(), "--jobs", "1").stdout.decode()
        assert progress
        for line in progress:
            assert re.fullmatch(r"\.\.\. \d+ of 29\d{6} instructions looked through \(\d+%\)", line), line
        assert not children_of(pid)
        for order in ("", " --newest-first"):
            rows = gdb.run(f"monitor {FEW}{order}").text.splitlines()
            assert rows == rdbg("query", path, *(FEW + order).split(), "--jobs", "1").stdout.decode().splitlines()
        gdb.forget()
        assert gdb.value("$pc") == pc and gdb.run("monitor when").text.startswith("icount 0")
