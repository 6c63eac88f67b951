"""Code that changes, code and data on one page, watched pages."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from rdbg.emu.inputs import InputEvent, InputKind, NoInputs
from rdbg.emu.machine_api import Access, RunRequest, StopKind, Watch
from rdbg.emu.registers import PC
from tests.emu.guests import CODE, LOOP, NOP, addiu, beq, i_type, lui, lw, machine_with, poke_words, sw

DATA = 0x80200000


@pytest.mark.parametrize("alias", [0x8010, 0xA010], ids=["kseg0", "kseg1"])
def test_code_that_a_store_changes_runs_changed(alias: int) -> None:
    new = addiu(9, 9, 100)
    words = [
        lui(16, alias), lui(10, new >> 16), i_type(0x0D, 10, 10, new & 0xFFFF), addiu(8, 0, 20),
        addiu(9, 9, 1),                       # 4: replaced in the first round
        sw(10, 16, 16), addiu(8, 8, -1), i_type(0x05, 8, 0, -4), NOP, LOOP, NOP,
    ]  # fmt: skip
    machine = machine_with(words)
    machine.run(RunRequest(breakpoints=frozenset({CODE + 4 * 9})))
    assert machine.read_register(9) == 1 + 19 * 100


def test_data_beside_hot_code_is_seen_by_both() -> None:
    """Stores to the page that runs, many times: the page ends up mixed and stays right."""
    words = [lui(16, 0x8010), addiu(8, 0, 500), lw(9, 0x800, 16), addiu(9, 9, 3), sw(9, 0x800, 16),
             addiu(8, 8, -1), i_type(0x05, 8, 0, -5), NOP, LOOP, NOP]  # fmt: skip
    machine = machine_with(words)
    machine.run(RunRequest(breakpoints=frozenset({CODE + 4 * 8})))
    assert int.from_bytes(machine.read_memory(CODE + 0x800, 4), "little") == 1500


def test_restored_code_pages_run_as_restored() -> None:
    machine = machine_with([addiu(9, 9, 1), beq(0, 0, -2), NOP])
    machine.run(RunRequest(until=30))
    page = (CODE & 0x1FFFFFFF) >> 12
    old = machine.read_page(page)
    poke_words(machine, CODE, [addiu(9, 9, 1000)])
    machine.run(RunRequest(until=33))
    assert machine.read_register(9) == 1010
    machine.write_pages([page], old)
    machine.run(RunRequest(until=36))
    assert machine.read_register(9) == 1011


WATCHED = [
    ("sb", 0x28, 3, Access.WRITE), ("sh", 0x29, 2, Access.WRITE), ("sw", 0x2B, 0, Access.WRITE),
    ("lw", 0x23, 0, Access.READ), ("lbu", 0x24, 3, Access.READ), ("swl", 0x2A, 3, Access.WRITE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "op", "offset", "access"), WATCHED, ids=[w[0] for w in WATCHED])
@pytest.mark.parametrize("in_slot", [False, True])
def test_a_watched_access_is_found_by_scan_and_exactly(
    name: str, op: int, offset: int, access: Access, in_slot: bool
) -> None:
    toucher = i_type(op, 16, 9, offset)
    filler = [addiu(9, 9, 1)] * 5
    words = [lui(16, DATA >> 16), *filler, *([beq(0, 0, 1)] if in_slot else []), toucher, *filler, LOOP, NOP]
    watch = Watch(DATA + 3, 1, access)
    machine = machine_with(words)
    stop = machine.run(RunRequest(watches=(watch,), until=100))
    assert (stop.kind, stop.rerun_from) == (StopKind.WATCHPOINT, 0)
    machine = machine_with(words)
    stop = machine.run(RunRequest(watches=(watch,), until=100, exact=True))
    assert (stop.kind, stop.position, stop.pc) == (StopKind.WATCHPOINT, 6, CODE + 24)
    assert stop.watch is not None
    assert (stop.watch.access, stop.watch.address) == (access, DATA + 3)


FLOATING = {"lwc1": i_type(0x31, 16, 2, 0), "sdc1": i_type(0x3D, 16, 2, 0), "swxc1": i_type(0x13, 16, 0, 2 << 11 | 8)}
CU1 = 1 << 29


@pytest.mark.parametrize("word", FLOATING.values(), ids=FLOATING)
@pytest.mark.parametrize("in_slot", [False, True])
def test_a_floating_access_is_made_only_where_its_unit_is_on(word: int, in_slot: bool) -> None:
    words = [lui(16, DATA >> 16), *([beq(0, 0, 1)] if in_slot else []), word, LOOP, NOP]
    watch = Watch(DATA, 4, Access.ACCESS)
    for status, made in ((0, False), (CU1, True)):
        machine = machine_with(words, status=status)
        machine.step()
        assert (machine.watched_access((watch,)) is not None) is made
        stop = machine.run(RunRequest(watches=(watch,), until=20, exact=True))
        assert (stop.kind is StopKind.WATCHPOINT) is made


def test_watching_changes_nothing() -> None:
    words = [lui(16, DATA >> 16), addiu(8, 0, 50), sw(8, 8, 16), lw(9, 8, 16), sw(9, 64, 16), addiu(8, 8, -1),
             i_type(0x05, 8, 0, -5), NOP, LOOP, NOP]  # fmt: skip
    plain, watched = machine_with(words), machine_with(words)
    plain.run(RunRequest(until=300))
    watched.run(RunRequest(until=300, last_hit=True, watches=(Watch(DATA + 64, 4, Access.ACCESS),)))
    assert plain.digest() == watched.digest()
    assert watched.watched_blocks.blocks


def test_touched_pages_are_told_once() -> None:
    machine = machine_with([lui(16, DATA >> 16), sw(8, 0, 16), lw(9, 0x1000, 16), LOOP, NOP])
    machine.take_touched()
    machine.run(RunRequest(until=10))
    touched = machine.take_touched()
    assert list(touched.written) == [(DATA & 0x1FFFFFFF) >> 12]
    assert list(touched.written_virtual) == [DATA >> 12]
    assert DATA + 0x1000 >> 12 in touched.read_virtual
    assert list(touched.executed_virtual) == [CODE >> 12]
    machine.run(RunRequest(until=20))
    assert list(machine.take_touched().written) == []


def test_a_debugger_sets_pc_to_an_odd_address() -> None:
    machine = machine_with([addiu(8, 0, 1)])
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, PC, CODE + 2))
    machine.run(RunRequest(until=1))
    assert machine.pc == 0x80000180
    assert machine.core.registers.read_cp0(14, 0) == CODE + 2


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_a_jump_to_an_odd_address_is_an_address_error_there(wrong: int) -> None:
    target = CODE + 0x40 + wrong
    words = [lui(16, DATA >> 16), lui(9, target >> 16), i_type(0x0D, 9, 9, target & 0xFFFF), sw(9, 0, 16),
             lw(9, 0, 16), 9 << 21 | 8, addiu(10, 10, 1), LOOP, NOP]  # fmt: skip
    machine = machine_with(words)
    machine.run(RunRequest(until=8))
    assert machine.pc == 0x80000180
    assert machine.core.registers.read_cp0(14, 0) == target
    assert machine.core.registers.read_cp0(8, 0) == target
    assert machine.core.registers.read_cp0(13, 0) >> 2 & 31 == 4
    assert machine.read_register(10) == 1
    for _ in range(200):
        machine.apply(InputEvent(0, InputKind.POKE_REGISTER, PC, CODE))
        machine.run(RunRequest(until=machine.icount + 20))


def test_a_polled_line_status_is_seen_to_change() -> None:
    """Loads of the line status register are not asked of the device again before something happened to it."""
    line_status = 0x3FD
    port_window = 0xB000  # where PCI I/O is before firmware moves it
    words = [lui(16, port_window), i_type(0x24, 16, 9, line_status), i_type(0x0C, 9, 10, 1), beq(10, 0, -3),
             addiu(11, 11, 1), i_type(0x24, 16, 12, 0x3F8), LOOP, NOP]  # fmt: skip
    machine = machine_with(words)
    arrival = OneInput(InputEvent(50_000, InputKind.SERIAL, 0, 0, b"Z"))
    machine.inputs = arrival
    machine.run(RunRequest(until=200_000, breakpoints=frozenset({CODE + 24})))
    assert machine.read_register(12) == ord("Z")
    assert 50_000 <= machine.icount < 50_020


def test_watched_code_that_becomes_one_long_run() -> None:
    """A store through the watch window takes the branch out that had kept two runs short of the translator's limit."""
    filler = [addiu(9, 9, 1)] * 300
    start = [lui(16, CODE >> 16), lw(10, 20, 16), sw(10, 4 * 305, 16), beq(0, 0, 1), NOP]
    words = [*start, *filler, LOOP, *filler, LOOP, NOP]
    machine = machine_with(words)
    machine.run(RunRequest(until=len(words) - 2, last_hit=True, watches=(Watch(CODE + 0xFF0, 4, Access.ACCESS),)))
    assert machine.pc == CODE + 4 * (len(words) - 2)
    assert machine.read_register(9) == 2 * len(filler) + 1


def test_translated_code_has_its_room_and_no_more() -> None:
    """A guest that changes its code all the time is translated all the time."""
    loop = [NOP, beq(0, 0, 1), NOP, *[addiu(8, 8, 1)] * 300, beq(0, 0, 1), NOP, sw(0, 4, 16)]
    machine = machine_with([lui(16, CODE >> 16), *loop, beq(0, 0, -len(loop) - 1), NOP])
    watches = (Watch(CODE + 0xFF0, 4, Access.WRITE),)
    machine.run(RunRequest(until=100_000, last_hit=True, watches=watches))
    before = resident_megabytes()
    machine.run(RunRequest(until=3_000_000, last_hit=True, watches=watches))
    assert resident_megabytes() - before < 80


def resident_megabytes() -> int:
    """Memory that this process has in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * mmap.PAGESIZE >> 20


class OneInput(NoInputs):
    """A single byte that arrives at a given position."""

    def __init__(self, event: InputEvent) -> None:
        self.events = [event]

    def next_icount(self) -> int | None:
        return self.events[0].icount if self.events else None

    def take(self, icount: int, idled_until: int | None = None) -> list[InputEvent]:
        return [self.events.pop()]
