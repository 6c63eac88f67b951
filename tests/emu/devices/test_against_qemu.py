"""Every device against QEMU 7.2's: random sequences of the same accesses and clock steps give the same values.

Each list of accesses runs on a fresh QEMU (through qtest, so there is no CPU and no host time) and on a fresh board.
"""

from __future__ import annotations

import calendar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rdbg.emu.spec import Image, MachineSpec
from tests.emu.bench_system import BenchMachine
from tests.emu.qtest import QtestMachine

pytestmark = pytest.mark.real("qemu-system-mips")

PORTS = 0x1000_0000
GT = 0x1400_0000
FLASH = 0x1E00_0000
FPGA = 0x1F00_0000
RTC_BASE = calendar.timegm((2021, 3, 4, 5, 6, 7))

#: ("read", address, size, 0), ("write", address, size, value), ("step", host microseconds, 0, 0)
Operation = tuple[str, int, int, int]
#: Each example starts a QEMU, so there are few, and failures are shown as they are rather than shrunk for minutes.
some = settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


def bench(big_endian: bool = False) -> BenchMachine:
    code = (0x1000FFFF).to_bytes(4, "big" if big_endian else "little")
    images = (Image("bios", "loop.bin", code),)
    return BenchMachine(MachineSpec("malta", "24Kf", big_endian, 256 << 20, 7, images, rtc_base=RTC_BASE))


def compare(operations: list[Operation], big_endian: bool = False, shift: int = 3) -> None:
    """Do the same to both. A step lets QEMU run for some microseconds of host time, and then us to the same moment."""
    ours = bench(big_endian)
    history: list[str] = []
    with QtestMachine(big_endian, shift) as qemu:
        for kind, address, size, value in operations:
            if kind == "write":
                ours.write(address, size, value)
                qemu.write(address, size, value)
                history.append(f"write {address:#x} {size} {value:#x}")
            elif kind == "step":
                now = run_both(ours, qemu, address / 1e6, 1 << shift)
                history.append(f"at {now} ns")
            else:
                got, wanted = ours.read(address, size), qemu.read(address, size)
                history.append(f"read {address:#x} {size}: {wanted:#x}")
                assert got == wanted, f"got {got:#x} in\n" + "\n".join(history)


def run_both(ours: BenchMachine, qemu: QtestMachine, seconds: float, instruction_ns: int) -> int:
    """Let time pass to the same moment in both; gives it, in nanoseconds.

    QEMU's CPU waits where a timer is due until another thread has run it. If it is stopped there, the timer has run or
    has not, as it happens: so it goes on to a moment at which none is due.
    """
    while True:
        now = qemu.run(seconds)
        ours.system.advance(max(0, now - instruction_ns - ours.system.now))
        if not ours.system.is_due(now):
            ours.system.advance(now - ours.system.now)
            return now
        seconds = max(seconds, 1e-5)


def accesses(addresses: list[int]) -> st.SearchStrategy[Operation]:
    address = st.sampled_from(addresses)
    return st.one_of(
        st.tuples(st.just("read"), address, st.just(1), st.just(0)),
        st.tuples(st.just("write"), address, st.just(1), st.integers(0, 255)),
    )


def steps(microseconds: int = 1000) -> st.SearchStrategy[Operation]:
    return st.tuples(st.just("step"), st.integers(0, microseconds), st.just(0), st.just(0))


def reads(addresses: list[int], size: int = 1) -> list[Operation]:
    return [("read", address, size, 0) for address in addresses]


def writes(base: int, pairs: list[tuple[int, int]], size: int = 1) -> list[Operation]:
    return [("write", base + offset, size, value) for offset, value in pairs]


def lists(strategy: st.SearchStrategy[Operation], size: int = 60) -> st.SearchStrategy[list[Operation]]:
    return st.lists(strategy, min_size=size // 2, max_size=size)


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


#: Registers of the north bridge but those that move windows under the test's feet.
GT_REGISTERS = [GT + offset for offset in range(0, 0x1000, 4) if offset not in (0x000, 0x048, 0x050, 0x068, 0xC34)]
CONFIG = [
    0x8000_0000 | function << 8 | register for function in (0, 8, 80, 81, 82, 83, 84) for register in range(0, 256, 4)
]
words = st.one_of(st.integers(0, 0xFFFF_FFFF), st.sampled_from([0, 1, 0xFFFF_FFFF, 0xDEAD_BEEF]))


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
