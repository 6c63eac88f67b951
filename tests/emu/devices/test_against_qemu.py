"""Every device against QEMU 7.2's: random sequences of the same accesses and clock steps give the same values.

Each list of accesses runs on a fresh QEMU (through qtest, so there is no CPU and no host time) and on a fresh board.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.emu.devices.beside_qemu import (
    FLASH,
    FPGA,
    GT,
    PORTS,
    Operation,
    accesses,
    compare,
    lists,
    reads,
    some,
    steps,
    words,
    writes,
)

pytestmark = pytest.mark.real("qemu-system-mips")


UART = [PORTS + 0x3F8 + register for register in range(8)]
CBUS_UART = [FPGA + 0x900 + 8 * register for register in range(8)]
PIC = [PORTS + port for port in (0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1)]


@some
@given(st.booleans(), lists(st.one_of(accesses(UART), steps())))
def test_uart(big_endian: bool, operations: list[Operation]) -> None:
    compare(operations + reads(UART), big_endian)


@some
@given(
    lists(
        st.one_of(
            accesses([UART[0], UART[1]]),
            st.sampled_from(reads([UART[2], UART[5], UART[6], PORTS + 0x20])),
            st.tuples(st.just("write"), st.just(UART[2]), st.just(1), st.sampled_from([0, 1, 7, 0x41, 0x81, 0xC1])),
            steps(),
        ),
        90,
    )
)
def test_uart_in_loopback(operations: list[Operation]) -> None:
    compare(writes(UART[0], [(4, 0x1F), (3, 0x03)]) + operations + reads(UART))


@some
@given(lists(st.one_of(accesses(CBUS_UART), steps())))
def test_cbus_uart(operations: list[Operation]) -> None:
    compare(operations + reads(CBUS_UART, 4), big_endian=True)


#: What raises interrupts: timer 0 of the PIT (0), the UARTs in loop-back (4, 3), the clock (8).
TRIGGERS = [
    *writes(PORTS, [(0x43, 0x34), (0x40, 0x10), (0x40, 0x00)]),
    *writes(PORTS, [(0x3FC, 0x18), (0x3F9, 0x02), (0x3F9, 0x00), (0x2FC, 0x18), (0x2F9, 0x02), (0x2F9, 0x00)]),
    *writes(PORTS, [(0x70, 0x0B), (0x71, 0x42), (0x70, 0x0A), (0x71, 0x23)]),
]
ACKNOWLEDGE: list[Operation] = [("read", GT + 0xC34, 4, 0)]


@some
@given(
    lists(
        st.one_of(
            accesses(PIC),
            st.sampled_from(TRIGGERS),
            st.sampled_from(ACKNOWLEDGE * 2),
            st.sampled_from(writes(PORTS, [(0x20, value) for value in (0x20, 0x60, 0x0A, 0x0B, 0x0C, 0x68, 0xA0)])),
            steps(),
        ),
        100,
    )
)
def test_interrupt_controllers(operations: list[Operation]) -> None:
    start = writes(PORTS, [(0x20, 0x11), (0x21, 0x20), (0x21, 0x04), (0x21, 0x01)])
    start += writes(PORTS, [(0xA0, 0x11), (0xA1, 0x28), (0xA1, 0x02), (0xA1, 0x01)])
    compare(start + operations + reads(PIC) + ACKNOWLEDGE * 3 + reads(PIC))


@some
@given(lists(st.one_of(accesses([PORTS + 0x40 + port for port in range(4)]), steps()), 100))
def test_timer(operations: list[Operation]) -> None:
    compare(operations + reads([PORTS + port for port in (0x40, 0x41, 0x42, 0x20)] * 2))


def clock_write(index: int, value: int) -> list[Operation]:
    return writes(PORTS, [(0x70, index), (0x71, value)])


def clock_read(index: int) -> list[Operation]:
    return [("write", PORTS + 0x70, 1, index), ("read", PORTS + 0x71, 1, 0)]


def digits(high: int) -> st.SearchStrategy[int]:
    return st.integers(0, high).map(lambda value: value // 10 << 4 | value % 10)


CLOCK_FIELDS = {0: 59, 2: 59, 4: 23, 6: 7, 7: 28, 8: 12, 9: 99, 1: 59, 3: 59, 5: 23}


@some
@given(
    st.lists(
        st.one_of(
            st.sampled_from(sorted(CLOCK_FIELDS)).flatmap(
                lambda index: digits(CLOCK_FIELDS[index]).map(lambda value: clock_write(index, value))
            ),
            st.sampled_from([*CLOCK_FIELDS, 0x0A, 0x0B, 0x0C, 0x0D, 0x32, 0x37]).map(clock_read),
            st.sampled_from([0xC0, 0xFF]).flatmap(
                lambda value: st.sampled_from([1, 3, 5]).map(lambda index: clock_write(index, value))
            ),
            st.sampled_from([0x20, 0x26, 0x23, 0x2F, 0x60, 0x70, 0x10]).map(lambda value: clock_write(0x0A, value)),
            st.integers(0, 255).map(lambda value: clock_write(0x0B, value & 0xF2)),
            steps(8000).map(lambda step: [step]),
            st.just([("read", PORTS + 0xA0, 1, 0)]),
        ),
        min_size=20,
        max_size=60,
    )
)
def test_clock(groups: list[list[Operation]]) -> None:
    final = [item for index in [*CLOCK_FIELDS, 0x0A, 0x0B, 0x0C, 0x32] for item in clock_read(index)]
    compare([item for group in groups for item in group] + final, shift=10)


@some
@given(
    st.booleans(),
    lists(
        st.one_of(
            st.tuples(
                st.just("write"),
                st.sampled_from([FLASH + offset for offset in (0, 4, 0x40, 0x154, 0x10000, 0x3FFFFC)]),
                st.sampled_from([1, 2, 4]),
                st.sampled_from([0xFF, 0x90, 0x98, 0x70, 0x50, 0x40, 0x10, 0x20, 0xD0, 0x60, 0x01, 0, 0x1234_5678]),
            ),
            st.tuples(
                st.just("read"),
                st.sampled_from([FLASH + offset for offset in (*range(0, 0x150, 4), 0x10000, 0x3FFFFC)]),
                st.sampled_from([1, 2, 4]),
                st.just(0),
            ),
        )
    ),
)
def test_flash(big_endian: bool, operations: list[Operation]) -> None:
    operations = [(k, a, s, v & ((1 << (8 * s)) - 1)) for k, a, s, v in operations]
    erase = writes(FLASH, [(0, 0x20), (0, 0xD0), (0, 0xFF)], 4)  # what the board holds there at power-on differs
    compare(erase + operations, big_endian)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("count", [1, 5, 16])
def test_flash_buffered_write(big_endian: bool, count: int) -> None:
    operations = writes(FLASH, [(0x20000, 0xE8)], 4) + reads([FLASH + 0x20000], 4)
    operations += writes(FLASH, [(0x20000, count - 1)], 4)
    operations += writes(FLASH, [(0x20000 + 4 * index, 0x0102_0304 * (index + 1)) for index in range(count)], 4)
    operations += writes(FLASH, [(0x20000, 0xD0)], 4) + reads([FLASH + 0x20000], 4)
    operations += writes(FLASH, [(0x20000, 0xFF)], 4) + reads([FLASH + 0x20000 + 4 * index for index in range(20)], 4)
    compare(operations, big_endian)


def enable_pm_ports(base: int) -> list[Operation]:
    operations: list[Operation] = []
    for register, value in ((0x40, base | 1), (0x80, 1)):
        operations += writes(GT, [(0xCF8, 0x8000_0000 | 83 << 8 | register), (0xCFC, value)], 4)
    return operations


@some
@given(
    lists(
        st.one_of(
            st.tuples(
                st.just("read"),
                st.sampled_from([PORTS + 0x2000 + offset for offset in (0, 2, 4)]),
                st.just(2),
                st.just(0),
            ),
            st.tuples(st.just("read"), st.just(PORTS + 0x2008), st.just(4), st.just(0)),
            st.tuples(
                st.just("write"), st.sampled_from([PORTS + 0x2000, PORTS + 0x2002]), st.just(2), st.integers(0, 0xFFFF)
            ),
            st.tuples(
                st.just("write"), st.just(PORTS + 0x2004), st.just(2), st.integers(0, 0xFFFF).map(lambda v: v & ~0x2000)
            ),
            accesses([PORTS + 0xB3, PORTS + 0xAFE2, PORTS + 0xAFE3]),
            st.tuples(st.just("write"), st.just(PORTS + 0xB2), st.just(1), st.sampled_from([0xF0, 0xF1, 0x55])),
            st.just(("read", PORTS + 0xA0, 1, 0)),
            steps(),
        )
    )
)
def test_power_management(operations: list[Operation]) -> None:
    compare(enable_pm_ports(0x2000) + operations)


SMBUS = [PORTS + 0x1100 + register for register in (0, 2, 3, 4, 5, 6)]


@some
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0xA0, 0xA1, 0xA1, 0xAC, 0xAD, 0xA7, 0x31]),
            st.integers(0, 255),
            st.sampled_from([0x40, 0x44, 0x48, 0x4C, 0x49, 0x4D, 0x50]),
            st.integers(0, 255),
        ),
        max_size=20,
    )
)
def test_smbus(transactions: list[tuple[int, int, int, int]]) -> None:
    operations: list[Operation] = []
    for address, command, control, data in transactions:
        operations += writes(PORTS + 0x1100, [(0, 0xFE), (4, address), (3, command), (5, data), (2, control)])
        operations += reads([SMBUS[0], SMBUS[0], SMBUS[4], SMBUS[5], SMBUS[1], SMBUS[2], SMBUS[3]])
    compare(operations)


FPGA_REGISTERS = [FPGA + offset for offset in (0x200, 0x208, 0x210, 0x408, 0x410, 0x418, 0x508, 0xA00, 0xA08,
                                               0xB08, 0xB10, 0xB18, 0x0, 0x940, 0x9FC)]  # fmt: skip


@some
@given(
    st.booleans(),
    lists(
        st.one_of(
            st.tuples(st.just("read"), st.sampled_from(FPGA_REGISTERS), st.just(4), st.just(0)),
            st.tuples(st.just("write"), st.sampled_from(FPGA_REGISTERS), st.just(4), words),
        )
    ),
)
def test_fpga(big_endian: bool, operations: list[Operation]) -> None:
    compare(operations, big_endian)


def keyboard(*bytes_: int) -> list[Operation]:
    """Each byte to the keyboard, and its answers."""
    return [item for value in bytes_ for item in [*writes(PORTS, [(0x60, value)]), *reads(KEYBOARD * 5)]]


def mouse(*bytes_: int) -> list[Operation]:
    return [item for value in bytes_ for item in [*writes(PORTS, [(0x64, 0xD4), (0x60, value)]), *reads(KEYBOARD * 5)]]


KEYBOARD = [PORTS + 0x64, PORTS + 0x60]
COMMANDS = [0x20, 0xA7, 0xA8, 0xA9, 0xAA, 0xAB, 0xAD, 0xAE, 0xC0]


@some
@given(
    st.lists(
        st.one_of(
            st.sampled_from(COMMANDS).map(lambda value: [*writes(PORTS, [(0x64, value)]), *reads(KEYBOARD * 2)]),
            st.tuples(st.sampled_from([0xD2, 0xD3]), st.integers(0, 255)).map(
                lambda pair: [*writes(PORTS, [(0x64, pair[0]), (0x60, pair[1])]), *reads(KEYBOARD * 2)]
            ),
            st.sampled_from([0x00, 0x03, 0x43, 0x30, 0x31, 0x22]).map(
                lambda mode: [*writes(PORTS, [(0x64, 0x60), (0x60, mode & ~0x40)]), *reads(KEYBOARD)]
            ),
            st.sampled_from([0xED, 0xF3, 0xF0]).map(lambda command: keyboard(command, 2, 0xF2)),
            st.sampled_from([0x00, 0xEE, 0xF2, 0xF4, 0xF5, 0xF6, 0xFF]).map(keyboard),
            st.sampled_from([0xE6, 0xE7, 0xE9, 0xEA, 0xEB, 0xF0, 0xF2, 0xF4, 0xF5, 0xF6, 0xFF]).map(mouse),
            st.sampled_from([(200, 100, 80), (200, 200, 80), (10, 20, 40)]).map(
                lambda rates: mouse(*(value for rate in rates for value in (0xF3, rate)), 0xF2, 0xE9, 0xEB)
            ),
            st.just(reads(PIC[:3:2])),
        ),
        min_size=20,
        max_size=40,
    )
)
def test_keyboard_and_mouse(groups: list[list[Operation]]) -> None:
    compare([item for group in groups for item in group])


@some
@given(
    lists(
        st.one_of(
            st.sampled_from(
                reads([PORTS + 0x2000 + offset for offset in (0, 2, 4, 6, 0x10, 0x12)], 2)
                + reads([PORTS + 0x2008], 4)
                + reads([PORTS + 0x200C])
            ),
            st.tuples(
                st.just("write"),
                st.sampled_from([PORTS + 0x2000 + offset for offset in (2, 4, 6, 0x10, 0x12)]),
                st.just(2),
                st.integers(0, 0xFFFF),
            ),
            st.tuples(st.just("write"), st.just(PORTS + 0x2000), st.just(2), st.sampled_from([0, 2, 4, 0x80, 0xC0])),
            st.tuples(st.just("write"), st.just(PORTS + 0x2008), st.just(4), st.integers(0, 0xFFFF_FFFF)),
            st.tuples(st.just("write"), st.just(PORTS + 0x200C), st.just(1), st.integers(0, 255)),
        )
    )
)
def test_usb_controller(operations: list[Operation]) -> None:
    place = writes(GT, [(0xCF8, 0x8000_0000 | 82 << 8 | 0x20), (0xCFC, 0x2000)], 4)
    place += writes(GT, [(0xCF8, 0x8000_0000 | 82 << 8 | 0x04), (0xCFC, 1)], 4)
    compare(place + operations)
