"""What ``-d guest`` says of the place: the instruction that makes an access, or the block that it is in."""

from __future__ import annotations

import logging

import pytest

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from tests.emu.guests import CODE, LOOP, NOP, SKIPPING_HANDLER, addiu, beq, i_type, lui, lw, machine_with, sw

TLBWI = 0x42000002


def said(caplog: pytest.LogCaptureFixture, machine: Machine, until: int) -> list[str]:
    caplog.set_level(logging.INFO, "rdbg.guest")
    machine.run(RunRequest(until=until))
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("slot", [False, True])
def test_a_bus_error_names_its_instruction(caplog: pytest.LogCaptureFixture, slot: bool) -> None:
    """Not the one where the machine last looked up; and the position that a debugger goes to."""
    # kseg2 is not mapped, so the address comes through the TLB: physical 0x40000000.
    lo = 0x40000 << 6 | 7
    mtc0 = [lui(9, 0xC000), 0x40895000, lui(9, lo >> 16), i_type(0x0D, 9, 9, lo & 0xFFFF), 0x40891000, 0x40891800]
    before = [*mtc0, 0x40802800, 0x40800000, TLBWI, addiu(10, 0, 1), addiu(10, 10, 1), lui(8, 0xC000)]
    access = [beq(0, 0, 1), sw(10, 0x40, 8)] if slot else [lw(10, 0x40, 8), NOP]
    machine = machine_with([*before, *access, LOOP, NOP], handler=SKIPPING_HANDLER)
    at = len(before) + slot
    (line,) = said(caplog, machine, len(before) + 2)
    kind = "store" if slot else "load"
    assert line == f"icount {at}, pc {CODE + 4 * at:#010x}: bus error: {kind} of 4 bytes at physical 0x40000040"


def test_what_a_device_does_not_know_names_the_instruction(caplog: pytest.LogCaptureFixture) -> None:
    code = [beq(0, 0, 1), NOP, lui(8, 0xBE00), addiu(9, 0, 0x33), NOP, sw(9, 0, 8), LOOP, NOP]
    (line,) = said(caplog, machine_with(code), 7)
    assert line.startswith(f"icount 5, pc {CODE + 20:#010x}: flash: unknown command 0x33")
