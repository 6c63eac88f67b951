"""The same accesses and clock steps on QEMU and here."""

from __future__ import annotations

import calendar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from rdbg.emu.spec import Image, MachineSpec
from tests.emu.bench_system import BenchMachine
from tests.emu.qtest import QtestMachine

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


words = st.one_of(st.integers(0, 0xFFFF_FFFF), st.sampled_from([0, 1, 0xFFFF_FFFF, 0xDEAD_BEEF]))
