"""A device that takes its state back changes no other: those that are as they should be are left alone."""

from __future__ import annotations

from typing import Any

from rdbg.emu.device import Device
from rdbg.emu.device_state import copied
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.errors import RdbgError
from tests.emu.guests import NOP, addiu, beq, lui, machine_with


def _others(machine: Machine, device: Device) -> list[Any]:
    return [each.save() for each in machine.board.devices if each is not device]


def test_loading_a_device_changes_no_other() -> None:
    machine = machine_with([NOP])
    changed = 0
    for device in machine.board.devices:
        before = copied(device.save())
        others = _others(machine, device)
        for name, value in before.items():
            for other in (0, 1, 2, 5, True, False):
                if type(other) is not type(value) or other == value:
                    continue
                try:
                    device.load(copied(before | {name: other}))
                except RdbgError:
                    continue  # it cannot be
                changed += device.save() != before
                assert _others(machine, device) == others, (device.name, name, other)
        device.load(copied(before))
        assert device.save() == before and _others(machine, device) == others
    assert changed > 100


def test_a_state_is_the_same_however_often_it_is_taken_back() -> None:
    """What devices do with the state that they were given changes nothing of it."""
    # A loop that stores to the first UART's scratch register and reads the clock chip.
    code = [lui(8, 0xB800), addiu(9, 9, 1), 0xA10903FF, 0x910A0070, beq(0, 0, -4), NOP]
    machine = machine_with(code)
    states = []
    for until in (1000, 50_000, 51_003, 400_000):
        machine.run(RunRequest(until=until))
        states.append((machine.save_state(), machine.digest()))
    for _ in range(3):
        for state, digest in (*states, *reversed(states)):
            machine.load_state(state)
            assert machine.digest() == digest
            assert machine.save_state() == state
            machine.run(RunRequest(until=machine.icount + 700))
