"""Finding out, while nobody asks anything, what the next questions would have to replay."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from rdbg.checkpoints.cleared import Breakpoint, Sought
from rdbg.checkpoints.hot_pages import HotPages, hot_pages
from rdbg.checkpoints.page_set import PageSet
from rdbg.checkpoints.stored_words import StoredWords
from rdbg.checkpoints.wanted import Wanted
from rdbg.emu.machine_api import Access, Extent, RunRequest, Space, StopKind, Watch
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.navigation.last_hits import LastHits
from rdbg.navigation.replayer import Replayer
from rdbg.navigation.search import Search
from rdbg.navigation.stops import StopConditions, never
from rdbg.quick_dataclass import dataclass

#: Seconds of replay that a question may take: pages that take longer are hot.
_QUICK_SECONDS = 0.03
#: Hot pages of either kind. Each costs every run that looks at them: its accesses are seen one by one.
_MOST_PAGES = 32
#: Seconds of replay in a piece: what is lost when the user asks something meanwhile.
_PIECE_SECONDS = 0.1
#: Slices of the replay that are told of together: a question whose word was stored to there replays them.
_SLICES = 2
#: What was asked for lately and is looked for in all of the run; stops of it in a piece, after which the rest is left.
_MOST_SOUGHT = 4
_MOST_HITS = 8


@dataclass(frozen=True)
class SurveyPiece:
    """A stretch of the run that is to be looked at.

    Args:
        start, end: its positions, the second not included.
        sought: what is to be looked for there; None: which words are stored to.
        pages: whose words are to be told apart.
    """

    start: int
    end: int
    sought: Sought | None = None
    pages: HotPages = HotPages()


@dataclass(frozen=True)
class FoundOut:
    """What came of looking at a piece.

    Args:
        words: which words its stretches store to.
        cleared: what was looked for, and stretches in which it is not.
    """

    words: tuple[StoredWords, ...] = ()
    cleared: tuple[tuple[Sought, int, int], ...] = ()


class PastSurvey:
    """What is to be found out of a run, and the finding.

    Args:
        replayer: the machine on its history.
    """

    def __init__(self, replayer: Replayer) -> None:
        self._replayer = replayer
        self._asked: dict[Sought, None] = {}  # the latest last

    def note(self, conditions: StopConditions) -> None:
        """A debugger asks for these, or is about to: it will do so again. What stands behind watched addresses is in
        them."""
        conditional = [Breakpoint(at, tuple(each)) for at, each in conditions.conditions.items() if each]
        asked: list[Sought] = [*conditional, *conditions.watches]
        for sought in asked:
            self._asked.pop(sought, None)
            self._asked[sought] = None
        while len(self._asked) > _MOST_SOUGHT:
            del self._asked[next(iter(self._asked))]

    def pieces(self) -> list[SurveyPiece]:
        """What is not known yet and would be worth knowing: what was asked for before, then words; latest first. The
        machine stays where it is."""
        return [*self._to_search(), *self._to_tell_apart()]

    def _to_search(self) -> list[SurveyPiece]:
        replayer = self._replayer
        start, pieces = replayer.history.start, []
        length = max(int(replayer.paced.speed * _PIECE_SECONDS), 1)
        for sought in reversed(self._asked):
            conditions = _conditions(sought)
            reach = replayer.machine.architecture.step_reach
            wanted = Wanted(conditions.breakpoints, conditions.watches, reach, conditions.conditions)
            high = replayer.history.end
            while high > start:
                possible = replayer.keeper.index.latest_possible(start, high, wanted)
                if possible is None:
                    break
                low = max(start, replayer.states.latest(max(start, min(possible - length, possible - 1))).position)
                pieces.append(SurveyPiece(low, possible, sought))
                high = low
        return pieces

    def _to_tell_apart(self) -> list[SurveyPiece]:
        replayer = self._replayer
        index = replayer.keeper.index
        start, end = replayer.history.start, replayer.history.end
        least = int(replayer.paced.speed * _QUICK_SECONDS)
        intervals = [each for each in index if each.start < end]
        segments = replayer.machine.architecture.segments
        pages = hot_pages(intervals, least, _MOST_PAGES, segments)
        latest = next(reversed(list(index.words)), None)
        if latest is not None and latest.knows(*hot_pages(intervals, 2 * least, _MOST_PAGES // 2, segments)):
            # What is a little hotter or colder than it was is no reason to look at all of the run again.
            pages = HotPages(latest.virtual_pages, latest.memory_pages)
        if pages.empty:
            return []
        unknown: list[tuple[int, int]] = []
        for each in intervals:
            if not pages.written_in(each):
                continue
            for low, high in index.words.unknown(each.start, min(each.end, end), pages.virtual, pages.memory):
                if unknown and unknown[-1][1] == low:
                    unknown[-1] = (unknown[-1][0], high)
                else:
                    unknown.append((low, high))
        length = max(int(replayer.paced.speed * _PIECE_SECONDS), 1)
        pieces = []
        for low, high in unknown:
            borders = {max(low, start), high}
            for near in range(low + length, high, length):
                border = replayer.states.latest(near).position  # where a state is to begin from
                if low < border < high:
                    borders.add(border)
            pieces += [SurveyPiece(one, other, pages=pages) for one, other in pairwise(sorted(borders))]
        return pieces[::-1]

    def look(self, piece: SurveyPiece) -> FoundOut:
        """Find it out. The machine stands anywhere afterwards: this is for a copy of the process."""
        if piece.sought is not None:
            return FoundOut(cleared=tuple(self._look_for(piece.sought, piece)))
        return FoundOut(words=tuple(self._tell_apart(piece)))

    def _look_for(self, sought: Sought, piece: SurveyPiece) -> Iterator[tuple[Sought, int, int]]:
        search = Search(self._replayer, _conditions(sought), never)
        high = piece.end
        for _ in range(_MOST_HITS):
            found = search.latest_before(high, piece.start)
            low = piece.start if found is None else found.position
            if isinstance(sought, Breakpoint) and found is not None:
                low += 1  # it stops there
            if low < high:
                yield sought, low, high
            if found is None or found.before >= high:
                return
            high = found.before

    def _tell_apart(self, piece: SurveyPiece) -> list[StoredWords]:
        replayer, machine = self._replayer, self._replayer.machine
        virtual, memory = piece.pages.virtual.pages(), piece.pages.memory.pages()
        watches = (
            *(Watch(page * PAGE_SIZE, PAGE_SIZE, Access.WRITE) for page in virtual),
            *(Watch(0, PAGE_SIZE, Access.WRITE, (_extent(page),)) for page in memory),
        )
        replayer.states.restore(replayer.states.latest(piece.start))
        replayer.run_to(piece.start, never, rungs=False)
        found: list[StoredWords] = []
        machine.mark_words(virtual, memory)
        try:
            at = machine.icount
            while at < piece.end:
                until = min(at + _SLICES * replayer.paced.slice, piece.end)
                request = RunRequest(until=until, slice=replayer.paced.slice, watches=watches, last_hit=True)
                hits = LastHits(at)
                kind = StopKind.PAUSED
                while machine.icount < until and kind is StopKind.PAUSED:
                    kind = replayer.advance(request, hits).kind
                here = machine.icount
                if here > at:
                    marked = machine.take_marked_words()
                    words = PageSet.of(marked.virtual), PageSet.of(marked.memory)
                    found.append(StoredWords(at, here, piece.pages.virtual, piece.pages.memory, *words))
                if kind not in (StopKind.PAUSED, StopKind.LIMIT) or here == at:
                    break  # the end of the run, or of the last step that ends before the piece does
                at = here
                replayer.states.checkpoint_regularly()
        finally:
            machine.mark_words((), ())
        return found

    def learn(self, found: FoundOut) -> None:
        """Keep what a copy of the process has found out."""
        index = self._replayer.keeper.index
        for each in found.words:
            index.words.note(each)
        for sought, start, end in found.cleared:
            index.cleared.note((sought,), start, end)


def _conditions(sought: Sought) -> StopConditions:
    if isinstance(sought, Watch):
        return StopConditions(watches=(sought,))
    return StopConditions(frozenset({sought.address}), conditions={sought.address: sought.condition})


def _extent(page: int) -> Extent:
    return Extent(Space.MEMORY, page * PAGE_SIZE, PAGE_SIZE, 0)
