"""A timer's interrupt comes before the same instruction as on QEMU with -icount, whatever its period: registers,
memory, Cause, EPC and Count at the handler's entry are compared, after every number of instructions from 20 to 2,000.

``python -m tests.races.test_timer_periods`` goes on with more programs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pytest

from tests.races.both import differences, on_qemu, on_rdbg
from tests.races.generated import under_compare, under_pit
from tests.races.layout import build

pytestmark = pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")

#: Ticks of 6 ns, so that every number of instructions of 8 ns from 20 to 2,000 is among them.
COMPARE_TICKS = range(26, 2668)
#: Ticks of 838 ns.
PIT_TICKS = range(2, 21)
_SHOWN = 5


def compare_timer(seed: int, folder: Path) -> list[str]:
    """What differs under Compare's interrupt, for one program, of an odd seed in big-endian order."""
    guest = build(under_compare(seed, COMPARE_TICKS), bool(seed & 1), folder)
    theirs = on_qemu(guest).entries
    assert len(theirs) == len(COMPARE_TICKS)
    return differences(theirs, on_rdbg(guest).entries, neighbours=True)


def pit(seed: int, folder: Path) -> list[str]:
    """The same under the PIT's."""
    guest = build(under_pit(seed, PIT_TICKS), bool(seed & 1), folder)
    theirs = on_qemu(guest).entries
    assert len(theirs) == len(PIT_TICKS)
    return differences(theirs, on_rdbg(guest).entries)


@pytest.mark.parametrize("seed", range(8))
def test_every_period_of_compare(seed: int, tmp_path: Path) -> None:
    found = compare_timer(seed, tmp_path)
    assert not found, "\n".join(found[:_SHOWN])


@pytest.mark.parametrize("seed", range(20))
def test_every_period_of_the_pit(seed: int, tmp_path: Path) -> None:
    found = pit(seed, tmp_path)
    assert not found, "\n".join(found[:_SHOWN])


def main() -> None:
    """Try program after program."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--first", type=int, default=0, help="seed of the first program")
    parser.add_argument("--programs", type=int, default=500)
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.first, options.first + options.programs):
            for name, trial in (("compare", compare_timer), ("pit", pit)):
                found = trial(seed, Path(folder))
                failed += bool(found)
                if found:
                    print(f"seed {seed}, {name}: {len(found)} differences", *found[:_SHOWN], sep="\n", flush=True)
    print(f"{options.programs} programs, {failed} differ")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
