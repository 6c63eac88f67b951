"""A live session that nobody recorded is kept after all: from power-on, whole, and it goes on into the recording."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import rdbg
from tests.gdb.driver import Gdb
from tests.gdb.test_commands import icount
from tests.gdb.test_failing_recordings import COUNTER, PATIENCE, SCRATCH, connect, start_with_gdb, wait_until
from tests.processes import RDBG, free_port, listens, spawn


class Session:
    """rdbg, running the counter guest without recording it."""

    def __init__(self, room: int | None = None) -> None:
        self.port = free_port()
        words = ["run", "-m", "32", "-kernel", str(COUNTER), "-serial", "null", "-S"]
        self.process = start_with_gdb(self.port, words, room)

    def end(self, gdb: Gdb) -> str:
        gdb.run("monitor quit")
        said = str(self.process.communicate(timeout=PATIENCE)[1])
        assert self.process.returncode == 0, said
        return said


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session()
    yield made
    made.process.kill()


def state(gdb: Gdb) -> tuple[int, str, str, str]:
    """Where the machine stands, and what GDB sees there."""
    registers = gdb.run("info registers").text
    return icount(gdb), registers, gdb.run("x/64xw $sp").text, gdb.run(f"x/4xw {SCRATCH:#x}").text


def run_to(gdb: Gdb, count: int) -> None:
    gdb.run(f"monitor replay_break {count}")
    gdb.run("continue")


def test_a_live_session_is_kept_and_goes_on(gdb_program: str, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "kept.rr"
    with Gdb(gdb_program, COUNTER) as gdb:
        gdb.run("set heuristic-fence-post 64")
        connect(gdb, session.port)
        run_to(gdb, 100_000)
        gdb.run(f"set {{int}}{SCRATCH:#x} = 0x1234")  # an input of the run
        gdb.run("monitor savevm written")
        gdb.run("monitor bookmark here")
        seen = [state(gdb)]
        run_to(gdb, 300_000)
        seen.append(state(gdb))
        gdb.run("monitor goto 200000")
        gdb.forget()
        seen.append(state(gdb))
        answer = gdb.run(f"monitor record {path}").text
        assert f"is in {path}" in answer and "goes on into it" in answer
        gdb.forget()
        assert state(gdb) == seen[-1]
        gdb.run("monitor goto end")
        gdb.forget()
        run_to(gdb, 400_000)
        gdb.run(f"set {{int}}{SCRATCH + 4:#x} = 0x5678")
        run_to(gdb, 600_000)
        seen.append(state(gdb))
        gdb.run("monitor savevm later")
        assert "recording already" in gdb.run(f"monitor record {tmp_path / 'other'}").text
        assert not (tmp_path / "other").exists()
        assert "recorded" in session.end(gdb)
    done = subprocess.run([*RDBG, "replay", str(path), "-serial", "null"], capture_output=True, text=True)
    assert done.returncode == 0 and "digest agrees" in done.stderr, done.stderr
    with rdbg.open(str(path)) as run:
        assert set(run.snapshots) >= {"written", "later"} and run.bookmarks == {"here": seen[0][0]}
        assert run.snapshots["written"] == seen[0][0]
        run.goto("written")
        assert run.memory(SCRATCH, 4) == bytes.fromhex("34120000")
        run.goto("later")
        digest = run.timeline.machine.digest()
        run.goto("start")
        run.goto(run.snapshots["later"])
        assert run.timeline.machine.digest() == digest
        for position, _, _, _ in seen:
            run.goto(position)
        assert run.memory(SCRATCH, 8) == bytes.fromhex("3412000078560000")
    port = free_port()
    replay = spawn([*RDBG, "replay", str(path), "-S", "-serial", "null", "-gdb", f"tcp:127.0.0.1:{port}"])
    try:
        wait_until(lambda: listens(port))
        with Gdb(gdb_program, COUNTER) as gdb:
            gdb.run("set heuristic-fence-post 64")
            connect(gdb, port)
            for each in seen:
                gdb.run(f"monitor goto {each[0]}")
                gdb.forget()
                assert state(gdb) == each
    finally:
        replay.kill()


def test_what_cannot_be_recorded_is_one_line_and_leaves_nothing(session: Session, tmp_path: Path) -> None:
    from tests.conftest import PYPI_GDB

    (tmp_path / "notes").write_text("mine")
    with Gdb(str(PYPI_GDB), COUNTER) as gdb:
        connect(gdb, session.port)
        run_to(gdb, 50_000)
        before = sorted(tmp_path.iterdir())

        def refused(line: str, *parts: str) -> None:
            answer = gdb.run(f"monitor {line}").text
            assert answer.count("\n") == 1 and all(part in answer for part in parts), answer
            assert sorted(tmp_path.iterdir()) == before

        refused("record", "usage: record FILE [--force]")
        refused(f"record {tmp_path / 'notes'}", "there is a file already", "--force")
        refused(f"record {tmp_path / 'notes'} --force", "will not overwrite a file that is not an rdbg journal")
        refused(f"record {tmp_path / 'no' / 'such'}", "No such file or directory")
        refused(f"record {tmp_path}", "there is a file already")
        gdb.run("monitor goto 40000")
        gdb.run("monitor branch other")
        refused(f"record {tmp_path / 'kept'}", "branch 'other'", "'main'", "monitor switch main")
        gdb.run("monitor switch main")
        assert "goes on into it" in gdb.run(f"monitor record {tmp_path / 'kept'}").text
        session.end(gdb)
    assert (tmp_path / "notes").read_text() == "mine"
    with rdbg.open(str(tmp_path / "kept")) as run:
        assert run.end >= 49_990


def test_an_older_recording_is_replaced_when_that_is_said(session: Session, tmp_path: Path) -> None:
    from tests.conftest import PYPI_GDB

    path = tmp_path / "kept"
    with Gdb(str(PYPI_GDB), COUNTER) as gdb:
        connect(gdb, session.port)
        run_to(gdb, 50_000)
        gdb.run(f"monitor record {path}")
        session.end(gdb)
        again = Session()
        try:
            connect(gdb, again.port)
            run_to(gdb, 90_000)
            assert "there is a file already" in gdb.run(f"monitor record {path}").text
            assert "goes on into it" in gdb.run(f"monitor record {path} --force").text
            again.end(gdb)
        finally:
            again.process.kill()
    with rdbg.open(str(path)) as run:
        assert run.end >= 89_990
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept", "kept.snapshots"]


def test_a_killed_session_has_what_came_before(session: Session, tmp_path: Path) -> None:
    from tests.conftest import PYPI_GDB

    path = tmp_path / "kept"
    with Gdb(str(PYPI_GDB), COUNTER) as gdb:
        connect(gdb, session.port)
        run_to(gdb, 50_000)
        gdb.run(f"set {{int}}{SCRATCH:#x} = 1")
        gdb.run(f"monitor record {path}")
        gdb.run(f"set {{int}}{SCRATCH + 4:#x} = 2")
        run_to(gdb, 80_000)
        gdb.run("monitor savevm confirmed")  # the journal up to it is on disk
        session.process.kill()
        session.process.wait()
    with rdbg.open(str(path)) as run:
        run.goto("confirmed")
        assert run.memory(SCRATCH, 8) == bytes.fromhex("0100000002000000") and run.position >= 79_990


@pytest.mark.parametrize("room", [300, 20_000])
def test_no_room_leaves_no_file_and_the_run_as_it_is(tmp_path: Path, room: int) -> None:
    from tests.conftest import PYPI_GDB

    session = Session(room)
    try:
        with Gdb(str(PYPI_GDB), COUNTER) as gdb:
            connect(gdb, session.port)
            run_to(gdb, 50_000)
            answer = gdb.run(f"monitor record {tmp_path / 'kept'}").text
            assert answer.count("\n") == 1 and "space" in answer.lower() or "large" in answer, answer
            assert not list(tmp_path.iterdir())
            run_to(gdb, 60_000)
            assert 59_990 <= icount(gdb) <= 60_000
    finally:
        session.process.kill()
