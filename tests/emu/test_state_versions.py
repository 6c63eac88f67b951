"""States by names and versions: what another rdbg saved is taken by a rule, or refused in one line."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import construct
import msgpack
import pytest

from rdbg.emu.board import Board
from rdbg.emu.cpu_record import CPU_RECORD, TLB_SLOTS, record_fields
from rdbg.emu.device import Device, State
from rdbg.emu.device_state import VERSION
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import MachineState, RunRequest
from rdbg.errors import RdbgError
from tests.emu.guests import machine_with
from tests.forgery import CPU_FIELDS
from tests.timeline.test_digest_property import busy_spec


class Lamp(Device):
    """A device that had a switch once, and has a brightness from version 3 on."""

    version = 3

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.brightness = 0

    def read(self, offset: int, size: int) -> int:
        return self.brightness

    def write(self, offset: int, size: int, value: int) -> None:
        self.brightness = value & 0xFF

    def reset(self) -> None:
        self.brightness = 0

    def save(self) -> State:
        return {"brightness": self.brightness}

    def load(self, state: State) -> None:
        brightness = state["brightness"]
        assert isinstance(brightness, int)
        self.brightness = brightness

    def upgrade(self, version: int, state: State) -> State:
        if version == 2:
            return {"brightness": 100 if state["on"] else 0}
        return super().upgrade(version, state)


def _with_lamps(monkeypatch: pytest.MonkeyPatch, *names: str) -> tuple[Machine, list[Lamp]]:
    """A machine that has lamps beside its own devices."""
    from rdbg.emu import machine as room

    lamps = [Lamp(name) for name in names]
    build = room.build_board

    def built(*arguments: Any) -> Board:
        board = build(*arguments)
        return replace(board, devices=(*board.devices, *lamps))

    monkeypatch.setattr(room, "build_board", built)
    return Machine(busy_spec()), lamps


def _changed(good: MachineState, change: Callable[[dict[str, Any]], None]) -> MachineState:
    parts = msgpack.unpackb(good.devices)
    change(parts)
    return replace(good, devices=msgpack.packb(parts))


def test_a_device_takes_an_old_state_by_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, (lamp,) = _with_lamps(monkeypatch, "lamp")
    good = machine.save_state()
    assert msgpack.unpackb(good.devices)["devices"]["lamp"] == [3, {"brightness": 0}]
    machine.load_state(_changed(good, lambda parts: parts["devices"].update(lamp=[2, {"on": True}])))
    assert lamp.brightness == 100


@pytest.mark.parametrize("version", [0, 1, 4])
def test_a_state_of_another_version_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    machine, (lamp,) = _with_lamps(monkeypatch, "lamp")
    lamp.brightness = 7
    machine.run(RunRequest(until=1_000))
    before = machine.save_state()
    other = _changed(before, lambda parts: parts["devices"]["lamp"].__setitem__(0, version))
    with pytest.raises(RdbgError) as refused:
        machine.load_state(other)
    assert f"device 'lamp' has version {version}, and this rdbg reads version 3" in str(refused.value)
    assert "\n" not in str(refused.value) and f"snapshot at icount {before.icount}" in str(refused.value)
    assert machine.save_state() == before


def test_states_of_devices_and_timers_that_are_missing_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, _ = _with_lamps(monkeypatch, "lamp")
    good = machine.save_state()
    timer = next(iter(msgpack.unpackb(good.devices)["timers"]))
    for change, said in (
        (lambda parts: parts["devices"].pop("lamp"), "no state of device 'lamp'"),
        (lambda parts: parts["devices"].update(bulb=[1, {}]), "state of device 'bulb', which this machine has not"),
        (lambda parts: parts["timers"].pop(timer), f"no state of timer '{timer}'"),
        (lambda parts: parts["timers"].update(alarm=5), "state of timer 'alarm', which this machine has not"),
        (
            lambda parts: parts.update(version=VERSION + 1),
            f"has version {VERSION + 1}, and this rdbg reads version {VERSION}",
        ),
    ):
        with pytest.raises(RdbgError) as refused:
            machine.load_state(_changed(good, change))
        assert said in str(refused.value) and "\n" not in str(refused.value)
        assert machine.save_state() == good


def test_states_are_found_by_name_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, (first, second) = _with_lamps(monkeypatch, "first", "second")
    first.brightness, second.brightness = 1, 2
    good = machine.save_state()

    def turn(parts: dict[str, Any]) -> None:
        for key in ("devices", "timers"):
            parts[key] = dict(reversed(parts[key].items()))

    first.brightness = second.brightness = 0
    machine.load_state(_changed(good, turn))
    assert (first.brightness, second.brightness) == (1, 2) and machine.save_state() == good


def test_two_devices_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RdbgError, match="two devices of this board are named 'lamp'"):
        _with_lamps(monkeypatch, "lamp", "lamp")


def test_a_cpu_state_of_another_version_is_refused() -> None:
    machine = machine_with([0])
    good = machine.save_state()
    for cpu in (struct.pack("<I", 9) + good.cpu[4:], good.cpu[:-4], good.cpu + bytes(4), b""):
        with pytest.raises(RdbgError, match="made by another version of rdbg; record again"):
            machine.load_state(replace(good, cpu=cpu))
    assert machine.save_state() == good


def test_the_record_says_what_the_registers_hold() -> None:
    """What the core packs is what the description reads."""
    machine = Machine(busy_spec())
    machine.run(RunRequest(until=54_321))
    machine.core.registers.write_fpr(31, 0x0123_4567_89AB_CDEF)
    state = machine.save_state()
    record = CPU_RECORD.parse(state.cpu)
    assert CPU_RECORD.build(record) == state.cpu
    core = machine.core
    assert list(record.registers.gpr) == [core.registers.read_gpr(n) for n in range(32)]
    assert (record.registers.hi, record.registers.lo) == core.registers.read_hi_lo()
    assert record.registers.fpr[31] == 0x0123_4567_89AB_CDEF
    assert record.registers.fcsr == core.registers.read_fcsr() and record.registers.pc == core.pc
    names = {"entryhi": (10, 0), "status": (12, 0), "cause": (13, 0), "epc": (14, 0), "ebase": (15, 1)}
    for name, (register, select) in names.items():
        assert record.guest.cp0[name] == core.registers.read_cp0(register, select), name
    rows = [(e.vpn2 | e.asid, e.mask, e.lo0 | e.is_global, e.lo1 | e.is_global) for e in record.guest.tlb[:16]]
    assert rows == core.registers.tlb()


def test_each_field_of_the_record_is_checked_as_described() -> None:
    """A value that the description does not allow is refused by construct and by the core alike, and named."""
    machine = machine_with([0])
    good = machine.save_state()
    limited = [field for field in record_fields() if field.bits != (1 << 8 * field.size) - 1]
    assert len(limited) > TLB_SLOTS
    for field in limited[:: max(1, len(limited) // 60)]:
        value = ~field.bits & (1 << 8 * field.size) - 1
        value &= -value  # the lowest bit that cannot be set
        code = "<I" if field.size == 4 else "<Q"
        at = CPU_FIELDS[field.name]
        cpu = good.cpu[:at] + struct.pack(code, value) + good.cpu[at + field.size :]
        with pytest.raises(RdbgError, match=f"its {field.name} cannot be {value:#x}".replace(".", r"\.")):
            machine.load_state(replace(good, cpu=cpu))
        with pytest.raises(construct.ConstructError):
            CPU_RECORD.parse(cpu)
    assert machine.save_state() == good
