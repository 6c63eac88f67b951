"""Where a value came from: through registers, memory in pieces, and exceptions, to what made it."""

from __future__ import annotations

import pytest

from rdbg.analysis.origin import OriginSearch, SoughtBytes
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.history.history import History
from rdbg.navigation.stops import StopConditions
from rdbg.timeline import Timeline
from tests.emu.guests import LOOP, NOP, SKIPPING_HANDLER, addiu, i_type, lui, lw, machine_with, mfc0, mtc0, r_type, sw

_DATA = 0x80200000
_SYSCALL = 0x0000000C
_SAVING = [sw(8, 0x100, 16), addiu(8, 0, 1), lw(8, 0x100, 16), *SKIPPING_HANDLER]


def _steps(
    code: list[int], register: int | None, big_endian: bool, length: int = 4, at: int = 0
) -> list[tuple[str, bool]]:
    machine = machine_with([lui(16, _DATA >> 16), *code, LOOP, NOP], _SAVING, big_endian=big_endian)
    timeline = Timeline(machine, History.live_run())
    timeline.run(StopConditions(), lambda: timeline.position >= 200)
    position = timeline.position
    digest = machine.digest()
    target = (
        SoughtBytes(position, register) if register is not None else SoughtBytes(position, None, (), _DATA + at, length)
    )
    with ReplayedRun(timeline) as run:
        steps = list(OriginSearch(run).steps(target))
    assert (timeline.position, machine.digest()) == (position, digest)
    timeline.close()
    return [(step.name, step.ends) for step in steps]


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_chain_of_copies_ends_at_the_constant(big_endian: bool) -> None:
    code = [addiu(8, 0, 77), sw(8, 0, 16), lw(9, 0, 16), r_type(0x21, 9, 0, 10), sw(10, 4, 16), lw(11, 4, 16)]
    names = [name for name, _ in _steps(code, 11, big_endian)]
    assert names == ["lw", "sw", "addu", "lw", "sw", "addiu"]


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_register_saved_and_put_back_by_a_handler_is_followed_through_it(big_endian: bool) -> None:
    steps = _steps([addiu(8, 0, 77), _SYSCALL, r_type(0x25, 8, 0, 9)], 9, big_endian)
    assert [name for name, _ in steps] == ["or", "lw", "sw", "addiu"]


@pytest.mark.parametrize("big_endian", [False, True])
def test_bytes_from_different_places_fork(big_endian: bool) -> None:
    code = [addiu(8, 0, 1), addiu(9, 0, 2), sw(0, 0, 16), i_type(0x28, 16, 8, 0), i_type(0x29, 16, 9, 2), lw(10, 0, 16)]
    steps = _steps(code, 10, big_endian)
    assert sorted(name for name, _ in steps) == ["addiu", "addiu", "lw", "sb", "sh", "sw"]
    assert [name for name, ends in steps if ends].count("addiu") == 2


@pytest.mark.parametrize("big_endian", [False, True])
def test_unaligned_words_and_slots_are_followed(big_endian: bool) -> None:
    left, right = (0x22, 0x26) if big_endian else (0x26, 0x22)
    code = [lui(8, 0x1234), sw(8, 0, 16), sw(8, 4, 16), i_type(left, 16, 9, 1), i_type(right, 16, 9, 4),
            i_type(0x04, 0, 0, 1), sw(9, 8, 16), NOP, NOP]  # fmt: skip
    steps = _steps(code, None, big_endian, at=8)
    names = [name for name, _ in steps]
    assert names[0] == "sw" and names.count("lui") == 2 and {"lwl", "lwr"} <= set(names)


@pytest.mark.parametrize("big_endian", [False, True])
def test_moves_of_the_fpu_and_linked_stores_are_copies(big_endian: bool) -> None:
    unit = [mfc0(12, 12), lui(13, 0x2000), r_type(0x25, 12, 13, 12), mtc0(12, 12)]
    code = [
        *unit, addiu(8, 0, 77), sw(8, 0, 16), i_type(0x30, 16, 9, 0), i_type(0x38, 16, 9, 0),  # ll, sc
        i_type(0x31, 16, 2, 0), _move(0x10, 0, 2, 4, 6), i_type(0x39, 16, 4, 4),  # lwc1 f2, mov.s f4, swc1 f4
        i_type(0x31, 16, 6, 4), _move(0, 10, 6), _move(4, 10, 8),  # lwc1 f6, mfc1 $10, mtc1 f8
        i_type(0x3D, 16, 8, 8), i_type(0x35, 16, 12, 8), _move(0, 11, 12),  # sdc1 f8, ldc1 f12, mfc1 $11
    ]  # fmt: skip
    steps = _steps(code, 11, big_endian)
    names = [name for name, _ in steps]
    assert names[:7] == ["mfc1", "ldc1", "sdc1", "mtc1", "mfc1", "lwc1", "swc1"]
    assert names[7].startswith("mov") and names[8:] == ["lwc1", "sc", "ll", "sw", "addiu"]
    assert [ends for _, ends in steps] == [False] * 12 + [True]


def _move(kind: int, rt: int, fs: int, fd: int = 0, function: int = 0) -> int:
    """An instruction of the FPU that moves a value."""
    return 0x11 << 26 | kind << 21 | rt << 16 | fs << 11 | fd << 6 | function


def test_a_computation_names_its_operands_and_a_debuggers_write_its_maker() -> None:
    machine = machine_with([addiu(8, 0, 3), addiu(9, 0, 4), r_type(0x21, 8, 9, 10), LOOP, NOP])
    timeline = Timeline(machine, History.live_run())
    timeline.run(StopConditions(), lambda: timeline.position >= 50)
    timeline.live_end.write_register(12, 99)
    position = timeline.position
    with ReplayedRun(timeline) as run:
        (step,) = OriginSearch(run).steps(SoughtBytes(position, 10))
        (poke,) = OriginSearch(run).steps(SoughtBytes(position, 12))
    assert (step.value, step.operands, step.ends) == (7, (("t0", 3), ("t1", 4)), True)
    assert (poke.name, poke.value) == ("the debugger", 99)
