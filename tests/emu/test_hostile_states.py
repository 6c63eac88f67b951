"""States that anybody may have written: no bytes of them bring the process down or get past their check."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable, Iterator

import msgpack
import numpy
import pytest

from rdbg.emu.cpu_record import CPU_RECORD
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import MachineState, RunRequest
from rdbg.emu.registers import PC
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from tests.emu.guests import machine_with
from tests.forgery import CPU_FIELDS
from tests.isolated import isolated
from tests.machine_use import use
from tests.timeline.test_digest_property import busy_spec

_WORDS = (0, 1, 2, 3, 15, 16, 17, 127, 128, 129, 0x1000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_LENGTH = 3_000

_BARE = b"""
endian = "little"
[[ram]]
base = 0
size = "1M"
[[flash]]
base = 0x1e000000
size = "1M"
[[uart]]
base = 0x10000000
irq = 1
[[timer]]
base = 0x10001000
irq = 2
[[gpio]]
base = 0x10002000
irq = 3
pins = ["led", "button"]
[[spi]]
base = 0x10004000
[[i2c]]
base = 0x10005000
[[dma]]
base = 0x10006000
[[explore]]
base = 0x10007000
size = 4096
[[registers]]
base = 0x10003000
irq = 4
[[registers.register]]
offset = 0
sequence = [[0, 2], 1]
interrupt = 2
on_store = [{register = "0x0", set = 2, after_ns = 100}]
"""


def _after(machine: Machine, icount: int) -> MachineState:
    machine.run(RunRequest(until=icount))
    return machine.save_state()


def _try(machine: Machine, state: MachineState) -> bool:
    """Load a state and use it; whether it was taken."""
    try:
        machine.load_state(state)
        use(machine, _LENGTH)
    except RdbgError as error:
        assert "\n" not in str(error)
        return False
    return True


def _sweep(
    spec: MachineSpec, icount: int, changed: Callable[[MachineState], Iterable[MachineState]]
) -> tuple[int, int]:
    """Try each state that is made from a good one.

    Args:
        spec: of the machine.
        icount: where the good state is saved.
        changed: makes them.

    Returns:
        How many were taken, and how many refused.
    """
    machine = Machine(spec)
    good = _after(machine, icount)
    taken = [_try(machine, state) for state in changed(good)]
    assert _try(machine, good)
    return taken.count(True), taken.count(False)


def test_every_word_of_the_cpu_state() -> None:
    """Each 32 bits of it take each of a row of values, from the TLB's count to the last floating-point register."""

    def changed(good: MachineState) -> Iterator[MachineState]:
        words = list(struct.unpack(f"<{len(good.cpu) // 4}I", good.cpu))
        # TLB entries are all alike: a few of them stand for the rest.
        last = CPU_FIELDS["guest.tlb.127.lo1"] // 4
        places = [place for place in range(len(words)) if place < 120 or place % 41 == 0 or place > last]
        dice = random.Random(1)
        for place in places:
            for value in dice.sample(_WORDS, 5):
                cpu = struct.pack(f"<{len(words)}I", *words[:place], value, *words[place + 1 :])
                yield MachineState(good.icount, cpu, good.devices)

    taken, refused = isolated(lambda: _sweep(busy_spec(), 100_000, changed))
    assert taken > 100 and refused > 30


def test_more_tlb_entries_than_there_are() -> None:
    def load(count: int) -> str:
        machine = Machine(busy_spec())
        good = machine.save_state()
        record = CPU_RECORD.parse(good.cpu)
        assert record.guest.tlb_count == 16
        at = CPU_FIELDS["guest.tlb_count"]
        with pytest.raises(RdbgError) as caught:
            machine.load_state(
                MachineState(0, good.cpu[:at] + struct.pack("<I", count) + good.cpu[at + 4 :], good.devices)
            )
        assert machine.save_state() == good, "a state that is refused changes nothing"
        return str(caught.value)

    for count in (0, 15, 129, 0x7FFFFFFF, 0xFFFFFFFF):
        assert "its guest.tlb_count cannot be" in isolated(lambda count=count: load(count))


def test_time_that_is_no_time() -> None:
    machine = Machine(busy_spec())
    good = _after(machine, 1_000)
    for icount in (1 << 58, 1 << 63, (1 << 64) - 1):
        with pytest.raises(RdbgError, match=f"icount {icount} is damaged"):
            machine.load_state(MachineState(icount, good.cpu, good.devices))


def _spec(board: str) -> MachineSpec:
    if board == "malta":
        return busy_spec()
    code = struct.pack("<4I", 0x1000FFFF, 0, 0, 0)
    images = (Image("board", "b.toml", _BARE), Image("kernel", "k", elf_of(code)))
    return MachineSpec("bare", "24Kf", False, 1 << 20, 3, images)


def elf_of(code: bytes, memory: int | None = None, at: int = 0) -> bytes:
    """A little-endian executable of one segment in kseg0.

    Args:
        code: its bytes.
        memory: bytes in memory that it asks for; None: as many.
        at: physical address.
    """
    head = struct.pack(
        "<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1" + bytes(9), 2, 8, 1, 0x80000000 + at, 52, 0, 0, 52, 32, 1, 0, 0, 0
    )
    size = len(code) if memory is None else memory
    return head + struct.pack("<8I", 1, 84, 0x80000000 + at, at, len(code), size, 7, 4) + code


@pytest.mark.parametrize("board", ["malta", "bare"])
def test_device_states_of_any_shape(board: str) -> None:
    """Each value of each device's state is replaced by values of every type and size."""

    odd = (None, True, -1, 1 << 40, (1 << 63) - 1, -(1 << 63), b"", b"x" * 9999, "text", [], [1] * 64, {}, {"a": 1})

    def changed(good: MachineState) -> Iterator[MachineState]:
        parts = msgpack.unpackb(good.devices)
        for place in _places(parts):
            for value in (*odd, *(0, 1, 255)):
                yield MachineState(good.icount, good.cpu, msgpack.packb(_replaced(parts, place, value)))

    taken, refused = isolated(lambda: _sweep(_spec(board), 50_000, changed))
    assert taken > 50 and refused > 500


def test_device_states_that_are_no_states() -> None:
    machine = Machine(busy_spec())
    good = machine.save_state()
    for devices in (b"", b"\xc1", b"\xc0", b"\x95", msgpack.packb([]), msgpack.packb([1, 2, 3, 4, 5]),
                    msgpack.packb({"version": 1}), msgpack.packb({"version": 2}), msgpack.packb({"version": 3}),
                    msgpack.packb({1: 2}), b"\x91" * 5000, b"\xdd\xff\xff\xff\xff"):  # fmt: skip
        with pytest.raises(RdbgError, match="damaged|has version [13]"):
            machine.load_state(MachineState(0, good.cpu, devices))
    assert machine.save_state() == good


def test_pages_that_the_machine_lacks() -> None:
    machine = Machine(busy_spec())
    count = machine.page_count
    row = numpy.zeros((1, 4096), numpy.uint8)
    for page in (count, count + 1, 0xFFFFFFFF):
        numbers = numpy.array([page], numpy.uint32)
        for access in (
            lambda: machine.read_pages([page]),  # noqa: B023
            lambda: machine.write_pages([page], bytes(4096)),  # noqa: B023
            lambda: machine.copy_pages(numbers, row, numpy.zeros(1, numpy.uint32)),  # noqa: B023
            lambda: machine.put_pages(numbers, row, numpy.zeros(1, numpy.uint32)),  # noqa: B023
            lambda: machine.core.memory.mark_written(page),  # noqa: B023
        ):
            with pytest.raises(IndexError):
                access()
    assert len(machine.core.memory.nonzero_pages(0xFFFFFFFF)) < count


def test_pc_in_the_last_bytes_of_memory() -> None:
    """Looking at the instruction at an odd address must not read on behind the machine's memory."""

    def look() -> int:
        machine = machine_with([0])
        for address in (0x80FFFFFD, 0x80FFFFFF, 0xBFFFFFFF, 0xBE3FFFFD, 0xBFC3FFFE):
            machine.write_register(PC, address)
            machine.core.next_length()
            machine.step()
        return 1

    assert isolated(look)


def _places(parts: object, before: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Paths to all that stands in a state; of long lists some."""
    found = [before] if before else []
    if isinstance(parts, dict):
        for key, value in parts.items():
            found += _places(value, (*before, key))
    elif isinstance(parts, list):
        step = max(1, len(parts) // 60)
        for index in range(0, len(parts), step):
            found += _places(parts[index], (*before, index))
    return found


def _replaced(parts: object, place: tuple[object, ...], value: object) -> object:
    if not place:
        return value
    key, rest = place[0], place[1:]
    if isinstance(parts, dict):
        return {**parts, key: _replaced(parts[key], rest, value)}
    assert isinstance(parts, list) and isinstance(key, int)
    return [*parts[:key], _replaced(parts[key], rest, value), *parts[key + 1 :]]
