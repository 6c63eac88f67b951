"""Generated programs leave the same registers, CP0, exceptions and memory behind on QEMU and on rdbg."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.differential.compare import make_small, mismatches
from tests.differential.programs import KINDS, make_program

PROGRAMS_PER_BATCH = 100


#: What other CPUs have not, or have otherwise: instructions of release 2, FPU, a TLB of another size.
_OTHER_CPUS = [
    ("4Kc", "integer"),
    ("4Kc", "trap"),
    ("4Kc", "fpu32"),
    ("24Kc", "fpu64"),
    ("34Kf", "tlb"),
    ("34Kf", "fpu64"),
]


@pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")
@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a failing batch is made smaller by make_small, which is quicker
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(seed=st.integers(0, 2**32 - 1))
def test_same_as_qemu(kind: str, big_endian: bool, seed: int) -> None:
    compare(kind, seed, big_endian)


@pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu")
@pytest.mark.parametrize(("cpu", "kind"), _OTHER_CPUS)
def test_other_cpus_same_as_qemu(cpu: str, kind: str) -> None:
    compare(kind, 0, big_endian=False, cpu=cpu)


def compare(kind: str, seed: int, big_endian: bool, cpu: str = "24Kf") -> None:
    programs = [make_program(kind, seed + number) for number in range(PROGRAMS_PER_BATCH)]
    with tempfile.TemporaryDirectory() as folder:
        found = mismatches(programs, big_endian, Path(folder), cpu)
        if found:
            smallest = make_small(found[0], big_endian, Path(folder), cpu)
            pytest.fail(f"{len(found)} of {len(programs)} programs differ; the first, made small:\n{smallest}")
