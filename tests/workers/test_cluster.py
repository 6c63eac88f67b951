"""Pieces of questions on a dask.distributed cluster: its rows are those of one process, whoever is lost meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

import rdbg
import rdbg.workers.carried_recording
import rdbg.workers.cluster
from rdbg.analysis.executions import Executions
from rdbg.analysis.question import Piece, PiecePool, PieceQuestion
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.errors import RdbgError
from rdbg.host.progress import SILENT
from rdbg.library.recorded_run import RecordedRun
from rdbg.timeline import QuestionInterrupted
from rdbg.workers.cluster import cluster_pool
from rdbg.workers.pooled_pieces import PooledPieces
from tests.cli.command import TANK, rdbg_here
from tests.cli.command import rdbg as command

_PIECES = 8
_PATIENCE = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two processes, as on two computers: each has a folder of its own."""
    import distributed

    folder = tmp_path_factory.mktemp("cluster")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", local_directory=str(folder)
    ) as made:
        yield made


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> str:
    return recorded(tmp_path_factory.mktemp("recording") / "tank.rec")


def recorded(file: Path) -> str:
    assert command("record", "-o", file, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    return str(file)


@pytest.fixture
def run(recording: str) -> Iterator[RecordedRun]:
    with rdbg.open(recording) as opened:
        yield opened


@pytest.fixture
def from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recording is on a host that the workers are not on."""
    monkeypatch.setattr(rdbg.workers.carried_recording, "host_mark", lambda: "elsewhere")


def pieces_of(run: RecordedRun, newest_first: bool) -> Sequence[Piece]:
    start, end = run.timeline.start, run.timeline.end
    at = [start + (end - start) * part // _PIECES for part in range(_PIECES + 1)]
    pieces = [Piece(low, high) for low, high in zip(at, at[1:], strict=False)]
    return pieces[::-1] if newest_first else pieces


@contextmanager
def pool_of(
    cluster: Any, run: RecordedRun, recording: str, interrupted: Callable[[], bool] = lambda: False
) -> Iterator[PiecePool]:
    with cluster_pool(cluster.scheduler_address, recording, run.timeline, interrupted, SILENT) as pool:
        yield pool


def answers(pool: PiecePool, question: PieceQuestion[Any], run: RecordedRun, newest_first: bool = False) -> list[Any]:
    return list(pool.answers(question, pieces_of(run, newest_first), newest_first))


def wait_for(path: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} never came"
        time.sleep(0.05)


@dataclass(frozen=True)
class Where:
    """Which process answers, and from which files."""

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[tuple[int, str]]:
        yield os.getpid(), next(filter(_is_journal, _open_files()))


def _open_files() -> Iterator[str]:
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed meanwhile
            yield os.readlink(f"/proc/self/fd/{number}")


def _is_journal(file: str) -> bool:
    return file.endswith(("/tank.rec", "/journal"))


@dataclass(frozen=True)
class Killed:
    """Another question, in the fifth piece of which its process is killed the first time."""

    question: Executions
    at: int
    marker: str

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[Any]:
        rows = self.question.of_piece(run, piece, newest_first)
        if piece.start == self.at and not os.path.exists(self.marker):
            next(rows, None)
            Path(self.marker).write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        yield from rows


@dataclass(frozen=True)
class Endless:
    """A question that is answered when nobody waits any more."""

    begun: str
    ended: str

    reaches_behind: ClassVar[bool] = False

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[Any]:
        Path(self.begun).touch()
        try:
            while True:
                run.go(piece.start)
                run.go(piece.end)
                yield from ()
        finally:
            Path(self.ended).touch()


@pytest.mark.parametrize("newest_first", [False, True])
def test_rows_are_those_of_one_process(cluster: Any, run: RecordedRun, recording: str, newest_first: bool) -> None:
    alone = list(run.executions("put_char", newest_first=newest_first))
    question = Executions(alone[0].pc)
    with pool_of(cluster, run, recording) as pool:
        assert answers(pool, question, run, newest_first) == alone and len(alone) > 100
        places = answers(pool, Where(), run)
    assert os.getpid() not in {process for process, _ in places}
    assert {file for _, file in places} == {recording}, "opened where it is"


def test_the_recording_is_brought_once_to_each_worker_that_has_it_not(
    cluster: Any, tmp_path: Path, from_elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recorded(tmp_path / "tank.rec")  # no worker has seen it
    monkeypatch.setattr(rdbg.workers.cluster, "CHUNK_BYTES", 5000)
    brought = []
    bring = rdbg.workers.cluster._ClusterHands._bring

    def noted(self: Any, worker: str) -> None:
        brought.append(worker)
        bring(self, worker)

    monkeypatch.setattr(rdbg.workers.cluster._ClusterHands, "_bring", noted)
    with rdbg.open(recording) as run:
        alone = list(run.executions("put_char"))
        with pool_of(cluster, run, recording) as pool:
            for _ in range(3):
                assert answers(pool, Executions(alone[0].pc), run) == alone
            places = answers(pool, Where(), run)
    assert brought and len(brought) == len(set(brought)) <= 2
    for _, file in places:
        assert file != recording and Path(file).read_bytes() == Path(recording).read_bytes()


def test_a_recording_without_a_store_is_brought_with_its_images(
    cluster: Any, tmp_path: Path, from_elsewhere: None
) -> None:
    bare = tmp_path / "bare.rec"
    options = ("-kernel", TANK, "-serial", "null", "-icount", f"shift=0,rr=record,rrfile={bare}")
    assert command("run", *options).returncode == 0
    Path(f"{bare}.snapshots").unlink()
    with rdbg.open(str(bare)) as run:
        alone = list(run.executions("put_char"))
        with pool_of(cluster, run, str(bare)) as pool:
            assert answers(pool, Executions(alone[0].pc), run) == alone
    assert not Path(f"{bare}.snapshots").exists()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_worker_that_is_killed_changes_no_answer(
    cluster: Any, run: RecordedRun, recording: str, tmp_path: Path, request: pytest.FixtureRequest, elsewhere: bool
) -> None:
    if elsewhere:
        request.getfixturevalue("from_elsewhere")
    alone = list(run.executions("put_char"))
    marker = tmp_path / "killed"
    question = Killed(Executions(alone[0].pc), pieces_of(run, False)[_PIECES // 2].start, str(marker))
    with pool_of(cluster, run, recording) as pool:
        assert answers(pool, question, run) == alone
        assert not Path(f"/proc/{marker.read_text()}").exists()
        assert answers(pool, question, run) == alone


def test_ctrl_c_ends_what_workers_do(cluster: Any, run: RecordedRun, recording: str, tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    with pool_of(cluster, run, recording, begun.exists) as pool, pytest.raises(QuestionInterrupted):
        answers(pool, Endless(str(begun), str(ended)), run)
    wait_for(ended)
    alone = list(run.executions("put_char"))
    with pool_of(cluster, run, recording) as pool:
        assert answers(pool, Executions(alone[0].pc), run) == alone


def test_the_shell_command_says_the_same(cluster: Any, recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def split(self: PooledPieces, stretch: Piece, newest_first: bool) -> Sequence[Piece]:
        middle = (stretch.start + stretch.end) // 2
        pieces = [Piece(stretch.start, middle), Piece(middle, stretch.end)]
        return pieces[::-1] if newest_first else pieces

    asked = ("query", recording, "executions", "put_char", "--newest-first", "--limit", "50")
    alone = rdbg_here(*asked, "--jobs", "1")
    monkeypatch.setattr(PooledPieces, "split", split)
    done = rdbg_here(*asked, "--scheduler", cluster.scheduler_address)
    assert (done.returncode, done.stdout, done.stderr) == (0, alone.stdout, b"")
    assert done.stdout.count(b"\n") >= 50


def refused(*words: str, recording: str) -> str:
    done = rdbg_here("query", recording, "executions", "put_char", *words)
    said = done.stderr.decode()
    assert done.returncode != 0 and done.stdout == b"" and said.count("\n") == 1, said
    return said


def test_what_is_no_scheduler_is_told_in_a_line(recording: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdbg.workers.cluster, "_CONNECT_SECONDS", 0.5)
    assert "lacks the address" in refused("--scheduler", recording=recording)
    assert "write it as tcp://HOST:PORT" in refused("--scheduler", "here", recording=recording)
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unheard.getsockname()[1]}"
        said = refused("--scheduler", address, recording=recording)
    assert address in said and "no scheduler" in said and "dask scheduler" in said


def test_workers_that_are_of_no_use_are_told_in_a_line(
    cluster: Any, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = cluster.scheduler_address
    with monkeypatch.context() as other:
        other.setattr(rdbg.workers.cluster, "alike_versions", lambda: (rdbg.__version__, "9.9"))
        said = refused("--scheduler", address, recording=recording)
        assert "has unicorn 2.1.4, and here it is 9.9" in said
    with monkeypatch.context() as other:
        for module in (rdbg.workers.cluster, rdbg.workers.cluster_worker):
            other.setattr(module, "ALIKE_PACKAGES", ("rdbg-that-nobody-has",))
        other.setattr(rdbg.workers.cluster, "alike_versions", lambda: ("0.1.0",))
        said = refused("--scheduler", address, recording=recording)
        assert "has no rdbg-that-nobody-has" in said and "install the same version of rdbg[cluster]" in said


def test_a_cluster_without_workers_is_told_in_a_line(recording: str) -> None:
    import distributed

    with distributed.LocalCluster(
        n_workers=0, processes=False, dashboard_address="127.0.0.1:0", protocol="tcp"
    ) as empty:
        said = refused("--scheduler", empty.scheduler_address, recording=recording)
    assert "no workers" in said and "dask worker" in said


def test_a_worker_of_another_version_that_joins_later_refuses(
    cluster: Any, run: RecordedRun, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pool_of(cluster, run, recording) as pool:
        hands = pool._hire()  # type: ignore[attr-defined]
        try:
            hands._versions = ("9.9", "2.1.4")
            with pytest.raises(RdbgError, match=r"worker tcp.* has rdbg .*, and here it is 9\.9"):
                hands.submit(Where(), pieces_of(run, False)[0], False).result(_PATIENCE)
        finally:
            hands.dismiss()


def test_nothing_of_dask_is_loaded_unless_it_is_asked_for(recording: str) -> None:
    program = (
        "import sys; from rdbg.cli.main import main; "
        f"main(['query', {recording!r}, 'executions', 'put_char', '--count']); "
        "sys.exit('distributed' in sys.modules or 'dask' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL).returncode == 0
