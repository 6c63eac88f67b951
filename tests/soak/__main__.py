"""``python -m tests.soak``: kills recorders at random moments, and fails if one of them lost what it must not lose."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.conftest import LINUX
from tests.emu.guests import serial_reader
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.initramfs import initramfs
from tests.soak.recorder import Somebody, examine, live

#: Seconds of what was taken that a kill may cost.
MOST_LOST = 1.0
#: Seconds of life at most: of the small guests, and of Linux, which then is at its shell.
SMALL_LIFE, LINUX_LIFE = 2.0, 30.0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000, help="of the small guest")
    parser.add_argument("--linux", type=int, default=25, help="kills of Debian's kernel, if it is there")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "echo.elf").write_bytes(serial_reader(echo=True))
        small = ["-m", "16", "-kernel", str(folder / "echo.elf")]
        half = options.kills // 2
        failed += soak(Somebody.TYPIST, folder, small, half, options.seed, SMALL_LIFE)
        failed += soak(Somebody.DEBUGGER, folder, small, options.kills - half, options.seed, SMALL_LIFE)
        if (LINUX / KERNEL).is_file():
            (folder / "initrd.gz").write_bytes(initramfs(LINUX / BUSYBOX))
            linux = ["-m", "128", "-kernel", str(LINUX / KERNEL), "-initrd", str(folder / "initrd.gz")]
            linux += ["-append", "console=ttyS0 nokaslr rdinit=/init"]
            failed += soak(Somebody.SAVER, folder, linux, options.linux, options.seed, LINUX_LIFE)
        elif options.linux:
            print("Linux: left out, there is no kernel (make real-deps)", flush=True)
    return 1 if failed else 0


def soak(who: Somebody, folder: Path, machine: list[str], kills: int, seed: int, life: float) -> int:
    """Kill so many recorders; gives how many of them lost something.

    Args:
        who: who is there.
        folder: for recordings.
        machine: the guest.
        kills: how many.
        seed: number ``n`` is repeated by ``--seed`` plus ``n``.
        life: seconds at most.
    """
    failed, snapshots, worst, lengths = 0, 0, 0.0, 0
    for number in range(kills):
        dice = random.Random(seed + number)
        path = folder / "recording"
        known = live(path, machine, dice, dice.uniform(0, life), who)
        try:
            left = examine(path, known, whole=who is not Somebody.SAVER)
            assert left.lost_seconds <= MOST_LOST, f"{left.lost_seconds:.2f} s are lost"
        except Exception as error:
            failed += 1
            print(f"{who.value}, seed {seed + number}: {type(error).__name__}: {error}", flush=True)
            continue
        worst, snapshots, lengths = max(worst, left.lost_seconds), snapshots + left.snapshots, lengths + left.length
        if (number + 1) % 50 == 0 or number + 1 == kills:
            print(
                f"{who.value}: {number + 1} kills, {failed} with losses; {snapshots} confirmed snapshots all found; "
                f"at most {worst:.2f} s of input lost; {lengths:,} instructions replayed",
                flush=True,
            )
    return failed


if __name__ == "__main__":
    sys.exit(main())
