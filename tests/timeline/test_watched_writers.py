"""Watchpoints on memory that devices write: by DMA in a store, at a timer's time and while the CPU waits, by a flash
chip and by a reset. Forward and backward they stop where a run of single steps has the writes."""

from __future__ import annotations

import copy
import random
import struct

import pytest

from rdbg.emu import core_host
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine_api import Access, Space, Watch, Writer
from rdbg.emu.spec import Semihosting
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason
from rdbg.timeline import Timeline
from tests.emu.dma_device import DMA_BASE, TWICE, dma_machine
from tests.emu.guests import CODE, NOP, WAIT, addiu, beq, i_type, lw, machine_with, mtc0, sw
from tests.timeline.test_writers import (
    DMA,
    FLASH_BASE,
    FPGA,
    KSEG1,
    LOST,
    MAPPED,
    RESET,
    TEMP,
    TLBWI,
    VALUE,
    Oracle,
    guest,
    li,
    spec,
)

BUFFER = 0x00200000
IRQ_ENABLED = 0x0801  # Status: IM3 and IE
HANDLER = 0x80000180


def words(*parts: int) -> bytes:
    return struct.pack(f"<{len(parts)}I", *parts)


def dma(where: int, length: int, delay: int) -> list[int]:
    ready = [*li(TEMP, where), sw(TEMP, 0, DMA), sw(VALUE, 4, DMA), addiu(TEMP, 0, length), sw(TEMP, 8, DMA)]
    return [*ready, *li(TEMP, delay), sw(TEMP, 12, DMA), addiu(VALUE, VALUE, 3)]


def run_for(timeline: Timeline, instructions: int) -> None:
    end = timeline.position + instructions
    while timeline.position < end:
        timeline.run(StopConditions(), lambda: True)


def by_watches(timeline: Timeline, oracle: Oracle, address: int, length: int, most: int = 20) -> int:
    """Compare all stops of one watch, forward and backward; gives how many there were."""
    watch = StopConditions(watches=(Watch(address, length, Access.WRITE),))
    (extent,) = timeline.machine.storage(address, length)
    hits = sorted(
        {
            write.after
            for space, first, write in oracle.writes
            if space is Space.MEMORY
            and write.writer is not Writer.DEBUGGER
            and first < extent.address + length
            and extent.address < first + len(write.new)
            and write.after in oracle.led_from
        }
    )
    end = timeline.end
    timeline.goto(timeline.start)
    for after in hits[:most]:
        stop = timeline.run(watch, lambda: False)
        assert (stop.reason, stop.position) == (StopReason.WATCHPOINT, oracle.led_from[after])
        stop = timeline.step(watch)  # with the watchpoint still inserted it is told again, and not made
        assert (stop.reason, stop.position) == (StopReason.WATCHPOINT, oracle.led_from[after])
        timeline.step()
        assert timeline.position == after
    timeline.goto(end)
    for after in hits[::-1][:most]:
        stop = timeline.reverse_run(watch, lambda: False)
        assert (stop.reason, stop.position) == (StopReason.WATCHPOINT, after)
        stop = timeline.reverse_step(lambda: False, watch)
        assert (stop.reason, stop.position) == (StopReason.WATCHPOINT, after)
        timeline.goto(oracle.led_from[after])
    if len(hits) <= most:
        assert timeline.reverse_run(watch, lambda: False).reason is StopReason.HISTORY_START
    return len(hits)


@pytest.mark.parametrize("seed", [1, 2])
def test_generated_guests_stop_at_every_write_by_anybody(seed: int) -> None:
    dice = random.Random(seed)
    code = guest(dice)
    history = History.live_run()
    pace = dice.choice([Pace(slice=1000), Pace(spacing=700, slice=300, rung=50), Pace(slice=100)])
    timeline = Timeline(dma_machine(spec(code), history), history, sleep=False, pace=pace)
    run_for(timeline, 2500)
    oracle = Oracle(code, copy.copy(history), timeline.end)
    timeline.close()
    assert by_watches(timeline, oracle, 0xA0000000 | LOST + 16, 4)
    assert by_watches(timeline, oracle, 0x80000000 | LOST, 64)


def timed_guest(waits: bool, period: int) -> bytes:
    """A timer's DMA, two writes at one moment, again and again, under a loop or a wait; each raises an interrupt."""
    handler = [*li(26, 0xA0000000 | DMA_BASE), sw(0, 20, 26), 0x42000018]
    start = [*li(DMA, 0xA0000000 | DMA_BASE), addiu(TEMP, 0, 0), mtc0(TEMP, 12)]
    place, ready = [*li(KSEG1, HANDLER)], []
    for number, word in enumerate(handler):
        ready += [*li(TEMP, word), sw(TEMP, 4 * number, KSEG1)]
    begin = [*li(TEMP, period), sw(TEMP, 24, DMA), *dma(BUFFER + 0xFFC, 8, TWICE | 600)]
    enable = [addiu(TEMP, 0, IRQ_ENABLED), mtc0(TEMP, 12)]
    loop = [WAIT if waits else addiu(VALUE, VALUE, 1), beq(0, 0, -2), NOP]
    return words(*start, *place, *ready, *begin, *enable, *loop)


@pytest.mark.parametrize("waits", [False, True])
def test_a_timers_dma_stops_where_it_happens_and_all_at_that_moment_are_named(waits: bool) -> None:
    code, history = timed_guest(waits, 1500), History.live_run()
    timeline = Timeline(dma_machine(spec(code), history), history, sleep=False, pace=Pace(slice=100))
    run_for(timeline, 600)
    oracle = Oracle(code, copy.copy(history), timeline.end)
    timeline.close()
    watched = 0x80000000 | BUFFER + 0x1000
    assert by_watches(timeline, oracle, watched, 4) > 5
    timeline.goto(timeline.end)
    stop = timeline.reverse_run(StopConditions(watches=(Watch(watched, 4, Access.WRITE),)), lambda: False)
    assert stop.watch is not None and stop.watch.by == ("copier DMA", "copier DMA, again")
    latest = timeline.past.last_writes(watched, 4, 2)
    assert [(each.write.by, each.write.after) for each in latest] == [
        ("copier DMA, again", stop.position),
        ("copier DMA", stop.position),
    ]


def test_a_packet_that_comes_while_the_cpu_waits_at_the_live_end_stops_the_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was looked for in vain there before is looked for again."""
    monkeypatch.setattr(core_host, "_MOST_IDLE_EVENTS", 100)  # of a timer that does not wake the CPU
    start = [*li(DMA, 0xA0000000 | DMA_BASE), *li(TEMP, BUFFER), sw(TEMP, 0, DMA)]
    enable = [addiu(TEMP, 0, IRQ_ENABLED), mtc0(TEMP, 12)]
    code = words(*start, *li(KSEG1, 0x80000000 | BUFFER), sw(DMA, 0, KSEG1), *enable, WAIT, NOP, beq(0, 0, -3), NOP)
    queue = LiveQueue(lambda endpoint: 16)
    history = History.live_run(queue)
    timeline = Timeline(dma_machine(spec(code), history), history, sleep=True, wait=lambda seconds: None)
    watch = StopConditions(watches=(Watch(0x80000000 | BUFFER, 4, Access.WRITE),))

    def run(conditions: StopConditions) -> StopReason:
        polls = iter(range(4))
        return timeline.run(conditions, lambda: next(polls, None) is None).reason

    run(StopConditions())
    idle = timeline.position
    stored = timeline.reverse_run(watch, lambda: False).position
    assert stored < idle
    timeline.goto(timeline.end)
    queue.put(InputEvent(0, InputKind.PACKET, 0, data=b"packet"))
    assert run(watch) is StopReason.WATCHPOINT
    assert timeline.position == idle - 1
    timeline.step()
    assert timeline.position == idle and timeline.machine.read_memory(0x80000000 | BUFFER, 6) == b"packet"
    for _ in range(2):
        timeline.goto(timeline.end)
        stop = timeline.reverse_run(watch, lambda: False)
        assert (stop.position, stop.watch and stop.watch.by) == (idle, ("copier DMA, packet 1",))
        timeline.goto(idle - 1)
        assert timeline.reverse_run(watch, lambda: False).position == stored
        timeline.goto(timeline.end)
        (latest,) = timeline.past.last_writes(0x80000000 | BUFFER, 4)
        assert (latest.write.by, latest.write.after) == ("copier DMA, packet 1", idle)


@pytest.mark.parametrize("delay", [0, *range(96, 672, 32)])
@pytest.mark.parametrize("offset", [0, 24])
def test_code_that_dma_overwrites_runs_as_it_is_then(delay: int, offset: int) -> None:
    """The loop's instruction is translated by then; it may be in the very block that the write comes in."""
    target = CODE + 4 * 40 + offset
    change = addiu(23, 23, 100)
    start = [*li(DMA, 0xA0000000 | DMA_BASE), *li(VALUE, change), addiu(24, 0, 0)]
    begin = dma(target & 0x1FFFFFFF, 4, delay)[:-1]
    fill = [NOP] * (40 - len(start) - 1)
    body = [addiu(23, 23, 1)] * 7
    again = [addiu(24, 24, 1), i_type(0x0A, 24, 25, 20), i_type(0x05, 25, 0, -10), NOP]
    loop = [*body, *again, *begin, beq(0, 0, -22), NOP]
    code, history = words(*start, *fill, NOP, *loop), History.live_run()
    timeline = Timeline(dma_machine(spec(code), history), history, sleep=False, pace=Pace(slice=200))
    run_for(timeline, 1000)
    slow = dma_machine(spec(code))
    while slow.icount < 900:
        slow.step()
        if slow.icount % 50 == 0 or slow.icount > 880:
            timeline.goto(slow.icount)
            assert timeline.machine.read_register(23) == slow.read_register(23)
            assert timeline.machine.digest() == slow.digest()
    assert slow.read_register(23) > 400


def test_flash_and_reset_stop_a_watch_too() -> None:
    erase = [addiu(TEMP, 0, 0x20), sw(TEMP, 0x100, FLASH_BASE), addiu(TEMP, 0, 0xD0), sw(TEMP, 0x100, FLASH_BASE)]
    program = [addiu(TEMP, 0, 0x40), sw(TEMP, 0, FLASH_BASE), sw(VALUE, 0, FLASH_BASE)]
    done = [addiu(TEMP, 0, 0xFF), sw(TEMP, 0, FLASH_BASE)]
    dirty = [*li(KSEG1, 0xA0000000 | LOST), sw(VALUE, 8, KSEG1)]
    reset = [*li(FPGA, RESET & 0xFFFF0000), addiu(TEMP, 0, 0x42), sw(TEMP, RESET & 0xFFFF, FPGA)]
    body = [*program, *erase, *done, *dirty, *reset, NOP, NOP]
    code = words(*li(FLASH_BASE, 0xBE080000), addiu(VALUE, VALUE, 0x11), *body, lw(TEMP, 0, KSEG1), beq(0, 0, -1), NOP)
    history = History.live_run()
    timeline = Timeline(dma_machine(spec(code), history), history, sleep=False, pace=Pace(slice=50))
    run_for(timeline, 200)
    oracle = Oracle(code, copy.copy(history), timeline.end)
    timeline.close()
    assert by_watches(timeline, oracle, 0xA0000008 | LOST, 4) > 2
    # A flash chip's words change with another's command: commands by its own address are told, too.
    erased = [w for s, first, w in oracle.writes if w.by == "device flash" and len(w.new) > 4][-1]
    timeline.goto(timeline.end)
    stop = timeline.reverse_run(StopConditions(watches=(Watch(0xBE080200, 4, Access.WRITE),)), lambda: False)
    assert (stop.reason, stop.position) == (StopReason.WATCHPOINT, erased.after)
    assert [each.write.by for each in timeline.past.last_writes(0xBE080200, 4, 1)] == ["device flash"]


@pytest.mark.parametrize("address", [0x80000000 | BUFFER, MAPPED])
def test_what_the_host_answers_stops_a_watch_and_is_told_by_its_name(address: int) -> None:
    """By an address that the TLB translates, too: that is the one by which the host was told to write."""
    entry = (BUFFER >> 12) << 6 | 7
    maps = [mtc0(0, 5), mtc0(0, 0), *li(TEMP, MAPPED), mtc0(TEMP, 10), *li(TEMP, entry), mtc0(TEMP, 2), mtc0(0, 3)]
    call = [addiu(4, 0, 0), *li(5, address), addiu(25, 0, 11), 0x7000007F]  # the first argument, to there
    code = [*maps, TLBWI, *call, NOP, beq(0, 0, -1), NOP]
    machine = machine_with(code, semihosting=Semihosting(("hello",)))
    timeline = Timeline(machine, History.live_run(), sleep=False, pace=Pace(slice=20))
    called = len(code) - 4
    watch = StopConditions(watches=(Watch(address, 4, Access.WRITE),))
    stop = timeline.run(watch, lambda: timeline.position > 100)
    assert (stop.reason, stop.position) == (StopReason.WATCHPOINT, called)
    assert stop.watch is not None and stop.watch.by == ("the host",)
    timeline.step()
    assert timeline.machine.read_memory(address, 6) == b"hello\0"
    run_for(timeline, 100)
    stop = timeline.reverse_run(watch, lambda: False)
    assert (stop.reason, stop.position) == (StopReason.WATCHPOINT, called + 1)
    (write,) = [each.write for each in timeline.past.last_writes(address, 6, 5)]
    assert (write.writer, write.by, write.before, write.new) == (Writer.HOST, "the host", called, b"hello\0")
