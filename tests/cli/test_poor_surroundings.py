"""Streams that are closed or full, terminals that go away, little memory, wrong clocks: one line each."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rdbg.host.clock import LAST_SECOND, host_seconds
from tests.cli.command import PROJECT, TANK, rdbg, rdbg_here, start
from tests.processes import spawn

_COMMANDS = {
    "run": ["run", "-kernel", str(TANK), "-serial", "stdio", "-serial", "null"],
    "replay": ["replay", "{recording}", "-serial", "stdio"],
    "dump": ["dump", "{recording}"],
    "info": ["info", "{recording}"],
    "help": ["run", "--help"],
    "list": ["run", "-M", "help"],
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "rec"
    assert rdbg("record", "-o", path, "-kernel", TANK, "-serial", "null").returncode == 0
    return path


def _shell(redirection: str, words: list[str], recording: Path) -> subprocess.CompletedProcess[bytes]:
    line = " ".join([sys.executable, "-m", "rdbg", *words]).format(recording=recording)
    return subprocess.run(
        ["sh", "-c", f"{line} {redirection}"], cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )


def _one_line(errors: bytes) -> str:
    """The line that tells of the failure; a replay also says what it came to."""
    text = errors.decode()
    if "\nrdbg: replayed " in text:
        text = text[: text.index("\n") + 1]
    assert text.startswith("rdbg: ") and text.count("\n") == 1, text
    return text


@pytest.mark.parametrize("command", _COMMANDS)
def test_a_full_device(recording: Path, command: str) -> None:
    done = _shell("> /dev/full", _COMMANDS[command], recording)
    assert done.returncode == 1
    line = _one_line(done.stderr)
    assert "standard output" in line and "No space left on device" in line


@pytest.mark.parametrize("command", ["run", "replay", "dump", "info"])
def test_closed_output(recording: Path, command: str) -> None:
    done = _shell(">&-", _COMMANDS[command], recording)
    assert done.returncode in (1, 2)
    line = _one_line(done.stderr)
    assert "standard output" in line and "Bad file descriptor" in line


@pytest.mark.parametrize("command", _COMMANDS)
@pytest.mark.parametrize("redirection", ["<&-", "2>&-", "<&- 2>&-"])
def test_closed_input_and_errors(recording: Path, command: str, redirection: str) -> None:
    done = _shell(redirection, _COMMANDS[command], recording)
    assert done.returncode == 0 and done.stdout
    assert done.stderr.count(b"\n") == (command == "replay" and redirection == "<&-")


def test_closed_streams_are_no_files(tmp_path: Path) -> None:
    """What is written to a closed stream must not end up in a recording."""
    path = tmp_path / "rec"
    line = f"{sys.executable} -m rdbg record -o {path} -kernel {TANK} -serial null <&- >&- 2>&-"
    done = subprocess.run(["sh", "-c", line], cwd=PROJECT, timeout=60)
    assert done.returncode == 0
    assert rdbg("replay", path, "-serial", "null").returncode == 0
    assert b"whole" in rdbg("info", path).stdout


@pytest.mark.parametrize("command", ["run", "replay"])
def test_a_terminal_that_goes_away(recording: Path, command: str) -> None:
    words = [word.format(recording=recording) for word in _COMMANDS[command]]
    ours, theirs = os.openpty()
    process = spawn([sys.executable, "-m", "rdbg", *words, "-S", "-gdb", "tcp::0"] if command == "replay" else
                    [sys.executable, "-m", "rdbg", *words], cwd=PROJECT, stdin=theirs, stdout=theirs,
                    stderr=subprocess.PIPE)  # fmt: skip
    os.close(theirs)
    if command == "run":
        assert os.read(ours, 1)
    os.close(ours)
    if command == "replay":
        time.sleep(0.5)
        process.terminate()
    errors = process.communicate(timeout=60)[1].decode()
    assert "Traceback" not in errors and all(line.startswith("rdbg: ") for line in errors.splitlines()), errors


@pytest.mark.parametrize("megabytes", [300, 500, 900, 1300])
def test_little_address_space(megabytes: int) -> None:
    limit = megabytes << 20
    done = subprocess.run(
        [sys.executable, "-m", "rdbg", "run", "-kernel", TANK, "-serial", "null"],
        cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert done.returncode in (0, 1)
    if done.returncode:
        assert "ulimit -v" in _one_line(done.stderr)


@pytest.mark.parametrize("now", [-3e9, -1, 253_402_300_799.5, 3e11, 9e15])
def test_clocks_before_1970_and_after_9999(now: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: now)
    assert host_seconds() in (0, LAST_SECOND)
    words = ["record", "-o", tmp_path / "rec", "-kernel", TANK, "-serial", "null", "-serial", "null"]
    done = rdbg_here(*words)
    assert done.returncode == 0, done.stderr
    for command in (["replay", tmp_path / "rec", "-serial", "null"], ["info", tmp_path / "rec"]):
        done = rdbg_here(*command)
        assert done.returncode == 0, done.stderr


# While the command line's own modules load the signal itself ends it, later its own code does.
@pytest.mark.parametrize(("module", "code"), [("textwrap", -signal.SIGINT), ("numpy", 130)])
def test_ctrl_c_while_it_loads_ends_it_without_a_word(module: str, code: int, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("import sys, time\nprint('loads', flush=True)\ntime.sleep(600)\n")
    process = start("run", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert process.stdout is not None and process.stdout.readline() == b"loads\n"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out, said) == (code, b"", b"")
