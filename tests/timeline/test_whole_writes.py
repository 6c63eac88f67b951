"""A debugger's write happens as a whole or not at all, whatever it reaches into."""

from __future__ import annotations

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.timeline import Timeline
from tests.emu.guests import LOOP, NOP, lui, machine_with, mtc0
from tests.stub.wire import RawClient, serve

BOARD = b"""
endian = "little"
[[ram]]
base = 0
size = "64K"
[[uart]]
base = 0x10000
[[flash]]
base = 0x20000
size = "64K"
[[rom]]
base = 0x30000
size = "64K"
image = "none"
[[ram]]
name = "next"
base = 0x40000
size = "64K"
"""
TLBWI = 0x42000002
MAPPED = 0x00400000


def bare() -> Timeline:
    board, rom = Image("board", "b.toml", BOARD), Image("bios", "b.bin", bytes(16))
    history = History.live_run()
    text = BOARD.replace(b'image = "none"', b'image = "bios"')
    spec = MachineSpec("bare", "24Kf", False, 1 << 20, 7, (Image("board", board.path, text), rom))
    return Timeline(Machine(spec, history), history)


def mapped() -> Timeline:
    """One page of the lower half of a pair is mapped at MAPPED; the upper is not."""
    lo0 = 0x200 << 6 | 7
    code = [lui(8, MAPPED >> 16), mtc0(8, 10), lui(8, lo0 >> 16), 0x35080000 | lo0 & 0xFFFF, mtc0(8, 2), mtc0(0, 3)]
    machine = machine_with([*code, 0x34080001, mtc0(8, 3), mtc0(0, 5), mtc0(0, 0), TLBWI, LOOP, NOP])
    machine.run(RunRequest(until=11))
    history = History.live_run(start=11)
    machine.inputs = history
    return Timeline(machine, history)


#: where the write begins, what it reaches into
ACROSS = {
    "ram into a device": (bare, 0x8000FFFE),
    "a device into nothing": (bare, 0x80010006),
    "rom and ram into nothing": (bare, 0x8004FFFE),
    "a mapped page into one that is not": (mapped, MAPPED + 0xFFE),
    "the end of kuseg": (mapped, 0x7FFFFFFE),
    "the end of ram of a malta": (mapped, 0x80FFFFFE),
}


@pytest.mark.parametrize("name", ACROSS)
def test_what_cannot_be_written_whole_is_not_written_at_all(name: str) -> None:
    make, address = ACROSS[name]
    timeline = make()
    before, entered = timeline.machine.digest(), timeline.history.entered_records
    with pytest.raises(RdbgError, match="cannot write at address 0x"):
        timeline.live_end.write_memory(address, b"abcd")
    assert timeline.machine.digest() == before and timeline.history.entered_records == entered
    server = serve(timeline)
    client = RawClient(server)
    for packet in (b"M%x,4:61626364", b"X%x,4:abcd"):
        assert client.ask(packet % address).startswith(b"E")
        assert timeline.machine.digest() == before and timeline.history.entered_records == entered
    server.close()


@pytest.mark.parametrize("address", [0x8002FFFE, 0x8003FFFE])
def test_from_flash_into_rom_and_from_rom_into_ram(address: int) -> None:
    timeline = bare()
    timeline.live_end.write_memory(address, b"abcd")
    assert timeline.machine.read_memory(address, 4) == b"abcd"


def test_in_the_past_no_branch_is_left_by_a_write_that_failed() -> None:
    timeline = bare()
    timeline.step()
    timeline.goto(0)
    server = serve(timeline)
    client = RawClient(server)
    assert client.ask(b"M8000fffe,4:61626364").startswith(b"E")
    assert not timeline.scratch.active and timeline.position == 0
    assert timeline.machine.read_memory(0x8000FFFE, 2) == bytes(2)
    server.close()
