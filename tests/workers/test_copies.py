"""Copies of a process that die when and where they like."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from rdbg.workers import copies
from rdbg.workers.copies import Copies

#: Seconds after which something counts as a hang.
_LONG = 20.0


class Crew:
    """Two copies, whose work says which process does it, and goes on until it is told to end."""

    def __init__(self, told: Path) -> None:
        self._told = told
        self._ended: list[Callable[[], bool]] = []
        self.copies = Copies(2, self._work, self._ended.append)

    def _work(self, start: int, end: int) -> bytes:
        (self._told / str(os.getpid())).touch()
        while not self._ended[0]():
            pass
        return b"ended"

    def worker(self) -> int:
        """The process that works."""
        deadline = time.monotonic() + _LONG
        while time.monotonic() < deadline:
            for path in self._told.iterdir():
                path.unlink()
                return int(path.name)
            time.sleep(0.001)
        raise TimeoutError


def test_one_that_is_killed_while_it_asks_whether_to_end_holds_up_nobody(tmp_path: Path) -> None:
    for turn in range(20):
        crew = Crew(tmp_path)
        killed = crew.copies.ask(0, 1)
        time.sleep(turn / 10_000)
        os.kill(crew.worker(), signal.SIGKILL)
        with pytest.raises(BrokenExecutor):
            killed.result(_LONG)
        crew.copies.dismiss()
    assert not multiprocessing.active_children()


def _dies_in_its_answer(start: int, end: int) -> bytes:
    if start == 0:

        def half(pipe: Connection, data: bytes) -> None:
            os.write(pipe.fileno(), struct.pack("!i", len(data)) + data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        Connection._send_bytes = half  # type: ignore[attr-defined]
    return bytes(10_000)


def test_one_that_is_killed_in_the_middle_of_its_answer_is_lost_and_the_other_goes_on() -> None:
    crew = Copies(2, _dies_in_its_answer, lambda ended: None)
    killed = crew.ask(0, 1)
    with pytest.raises(BrokenExecutor):
        killed.result(_LONG)
    assert crew.ask(1, 2).result(_LONG) == bytes(10_000)
    crew.dismiss()
    assert not multiprocessing.active_children()


class _Unreadable:
    """It can be sent, and fails where it is received: an error would depend on who taught pickle about errors."""

    def __reduce__(self) -> tuple[type[object], tuple[int, ...]]:
        return object, (1, 2)


@pytest.mark.parametrize("answer", [lambda: 0, _Unreadable()], ids=["not to be sent", "not to be received"])
def test_what_cannot_be_handed_over_is_an_error_and_no_hang(answer: object) -> None:
    crew = Copies(1, lambda start, end: answer if start == 0 else start, lambda ended: None)
    with pytest.raises((RuntimeError, TypeError)):
        crew.ask(0, 1).result(_LONG)
    assert crew.ask(7, 8).result(_LONG) == 7
    crew.dismiss()


def test_when_all_are_lost_nothing_waits_for_them(tmp_path: Path) -> None:
    crew = Crew(tmp_path)
    asked = [crew.copies.ask(at, at + 1) for at in range(4)]
    for _ in range(2):
        os.kill(crew.worker(), signal.SIGKILL)
    for future in asked:
        with pytest.raises(BrokenExecutor):
            future.result(_LONG)
    with pytest.raises(BrokenExecutor):
        crew.copies.ask(0, 1)
    crew.copies.dismiss()


@pytest.mark.parametrize("at_work", [True, False])
def test_one_that_somebody_has_stopped_is_not_waited_for(
    tmp_path: Path, at_work: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_GRACE", 0.2)
    crew = Crew(tmp_path)
    stopped = multiprocessing.active_children()[0].pid
    assert stopped is not None
    if at_work:
        asked = crew.copies.ask(0, 1)
        stopped = crew.worker()
    os.kill(stopped, signal.SIGSTOP)
    ended = threading.Thread(target=crew.copies.dismiss, daemon=True)
    ended.start()
    ended.join(_LONG)
    hangs = ended.is_alive()
    if hangs:
        os.kill(stopped, signal.SIGKILL)
    assert not hangs and not multiprocessing.active_children()
    if at_work:
        with pytest.raises(BrokenExecutor):
            asked.result(0)


def test_their_pipes_are_closed_in_the_end(tmp_path: Path) -> None:
    Crew(tmp_path).copies.dismiss()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        crew = Crew(tmp_path)
        crew.copies.ask(0, 1)
        crew.worker()
        crew.copies.dismiss()
    assert len(os.listdir("/proc/self/fd")) == before
