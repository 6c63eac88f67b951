"""Other futures of a recording are there in the next session, as GDB's user left them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.gdb.driver import Gdb
from tests.gdb.test_failing_recordings import COUNTER, SCRATCH
from tests.gdb.test_late_recording import run_to, state
from tests.processes import served


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "rec"
    with served(["record", "-o", str(path), "-m", "32", "-kernel", str(COUNTER), "-serial", "null", "-S"]) as port:
        from tests.conftest import PYPI_GDB

        with Gdb(str(PYPI_GDB), COUNTER) as gdb:
            gdb.connect(port)
            run_to(gdb, 200_000)
            gdb.run("monitor quit")
    return path


def test_a_kept_branch_is_there_in_the_next_session(gdb_program: str, recording: Path) -> None:
    words = ["replay", str(recording), "-S", "-serial", "null"]
    with served(words) as port, Gdb(gdb_program, COUNTER) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(port)
        gdb.run("monitor goto 100000")
        gdb.forget()
        gdb.run(f"set {{int}}{SCRATCH:#x} = 0x4242")  # a scratch branch
        assert "kept beside the recording" in gdb.run("monitor branch what-if --keep").text
        run_to(gdb, 150_000)
        gdb.run(f"set {{int}}{SCRATCH + 4:#x} = 0x4343")
        run_to(gdb, 250_000)
        seen = [state(gdb)]
        for position in (120_000, 180_000):
            gdb.run(f"monitor goto {position}")
            gdb.forget()
            seen.append(state(gdb))
        gdb.run("monitor quit")
    told = rdbg("info", recording)
    assert told.returncode == 0 and b"what-if" in told.stdout and b"inputs of its own" in told.stdout
    with served(words) as port, Gdb(gdb_program, COUNTER) as gdb:
        gdb.run("set heuristic-fence-post 64")
        gdb.connect(port)
        assert "kept" in gdb.run("monitor branches").text
        gdb.run("monitor switch what-if")
        gdb.forget()
        assert state(gdb) == seen[-1]  # where one stood
        for each in seen:
            gdb.run(f"monitor goto {each[0]}")
            gdb.forget()
            assert state(gdb) == each
        gdb.run("monitor goto end")
        gdb.forget()
        run_to(gdb, 300_000)  # it goes on
        assert state(gdb)[0] > seen[0][0]
        assert "the machine is on branch" in gdb.run("monitor delbranch what-if").text
        gdb.run("monitor switch main")
        gdb.forget()
        gdb.run("monitor goto 180000")
        gdb.forget()
        assert state(gdb)[3] != seen[-1][3]
        assert "deleted" in gdb.run("monitor delbranch what-if").text
        gdb.run("monitor quit")
    assert b"what-if" not in rdbg("info", recording).stdout


def test_branches_are_kept_and_deleted_from_the_shell(recording: Path) -> None:
    words = ("replay", recording, "-S", "-serial", "null", "-monitor", "stdio")
    kept = rdbg(*words, typed=b"goto 50000\nbranch side --keep\nquit\n")
    assert b"kept beside the recording" in kept.stdout, kept
    assert b"side" in rdbg("info", recording).stdout
    gone = rdbg(*words, typed=b"branches\ndelbranch side\nquit\n")
    assert b"side" in gone.stdout and b"deleted" in gone.stdout
    assert b"side" not in rdbg("info", recording).stdout


def test_without_a_recording_nothing_can_be_kept() -> None:
    words = ("run", "-m", "32", "-kernel", COUNTER, "-S", "-serial", "null", "-monitor", "stdio")
    done = rdbg(*words, typed=b"branch side --keep\nbranches\nquit\n")
    assert b"monitor record FILE" in done.stdout and b"side  " not in done.stdout
