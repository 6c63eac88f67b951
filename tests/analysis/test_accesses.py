"""RangeAccesses to memory, against single steps that look at each instruction before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from unittest import mock

import pytest

from rdbg.analysis.asking import ask
from rdbg.analysis.counting import count_rows
from rdbg.analysis.in_one_process import InOneProcess
from rdbg.analysis.memory_accesses import CPU, RangeAccess, RangeAccesses
from rdbg.analysis.question import Piece
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.machine_api import Access, Space, Watch
from rdbg.history.history import History
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason, never
from rdbg.timeline import Timeline
from tests.emu.dma_device import with_dma_device
from tests.emu.guests import NOP, beq, i_type, lui, lw, machine_with, mtc0, sw
from tests.timeline.generated_guest import CODE, DATA, MAPPED
from tests.timeline.positions import Trial


@dataclass(frozen=True)
class Seen:
    """An access to a range as single steps show it: first byte in the range, and these bytes before and after."""

    icount: int
    access: str
    address: int
    before: bytes
    after: bytes


def seen_in_steps(timeline: Timeline, watch: Watch) -> list[Seen]:
    """All that instructions access, one step at a time."""
    timeline.goto(timeline.start)
    machine = timeline.machine
    found: list[Seen] = []
    while timeline.position < timeline.end:
        hit = machine.watched_access((watch,))
        here = timeline.position
        before = b"" if hit is None else machine.read_memory(hit.address, 1)
        timeline.step()
        if hit is not None:
            after = machine.read_memory(hit.address, 1)
            found.append(Seen(here, hit.access.value, hit.address, before, after))
    return found


def in_range(row: RangeAccess, watch: Watch, order: Literal["big", "little"]) -> Seen:
    """A row as `seen_in_steps` has it."""
    address = max(row.address, watch.address)
    assert row.value is not None and row.address < watch.address + watch.length
    value = row.value.to_bytes(row.size, order)
    before = value if row.before is None else row.before.to_bytes(row.size, order)
    at = address - row.address
    return Seen(row.icount, row.access, address, before[at : at + 1], value[at : at + 1])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("often", [False, True])
def test_accesses_are_those_of_single_steps(seed: int, often: bool) -> None:
    trial = Trial(seed, length=1500, often=often)
    timeline = trial.timeline
    machine = timeline.machine
    order: Literal["big", "little"] = "big" if machine.big_endian else "little"
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    whole = Piece(timeline.start, timeline.end)
    found = 0
    for first, length in ((DATA, 4096), (DATA + 8, 3), (CODE, 4096), (MAPPED, 8192), (MAPPED + 2, 2), (DATA + 20, 1)):
        for access in (Access.ACCESS, Access.READ, Access.WRITE):
            watch = machine.resolved(Watch(first, length, access))
            expected = seen_in_steps(timeline, Watch(first, length, access))
            timeline.goto(trial.dice.randrange(timeline.start, timeline.end))
            stood = timeline.position
            question = RangeAccesses(first, length, access)
            rows = [row for row in ask(question, pool, whole) if isinstance(row, RangeAccess)]
            assert timeline.position == stood
            mine = [in_range(row, watch, order) for row in rows if row.by == CPU and by_name(row, watch)]
            assert mine == expected, f"{first:#x} {length} {access}"
            halves = Piece(timeline.start, stood), Piece(stood, timeline.end)
            assert rows == [row for half in halves for row in ask(question, pool, half)]
            assert sum(count_rows(question, pool, halves[1], False)) == sum(row.icount >= stood for row in rows)
            assert rows[::-1] == list(ask(question, pool, whole, newest_first=True))
            for row in rows[-3:]:  # also where the icount behind it is in its step
                assert row in list(ask(question, pool, Piece(max(timeline.start, row.icount - 5), row.icount + 1)))
            found += len(mine)
    assert found > 20


def by_name(row: RangeAccess, watch: Watch) -> bool:
    """Whether it was made by the addresses that were asked for, and not by others of the same memory."""
    return not any(extent.space is Space.DEVICE for extent in watch.storage) and (
        row.address < watch.address + watch.length and watch.address < row.address + row.size
    )


#: Registers of the copier, where it is mapped, and the page that it writes to.
COPIER, PAGE = 0xBB000000, 0x00200000
ENTRY = (PAGE >> 12) << 6 | 7  # EntryLo: valid, writable, global


def copier_guest() -> list[int]:
    """Maps 0x00400000 to PAGE, has the copier write there at once and by its timer, maps it away in between, has it
    read there, and loads what is there by both addresses."""

    def put(register: int, value: int) -> list[int]:
        return [lui(8, value >> 16), i_type(0x0D, 8, 8, value & 0xFFFF), sw(8, register, 16)]

    def entry(low: int) -> list[int]:
        return [lui(9, 0x0040), mtc0(9, 10), lui(9, low >> 16), i_type(0x0D, 9, 9, low & 0xFFFF),
                mtc0(9, 2), mtc0(9, 3), mtc0(0, 0), 0x000000C0, 0x42000002, 0x000000C0]  # fmt: skip

    return [
        lui(16, COPIER >> 16), lui(17, 0x0040), lui(18, 0x8020), mtc0(0, 5), *entry(ENTRY),
        *put(0, PAGE + 0x10), *put(4, 0x11), *put(8, 4), *put(12, 0),   # at once, mapped
        lw(10, 0x10, 17), lw(10, 0x10, 18),
        *put(4, 0x22), *put(12, 8 * 60), *[NOP] * 80,                   # by its timer
        lw(10, 16, 16),                                                 # writes once more, and reads
        *entry(ENTRY + (1 << 6)), *put(4, 0x33), *put(12, 0),           # mapped to the next page
        i_type(0x28, 17, 8, 0x12), *entry(ENTRY), i_type(0x28, 17, 8, 0x12),
        beq(0, 0, -1), NOP,
    ]  # fmt: skip


def test_dma_behind_a_mapped_address_is_seen_while_it_is_mapped() -> None:
    with mock.patch("rdbg.emu.machine.build_board", with_dma_device):
        machine = machine_with(copier_guest(), [], False, CODE, 0)
    timeline = Timeline(machine, History.live_run(), sleep=False, pace=Pace(slice=50, spacing=100, rung=10))
    timeline.run(StopConditions(), lambda: timeline.position >= 400)
    timeline.live_end.write_memory(0x80200010, b"\x44")
    pool = InOneProcess(lambda: ReplayedRun(timeline))

    def rows(address: int, access: Access = Access.ACCESS) -> list[tuple[str, int | None, int | None, str]]:
        asked = ask(RangeAccesses(address, 4, access), pool, Piece(timeline.start, timeline.end))
        made = [row for row in asked if isinstance(row, RangeAccess)]
        assert all(row.pc is None for row in made if row.value == 0x22 and row.before == 0x11)
        return [(row.access, row.before, row.value, row.by) for row in made]

    before_remapping = [
        ("write", 0, 0x11, "copier DMA"),
        ("read", None, 0x11, CPU),
        ("write", 0x11, 0x22, "copier DMA"),
        ("write", 0x22, 0x22, "copier DMA, on a load"),
        ("read", None, 0x22, "copier DMA"),
    ]
    last = [("write", 0, 0, CPU), ("write", 0x33, 0x44, "the debugger")]
    mapped = rows(0x00400010)
    away = mapped.pop(5)
    assert away[0::3] == ("write", CPU) and mapped == [*before_remapping, *last]
    both = rows(0x80200010)
    assert both == [
        *before_remapping[:2], before_remapping[1], *before_remapping[2:], ("write", 0x22, 0x33, "copier DMA"), *last
    ]  # fmt: skip
    assert rows(0x00400010, Access.READ) == [each for each in mapped if each[0] == "read"]


@pytest.mark.parametrize("address", [0x00400010, 0x80200010, 0xA0200010])
@pytest.mark.parametrize("access", Access)
def test_watchpoints_stop_at_what_devices_access_both_ways(address: int, access: Access) -> None:
    with mock.patch("rdbg.emu.machine.build_board", with_dma_device):
        machine = machine_with(copier_guest(), [], False, CODE, 0)
    timeline = Timeline(machine, History.live_run(), sleep=False, pace=Pace(slice=50, spacing=60, rung=10))
    timeline.run(StopConditions(), lambda: timeline.position >= 400)
    watch = machine.resolved(Watch(address, 4, access))
    conditions = StopConditions(watches=(watch,))
    pool = InOneProcess(lambda: ReplayedRun(timeline))
    rows = [
        row
        for row in ask(RangeAccesses(address, 4, access), pool, Piece(timeline.start, timeline.end))
        if isinstance(row, RangeAccess)
        # An instruction's reads count by the address that is watched.
        and (row.by != CPU or row.access == "write" or row.address == address)
    ]
    expected = sorted({row.icount if row.pc is None else row.icount + 1 for row in rows})
    assert any(row.by != CPU for row in rows)
    timeline.goto(timeline.start)
    forward: list[int] = []
    names: set[str] = set()
    while len(forward) <= len(expected):
        stop = timeline.run(conditions, lambda: timeline.position >= 400)
        if stop.reason is not StopReason.WATCHPOINT or stop.watch is None:
            break
        names.update(stop.watch.by)
        timeline.step()
        forward.append(timeline.position)
    assert forward == expected
    assert names == {row.by for row in rows if row.by != CPU and row.value != row.before and row.access == "write"} | {
        row.by for row in rows if row.by != CPU and access is Access.READ
    }
    timeline.goto(timeline.end)
    backward: list[int] = []
    while (stop := timeline.reverse_run(conditions, never)).reason is StopReason.WATCHPOINT:
        backward.append(stop.position)
        assert len(backward) <= len(expected)
        timeline.goto(stop.position - 1)
    assert backward == expected[::-1]
