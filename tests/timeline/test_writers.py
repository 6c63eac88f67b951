"""Who wrote this, on generated guests: by every address, by a flash chip, by DMA at once and later, by a reset and by
the debugger, against a run of single steps in which every store is worked out by hand.

``python -m tests.timeline.test_writers`` tries more of them.
"""

from __future__ import annotations

import copy
import itertools
import random
import struct
from dataclasses import replace

import pytest

from rdbg.emu.device import Device
from rdbg.emu.dma_name import Detail, DmaName, dma_name
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Extent, RunRequest, Space, Write, Writer
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions
from rdbg.navigation.writes import Order
from rdbg.timeline import Timeline
from tests.emu.dma_device import DMA_BASE, TWICE, dma_machine
from tests.emu.guests import CODE, NOP, WAIT, addiu, beq, i_type, lui, lw, mtc0, sw
from tests.emu.images import elf
from tests.timeline.guest_after_guest import try_guests

LOST, KEPT = 0x000FF000, 0x00300000  # pages in RAM: the first is loaded again by a reset
MAPPED = 0x00400000
FLASH = 0xBE080000
RESET, LED = 0xBF000500, 0xBF000408
KSEG0, KSEG1, TLB, FLASH_BASE, FPGA, COUNTER, VALUE, ENTRY, TEMP, MOVING, DMA = 16, 17, 18, 19, 20, 21, 8, 22, 9, 23, 12
TLBWI = 0x42000002
SB, SH, SWL, SWR, LL, SC = 0x28, 0x29, 0x2A, 0x2E, 0x30, 0x38
SIZES = {SB: 1, SH: 2, 0x2B: 4, SC: 4}
FLASHES = 5
RESETS = 2
TURNS = 25  #: of the loop, between two resets


def li(register: int, value: int) -> list[int]:
    return [lui(register, value >> 16), i_type(0x0D, register, register, value & 0xFFFF)]


def guest(dice: random.Random) -> bytes:
    """A loop of stores by all ways; its count, in memory that no reset changes, says when it resets the machine."""

    def store(base: int, offsets: range) -> list[int]:
        op = dice.choice([0x2B, 0x2B, SB, SH, SWL, SWR])
        offset = dice.choice(offsets) & -SIZES.get(op, 1)
        return [i_type(op, base, VALUE, offset)]

    def data() -> list[int]:
        base = dice.choice([KSEG0, KSEG1, TLB])
        return store(base, range(0, 64) if base != TLB or dice.random() < 0.5 else range(0x1000, 0x1040))

    def piece(kind: int) -> list[int]:
        if kind == 0:
            return [i_type(0x0E, ENTRY, ENTRY, 0x40 ^ 0x80), mtc0(ENTRY, 2), TLBWI]  # the mapping goes elsewhere
        if kind == 1:
            return [beq(0, 0, 1), *data()]
        if kind == 2:
            return [beq(0, VALUE, 2), *data(), *data()]
        if kind == 3:
            link, change = i_type(LL, KSEG0, TEMP, 16), addiu(TEMP, VALUE, 1)
            between = dice.choice([[], [], [sw(VALUE, 16, KSEG0)], [sw(VALUE, 16, KSEG1)]])  # a sc that fails
            return [*dice.choice([[link], [link], []]), *between, change, i_type(SC, KSEG0, TEMP, 16)]
        if kind == 4:
            return [sw(VALUE, 0, MOVING), addiu(MOVING, MOVING, 4), i_type(0x0C, MOVING, TEMP, 63)]
        if kind == FLASHES:  # program a word, or erase the block
            word = 4 * dice.randrange(16)
            command = [0x40, None] if dice.random() < 0.7 else [0x20, 0xD0]
            second = [] if command[1] is None else [addiu(TEMP, 0, command[1])]
            register = VALUE if command[1] is None else TEMP
            ready = [addiu(TEMP, 0, command[0] or 0), sw(TEMP, word, FLASH_BASE), *second]
            return [*ready, sw(register, word, FLASH_BASE), addiu(TEMP, 0, 0xFF), sw(TEMP, 0, FLASH_BASE)]
        if kind == 6:
            return [i_type(SB, FPGA, VALUE, LED & 0xFFFF)]
        if kind in (8, 9):
            physical = dice.choice([LOST, LOST, LOST + 0x80000000, LOST + 0xFC0, KEPT, 0x1E080000, 0x40000000])
            where, length = physical + dice.randrange(64), dice.choice([1, 3, 4, 16, 100])
            return start_dma(where, length, dice.choice([0, 0, 40, 320, 3000, TWICE, TWICE | 500]))
        if kind == 7:
            return [lw(TEMP, 4 * dice.randrange(16), dice.choice([KSEG0, KSEG1])), NOP]
        return data()

    def start_dma(where: int, length: int, delay: int) -> list[int]:
        ready = [*li(TEMP, where), sw(TEMP, 0, DMA), sw(VALUE, 4, DMA), addiu(TEMP, 0, length), sw(TEMP, 8, DMA)]
        return [*ready, *li(TEMP, delay), sw(TEMP, 12, DMA)]

    lo = (LOST >> 12) << 6 | 7
    start = [
        *li(KSEG0, 0x80000000 | LOST),
        *li(KSEG1, 0xA0000000 | LOST),
        *li(TLB, MAPPED),
        *li(FLASH_BASE, FLASH),
        *li(FPGA, RESET & 0xFFFF0000),
        *li(DMA, 0xA0000000 | DMA_BASE),
        *li(COUNTER, 0x80000800 | KEPT),
        *li(MOVING, 0xA0000000 | LOST),
        mtc0(0, 5),
        mtc0(0, 0),
        mtc0(TLB, 10),
        *li(ENTRY, lo),
        mtc0(ENTRY, 2),
        *li(TEMP, (KEPT >> 12) << 6 | 7),
        mtc0(TEMP, 3),
        TLBWI,
    ]
    kinds = [FLASHES, 8, 9, *(dice.randrange(12) for _ in range(dice.randint(6, 20)))]
    pieces = list(itertools.chain.from_iterable(piece(kind) for kind in dice.sample(kinds, len(kinds))))
    back = li(MOVING, (0xA0000000 if dice.random() < 0.5 else 0x80000000) | LOST)
    count = [
        lw(TEMP, 0, COUNTER),
        addiu(TEMP, TEMP, 1),
        sw(TEMP, 0, COUNTER),
        addiu(VALUE, VALUE, dice.randrange(9999)),
    ]
    resets = []
    for number in range(1, RESETS + 1):
        resets += [addiu(10, 0, number * TURNS), i_type(0x05, TEMP, 10, 3), NOP, addiu(11, 0, 0x42)]
        resets += [sw(11, RESET & 0xFFFF, FPGA)]
    body = [*pieces, *back, *count, *resets]
    words = [*start, *body, beq(0, 0, -len(body) - 1), NOP]
    return struct.pack(f"<{len(words)}I", *words)


def spec(code: bytes) -> MachineSpec:
    lost = bytes(range(64)) * 64
    image = Image("kernel", "k.elf", elf(CODE - len(lost), lost + code, entry=CODE))
    return MachineSpec("malta", "24Kf", False, 16 << 20, 5, (image,))


class Oracle:
    """Every write of a run, in order: in MEMORY, or in DEVICE."""

    def __init__(self, code: bytes, history: History, end: int) -> None:
        self.writes: list[tuple[Space, int, Write]] = []
        self.led_from: dict[int, int] = {}  # where the step to a position began
        self._step: list[tuple[Space, int, Write]] = []
        self.machine = dma_machine(spec(code))
        self.machine.inputs = history
        history.seek(-1)
        self._watch_others()
        self._moment = 0, 0
        self._poke(history)
        while self.machine.icount < end:
            machine = self.machine
            before, pc = self._moment = machine.icount, machine.pc
            stores = [store for at in self._instructions(pc) for store in self._store(at)]
            self._step = []
            conditional = self._conditional(pc)
            machine.run(RunRequest(until=before + machine.core.next_length()))
            self.led_from[machine.icount] = before
            if conditional is not None and not machine.read_register(conditional):
                stores = []
            for space, address, write in [*stores, *self._step]:
                if write.pc:
                    write = replace(write, before=before, pc=pc)
                self.writes.append((space, address, replace(write, after=machine.icount)))
            self._poke(history)

    def _poke(self, history: History) -> None:
        here = self.machine.icount
        self._moment, self._step = (here, self.machine.pc), []
        for event in history.take_pokes(here):
            self.machine.apply(event)
        self.writes += self._step

    def _watch_others(self) -> None:
        machine, make = self.machine, self.machine.writes.write

        def write(first: int, data: bytes, writer: Writer, by: str | DmaName, through: int | None = None) -> None:
            between = machine.writes.between
            icount, pc = (machine.icount, 0) if between else self._moment
            old = bytes(machine._memory[first : first + len(data)])
            name, detail = (by, "") if isinstance(by, str) else (by.at(0), by.detail_at(0))
            self._step.append(
                (Space.MEMORY, first, Write(writer, icount, icount, pc, 0, None, old, data, name, detail))
            )
            make(first, data, writer, by, through)

        def dma_write(address: int, data: bytes, source: Device | str, *, detail: Detail = "") -> None:
            machine.system.dma.write(address, data, dma_name(source, detail))  # not past `write`, as the core can

        machine.writes.write = write  # type: ignore[method-assign]
        machine.system.dma_write = dma_write  # type: ignore[method-assign]
        machine.system.dma_write_pieces = lambda pieces, data: False  # type: ignore[method-assign]

    def _instructions(self, pc: int) -> list[int]:
        return [pc + 4 * n for n in range(self.machine.core.next_length())]

    def _conditional(self, pc: int) -> int | None:
        """The register in which a `sc`, the only store at ``pc``, says whether it has stored."""
        words = [int.from_bytes(self.machine.read_memory(at, 4), "little") for at in self._instructions(pc)]
        return next((word >> 16 & 31 for word in words if word >> 26 == SC), None)

    def _store(self, at: int) -> list[tuple[Space, int, Write]]:
        word = int.from_bytes(self.machine.read_memory(at, 4), "little")
        op, base, rt = word >> 26, word >> 21 & 31, word >> 16 & 31
        if op not in (*SIZES, SWL, SWR):
            return []
        address = self.machine.read_register(base) + ((word & 0xFFFF ^ 0x8000) - 0x8000) & 0xFFFFFFFF
        data = self.machine.read_register(rt).to_bytes(4, "little")
        if op == SWL:
            data, address = data[3 - (address & 3) :], address & ~3
        elif op == SWR:
            data = data[: 4 - (address & 3)]
        else:
            data = data[: SIZES[op]]
        physical = self.machine.translate(address)
        assert physical is not None
        if 0x1E000000 <= physical < 0x1E400000:
            return []  # a command: the chip decides
        if physical >= 0x1F000000 or physical >> 12 == DMA_BASE >> 12:
            return [(Space.DEVICE, physical, Write(Writer.STORE, 0, 0, 1, 0, address, b"", data))]
        old = bytes(self.machine._memory[physical : physical + len(data)])
        return [(Space.MEMORY, physical, Write(Writer.STORE, 0, 0, 1, 0, address, old, data))]

    def answer(self, timeline: Timeline, address: int, length: int) -> list[Write]:
        """All writes up to where the timeline stands, latest first."""
        found: list[Write] = []
        storage = timeline.machine.storage(address, length)
        for space, first, write in self.writes:
            if not storage and write.through is not None:  # by just these addresses, as long as nothing is there
                place = Extent(space, first + address - write.through, length, address)
            for extent in storage or ([place] if write.through is not None else []):
                low, high = max(first, extent.address), min(first + len(write.new), extent.address + extent.length)
                if space is extent.space and low < high and write.after <= timeline.position:
                    cut = slice(low - first, high - first)
                    through = None if write.through is None else write.through + low - first
                    shown = extent.virtual + low - extent.address
                    found.append(replace(write, address=shown, through=through, old=write.old[cut], new=write.new[cut]))
        return found[::-1]


def questions(dice: random.Random) -> tuple[int, int]:
    """An address and a length to ask about."""
    base = dice.choice([0x80000000 | LOST, 0xA0000000 | LOST, MAPPED, MAPPED + 0x1000, 0xA0000000 | KEPT, FLASH])
    if dice.random() < 0.1:
        return LED, 1
    return base + dice.randrange(64), dice.choice([1, 2, 4, 4, 4, 40, 0x2000])


def compare(timeline: Timeline, oracle: Oracle, dice: random.Random, times: int) -> None:
    """Ask some questions from some places."""
    for _ in range(times):
        timeline.goto(dice.choice([timeline.end, dice.randrange(timeline.end + 1)]))
        here, digest = timeline.position, timeline.machine.digest()
        for _ in range(3):
            address, length = questions(dice)
            expected = oracle.answer(timeline, address, length)
            count = dice.choice([1, 1, 3, 30, 400])
            answers = timeline.past.last_writes(address, length, count)
            assert [each.write for each in answers] == expected[:count], (here, hex(address), length, count)
            orders = [each.order for each in answers]
            assert orders == sorted(set(orders), reverse=True)
            before: Order | None = None
            for write in expected[:3]:  # one by one
                (found,) = timeline.past.last_writes(address, length, 1, before)
                assert found.write == write
                before = found.order
            assert (timeline.position, timeline.machine.digest()) == (here, digest)


def poke(timeline: Timeline, dice: random.Random) -> None:
    address, length = questions(dice)
    if [extent.space for extent in timeline.machine.storage(address, 1)] == [Space.MEMORY]:
        timeline.live_end.write_memory(address, dice.randbytes(min(length, 60)))


def live(timeline: Timeline, dice: random.Random, until: int) -> None:
    """Go on live, with writes of the debugger now and then."""
    timeline.goto(timeline.end)
    while timeline.position < until:
        goal = timeline.position + dice.choice([1, 30, 700])
        timeline.run(StopConditions(), lambda goal=goal: timeline.position >= goal)  # type: ignore[misc]
        for _ in range(dice.choice([0, 0, 1, 2])):
            poke(timeline, dice)


@pytest.mark.parametrize("seed", range(2))
def test_every_write_is_found_with_its_writer_from_anywhere(seed: int) -> None:
    try_guest(seed)


def try_guest(seed: int) -> None:
    """One guest's run, a branch of it, and questions about both."""
    dice = random.Random(seed)
    code = guest(dice)
    history = History.live_run()
    pace = dice.choice([Pace(slice=1000), Pace(spacing=700, slice=300, rung=50), Pace(slice=100)])
    timeline = Timeline(dma_machine(spec(code), history), history, sleep=False, pace=pace)
    live(timeline, dice, 7_000)
    timeline.live_end.write_memory(0xA0000000 | LOST, b"poke")
    main = Oracle(code, copy.copy(history), timeline.end)
    assert {write.writer for _, _, write in main.writes} == set(Writer) - {Writer.HOST}  # these guests call no host
    counted = main.answer(timeline, 0x80000800 | KEPT, 4)
    assert len(counted) > TURNS
    assert [each.write for each in timeline.past.last_writes(0x80000800 | KEPT, 4, 1000)] == counted
    compare(timeline, main, dice, 4)
    timeline.goto(dice.randrange(timeline.end))
    timeline.branch("other")
    poke(timeline, dice)
    live(timeline, dice, timeline.position + 3_000)
    compare(timeline, Oracle(code, copy.copy(timeline.history), timeline.end), dice, 2)
    timeline.switch("main")
    compare(timeline, main, dice, 2)
    timeline.switch("other")
    live(timeline, dice, timeline.end + 1_000)
    compare(timeline, Oracle(code, copy.copy(timeline.history), timeline.end), dice, 2)


@pytest.mark.parametrize("idle", [False, True])
def test_a_reset_by_the_user_is_a_writer_also_where_the_cpu_waits(idle: bool) -> None:
    """Of an idle CPU it happens at the very position where the CPU, and whoever asks, stands already."""
    store = [*li(KSEG1, 0xA0000000 | LOST), addiu(VALUE, 0, 0x77), sw(VALUE, 8, KSEG1)]
    rest = [WAIT, beq(0, 0, -2), NOP] if idle else [beq(0, 0, -1), NOP]
    code = struct.pack(f"<{len(store) + len(rest)}I", *store, *rest)
    queue = LiveQueue(lambda port: 16)
    history = History.live_run(queue)
    timeline = Timeline(Machine(spec(code), history), history, sleep=True, wait=lambda seconds: None)
    address = 0x80000008 | LOST
    loaded, stored = struct.pack("<4B", 8, 9, 10, 11), b"\x77\0\0\0"

    def run(slices: int) -> None:
        polls = itertools.count()
        timeline.run(StopConditions(), lambda: next(polls) >= slices)

    run(3)
    (first, *_) = timeline.past.last_writes(address, 4)
    assert (first.write.writer, first.write.new) == (Writer.STORE, stored)
    queue.put(InputEvent(0, InputKind.RESET))
    run(3)
    expected = [(Writer.STORE, loaded, stored), (Writer.RESET, stored, loaded), (Writer.STORE, loaded, stored)]
    answers = timeline.past.last_writes(address, 4, 10)
    assert [(each.write.writer, each.write.old, each.write.new) for each in answers] == expected
    reset = answers[1].write
    timeline.goto(reset.after)
    assert [each.write for each in timeline.past.last_writes(address, 4, 10)] == [each.write for each in answers[1:]]
    timeline.goto(timeline.end)
    assert [each.write for each in timeline.past.last_writes(address, 4, 10)] == [each.write for each in answers]


if __name__ == "__main__":
    try_guests(__doc__ or "", try_guest)
