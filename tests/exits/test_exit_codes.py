"""A guest that ends its run says how: the exit code is the same in every command, and in GDB."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import TANK, rdbg, rdbg_here, start
from tests.gdb.driver import Gdb
from tests.processes import free_port, served

GUEST = Path(__file__).parent / "guest"
SUM = 55  # what the guest ends with
ORDERS = {"el": "little", "eb": "big"}


@pytest.fixture(params=list(ORDERS))
def machine(request: pytest.FixtureRequest) -> list[str]:
    """The options of a bare machine whose guest ends by its exit register."""
    board = GUEST / f"board-{ORDERS[request.param]}.toml"
    return ["-M", f"bare,file={board}", "-kernel", str(GUEST / f"register-{request.param}.elf"), "-serial", "null"]


@pytest.fixture
def recording(machine: list[str], tmp_path: Path) -> Path:
    path = tmp_path / "rec"
    assert rdbg("record", "-o", path, "--", *machine).returncode == SUM
    return path


def test_the_exit_register_is_the_exit_code_of_run_record_and_replay(machine: list[str], tmp_path: Path) -> None:
    assert rdbg("run", *machine).returncode == SUM
    made = tmp_path / "rec"
    recorded = rdbg("record", "-o", made, "--", *machine)
    assert recorded.returncode == SUM and b"recorded" in recorded.stderr
    replayed = rdbg("replay", made)
    assert replayed.returncode == SUM and b"digest agrees" in replayed.stderr
    qemu = ["run", *machine, "-icount"]
    assert rdbg(*qemu, f"shift=3,rr=record,rrfile={tmp_path / 'other'}").returncode == SUM
    assert rdbg(*qemu, f"shift=3,rr=replay,rrfile={tmp_path / 'other'}").returncode == SUM
    assert f"exit code {SUM}" in rdbg("info", made).stdout.decode()


@pytest.fixture
def gdb(gdb_program: str, recording: Path) -> Iterator[Gdb]:
    with served(["replay", str(recording), "-S"]) as port, Gdb(gdb_program) as gdb:
        gdb.connect(port)
        yield gdb


@pytest.fixture
def live(gdb_program: str, machine: list[str]) -> Iterator[Gdb]:
    with served(["run", *machine, "-S"]) as port, Gdb(gdb_program) as gdb:
        gdb.connect(port)
        yield gdb


def _position(gdb: Gdb) -> str:
    return gdb.run("monitor when").text.split(",")[0].strip()


def _check_exit(gdb: Gdb) -> None:
    """One stands at the exit, can go back, comes to the same place by steps and by running, and lets it end."""
    gdb.run("break leave")
    gdb.run("continue")
    gdb.run("delete")
    stepped = ""
    for _ in range(20):
        answer = gdb.run("stepi")
        if f"exit code {SUM}" in answer:
            stepped = _position(gdb)
            break
    assert stepped and gdb.value("$pc == &after") == 1, "an instruction came after the exit"
    for _ in range(3):
        assert f"exit code {SUM}" in gdb.run("stepi") and _position(gdb) == stepped  # a step does not end the program
    gdb.run("reverse-stepi")
    assert _position(gdb) != stepped
    assert f"exit code {SUM}" in gdb.run("continue") and _position(gdb) == stepped
    gdb.run("break leave")
    gdb.run("reverse-continue")
    assert gdb.value("$pc == &leave") == 1 and gdb.value("$t1") == SUM
    gdb.run("delete")
    assert f"exit code {SUM}" in gdb.run("continue") and _position(gdb) == stepped
    ended = gdb.run("continue")
    assert ended.stops[0]["reason"] == "exited" and int(str(ended.stops[0]["exit-code"]), 8) == SUM, ended


def test_gdb_can_go_back_from_the_exit_and_is_told_the_code_when_it_goes_on(gdb: Gdb) -> None:
    _check_exit(gdb)


def test_the_same_in_a_live_run(live: Gdb) -> None:
    _check_exit(live)


def test_an_rdbg_that_waits_for_gdb_at_the_exit_ends_with_the_guests_code(machine: list[str]) -> None:
    process = start("run", *machine, "-gdb", f"tcp::{free_port()}")
    assert process.stderr is not None
    assert f"(exit code {SUM})" in process.stderr.readline().decode()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == SUM
    process.communicate()


@pytest.mark.parametrize("words", [["-no-shutdown"], ["-action", "shutdown=pause"]])
def test_no_shutdown_stays_until_the_user_ends_it(machine: list[str], words: list[str]) -> None:
    process = start("run", *machine, *words)
    assert process.stderr is not None
    assert b"the guest has ended the run (exit code 55); -no-shutdown" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == SUM
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replay_that_a_signal_ends_says_how_far_it_came(number: int, tmp_path: Path) -> None:
    made, fifo = tmp_path / "rec", tmp_path / "fifo"
    os.mkfifo(fifo)
    rdbg("record", "-o", made, "--", "-kernel", TANK, "-serial", "null")
    process = start("replay", made, "-serial", f"file:{fifo}", "-monitor", "stdio")  # waits for a reader of the FIFO
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"info status\n")
    process.stdin.flush()
    while b"VM status" not in process.stdout.readline():
        pass
    process.send_signal(number)
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 128 + number, said
    told = rf"replayed 0 of the \d+ instructions of {made}, not to its end: no state digest was compared"
    assert re.search(told, said), said


def test_an_unknown_action_is_named() -> None:
    for words, named in ((["-action", "reboot=sleep"], "reset, shutdown"), (["-action", "tea=on"], "tea")):
        done = rdbg_here("run", *words)
        assert done.returncode == 2 and named in done.stderr.decode(), done.stderr


def test_a_mistake_in_the_exit_table_is_named(tmp_path: Path) -> None:
    text = (GUEST / "board-little.toml").read_text()
    board = tmp_path / "board.toml"
    for line, named in (("base = 0x1f00_2001", "exit.base"), ("base = 0x1000", "overlap"), ("size = 4", "exit.base")):
        board.write_text(text.replace("base = 0x1f00_2000", line))
        done = rdbg_here("run", "-M", f"bare,file={board}", "-kernel", GUEST / "register-el.elf")
        assert done.returncode == 1 and named in done.stderr.decode(), done.stderr
    board.write_text("exit = 3\n" + text.replace("[exit]\nbase = 0x1f00_2000", ""))
    done = rdbg_here("run", "-M", f"bare,file={board}", "-kernel", GUEST / "register-el.elf")
    assert "[exit]" in done.stderr.decode()
