"""Which piece each process does next: it begins elsewhere seldom, and answers that wait for others stay few."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from rdbg.analysis.executions import Executions
from rdbg.analysis.in_one_process import in_this_process
from rdbg.analysis.question import Piece, PieceQuestion
from rdbg.host.progress import SILENT
from rdbg.workers import pooled_pieces
from rdbg.workers.pooled_pieces import PieceAnswer, PooledPieces, next_piece
from tests.workers.runs import COUNTING, written_run

PIECES = [Piece(at, at + 10) for at in range(0, 160, 10)]


def begun_elsewhere(pieces: Sequence[Piece], size: int) -> tuple[int, list[Piece]]:
    """How often so many equally fast processes go where they did not stand, and in which order all is done."""
    waiting, done, jumps = list(pieces), list[Piece](), 0
    last: list[Piece | None] = [None] * size
    while waiting:
        for who in range(size):
            if waiting:
                piece = waiting.pop(next_piece(waiting, last[who]))
                before = last[who]
                jumps += before is None or piece.start != before.end and piece.end != before.start
                last[who] = piece
                done.append(piece)
    return jumps, done


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_processes_go_on_where_they_stand_and_do_all_once(newest_first: bool, size: int) -> None:
    pieces = PIECES[::-1] if newest_first else PIECES
    jumps, done = begun_elsewhere(pieces, size)
    assert sorted(done, key=lambda piece: piece.start) == PIECES
    assert done[:size] == pieces[:size], "what is wanted first is done first"
    assert jumps <= 3 * size < len(PIECES)


class _Hands:
    """Answer the second, third and fourth piece at once, with some bytes, the first after a while, and no other one."""

    stay = True
    size = 2

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._first: Future[PieceAnswer] | None = None
        self.given: list[Piece] = []
        self.looks = 0

    def submit(self, question: PieceQuestion[Any], piece: Piece, newest_first: bool) -> Future[PieceAnswer]:
        future: Future[PieceAnswer] = Future()
        self.given.append(piece)
        if self._first is None:
            self._first = future
        elif len(self.given) < 5:
            future.set_result(PieceAnswer.of([self._answer]))
        return future  # the others are not begun

    def dismiss(self) -> None:
        pass

    def poll(self) -> bool:
        self.looks += 1
        if self.looks == 4:
            assert self._first is not None
            self._first.set_result(PieceAnswer.of([self._answer]))
        return self.looks > 8


@pytest.mark.parametrize(("held", "again"), [(1 << 20, []), (100, PIECES[6:7])])
def test_what_is_far_ahead_is_taken_back_where_answers_that_wait_take_much_memory(
    held: int, again: list[Piece], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooled_pieces, "_MOST_HELD", held)
    timeline = written_run()
    hands = _Hands(bytes(200))
    pool = PooledPieces(timeline, in_this_process(timeline, lambda: False, SILENT), lambda: hands, 2, hands.poll)
    answers = pool.answers(Executions(COUNTING), PIECES, False)
    assert next(answers) == bytes(200)
    assert hands.given == PIECES
    assert next(answers) == bytes(200)
    # Taken back from all but the six that are next, and the seventh given anew when its turn has come.
    assert hands.given[16:] == again
