"""The north bridge, PCI's configuration space and the rest of the map against QEMU 7.2's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emu.devices.beside_qemu import (
    GT,
    PORTS,
    Operation,
    compare,
    lists,
    reads,
    some,
    words,
    writes,
)

pytestmark = pytest.mark.real("qemu-system-mips")


#: Registers of the north bridge but those that move windows under the test's feet.
GT_REGISTERS = [GT + offset for offset in range(0, 0x1000, 4) if offset not in (0x000, 0x048, 0x050, 0x068, 0xC34)]
CONFIG = [
    0x8000_0000 | function << 8 | register for function in (0, 8, 80, 81, 82, 83, 84) for register in range(0, 256, 4)
]


@some
@given(
    st.booleans(),
    lists(
        st.one_of(
            st.tuples(st.just("read"), st.sampled_from(GT_REGISTERS), st.just(4), st.just(0)),
            st.tuples(st.just("write"), st.sampled_from(GT_REGISTERS), st.just(4), words),
        ),
        150,
    ),
)
def test_north_bridge_registers(big_endian: bool, operations: list[Operation]) -> None:
    compare(operations, big_endian)


@pytest.mark.parametrize("big_endian", [False, True])
def test_north_bridge_reset_values(big_endian: bool) -> None:
    compare(reads([GT + offset for offset in range(0, 0x1000, 4)], 4), big_endian)


def swapped(value: int, big_endian: bool) -> int:
    return int.from_bytes(value.to_bytes(4, "little"), "big") if big_endian else value


@some
@given(st.booleans(), st.lists(st.tuples(st.sampled_from(CONFIG), st.booleans(), words), max_size=60))
def test_pci_configuration(big_endian: bool, items: list[tuple[int, bool, int]]) -> None:
    operations: list[Operation] = []
    for address, store, value in items:
        operations.append(("write", GT + 0xCF8, 4, swapped(address, big_endian)))
        # Stores with ones in the control registers of the ports would move them onto others.
        if store and not (address >> 8 & 0xFF == 83 and address & 0xFF in (0x40, 0x80, 0x90, 0xD0)):
            operations.append(("write", GT + 0xCFC, 4, value))
        operations.append(("read", GT + 0xCFC, 4, 0))
    compare(operations, big_endian)


@pytest.mark.parametrize("big_endian", [False, True])
def test_pci_configuration_reset_values(big_endian: bool) -> None:
    operations: list[Operation] = []
    for address in CONFIG:
        operations.append(("write", GT + 0xCF8, 4, swapped(address, big_endian)))
        operations.append(("read", GT + 0xCFC, 4, 0))
    compare(operations, big_endian)


@pytest.mark.parametrize("big_endian", [False, True])
def test_windows_move(big_endian: bool) -> None:
    def word(value: int) -> int:
        return swapped(value, big_endian)

    moved = 0x1BE0_0000
    operations: list[Operation] = [("write", GT + 0x68, 4, word(0xDF))]
    operations += writes(moved, [(0x48, word(0xC0)), (0x50, word(0x40))], 4)
    operations += reads([GT + 0x68, moved + 0x68, moved + 0x48, moved + 0xF0], 4)
    for base in (0x1000_0000, 0x1800_0000):
        operations += writes(base, [(0x3FF, 0x5A)])
        operations += reads([base + 0x3F8, base + 0x3FC], 4) + reads([base + 0x3FF, base + 0x80, base + 0x61])
        operations += reads([base + 0x1_0000], 4)
    # High below low: the window stays.
    operations += writes(moved, [(0x50, word(0x3F))], 4) + reads([0x1800_03FF])
    compare(operations, big_endian)


#: Of each width, ports where an access meets one device only: QEMU gives a wider one to whoever has its first port,
#: where a bus splits it.
ABSENT = {
    1: [0x10, 0x61, 0x80, 0x1F0, 0x1F7, 0x177, 0x3F6, 0x2E8, 0x388, 0xCF8, 0xCF9, 0xB2, 0x4D2],
    2: [0x10, 0x62, 0x72, 0x1F8, 0x2E8, 0x388, 0x4D2, 0xCFA],
    4: [0x10, 0x90, 0x2E8, 0x388, 0x4D4, 0xCFC],
}


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_ports_that_nobody_answers(big_endian: bool, size: int) -> None:
    compare(reads([PORTS + port for port in ABSENT[size]], size), big_endian)


@pytest.mark.parametrize("big_endian", [False, True])
def test_the_rest_of_the_map(big_endian: bool) -> None:
    places = [0x1001_0000, 0x1200_0000, 0x1400_1000, 0x1C00_0000, 0x1E40_0000, 0x1F00_0940, 0x1F10_0000, 0x1FC0_0010]
    compare(reads(places, 4) + reads([0x1FFF_FFF0], 4), big_endian)
