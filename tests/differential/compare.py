"""Finds where QEMU and rdbg differ, and makes the program that shows it small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.differential.layout import build, split_slots
from tests.differential.programs import Program
from tests.differential.qemu import run_on_qemu
from tests.differential.rdbg_side import run_on_rdbg

_SHOWN = 12


@dataclass(frozen=True)
class Mismatch:
    """A program that leaves different things behind.

    Args:
        program: the program.
        differences: name -> (QEMU's value, rdbg's value).
    """

    program: Program
    differences: dict[str, tuple[int | None, int | None]]

    def __str__(self) -> str:
        shown = list(self.differences.items())[:_SHOWN]
        lines = [f"  {name}: qemu {_hex(qemu)}, rdbg {_hex(rdbg)}" for name, (qemu, rdbg) in shown]
        used = {word.strip("$,()") for word in self.program.text().replace("(", " ").split() if "$" in word}
        values = [
            f"  ${number} = {value:#010x}" for number, value in enumerate(self.program.registers) if str(number) in used
        ]
        values += [
            f"  $f{number} = {value:#018x}" for number, value in enumerate(self.program.fpu) if f"f{number}" in used
        ]
        rest = len(self.differences) - len(shown)
        return "\n".join(
            [f"{self.program.kind} program:", self.program.text(), "starting with:", *values, "differences:", *lines]
            + ([f"  and {rest} more"] if rest else [])
        )


def _hex(value: int | None) -> str:
    return "nothing" if value is None else f"{value:#010x}"


def mismatches(programs: Sequence[Program], big_endian: bool, folder: Path, cpu: str = "24Kf") -> list[Mismatch]:
    """Run programs on both and give those that differ."""
    built = build(programs, big_endian, folder)
    qemu = split_slots(run_on_qemu(built, big_endian, cpu), big_endian)
    rdbg = split_slots(run_on_rdbg(built, big_endian, cpu), big_endian)
    found = []
    for program, left, right in zip(programs, qemu, rdbg, strict=True):
        if left != right:
            names = sorted(left.keys() | right.keys())
            differences = {
                name: (left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)
            }
            found.append(Mismatch(program, differences))
    return found


def make_small(mismatch: Mismatch, big_endian: bool, folder: Path, cpu: str = "24Kf") -> Mismatch:
    """Drop lines of the program while it still differs; all candidates of a round run in one batch."""

    def round_of(cut: Callable[[tuple[str, ...]], list[tuple[str, ...]]], current: Mismatch) -> Mismatch | None:
        candidates = [replace(current.program, lines=lines) for lines in cut(current.program.lines)]
        still = mismatches(candidates, big_endian, folder, cpu) if candidates else []
        return min(still, key=lambda other: len(other.program.lines), default=None)

    def halves(lines: tuple[str, ...]) -> list[tuple[str, ...]]:
        middle = len(lines) // 2
        return [lines[:middle], lines[middle:]] if middle else []

    def without_one(lines: tuple[str, ...]) -> list[tuple[str, ...]]:
        return [lines[:index] + lines[index + 1 :] for index in range(len(lines))] if len(lines) > 1 else []

    current = mismatch
    for cut in (halves, without_one):
        while (smaller := round_of(cut, current)) is not None:
            current = smaller
    return current
