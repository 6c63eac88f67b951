"""``rdbg query`` on all cores: the same lines, with processes that are killed, Ctrl-C, and progress."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.command import rdbg, start
from tests.processes import all_of, is_running, spawn, terminal
from tests.workers.runs import IMPATIENT, calls_recording, wait_for_children

#: A few rows in every part of the run, of millions of executions.
FEW = ("executions", "hot_loop", "--where", "a0%4096==77")
#: More than a pipe holds.
MANY = ("executions", "hot_loop", "--where", "a0%16==3")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return calls_recording(tmp_path_factory.mktemp("run"))[0]


def _lines(recording: Path, words: Sequence[str], jobs: int) -> bytes:
    done = rdbg("query", recording, *words, "--jobs", str(jobs))
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.mark.parametrize("order", [(), ("--newest-first",)], ids=["oldest first", "newest first"])
def test_any_number_of_processes_gives_the_same_lines(recording: Path, order: tuple[str, ...]) -> None:
    one, two, three = (_lines(recording, (*FEW, *order), jobs) for jobs in (1, 2, 3))
    assert one == two == three and one.count(b"\n") > 100
    last = ("calls", "put_char", *order)
    assert _lines(recording, last, 1) == _lines(recording, last, 3)


def test_a_process_killed_in_the_middle_changes_no_line(recording: Path) -> None:
    words = ("executions", "hot_loop", "--count")
    with start("query", recording, *words, "--jobs", "2") as process:
        os.kill(wait_for_children(process.pid)[-1], signal.SIGKILL)
        out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, b"")
    assert out == _lines(recording, words, 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_gives_what_was_found_and_leaves_no_process(recording: Path, jobs: int) -> None:
    with start("query", recording, *MANY, "--jobs", str(jobs), start_new_session=True) as process:
        assert process.stdout is not None and process.stderr is not None
        helpers = wait_for_children(process.pid) if jobs > 1 else []
        out = b""
        while out.count(b"\n") < 100:
            out += os.read(process.stdout.fileno(), 1 << 16)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        more, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == b"rdbg: interrupted: this is what was found until then\n"
    rows = (out + more).splitlines()
    whole = _lines(recording, MANY, 1).splitlines()
    assert len(rows) < len(whole) and rows == whole[: len(rows)]
    assert not any(map(is_running, helpers))


def test_json_is_told_of_by_lines_of_progress(recording: Path) -> None:
    done = _impatient(recording, "--json", stderr=subprocess.PIPE)
    lines = [json.loads(line)["progress"] for line in done.stderr.splitlines()]
    assert lines and {line["what"] for line in lines} == {"instructions looked through"}
    assert all(0 <= line["done"] <= line["total"] for line in lines)
    assert [line["done"] for line in lines] == sorted(line["done"] for line in lines)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bar_is_drawn_at_a_terminal_and_wiped(recording: Path, jobs: int) -> None:
    """Standard error is a terminal, standard output is not."""
    ours, theirs = terminal()
    done = _impatient(recording, "--jobs", str(jobs), stderr=theirs)
    os.close(theirs)
    drawn = all_of(ours)
    assert re.search(r"\rinstructions looked through: +\d+%\|.*\| [\d.]+[kM]?/29.\dM", drawn)
    *_, wiped, end = drawn.split("\r")
    assert wiped.isspace() and not end, "the line is left empty"
    assert done.returncode == 0


def _impatient(recording: Path, *options: str, stderr: int) -> subprocess.CompletedProcess[bytes]:
    words = ("query", str(recording), "executions", "hot_loop", "--count", *options)
    with spawn([*IMPATIENT, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr) as process:
        out, errors = process.communicate(timeout=120)
    assert int(out) > 1_000_000
    return subprocess.CompletedProcess(words, process.returncode, out, errors)
