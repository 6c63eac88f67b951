"""Accesses that searches have come across."""

from __future__ import annotations

from rdbg.checkpoints.accesses import Accesses, Stretch, WatchedAccess
from rdbg.emu.machine_api import Access, Block, Watch, WatchHit

WATCH = Watch(0x80100000, 4, Access.WRITE)
OTHER = Watch(0x80100004, 4, Access.WRITE)
BLOCKS = [Block(start, start + 8) for start in range(0, 1000, 10)]


def accesses_in(blocks: list[Block]) -> list[WatchedAccess]:
    """One in each, made by its third instruction."""
    return [WatchedAccess(block.start + 2, block.start + 3, WatchHit(WATCH, 0, Access.WRITE)) for block in blocks]


def test_they_come_latest_first_and_each_once() -> None:
    stretch = Stretch(0, 1000, BLOCKS)
    position, found, taken = 1000, [], []
    while True:
        access = stretch.latest(position)
        if access is None:
            blocks = stretch.take_blocks(position)
            if not blocks:
                break
            taken.append(len(blocks))
            stretch.know(accesses_in(blocks))
            continue
        found.append(access.after)
        position = access.before
    assert found == [block.start + 3 for block in reversed(BLOCKS)]
    assert taken[0] == 1 and max(taken) > 10, "who goes on asking is answered from more at once"


def test_blocks_behind_the_place_asked_about_are_not_looked_through() -> None:
    stretch = Stretch(0, 1000, BLOCKS)
    assert stretch.take_blocks(505) == [Block(500, 508)]
    assert stretch.end == 505


def test_blocks_that_were_not_looked_through_come_again() -> None:
    stretch = Stretch(0, 1000, BLOCKS)
    blocks = stretch.take_blocks(1000)
    stretch.put_back(blocks)
    assert stretch.take_blocks(1000)[-1] == blocks[-1]


def test_a_stretch_is_for_just_its_watches_and_its_run() -> None:
    known = Accesses()
    stretch = Stretch(100, 200, [])
    known.note((WATCH,), stretch)
    assert known.around((WATCH,), 200) is stretch and known.around((WATCH,), 101) is stretch
    assert known.around((WATCH,), 100) is None and known.around((WATCH,), 201) is None
    assert known.around((OTHER,), 150) is None and known.around((WATCH, OTHER), 150) is None
    known.forget_after(200)
    assert known.around((WATCH,), 150) is stretch
    known.forget_after(199)
    assert known.around((WATCH,), 150) is None


def test_the_oldest_are_forgotten() -> None:
    known = Accesses()
    for start in range(0, 1000, 100):
        known.note((WATCH,), Stretch(start, start + 100, []))
    assert known.around((WATCH,), 50) is None and known.around((WATCH,), 950) is not None
