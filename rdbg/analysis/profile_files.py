"""Profiles in the formats of others: folded stacks, speedscope, callgrind, and a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from rdbg.analysis.code_lines import InstructionCounts, LineCost, line_costs

#: Everything's frame.
_ROOT = "guest"
_WIDTH, _ROW, _SMALLEST = 1200.0, 18, 0.2


def folded(counts: InstructionCounts, title: str) -> Iterator[str]:
    """Stacks with semicolons between frames (FlameGraph's ``stackcollapse``): function, and line if it is known."""
    for cost in line_costs(counts):
        frames = [_ROOT, cost.function, *([_place(cost)] if cost.line else [])]
        yield f"{';'.join(frame.replace(';', ':') for frame in frames)} {cost.instructions}\n"


def speedscope(counts: InstructionCounts, title: str) -> Iterator[str]:
    """speedscope's own format: https://www.speedscope.app/file-format-schema.json."""
    frames: list[dict[str, str | int]] = []
    numbers: dict[tuple[str, str, int], int] = {}

    def frame(name: str, file: str = "", line: int = 0) -> int:
        key = name, file, line
        if key not in numbers:
            numbers[key] = len(frames)
            frames.append({"name": name, "file": file, "line": line} if line else {"name": name})
        return numbers[key]

    samples, weights = [], []
    for cost in line_costs(counts):
        stack = [frame(cost.function)]
        if cost.line:
            stack.append(frame(_place(cost), cost.file, cost.line))
        samples.append(stack)
        weights.append(cost.instructions)
    profile = {
        "type": "sampled",
        "name": title,
        "unit": "none",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }
    document = {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": title,
        "exporter": "rdbg",
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": [profile],
    }
    yield json.dumps(document) + "\n"


def callgrind(counts: InstructionCounts, title: str) -> Iterator[str]:
    """Valgrind's format ("Callgrind Format Specification"), an entry for each instruction."""
    yield "# callgrind format\nversion: 1\ncreator: rdbg\n"
    yield f"cmd: {title}\npositions: instr line\nevents: Ir\nsummary: {counts.total}\n"
    order = sorted(range(len(counts.addresses)), key=lambda at: (int(counts.functions[at]), at))
    for function, group in groupby(order, key=lambda at: int(counts.functions[at])):
        members = list(group)
        file = counts.file_of(members[0])
        yield f"\nfl={file or '???'}\nfn={counts.names[function]}\n"
        for at in members:
            if counts.file_of(at) != file:
                file = counts.file_of(at)
                yield f"fi={file or '???'}\n"
            yield f"{int(counts.addresses[at]):#x} {counts.line_of(at)} {int(counts.times[at])}\n"
    yield f"\ntotals: {counts.total}\n"


def picture(counts: InstructionCounts, title: str) -> Iterator[str]:
    """A flame graph as SVG: functions above everything, their lines above them; what is narrower than a fifth of a
    pixel is left out."""
    costs = line_costs(counts)
    total = max(counts.total, 1)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:g}" height="{4 * _ROW + 8}" '
        'font-family="monospace" font-size="12">\n'
    )
    yield f'<text x="4" y="14">{escape(title)}</text>\n'
    yield from _bar(0, total, total, 3, _ROOT)
    start = 0
    for function, group in groupby(costs, key=lambda cost: cost.function):
        lines = list(group)
        yield from _bar(start, sum(cost.instructions for cost in lines), total, 2, function)
        for cost in lines:
            if cost.line:
                yield from _bar(start, cost.instructions, total, 1, _place(cost))
            start += cost.instructions
    yield "</svg>\n"


def _bar(start: int, length: int, total: int, row: int, name: str) -> Iterator[str]:
    left, width = start / total * _WIDTH, length / total * _WIDTH
    if width < _SMALLEST:
        return
    told = f"{name}: {length:,} instructions, {100 * length / total:.2f} %"
    hue = 20 + sum(name.encode()) % 40
    shown = name[: int(width / 7.3)]
    yield (
        f'<g><title>{escape(told)}</title><rect x="{left:.2f}" y="{row * _ROW + 4}" width="{width:.2f}" '
        f'height="{_ROW - 1}" fill={quoteattr(f"hsl({hue},80%,65%)")}/>'
        f'<text x="{left + 2:.2f}" y="{row * _ROW + 17}">{escape(shown)}</text></g>\n'
    )


def _place(cost: LineCost) -> str:
    return f"{cost.file}:{cost.line}"
