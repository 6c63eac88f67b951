"""Damaged recordings of all sorts: each command ends, with a clear line for each thing that is wrong."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdbg.cli.main import main
from tests.cli.command import TANK, rdbg, start
from tests.forgery import sealed_journal

#: Damaged recordings that each command is given; RDBG_DAMAGED=5000 for a long look.
_EXAMPLES = int(os.environ.get("RDBG_DAMAGED", "200"))
#: Seconds after which a command is interrupted; it needs a tenth of one.
_PATIENCE = 20


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording of typed input, and its pack."""
    folder = tmp_path_factory.mktemp("whole")
    process = start("record", "-o", folder / "rec", "-kernel", TANK, "-serial", "stdio", "-serial", "null")
    process.communicate(b"typed " * 20, 60)
    assert process.returncode == 0
    assert rdbg("pack", folder / "rec", folder / "rec.pack").returncode == 0
    return folder


def _flipped(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] ^= value
    return bytes(changed)


_place = st.integers(0, 1 << 20)
#: What happens to a file's bytes.
damage: st.SearchStrategy[Callable[[bytes], bytes]] = st.one_of(
    st.lists(st.tuples(_place, st.integers(1, 255)), min_size=1, max_size=4).map(
        lambda changes: lambda data: _flipped(data, changes)
    ),
    _place.map(lambda at: lambda data: data[: at % len(data)]),
    st.tuples(_place, st.integers(1, 100)).map(
        lambda cut: lambda data: data[: cut[0] % len(data)] + data[cut[0] % len(data) + cut[1] :]
    ),
    st.tuples(_place, st.binary(min_size=1, max_size=9)).map(
        lambda put: lambda data: data[: put[0] % len(data)] + put[1] + data[put[0] % len(data) :]
    ),
    st.tuples(_place, st.sampled_from((16, 512, 4096))).map(
        lambda lost: lambda data: (data[: lost[0] % len(data)] + bytes(lost[1]))[: len(data)].ljust(len(data), b"\0")
    ),
)


@contextlib.contextmanager
def _not_hanging() -> Iterator[None]:
    """A Ctrl-C when patience is over. A journal with right sums may say that its run is endless: a replay of it then
    ends in good order. Anything else ends with KeyboardInterrupt."""

    def ring(number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    previous = signal.signal(signal.SIGALRM, ring)
    signal.alarm(_PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def _run(*words: str | Path) -> tuple[int, str]:
    """Run a command in this process; its exit code and what it says on standard error."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors), _not_hanging():
        code = main([str(word) for word in words])
    said = errors.getvalue()
    assert all(line.startswith("rdbg: ") for line in said.splitlines()), said
    if code == 128 + signal.SIGINT and "rdbg: terminating on signal 2\n" in said:
        return code, said  # a replay whose end the journal puts out of reach
    assert code in (0, 1, 2)
    # At most: that the journal is cut off, how far the replay came, and what turned out to be wrong there.
    told = said.count("\n")
    assert code == 0 or 1 <= told <= 3 or "problem" in out.getvalue() or "damage" in out.getvalue(), said
    return code, said


_COMMANDS: dict[str, Callable[[Path], tuple[int, str]]] = {
    "replay": lambda file: _run("replay", file, "-serial", "null"),
    "info": lambda file: _run("info", file),
    "dump": lambda file: _run("dump", file),
    "pack": lambda file: _run("pack", file, file.with_name("again.pack")),
}
_PARTS = {
    "journal": ("rec", lambda data: data),
    "journal with right sums": ("rec", sealed_journal),
    "snapshot store": ("rec.snapshots", lambda data: data),
}


@pytest.mark.parametrize("part", _PARTS)
@pytest.mark.parametrize("command", _COMMANDS)
def test_a_damaged_recording(whole: Path, tmp_path: Path, command: str, part: str) -> None:
    name, finish = _PARTS[part]
    original = (whole / name).read_bytes()
    for file in ("rec", "rec.snapshots"):
        shutil.copy(whole / file, tmp_path)
    given_to = 0

    @settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damage)
    def damaged(change: Callable[[bytes], bytes]) -> None:
        nonlocal given_to
        given_to += 1
        for extra in tmp_path.glob("*-*"):
            extra.unlink()  # SQLite's log
        (tmp_path / "again.pack").unlink(missing_ok=True)
        (tmp_path / name).write_bytes(finish(change(original)))
        _COMMANDS[command](tmp_path / "rec")

    damaged()
    assert given_to >= _EXAMPLES


def test_a_damaged_pack(whole: Path, tmp_path: Path) -> None:
    original = (whole / "rec.pack").read_bytes()

    @settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damage)
    def damaged(change: Callable[[bytes], bytes]) -> None:
        (tmp_path / "bad.pack").write_bytes(change(original))
        code, _ = _run("unpack", tmp_path / "bad.pack", tmp_path / "out")
        made = sorted(path.name for path in tmp_path.iterdir())
        assert made == (["bad.pack"] if code else ["bad.pack", "out", "out.snapshots"])
        for path in tmp_path.glob("out*"):
            path.unlink()

    damaged()


@pytest.mark.parametrize("cut", [0, 5, 100, 300])
def test_debug_of_a_damaged_recording(whole: Path, tmp_path: Path, cut: int) -> None:
    """No GDB is started on it."""
    (tmp_path / "rec").write_bytes((whole / "rec").read_bytes()[:cut])
    shutil.copy(whole / "rec.snapshots", tmp_path)
    done = rdbg("debug", tmp_path / "rec", "--batch", "-serial", "null")
    said = done.stderr.decode()
    assert "Traceback" not in said and "rdbg: " in said
