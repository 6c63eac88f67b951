"""Conditions of breakpoints, evaluated by the core: against the Python evaluator, and against asking at each hit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdbg.emu.expression import Operation, Step
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, Space, StopKind
from rdbg.emu.spec import Image, MachineSpec
from rdbg.rsp.agent_code import AgentError, decode
from tests.emu.guests import CODE, LOOP, NOP, machine_with
from tests.rsp.agent_oracle import AgentContext, AgentExpression

GUESTS = Path(__file__).parents[1] / "gdb" / "guest"
BINARY = [0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0F, 0x10, 0x11, 0x13, 0x14, 0x15]


def counter(order: str = "el") -> Machine:
    elf = GUESTS / f"counter-{order}.elf"
    image = Image("kernel", str(elf), elf.read_bytes())
    return Machine(MachineSpec("malta", "24Kf", order == "eb", 16 << 20, 0, (image,)))


@pytest.fixture(scope="module", params=["el", "eb"])
def machine(request: pytest.FixtureRequest) -> Machine:
    machine = counter(request.param)
    machine.run(RunRequest(until=500))
    return machine


def python_value(machine: Machine, code: bytes) -> int | None:
    """What the Python evaluator says; None: it cannot be evaluated."""
    known = {
        info.number for info in machine.architecture.registers if info.name != "restart"
    }  # which the CPU does not have

    def register(number: int) -> int:
        if number not in known:
            raise AgentError(f"there is no register {number}")
        return machine.read_register(number)

    def memory(address: int, size: int) -> int | None:
        devices = [extent for extent in machine.storage(address, size) if extent.space is Space.DEVICE]
        if not all(machine.bus.ignored_page(extent.address) for extent in devices):
            return None  # a condition asks no device
        data = machine.read_memory(address, size)
        return int.from_bytes(data, "big" if machine.big_endian else "little") if len(data) == size else None

    try:
        return AgentExpression(code).evaluate(AgentContext(register, memory))
    except AgentError:
        return None


constants = st.one_of(
    st.integers(0, 255).map(lambda n: b"\x22" + bytes([n])),
    st.integers(0, (1 << 64) - 1).map(lambda n: b"\x25" + n.to_bytes(8, "big")),
    st.sampled_from([0x80100000, 0x80100FFE, 0x7FFFFFFF, 0xFFFFFFFF, 0xC0000000]).map(
        lambda n: b"\x24" + n.to_bytes(4, "big")
    ),
)
operations = st.one_of(
    constants,
    st.sampled_from(BINARY).map(lambda op: bytes([op])),
    st.sampled_from([0x0E, 0x12, 0x17, 0x18, 0x19, 0x1A, 0x28, 0x29, 0x2B, 0x33]).map(lambda op: bytes([op])),
    st.integers(0, 100).map(lambda n: b"\x26" + n.to_bytes(2, "big")),
    st.integers(1, 64).map(lambda n: bytes([0x16, n])),
    st.integers(0, 70).map(lambda n: bytes([0x2A, n])),
    st.integers(0, 4).map(lambda n: bytes([0x32, n])),
    st.integers(0, 40).map(lambda n: b"\x20" + n.to_bytes(2, "big")),
)


@settings(deadline=None, max_examples=500)
@given(st.lists(operations, max_size=14).map(b"".join))
def test_the_core_evaluates_as_the_manual_says(machine: Machine, code: bytes) -> None:
    code += b"\x27"
    try:
        AgentExpression(code)
    except AgentError:
        with pytest.raises(AgentError):
            decode(code)
        return
    assert machine.evaluate(decode(code)) == python_value(machine, code)


def test_endless_loops_and_all_registers(machine: Machine) -> None:
    assert machine.evaluate(decode(bytes.fromhex("21000027"))) is None  # goto 0
    assert machine.evaluate(decode(bytes.fromhex("220128 210002 27".replace(" ", "")))) is None  # the stack runs over
    for info in machine.architecture.registers:
        if info.name == "restart":
            continue  # of programs on Linux: no register of the CPU
        code = (Step(Operation.REGISTER, info.number), Step(Operation.END))
        assert machine.evaluate(code) == machine.read_register(info.number), info.name


def places(machine: Machine, count: int) -> list[tuple[int, int, int]]:
    """Position, pc and $v0 at each of the next steps."""
    seen = []
    for _ in range(count):
        machine.step()
        seen.append((machine.icount, machine.pc, machine.read_register(2)))
    return seen


@pytest.mark.parametrize("order", ["el", "eb"])
def test_each_instruction_stops_exactly_where_its_condition_holds(order: str) -> None:
    machine = counter(order)
    machine.run(RunRequest(until=400))
    start = machine.save_state()
    pages = machine.nonzero_pages()
    data = machine.read_pages(pages)
    walk = places(machine, 300)
    wanted = sorted({v0 for _, _, v0 in walk})[len({v0 for _, _, v0 in walk}) // 2]
    code = decode(b"\x26\x00\x02\x24" + wanted.to_bytes(4, "big") + b"\x13\x27")  # $v0 == wanted
    for address in sorted({pc for _, pc, _ in walk}):
        expected = [position for position, pc, v0 in walk if pc == address and v0 == wanted]
        request = RunRequest(until=walk[-1][0], breakpoints=frozenset({address}), conditions={address: (code,)})
        machine.load_state(start)
        machine.write_pages(pages, data)
        hits = []
        while machine.run(replace(request, passes=bool(hits))).kind is StopKind.BREAKPOINT:
            assert machine.pc == address and machine.icount not in hits
            hits.append(machine.icount)
        assert [hit for hit in hits if hit < walk[-1][0]] == [place for place in expected if place < walk[-1][0]]
        machine.load_state(start)
        machine.write_pages(pages, data)
        machine.run(RunRequest(walk[-1][0], None, request.breakpoints, request.conditions, last_hit=True))
        last = machine.last_breakpoint_hit
        before_end = [place for place in expected if place < walk[-1][0]]
        assert (last.position if last else None) == (before_end[-1] if before_end else None)


def test_a_request_that_could_not_be_armed_is_armed_when_it_comes_again() -> None:
    machine = machine_with([NOP, NOP, NOP, LOOP, NOP])
    request = RunRequest(until=3, breakpoints=frozenset({CODE + 8}), conditions={CODE + 8: ((None,),)})
    for _ in range(2):
        with pytest.raises(AttributeError):
            machine.run(request)
    assert machine.icount == 0
    stop = machine.run(RunRequest(until=3, breakpoints=frozenset({CODE + 8})))
    assert (stop.kind, stop.pc) == (StopKind.BREAKPOINT, CODE + 8)
