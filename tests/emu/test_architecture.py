"""What an architecture says of its addresses and registers, and that journals mean the same registers for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbg.emu.architecture import RegisterInfo
from rdbg.emu.cpu_model import CPU_MODELS, Extension
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.mips32 import MIPS32, cp0_journal_id
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.targets.known import target_of
from rdbg.timeline import Timeline
from tests.emu.guests import LOOP, NOP, machine_with
from tests.timeline.toy64 import TOY64

#: What stands in journals: a number never changes, and is never given to another register.
JOURNAL_IDS = {
    **{f"r{n}": n for n in range(32)},
    "status": 32, "lo": 33, "hi": 34, "badvaddr": 35, "cause": 36, "pc": 37,
    **{f"f{n} of 32 bits": 38 + n for n in range(32)},
    "fcsr": 70, "fir": 71,
    **{f"f{n} of 64 bits": 128 + n for n in range(32)},
    "index": 256, "random": 264, "entrylo0": 272, "entrylo1": 280, "context": 288, "pagemask": 296, "wired": 304,
    "hwrena": 312, "count": 328, "entryhi": 336, "compare": 344, "intctl": 353, "srsctl": 354, "epc": 368,
    "prid": 376, "ebase": 377, "config": 384, "config1": 385, "config2": 386, "config3": 387, "lladdr": 392,
    "errorepc": 496, "restart": 512,
}  # fmt: skip


def _called(info: RegisterInfo) -> str:
    return f"{info.name} of {info.bits} bits" if info.layout else info.name


def test_journals_call_each_register_what_they_always_have() -> None:
    named = {_called(info): info.journal_id for info in MIPS32.registers}
    assert {name: named.get(name) for name in JOURNAL_IDS} == JOURNAL_IDS
    assert len(set(named.values())) == len(named)


def test_a_recorded_write_does_not_depend_on_a_debuggers_numbers() -> None:
    """As if a row had come before: the journal's write goes to the register that was meant."""
    machine = machine_with([LOOP, NOP])
    history = History.live_run()
    timeline = Timeline(machine, history)
    timeline.live_end.write_register(MIPS32.number_of("epc"), 0x8010_0040)
    history.seek(-1)
    (event,) = history.take_pokes(0)
    assert (event.kind, event.port, event.value) == (InputKind.POKE_REGISTER, cp0_journal_id(14, 0), 0x8010_0040)

    other = machine_with([LOOP, NOP])
    rows = tuple(replace(info, number=info.number + (72 <= info.number < 128)) for info in MIPS32.registers)
    other.architecture = replace(MIPS32, registers=rows)
    known = other._registers._registers
    other._registers._registers = {
        info.number: known[old.number] for info, old in zip(rows, MIPS32.registers, strict=True)
    }
    other.apply(event)
    assert other.core.registers.read_cp0(14, 0) == 0x8010_0040


def test_a_write_to_a_register_that_is_not_there_is_refused_in_a_line() -> None:
    machine = machine_with([LOOP, NOP])
    with pytest.raises(RdbgError, match="journal id 511 is of no register") as caught:
        machine.apply(InputEvent(0, InputKind.POKE_REGISTER, 511, 1))
    assert "\n" not in str(caught.value)
    with pytest.raises(RdbgError, match="no register 999"):
        Timeline(machine, History.live_run()).live_end.write_register(999, 1)


@given(st.integers(0, (1 << 32) - 1))
def test_32_bit_addresses_have_two_forms_and_no_others(address: int) -> None:
    extended = MIPS32.extended(address)
    assert extended == address + (0xFFFF_FFFF_0000_0000 if address >= 0x8000_0000 else 0)
    assert MIPS32.address(address) == MIPS32.address(extended) == address
    assert MIPS32.address(address | 1 << 32) is None and MIPS32.address(-1 - address) is None
    assert MIPS32.address(address | 0x7FFF_FFFF_0000_0000) is None
    assert MIPS32.room(address) == (1 << 32) - address and len(MIPS32.shown(address)) == 10


@given(st.integers(0, (1 << 64) - 1))
def test_64_bit_addresses_have_one_form(address: int) -> None:
    assert TOY64.extended(address) == TOY64.address(address) == address
    assert TOY64.address(1 << 64 | address) is None
    assert TOY64.room(address) == (1 << 64) - address and len(TOY64.shown(address)) == 18


def test_steps_end_behind_the_instructions_that_run_as_one() -> None:
    assert MIPS32.ends_of_step(0x1000) == {0x1004, 0x1008} and MIPS32.step_reach == 4
    assert TOY64.ends_of_step(0x1000) == {0x1002, 0x1004} and TOY64.step_reach == 0
    assert MIPS32.ends_of_step(0xFFFF_FFFC) == {0, 4}


def test_debuggers_know_an_unknown_architecture_by_its_own_data() -> None:
    target = target_of(TOY64)
    assert target.feature("core") == "org.rdbg.toy64.core" and target.called(None, True) == "toy64"
    assert target_of(MIPS32).feature("cp0") == "org.gnu.gdb.mips.cp0" and target_of(MIPS32).called(None, True) == "mips"


def test_each_cpu_says_only_what_the_core_has() -> None:
    for model in CPU_MODELS.values():
        assert len(model.configs) == 8
        # Config.M: whether the one behind it is there.
        for register, (value, behind) in enumerate(zip(model.configs, model.configs[1:], strict=False)):
            assert value >> 31 or not behind, (model.name, register)
    with pytest.raises(ValueError, match="DSP"):
        replace(CPU_MODELS["34Kf"], extensions=frozenset({Extension.DSP}))


def test_the_cpu_of_a_machine_is_the_one_that_was_chosen() -> None:
    machine = machine_with([LOOP, NOP])
    assert machine.read_register(MIPS32.number_of("prid")) == CPU_MODELS["24Kf"].prid
    assert machine.architecture is CPU_MODELS["24Kf"].architecture
