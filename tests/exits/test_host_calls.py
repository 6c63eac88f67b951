"""Calls of the host in a machine: where they may stand, what is refused, and one state for each position."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.emu.inputs import InputEvent, InputKind, NoInputs
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, RunStop, StopKind
from rdbg.emu.semihosting import CONSOLE
from rdbg.emu.spec import Image, MachineSpec, Semihosting
from tests.emu.guests import CODE, LOOP, NOP, addiu, beq, lui, machine_with

SDBBP = 0x7000007F
V0, V1, A0, A1, A2, T9 = 2, 3, 4, 5, 6, 25
FAILED = 0xFFFFFFFF
TEXT = 0x80200000
OPEN, READ, WRITE, UNLINK, STATUS, ARGUMENT, LOG, ASSERT, LINK = 2, 4, 5, 7, 8, 11, 13, 14, 22
CALLS_GUEST = Path(__file__).parent / "guest" / "calls-el.elf"


class Typing(NoInputs):
    """Types a text whenever the guest waits for it, and remembers where it went in."""

    def __init__(self, text: bytes, recorded: list[InputEvent] | None = None) -> None:
        self.machine: Machine | None = None
        self.events: list[InputEvent] = []
        self._text = text
        self._recorded = recorded

    def next_icount(self) -> int | None:
        if self._recorded is not None:
            return self._recorded[0].icount if self._recorded else None
        return None

    def waiting_from(self, until: int | None = None) -> int | None:
        if self._recorded is not None:
            return None
        assert self.machine is not None
        return 0 if self._text and self.machine.input_room(serial_port(CONSOLE)) else None

    def take(self, icount: int, idled_until: int | None = None) -> list[InputEvent]:
        if self._recorded is not None:
            return [self._recorded.pop(0)] if self._recorded and self._recorded[0].icount == icount else []
        assert self.machine is not None
        room = min(3, self.machine.input_room(serial_port(CONSOLE)))
        data, self._text = self._text[:room], self._text[room:]
        event = InputEvent(icount, InputKind.SERIAL, CONSOLE, 0, data)
        self.events.append(event)
        return [event]


def reader(inputs: Typing) -> Machine:
    """The guest that reads its console to the letter q."""
    image = Image("kernel", "calls.elf", CALLS_GUEST.read_bytes())
    semihosting = Semihosting(("program",), has_input=True)
    machine = Machine(MachineSpec("malta", "24Kf", False, 16 << 20, 3, (image,), semihosting=semihosting), inputs)
    inputs.machine = machine
    return machine


def to_end(machine: Machine) -> RunStop:
    while (stop := machine.run(RunRequest())).kind is StopKind.PAUSED:
        pass
    return stop


def test_each_position_has_one_state_however_it_is_reached() -> None:
    live = Typing(b"to be read in pieces q")
    first = reader(live)
    printed: list[bytes] = []
    first.set_output(lambda icount, endpoint, data: printed.append(data))
    end = to_end(first)
    assert (end.kind, end.exit_code) == (StopKind.SHUTDOWN, 40 + 22) and len(live.events) > 5
    last = first.digest()
    stepped = reader(Typing(b"", list(live.events)))
    digests = {}
    while (stop := stepped.step()).kind is StopKind.LIMIT:
        digests[stop.position] = stepped.digest()
    assert (stop.kind, stop.position, stop.exit_code, stepped.digest()) == (end.kind, end.position, 62, last)
    read_at = [event.icount for event in live.events]
    again = reader(Typing(b"", list(live.events)))
    for position in sorted({*list(digests)[::97], *read_at, *(at - 1 for at in read_at), *(at + 1 for at in read_at)}):
        if position in digests:
            again.run(RunRequest(until=position))
            assert (again.icount, again.digest()) == (position, digests[position])
    assert to_end(again).position == end.position and again.digest() == last


def test_nothing_runs_and_no_interrupt_is_taken_while_a_read_waits() -> None:
    read = [addiu(T9, 0, READ), addiu(A0, 0, 0), lui(A1, TEXT >> 16), addiu(A2, 0, 8), SDBBP]
    machine = machine_with([*read, *LEAVE], semihosting=INPUT, status=0x8001)
    machine.core.registers.write_cp0(11, 0, 200)  # Compare: its interrupt is let through, and comes later
    stop = machine.run(RunRequest())
    assert (stop.kind, stop.position, stop.idle_ns, machine.pc) == (StopKind.IDLE, 5, None, CODE + 20)
    state = machine.save_state()
    typed = InputEvent(5, InputKind.SERIAL, CONSOLE, 0, b"abc")
    for _ in range(2):
        machine.load_state(state)
        machine.inputs = Typing(b"", [typed])
        assert machine.run(RunRequest()).exit_code == 3
        assert machine.read_memory(TEXT, 4) == b"abc\0"
        machine.apply(InputEvent(0, InputKind.POKE_MEMORY, value=TEXT & 0x1FFFFFFF, data=bytes(4)))


LEAVE = [addiu(A0, V0, 0), addiu(T9, 0, 1), SDBBP, addiu(A0, 0, 99), SDBBP, LOOP, NOP]
NONE = Semihosting(("program", "argument"))
INPUT = Semihosting((), has_input=True)


def test_the_run_ends_before_the_next_instruction() -> None:
    machine = machine_with([addiu(V0, 0, 5), *LEAVE], semihosting=NONE)
    stop = machine.run(RunRequest())
    assert (stop.kind, stop.exit_code, stop.position, stop.pc) == (StopKind.SHUTDOWN, 5, 4, CODE + 16)


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_call_in_a_delay_slot_goes_on_at_the_branchs_target(big_endian: bool) -> None:
    code = [addiu(T9, 0, 9), beq(0, 0, 3), SDBBP, addiu(V0, 0, 70), NOP, *LEAVE]
    machine = machine_with(code, semihosting=NONE, big_endian=big_endian)
    stop = machine.run(RunRequest())
    assert (stop.kind, stop.exit_code) == (StopKind.SHUTDOWN, 2)


def test_other_codes_of_sdbbp_and_a_machine_without_semihosting_raise_an_exception() -> None:
    for word, semihosting in ((SDBBP, None), (0x7000003F, NONE), (0x700000BF, NONE)):
        machine = machine_with([NOP, word, NOP], semihosting=semihosting)
        machine.run(RunRequest(until=5))
        read_cp0 = machine.core.registers.read_cp0
        assert (read_cp0(13, 0) >> 2 & 31, read_cp0(14, 0)) == (10, CODE + 4)


def answer(
    operation: int, *arguments: int, text: bytes = b"", semihosting: Semihosting = NONE
) -> tuple[int, int, bytes, RunStop]:
    """What a call is answered with, v0 and v1, what is printed, and how the run goes on."""
    machine = machine_with([SDBBP, LOOP, NOP], semihosting=semihosting)
    machine.apply(InputEvent(0, InputKind.POKE_MEMORY, value=TEXT & 0x1FFFFFFF, data=text + b"\0"))
    for register, value in zip((T9, A0, A1, A2), (operation, *arguments), strict=False):
        machine.write_register(register, value)
    printed: list[bytes] = []
    machine.set_output(lambda icount, endpoint, data: printed.append(data))
    stop = machine.run(RunRequest(until=5))
    return machine.read_register(V0), machine.read_register(V1), b"".join(printed), stop


def test_files_are_refused_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rdbg.guest")
    for operation in (OPEN, UNLINK, LINK):
        caplog.clear()
        assert answer(operation, TEXT, text=b"/etc/passwd")[:2] == (FAILED, 13)
        assert "icount 0, pc 0x80100000: semihosting: no files: '/etc/passwd'" in caplog.text


def test_unknown_operations_and_unmapped_addresses_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rdbg.guest")
    assert answer(42)[:2] == (FAILED, 22) and "operation 42 is not known" in caplog.text
    for operation, arguments in (
        (WRITE, (1, 0x1000, 4)), (STATUS, (1, 0x1000)), (STATUS, (1, 0xBFC00000)), (ARGUMENT, (0, 0x1000)),
        (OPEN, (0x1000,)), (LOG, (0x1000,)), (WRITE, (1, 0xFFFFFFF0, 0x20)),
    ):  # fmt: skip
        caplog.clear()
        assert answer(operation, *arguments)[:2] == (FAILED, 14)
        assert "no memory for all of it" in caplog.text


def test_a_log_has_its_number_and_an_assertion_ends_the_run() -> None:
    value, _, printed, _ = answer(LOG, TEXT, -7 & 0xFFFFFFFF, text=b"it is %d degrees\n")
    assert (printed, value) == (b"it is -7 degrees\n", 17)
    _, _, printed, stop = answer(ASSERT, TEXT, TEXT, 12, text=b"true")
    assert (printed, stop.kind, stop.exit_code) == (
        b'UHI assertion "true": file "true", line 12\n',
        StopKind.SHUTDOWN,
        134,
    )


def test_a_read_of_nothing_and_a_console_at_its_end_answer_at_once() -> None:
    assert answer(READ, 0, TEXT, 0, semihosting=INPUT)[:2] == (0, 0)
    assert answer(READ, 0, TEXT, 8)[:2] == (0, 0)
    assert answer(WRITE, 1, TEXT, 0)[:2] == (FAILED, 22)
    assert answer(WRITE, 3, TEXT, 4)[:2] == (FAILED, 9)


def test_a_very_long_write_is_cut() -> None:
    assert answer(WRITE, 1, TEXT, 1 << 30)[:2] == (1 << 20, 0)
