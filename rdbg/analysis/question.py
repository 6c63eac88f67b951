"""What a question to a stretch of a run is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Protocol, TypeVar

from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.host.progress import Progress
from rdbg.quick_dataclass import dataclass

#: Instructions before a piece that questions may look at first, to see how its beginning was come to.
LEAD = 1 << 20

#: What a piece gives; it can be pickled.
Part = TypeVar("Part")
Given = TypeVar("Given", covariant=True)


@dataclass(frozen=True)
class Piece:
    """A stretch of a run.

    Args:
        start: icount of its first position.
        end: icount of the first position behind it.
    """

    start: int
    end: int


class PieceQuestion(Protocol[Given]):
    """A question to pieces: a frozen dataclass that can be pickled, so that any process can answer some of them."""

    #: Whether what begins in a piece may end far behind it (a call that returns late): it is asked as one piece.
    reaches_behind: ClassVar[bool]

    def of_piece(self, run: ReplayedRun, piece: Piece, newest_first: bool) -> Iterator[Given]:
        """What a piece has to say to it.

        Args:
            run: the run, standing anywhere; what happens at positions of the piece counts, and no other. To see how
                something ends that began there, it may go on behind the piece.
            piece: the stretch.
            newest_first: the order of what is given; else oldest first.

        Raises:
            QuestionInterrupted: the user asked to stop; what was found until then has been given.
        """
        ...


class PiecePool(Protocol):
    """Who answers pieces of questions: this process, several, or several computers."""

    @property
    def run(self) -> ReplayedRun:
        """The run, in this process."""
        ...

    def split(self, stretch: Piece, newest_first: bool) -> Sequence[Piece]:
        """The pieces into which it divides a stretch, in the order asked for."""
        ...

    def answers(self, question: PieceQuestion[Part], pieces: Sequence[Piece], newest_first: bool) -> Iterator[Part]:
        """What all pieces have to say, in their order. To close the iterator cancels the rest.

        Raises:
            QuestionInterrupted: the user asked to stop; what was found until then has been given.
            ConditionFailed: its condition could not be evaluated at some places; all else has been given.
        """
        ...


#: Gives who answers a question, of what is polled (True ends it) and of what is told how far it has come.
MakePool = Callable[[Callable[[], bool], Progress], PiecePool]
