"""Lines of the tables, and the curves of the plot."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.gdb_session import Timing


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        measure: what.
        qemu: QEMU's value, as text.
        rdbg: rdbg's, as text.
        ratio: how many times better rdbg is; None where there is nothing to compare.
        target: what is to be reached, as text.
        reached: whether it is; None: there is no target.
        note: what must be known of it.
    """

    measure: str
    qemu: str
    rdbg: str
    ratio: float | None
    target: str
    reached: bool | None
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """Cost against length of run: (instructions, seconds)."""

    label: str
    points: list[tuple[int, float]]


@dataclass(frozen=True)
class Section:
    """Rows that stand under one heading.

    Args:
        heading: of the table; empty: the table at the top.
        text: before the table.
        rows: the lines.
    """

    heading: str
    text: str
    rows: list[Row] = field(default_factory=list)


def target_of(name: str) -> float | None:
    """Seconds to reach, for a row of going back; None: there is no target."""
    if "reverse-next" in name:
        return 0.2
    if "standing still" in name or "condition on memory" in name:
        return 0.1
    if "hot stores" in name or "never holds" in name:
        return None
    if "thousand" in name or "hot loop" in name:
        return 0.05
    return 0.1 if "reverse-continue" in name else None


def median(timing: Timing) -> float:
    """Of the single times, in seconds."""
    return statistics.median(timing.seconds)


def milliseconds(timing: Timing | None) -> str:
    """The median in words, or why there is none."""
    if timing is None or not timing.seconds:
        return timing.trouble if timing is not None and timing.trouble else "-"
    return f"{median(timing) * 1000:.3g} ms"


def timing_row(name: str, mine: Timing, theirs: Timing | None, target: float | None, note: str = "") -> Row:
    """The line for a task: medians of wall time, with what must be known beside them.

    Args:
        name: of the line.
        mine: rdbg's times.
        theirs: QEMU's, or None.
        target: seconds to reach, or None.
        note: comes first in the notes.
    """
    notes = [note] if note else []
    if mine.trouble:
        notes.append(f"rdbg: {mine.trouble}")
    if theirs is not None and theirs.trouble and theirs.seconds:
        notes.append(f"QEMU: {theirs.trouble}")
    if theirs is not None and theirs.seconds and len(theirs.seconds) < len(mine.seconds):
        notes.append(f"QEMU: {len(theirs.seconds)} runs")
    if mine.cpu:
        notes.append(f"rdbg's CPU time: {statistics.median(mine.cpu) * 1000:.3g} ms")
    if mine.seconds and len(mine.seconds) > 1:
        notes.append(f"worst of {len(mine.seconds)}: {max(mine.seconds) * 1000:.3g} ms")
    ratio = median(theirs) / median(mine) if theirs is not None and theirs.seconds and mine.seconds else None
    reached = None
    if target is not None:
        reached = bool(mine.seconds) and not mine.trouble and median(mine) <= target
    words = "" if target is None else f"<= {target * 1000:.0f} ms"
    return Row(name, milliseconds(theirs), milliseconds(mine), ratio, words, reached, "; ".join(notes))


def step_row(
    name: str, mine: Timing, theirs: Timing | None, middle_target: float = 0.002, high_target: float | None = 0.02
) -> Row:
    """The line for single steps: their median and 99th percentile, with their targets in seconds."""

    def both(seconds: Sequence[float]) -> tuple[float, float]:
        ordered = sorted(seconds)
        return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]

    target = f"<= {middle_target * 1000:.0f}" + (f" / <= {high_target * 1000:.0f} ms" if high_target else " ms p50")
    if not mine.seconds:
        return Row(name, milliseconds(theirs), "-", None, target, False, mine.trouble)
    middle, high = both(mine.seconds)
    qemu, ratio = milliseconds(theirs), None
    if theirs is not None and theirs.seconds:
        other = both(theirs.seconds)
        qemu, ratio = f"{other[0] * 1000:.3g} / {other[1] * 1000:.3g} ms", other[0] / middle
    return Row(
        name,
        qemu,
        f"{middle * 1000:.3g} / {high * 1000:.3g} ms",
        ratio,
        target,
        middle <= middle_target and (high_target is None or high <= high_target) and not mine.trouble,
        f"{len(mine.seconds)} steps, the slowest {max(mine.seconds) * 1000:.3g} ms",
    )
