"""``rdbg chaos`` as it is typed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import PROJECT, assert_one_line, rdbg, rdbg_here, start
from tests.cli.test_commands import TANK
from tests.processes import is_running

RACES = PROJECT / "examples" / "races"
RARE = ["--", "-kernel", RACES / "rare_update.elf"]
QUEUE = ["--", "-kernel", RACES / "uart_queue.elf"]
LOST = ["--fail-on", "output:LOST [1-9]"]


def chaos(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run it with ``--keep``."""
    return rdbg("chaos", "--keep", folder / "kept", *words)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A failing run of the rare lost update."""
    folder = tmp_path_factory.mktemp("chaos")
    done = chaos(folder, "-n", "200", "--until-failure", *LOST, *RARE)
    assert done.returncode == 1, done.stderr
    (path,) = (folder / "kept").glob("seed-*[0-9]")
    return path


def test_a_race_is_found_and_the_command_that_opens_it_is_printed(kept: Path, tmp_path: Path) -> None:
    done = chaos(tmp_path, "-n", "200", "--until-failure", *LOST, *RARE)
    told = done.stdout.decode()
    assert done.returncode == 1 and done.stderr == b""
    assert "1 failed, " in told and "output: LOST N" in told
    path = tmp_path / "kept" / kept.name  # the same seed fails first, however many cores there are
    assert f"rdbg debug {path} --at failure" in told and f"rdbg chaos --shrink {path}" in told
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, f"{path.name}.snapshots"]
    replayed = rdbg("replay", path)
    assert b"LOST 1" in replayed.stdout and b"digest agrees" in replayed.stderr


def test_the_kept_run_opens_at_its_failure_in_gdb(kept: Path, gdb_program: str) -> None:
    words = ("--gdb-program", gdb_program, "--at", "failure", "--batch", "--ex", "bt", "--ex", "print counter")
    done = rdbg("debug", kept, *words)
    assert done.returncode == 0 and b"in put_number (" in done.stdout and b"$1 = 8" in done.stdout


def test_a_kept_run_says_how_to_run_it_again(kept: Path) -> None:
    told = rdbg("info", kept).stdout.decode()
    command = re.search(r"command +rdbg (chaos -n 1 --seed \d+ .*)", told)
    assert command is not None and "failure" in told
    words = command[1].replace("--fail-on output:LOST [1-9]", "--fail-on=").split()
    words[words.index("--fail-on=") : words.index("--fail-on=") + 1] = LOST
    done = rdbg(*words, "--nonsense")
    assert done.returncode == 2
    own = words[: words.index("--")] + ["--keep", str(kept.parent / "again")]
    assert rdbg(*own, *words[words.index("--") :]).returncode == 1
    assert (kept.parent / "again" / kept.name).exists()


def test_shrinking_names_the_interrupt_and_the_source(kept: Path, gdb_program: str, tmp_path: Path) -> None:
    done = rdbg("chaos", "--shrink", kept)
    told = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"the timer interrupt at icount \d+, between 0x[0-9a-f]{8} lw and 0x[0-9a-f]{8} sw of counter "
        r"\(0x[0-9a-f]{8}\), makes it fail\n  0x[0-9a-f]{8}  main\+0x[0-9a-f]+ \(rare_update.c:\d+\)\n",
        told,
    ), told
    shrunk = kept.with_name(f"{kept.name}.shrunk")
    assert f"rdbg debug {shrunk} --at race" in told
    assert rdbg("dump", shrunk).stdout.decode().lower().count("hold") == 1
    assert b"LOST 1" in rdbg("replay", shrunk).stdout
    smaller = tmp_path / "smaller"
    Path(f"{smaller}.snapshots-wal").write_bytes(b"left by somebody")
    again = rdbg("chaos", "--shrink", shrunk, "-o", smaller)
    assert again.returncode == 0 and b"one is enough" in again.stdout
    told_of = again.stderr.decode().splitlines()
    assert len(told_of) == 1 and told_of[0].startswith("rdbg: ") and "-wal.old1" in told_of[0]
    words = ("--gdb-program", gdb_program, "--at", "race", "--batch")
    looked = rdbg("debug", shrunk, *words, "--ex", "info line *$epc", "--ex", "reverse-stepi", "--ex", "x/i $pc")
    assert b"rare_update.c" in looked.stdout and b"main+" in looked.stdout


def test_what_was_shrunk_as_json(kept: Path, tmp_path: Path) -> None:
    output = tmp_path / "shrunk"
    done = rdbg("chaos", "--shrink", kept, "--json", "-o", output)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["recording"], told["condition"], told["what"]) == (str(kept), "output", "output: LOST 1")
    (moved,) = told["interrupts"]
    assert (moved["line"], moved["before_wait"], told["unmoved"], told["delays"]) == ("timer", False, None, [])
    assert moved["icount"] == moved["due"] + moved["held"] and len(moved["code"]) == 2
    assert all("rare_update.c:" in each["place"] for each in moved["code"])
    assert told["command"] == f"rdbg debug {output} --at race" and rdbg("replay", output).returncode == 0


def test_no_failure_is_exit_code_0_and_leaves_nothing(tmp_path: Path) -> None:
    done = chaos(tmp_path, "-n", "5", "--fail-on", "output:NEVER", *RARE)
    assert done.returncode == 0 and b"none failed" in done.stdout and b"5  ended with code 0" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_summary_as_json(tmp_path: Path) -> None:
    done = chaos(tmp_path, "-n", "60", "--seed", "7", "--json", "--jobs", "2", *LOST, *RARE)
    told = json.loads(done.stdout)
    assert (told["seed"], told["wanted"], told["runs"]) == (7, 60, 60)
    assert sum(told["outcomes"].values()) == 60 and told["failures"] == len(told["failed"]) > 0
    first = told["failed"][0]
    assert first["condition"] == "output" and first["what"] == "LOST 1" or first["what"] == "output: LOST 1"
    assert Path(first["recording"]).exists() and first["command"].startswith("rdbg debug ")
    assert {each["recording"] for each in told["failed"][1:]} == {None}
    one = chaos(tmp_path, "-n", "60", "--seed", "7", "--json", "--jobs", "1", *LOST, *RARE)
    assert [(each["seed"], each["icount"]) for each in json.loads(one.stdout)["failed"]] == [
        (each["seed"], each["icount"]) for each in told["failed"]
    ]


def test_all_failures_can_be_kept(tmp_path: Path) -> None:
    done = chaos(tmp_path, "-n", "60", "--keep-all", "--json", *LOST, *RARE)
    failed = json.loads(done.stdout)["failed"]
    assert len(failed) > 1 and all(Path(each["recording"]).exists() for each in failed)


def test_what_is_typed_comes_at_other_moments(tmp_path: Path) -> None:
    words = ("--type", r"all these bytes\n", "--fail-on", "output:STUCK [1-9]")
    typed = chaos(tmp_path, "-n", "300", "--until-failure", *words, *QUEUE)
    assert typed.returncode == 1 and b"output: STUCK N" in typed.stdout
    (path,) = (tmp_path / "kept").glob("seed-*[0-9]")
    again = chaos(tmp_path, "-n", "5", "--inputs", path, "--from", path, "--fail-on", "output:PASSED|STUCK")
    assert b"5 failed" in again.stdout
    assert rdbg("chaos", "--shrink", path).returncode == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([*LOST], ["there is nothing to run"]),
        (["--fail-on", "sometimes", *RARE], ["--fail-on sometimes", "exit, panic, output:REGEX"]),
        (["--fail-on", "watch:lost>0", *RARE], ["lost is no symbol"]),
        (["-n", "none", *RARE], ["-n", "'none' is not a number"]),
        (["--jobs", "0", *RARE], ["--jobs", "out of range"]),
        (["--seed", "-1", *RARE], ["--seed"]),
        (["--for", "ever", *RARE], ["--for ever: not a time"]),
        (["--type", r"\q", *RARE], [r"\q is not known"]),
        (["--type", "a", "--inputs", "b", *RARE], ["keep one"]),
        (["-o", "file", *RARE], ["-o belongs to --shrink"]),
        ([*RARE, "-s"], ["-s is for a single run"]),
        ([*RARE, "-serial", "stdio"], ["-serial is for a single run"]),
        ([*RARE, "-icount", "shift=3,rr=record,rrfile=x"], ["rr= is for a single run"]),
        ([*RARE, "--fail-on", "exit"], ["--fail-on: no such option"]),
        (["--from", "absent:end"], ["absent", "cannot read"]),
        (["--symbols", RACES / "rare_update.c", *RARE], ["not an ELF file"]),
        (["--shrink", "absent"], ["absent: cannot read the journal"]),
        (["--shrink", "absent", "-n", "3"], ["chaos: -n is not for --shrink", "no other seeds"]),
        (["--shrink", "absent", "--seed", "3"], ["chaos: --seed is not for --shrink", "no other seeds"]),
        (["--shrink", "absent", "--jobs", "3"], ["chaos: --jobs is not for --shrink", "one after another"]),
        (["--shrink", "absent", "--keep", "d"], ["chaos: --keep is not for --shrink", "-o FILE"]),
        (["--shrink", "absent", "--type", "a"], ["chaos: --type is not for --shrink", "absent says it itself"]),
        (["--shrink", "absent", *RARE], ["chaos: -kernel is not for --shrink", "absent says it itself"]),
    ],
)
def test_misuse_is_one_line(words: list[str | Path], parts: list[str]) -> None:
    done = rdbg_here("chaos", *words)
    assert_one_line(done, 1 if "cannot read" in " ".join(parts) else 2, *parts)


def test_help_names_every_option() -> None:
    told = rdbg_here("chaos", "--help").stdout.decode()
    for option in (
        "-n RUNS",
        "--seed",
        "--jobs",
        "--fail-on",
        "hang:SECONDS",
        "--keep DIR",
        "--from",
        "--shrink",
        "-kernel",
    ):
        assert option in told
    assert max(map(len, told.splitlines())) <= 100


def test_a_recording_that_chaos_did_not_keep_needs_a_condition(tmp_path: Path) -> None:
    path = tmp_path / "tank"
    assert rdbg("record", "-o", path, "--", "-kernel", TANK).returncode == 0
    assert_one_line(rdbg("chaos", "--shrink", path), 2, "does not say what made it fail", "--fail-on")
    assert_one_line(rdbg("chaos", "--shrink", path, "--fail-on", "output:NEVER"), 1, "does not fail")
    shrunk = rdbg("chaos", "--shrink", path, "--fail-on", "output:ALARM")
    assert shrunk.returncode == 0 and b"with none of its 0 interrupts moved" in shrunk.stdout


def test_a_place_that_is_not_in_the_recording_is_named(kept: Path) -> None:
    done = rdbg("chaos", "-n", "2", "--from", f"{kept}:nowhere")
    assert_one_line(done, 2, "there is no snapshot or bookmark 'nowhere'")


@pytest.mark.parametrize("place", ["end", "99999999999"])
def test_from_where_the_guest_has_ended_its_run_nothing_is_said_to_pass(tmp_path: Path, place: str) -> None:
    path = tmp_path / "ended"
    assert rdbg("record", "-o", path, *RARE).returncode == 0
    done = rdbg("chaos", "-n", "2", "--fail-on", "output:LOST", "--from", f"{path}:{place}")
    assert_one_line(done, 2, "ended its run", "earlier place")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("in the way")
    done = chaos(tmp_path, "-n", "200", "--until-failure", *LOST, *RARE)
    assert_one_line(done, 1, "--keep", "kept: is not a folder")
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


def test_what_is_in_the_way_of_the_folder_is_told_before_the_first_run(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("in the way")
    assert_one_line(chaos(tmp_path, "-n", "1", *RARE), 1, "--keep", "kept: is not a folder")  # no run would have failed
    assert_one_line(rdbg("chaos", "-n", "1", "--keep", "", *RARE), 2, "--keep")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    words = ["chaos", "-n", "200", "--until-failure", "--keep", str(tmp_path / "kept"), *LOST, *map(str, RARE)]
    code = (
        "import resource, signal, sys; from rdbg.cli.main import main; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); sys.exit(main({words!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, cwd=PROJECT)
    assert done.returncode == 1 and done.stderr.startswith(b"rdbg: ") and done.stderr.count(b"\n") == 1, done.stderr
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process = start("chaos", "-n", "1000000", "--jobs", "2", "--keep", tmp_path / "kept", *LOST, *RARE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("kept/seed-*.snapshots")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = _children(process.pid)
    assert len(workers) >= 2
    for pid in (process.pid, *workers) if number is signal.SIGINT else (process.pid,):  # Ctrl-C is for all of them
        os.kill(pid, number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number and errors == b""
    assert f"ended by {number.name} after".encode() in out
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert all(name.suffix in ("", ".snapshots") for name in (tmp_path / "kept").iterdir())
    for path in (tmp_path / "kept").glob("seed-*[0-9]"):
        assert rdbg("replay", path).returncode == 0


def test_a_signal_ends_an_expression_that_searches_for_ever(tmp_path: Path) -> None:
    process = start(
        "chaos", "-n", "2", "--keep", tmp_path / "kept", "--fail-on", "output:(.|.)*!", "--", "-kernel", TANK
    )
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, told


def test_workers_go_when_their_parent_is_killed(tmp_path: Path) -> None:
    process = start("chaos", "-n", "1000000", "--jobs", "2", "--keep", tmp_path, "--fail-on", "output:NEVER", *RARE)
    deadline = time.monotonic() + 60
    while len(workers := _children(process.pid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate(timeout=60)
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_that_is_killed_is_told(tmp_path: Path) -> None:
    process = start("chaos", "-n", "1000000", "--jobs", "2", "--keep", tmp_path, "--fail-on", "output:NEVER", *RARE)
    deadline = time.monotonic() + 60
    while len(workers := _children(process.pid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(workers[0], signal.SIGKILL)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and out == b""
    assert errors.startswith(b"rdbg: a process that ran the guest has died") and errors.count(b"\n") == 1


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
