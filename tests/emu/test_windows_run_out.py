"""The windows that lead accesses to devices and to watched pages are limited; a guest can touch more pages."""

from __future__ import annotations

import struct

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, RunRequest, StopKind, Watch
from rdbg.emu.registers import STATUS
from rdbg.emu.spec import Image, MachineSpec
from tests.emu.guests import CODE, KERNEL_MODE, LOOP, NOP, addiu, beq, i_type, lui, lw, machine_with, mtc0, r_type, sw
from tests.emu.images import elf

TLBWI = 0x42000002
IGNORED = 0x40000000
PAIR = 0x2000
BOARD = b"""
endian = "little"
[[ram]]
base = 0
size = "2M"
[[ignore]]
base = 0x4000_0000
size = 0x6000_0000
"""


def test_a_guest_sweeps_through_more_device_pages_than_there_are_windows() -> None:
    """1.5 GiB of a ``bare`` board's ignored addresses, through the TLB, and then the first ones again."""
    frame_step = 2 << 6
    sweep = [
        lui(9, IGNORED >> 6 >> 16),  # EntryLo0 of the first page: PFN, valid, dirty, global
        i_type(0x0D, 9, 9, 7),
        addiu(11, 9, 1 << 6),
        mtc0(0, 5),
        mtc0(0, 0),
        mtc0(0, 10),
        # one turn for each pair of pages
        mtc0(9, 2),
        mtc0(11, 3),
        TLBWI,
        sw(10, 0x10, 0),
        lw(12, 0x1010, 0),
        addiu(9, 9, frame_step),
        addiu(10, 10, 1),
        r_type(0x2B, 10, 13, 14),  # sltu
        i_type(0x05, 14, 0, -9),  # bnez
        addiu(11, 11, frame_step),
        LOOP,
        NOP,
    ]
    pairs = 0x6000_0000 // PAIR
    kernel = Image("kernel", "k.elf", elf(CODE, struct.pack(f"<{len(sweep)}I", *sweep)))
    machine = Machine(MachineSpec("bare", "24Kf", False, 2 << 20, 7, (Image("board", "b.toml", BOARD), kernel)))
    for number, value in ((10, 0), (13, pairs), (STATUS, KERNEL_MODE)):
        machine.apply(InputEvent(0, InputKind.POKE_REGISTER, number, value))
    stop = machine.run(RunRequest(until=6 + 10 * pairs + 10))
    assert stop.kind is StopKind.LIMIT and machine.read_register(10) == pairs
    assert machine.pc in (CODE + 4 * 16, CODE + 4 * 17) and machine.read_register(12) == 0


def test_a_watched_range_of_more_pages_than_there_are_windows() -> None:
    """32 MB are watched: each page's store still goes to that page."""
    pages = 0x1800
    code = [
        lui(8, 0x8020),
        sw(9, 0x20, 8),
        addiu(9, 9, 1),
        addiu(8, 8, 0x1000),
        r_type(0x2B, 9, 10, 11),
        i_type(0x05, 11, 0, -5),
        NOP,
        # the first pages again, while Unicorn may know where they were
        lui(8, 0x8020),
        lw(12, 0x20, 8),
        lw(13, 0x1020, 8),
        beq(0, 0, -1),
        NOP,
    ]
    machine = machine_with(code, ram_bytes=64 << 20)
    machine.apply(InputEvent(0, InputKind.POKE_REGISTER, 10, pages))
    watch = Watch(0x80200000, pages << 12, Access.ACCESS)
    machine.run(RunRequest(until=1 + 6 * pages + 3, watches=(watch,), last_hit=True))
    assert (machine.read_register(12), machine.read_register(13)) == (0, 1)
    for page in range(pages):
        assert machine.read_memory(0x80200020 + (page << 12), 4) == page.to_bytes(4, "little")
