"""``[[registers]]`` of a board file: what each key makes a register do, and how mistakes are named."""

from __future__ import annotations

import msgpack
import pytest

from rdbg.emu.boards import build_board
from rdbg.emu.device import FOREVER, Device
from rdbg.emu.machine import Machine
from rdbg.errors import RdbgError
from tests.emu.bench_system import BenchMachine, BenchSystem
from tests.emu.boards.test_bare import BASE, KERNEL, spec

AT = 0x1F00_0000
BLOCK = f"[[registers]]\nbase = {AT:#x}\n"


def bench(text: str, big_endian: bool = False) -> BenchMachine:
    base = BASE.replace('"little"', '"big"') if big_endian else BASE
    return BenchMachine(spec(base + BLOCK + text, big_endian=big_endian))


def register(offset: int, text: str = "") -> str:
    return f"[[registers.register]]\noffset = {offset:#x}\n{text}\n"


def stub(machine: BenchMachine) -> Device:
    return next(device for device in machine.board.devices if device.name == "registers0")


def test_values_masks_and_reset() -> None:
    machine = bench(register(0, "reset = 0x11223344\nwritable = 0x0000ffff") + register(4, "writable = 0"))
    machine.write(AT, 4, 0xAABB_CCDD)
    machine.write(AT + 4, 4, 5)
    assert machine.read(AT, 4) == 0x1122_CCDD and machine.read(AT + 4, 4) == 0
    machine.reset()
    assert machine.read(AT, 4) == 0x1122_3344


def test_bits_that_ones_clear_and_set_and_that_loads_clear() -> None:
    keys = "reset = 0xff\nwrite_one_to_clear = 0x0f\nread_to_clear = 0x30\nwrite_one_to_set = 0x100"
    machine = bench(register(0, keys))
    machine.write(AT, 4, 0x1C5)  # of the other bits, a store sets what it says
    assert machine.read(AT, 4) == 0x1CA
    assert machine.read(AT, 4) == 0x1CA
    machine.reset()
    assert [machine.read(AT, 4), machine.read(AT, 4)] == [0xFF, 0xCF]
    machine.write(AT, 4, 0)
    assert machine.read(AT, 4) == 0x0F


def test_a_polled_register_gives_its_sequence_and_then_the_last_value_for_ever() -> None:
    machine = bench(register(0, 'sequence = [[0, 3], 5, 1]\nrestart = "store"'))
    assert [machine.read(AT, 4) for _ in range(7)] == [0, 0, 0, 5, 1, 1, 1]
    machine.write(AT, 4, 0)
    assert [machine.read(AT, 4) for _ in range(5)] == [0, 0, 0, 5, 1]
    mixed = bench(register(0, "reset = 0x1230\nsequence = [0, 1]\nsequence_bits = 1"))
    assert [mixed.read(AT, 4) for _ in range(3)] == [0x1230, 0x1231, 0x1231]


def test_a_load_that_changes_nothing_may_be_repeated() -> None:
    machine = bench(register(0, "sequence = [[0, 2], 1]") + register(4, "reset = 3\nread_to_clear = 1"))
    device = stub(machine)
    assert (device.stable_until(0, 4), device.stable_until(4, 4), device.stable_until(8, 4)) == (0, 0, FOREVER)
    for _ in range(2):
        machine.read(AT, 4)
        machine.read(AT + 4, 4)
    assert (device.stable_until(0, 4), device.stable_until(4, 4)) == (FOREVER, FOREVER)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("endian", ["native", "little", "big"])
def test_narrow_and_wide_accesses_reach_bytes(big_endian: bool, endian: str) -> None:
    """As bytes in memory of the register's own order would stand."""
    text = (
        f'size = 8\nendian = "{endian}"\n'
        + register(0, "reset = 0x11223344")
        + register(4, "width = 2\nreset = 0x5566")
    )
    machine = bench(text, big_endian)
    order = {"native": "big" if big_endian else "little"}.get(endian, endian)
    memory = (0x11223344).to_bytes(4, order) + (0x5566).to_bytes(2, order) + bytes(2)  # type: ignore[arg-type]
    cpu = "big" if big_endian else "little"
    for size in (1, 2, 4, 8):
        for at in range(0, 8, size):
            assert machine.read(AT + at, size) == int.from_bytes(memory[at : at + size], cpu), (size, at)  # type: ignore[arg-type]
    machine.write(AT + 1, 1, 0xEE)
    changed = memory[:1] + b"\xee" + memory[2:]
    assert machine.read(AT, 8) == int.from_bytes(changed, cpu)  # type: ignore[arg-type]


def test_a_store_sets_something_going_and_its_end_interrupts() -> None:
    text = (
        "irq = 3\n"
        + register(0, 'name = "STATUS"\nwrite_one_to_clear = 3\ninterrupt = 1\nenable = "ENABLE"')
        + register(4, 'name = "COMMAND"\non_store = [{when = 2, register = "STATUS", set = 1, after_ns = 500}]')
        + register(8, 'name = "ENABLE"')
    )
    machine = bench(text)
    machine.write(AT + 4, 4, 1)
    machine.system.advance(1000)
    assert machine.read(AT, 4) == 0
    machine.write(AT + 4, 4, 2)
    machine.system.advance(499)
    assert machine.read(AT, 4) == 0
    machine.system.advance(1)
    assert machine.read(AT, 4) == 1 and not machine.system.cpu_lines[3]
    machine.write(AT + 8, 4, 1)
    assert machine.system.cpu_lines[3]
    machine.write(AT, 4, 1)
    assert not machine.system.cpu_lines[3] and machine.read(AT, 4) == 0


def test_registers_that_end_the_run_and_reset_the_machine() -> None:
    machine = bench(
        register(0, "exit = [[0x5555, 0], [0x3333, 7]]") + register(4, "exit = true") + register(8, "machine_reset = 4")
    )
    for value in (1, 0x3333, 0x5555):
        machine.write(AT, 4, value)
    machine.write(AT + 4, 4, 9)
    assert machine.system.shutdowns == [7, 0, 9]
    machine.write(AT + 8, 4, 3)
    assert machine.system.resets == 0
    machine.write(AT + 8, 4, 4)
    assert machine.system.resets == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"registers\[0\].register is missing"),
        ("width = 3\n" + register(0), r"registers\[0\].width must be 1, 2 or 4"),
        (register(2), r"registers\[0\].register\[0\].offset must be a multiple of the width 4"),
        ("size = 4\n" + register(4), r"register\[0\].offset 0x4 is beyond the block's size 0x4"),
        (register(0) + register(0), "register\\[1\\].name is '0x0' of two registers"),
        (register(0) + register(2, "width = 2"), "register\\[1\\].offset 0x2 overlaps register '0x0'"),
        (register(0, "reset = 0x100000000"), r"reset must be 0x0 to 0xffffffff"),
        (register(0, "write_one_to_clear = 3\nwrite_one_to_set = 2"), "write_one_to_set has the bits 0x2"),
        (register(0, "write_one_to_clear = 3\nwritable = 1"), "writable has the bits 0x1"),
        (register(0, 'sequence = ["a"]'), "sequence must be values"),
        (register(0, "sequence = [[0, 0]]"), "sequence must be values"),
        (register(0, "sequence_bits = 1"), "sequence_bits is of no use without the key sequence"),
        (register(0, 'restart = "store"'), "restart is of no use"),
        (register(0, "interrupt = 1"), r"registers\[0\].irq is missing"),
        ("irq = 1\n" + register(0, 'enable = "X"'), "enable names 'X', which is no register"),
        ("irq = 1\n" + register(0, 'enable = "0x0"'), "enable is of no use without the key interrupt"),
        (register(0, "exit = false"), "exit must be true, or a list"),
        (register(0, "exit = [5, 1]"), "exit must be true, or a list"),
        (register(0, "on_store = [{set = 1}]"), r"register\[0\].on_store\[0\].register is missing"),
        (register(0, 'on_store = [{register = "0x0"}]'), r"on_store\[0\].set is missing"),
        (register(0, 'on_store = [{register = "0x0", set = 3, clear = 1}]'), r"clear has the bits 0x1 of set"),
        (register(0, "[registers.register.on_store]"), r"must be written as \[\[registers.register.on_store\]\]"),
        (register(0, "colour = 1"), r"registers\[0\].register\[0\].colour is not a key"),
        (register(0) * 1025, "stands there 1025 times: one has at most 1024"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(RdbgError, match=words) as info:
        build_board(spec(BASE + BLOCK + text, KERNEL), BenchSystem())
    assert "'b.toml'" in str(info.value) and "\n" not in str(info.value)


def test_a_saved_state_that_cannot_be_is_refused() -> None:
    machine = Machine(spec(BASE + BLOCK + register(0, "width = 1\nsequence = [0, 1]"), KERNEL))
    good = machine.save_state()
    parts = msgpack.unpackb(good.devices)
    state = parts["devices"]["registers0"][1]
    for bad in ({"values": [256]}, {"values": []}, {"loads": [2]}, {"loads": [-1]}, {"loads": "x"}):
        parts["devices"]["registers0"][1] = {**state, **bad}
        with pytest.raises(RdbgError, match="registers0"):
            machine.load_state(type(good)(good.icount, good.cpu, msgpack.packb(parts)))
    parts["devices"]["registers0"][1] = {"values": [7], "loads": [1]}
    machine.load_state(type(good)(good.icount, good.cpu, msgpack.packb(parts)))
    assert machine.read_memory(0xBF000000, 1) == b"\x01"
