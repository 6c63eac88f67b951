"""The XML that GDB reads."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdbg.emu.architecture import RegisterInfo, RegisterKind
from rdbg.emu.machine_api import MemoryArea
from rdbg.emu.mips32 import MIPS32
from rdbg.rsp.target_xml import memory_map, target_description, threads


def test_registers_stand_in_their_features() -> None:
    text = target_description(
        [
            RegisterInfo(0, "r0", 32, "cpu", 0),
            RegisterInfo(32, "status", 32, "cp0", 32, group="system"),
            RegisterInfo(33, "lo", 32, "cpu", 33),
            RegisterInfo(38, "f0", 32, "fpu", 38, RegisterKind.FLOAT, "float"),
        ],
        big_endian=True,
        architecture="mips:isa32",
        feature_of=lambda unit: f"org.{unit}",
    )
    tree = ElementTree.fromstring(text)
    assert tree.findtext("architecture") == "mips:isa32"
    assert {feature.get("name"): [reg.get("regnum") for reg in feature] for feature in tree.iter("feature")} == {
        "org.cpu": ["0", "33"],
        "org.cp0": ["32"],
        "org.fpu": ["38"],
    }


@pytest.mark.parametrize(("big_endian", "word"), [(False, "little"), (True, "big")])
def test_binary_ninja_finds_byte_order_and_numbers(big_endian: bool, word: str) -> None:
    """It looks for the elements behind the architecture, and takes a register's number from its last attribute (its
    debugger's core/adapters/gdbadapter.cpp, LoadRegisterInfo)."""
    registers = [RegisterInfo(38, "f0", 32, "fpu", 38, RegisterKind.FLOAT, "float", saved=False)]
    tree = ElementTree.fromstring(target_description(registers, big_endian, "mips", str))
    assert [element.tag for element in tree] == ["architecture", "endian", "feature"]
    assert tree.findtext("endian") == word
    assert [list(element.attrib)[-1] for element in tree.iter("reg")] == ["regnum"]


@given(
    st.lists(
        st.builds(
            MemoryArea,
            kind=st.sampled_from(["ram", "rom", "flash"]),
            start=st.integers(0, 0xFFFFF).map(lambda page: page << 12),
            length=st.integers(1, 0x400).map(lambda pages: pages << 12),
            block_size=st.just(0x10000),
        ),
        max_size=5,
    )
)
def test_the_memory_map_covers_everything_once(areas: list[MemoryArea]) -> None:
    reached = 0
    for memory in ElementTree.fromstring(memory_map(areas, MIPS32)).iter("memory"):
        assert int(memory.get("start", ""), 16) == reached
        length = int(memory.get("length", ""), 16)
        assert 0 < length < 1 << 63
        assert not any(reached < gap < reached + length for gap in (0x80000000, 0xFFFFFFFF80000000))
        reached += length
        assert (memory.find("property") is not None) == (memory.get("type") == "flash")
    assert reached == 1 << 64


def test_read_only_areas_stand_where_gdb_looks_for_them() -> None:
    text = memory_map([MemoryArea("rom", 0xBFC00000, 0x400000), MemoryArea("ram", 0x80000000, 0x1000)], MIPS32)
    assert 'type="rom" start="0xffffffffbfc00000" length="0x400000"' in text


def test_there_is_one_thread() -> None:
    (thread,) = ElementTree.fromstring(threads("CPU"))
    assert thread.get("id") == "1"
