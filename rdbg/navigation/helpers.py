"""Helpers of a long search: who looks through other stretches of the same past meanwhile. What they are is decided
above."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Answer = TypeVar("Answer")

#: Seconds after which a search calls for helpers: what is near is found sooner by one.
PATIENCE = 0.1
#: Seconds that a stretch should take. Shorter ones cost more states to restore; of a longer one more is in vain.
PIECE_SECONDS = 0.1
#: Seconds between two looks at the outside world while there is nothing to do but wait.
_LOOK_SECONDS = 0.005
#: Stretches that are looked through before it is known whether they are needed, for each helper.
_AHEAD = 8


class Crew(Protocol):
    """Helpers that have the state of the search: they stand where the machine stood, with the same past."""

    @property
    def size(self) -> int:
        """How many can be at work at once."""
        ...

    def ask(self, start: int, end: int) -> Future[Any]:
        """Let one do the work on [start, end). The future ends in BrokenExecutor where a helper was lost."""
        ...

    def dismiss(self) -> None:
        """End all that they do."""
        ...


class Helpers(Protocol):
    """Where crews come from."""

    def crew(self, work: Callable[[int, int], Any]) -> Crew | None:
        """One that does this work, without moving the machine here; None: there is nobody to help."""
        ...


class Overtaken(Exception):
    """A helper has found what makes the stretch at hand needless."""


@dataclass
class _Share(Generic[Answer]):
    """A stretch, and who looks through it."""

    start: int
    end: int
    future: Future[Answer] | None
    answer: list[Answer]

    def ready(self) -> bool:
        """Whether its answer is there; a helper that was lost leaves it to us."""
        if not self.answer and self.future is not None and self.future.done():
            try:
                self.answer.append(self.future.result())
            except (BrokenExecutor, CancelledError):
                self.future = None
        return bool(self.answer)


class SharedSearch(Generic[Answer]):
    """Looks through a stretch of the past from its end, in pieces, a crew at one's side.

    The answers come in order, and are those of one who looks alone: only the time differs.

    Args:
        crew: the helpers.
        here: does a piece in this process.
        border: the state from which a piece that ends at a position, of about a length, can begin.
        poll: called now and then; raises to end the search.
        decides: whether an answer makes all earlier pieces needless.
    """

    def __init__(
        self,
        crew: Crew,
        here: Callable[[int, int], Answer],
        border: Callable[[int], int],
        poll: Callable[[], None],
        decides: Callable[[Answer], bool],
    ) -> None:
        self._crew = crew
        self._here = here
        self._border = border
        self._poll = poll
        self._decides = decides
        self._shares: deque[_Share[Answer]] = deque()  # latest first

    @property
    def overtaken(self) -> bool:
        """Whether what comes first makes the rest needless: to be asked while a piece is done here."""
        for share in self._shares:
            if not share.ready():
                return False
            if self._decides(share.answer[0]):
                return True
        return False

    def answers(self, high: int, start: int) -> Iterator[tuple[int, int, Answer]]:
        """Start, end and answer of each piece of [start, high), latest first."""
        shares = self._shares
        while shares or high > start:
            while high > start and self._at_work() <= self._crew.size and len(shares) < _AHEAD * (1 + self._crew.size):
                low = max(start, self._border(high))
                shares.append(_Share(low, high, self._asked(low, high), []))
                high = low
            if shares[0].ready():
                share = shares.popleft()
                yield share.start, share.end, share.answer[0]
                continue
            mine = next((each for each in shares if self._is_free(each)), None)
            try:
                if mine is not None:
                    mine.answer.append(self._here(mine.start, mine.end))
                else:
                    if shares[0].future is not None:
                        wait([shares[0].future], _LOOK_SECONDS)
                    self._poll()
            except Overtaken:
                continue

    def _asked(self, start: int, end: int) -> Future[Answer] | None:
        try:
            return self._crew.ask(start, end)
        except (BrokenExecutor, RuntimeError):
            return None  # they are lost: it is done here

    def _at_work(self) -> int:
        return sum(share.future is not None and not share.future.done() for share in self._shares)

    def _is_free(self, share: _Share[Answer]) -> bool:
        """Whether nobody looks through it: a helper that has not begun leaves it to us."""
        if share.ready():
            return False
        if share.future is None or share.future.cancel():
            share.future = None
            return True
        return False
