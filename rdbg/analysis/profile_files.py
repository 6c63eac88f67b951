"""Profiles in the formats of others: folded stacks, speedscope, callgrind, and a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from rdbg.analysis.call_tree import ROOT, CallCost
from rdbg.analysis.code_lines import InstructionCounts, LineCost, line_costs

_WIDTH, _ROW, _SMALLEST = 1200.0, 18, 0.2


def folded(counts: InstructionCounts, title: str) -> Iterator[str]:
    """Stacks with semicolons between frames (FlameGraph's ``stackcollapse``): function, and line if it is known."""
    for cost in line_costs(counts):
        frames = [ROOT, cost.function, *([_place(cost)] if cost.line else [])]
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
    yield speedscope_document(title, frames, samples, weights)


def speedscope_document(
    title: str, frames: list[dict[str, str | int]], samples: list[list[int]], weights: list[int]
) -> str:
    """A file of speedscope's.

    Args:
        title: its name.
        frames: what stacks are made of.
        samples: stacks, as indices of frames, outermost first.
        weights: instructions of each.
    """
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
    return json.dumps(document) + "\n"


def callgrind(
    counts: InstructionCounts, title: str, calls: Mapping[str, Sequence[CallCost]] | None = None
) -> Iterator[str]:
    """Valgrind's format ("Callgrind Format Specification"), an entry for each instruction.

    Args:
        counts: of instructions.
        title: what it says of itself.
        calls: what each function has called.
    """
    left = dict(calls or {})
    yield "# callgrind format\nversion: 1\ncreator: rdbg\n"
    yield f"cmd: {title}\npositions: instr line\nevents: Ir\nsummary: {counts.total}\n"
    order = sorted(range(len(counts.addresses)), key=lambda at: (int(counts.functions[at]), at))
    groups = [list(group) for _, group in groupby(order, key=lambda at: int(counts.functions[at]))]
    files = {counts.names[int(counts.functions[members[0]])]: counts.file_of(members[0]) for members in groups}
    for members in groups:
        function = int(counts.functions[members[0]])
        file = counts.file_of(members[0])
        yield f"\nfl={file or '???'}\nfn={counts.names[function]}\n"
        for at in members:
            if counts.file_of(at) != file:
                file = counts.file_of(at)
                yield f"fi={file or '???'}\n"
            yield f"{int(counts.addresses[at]):#x} {counts.line_of(at)} {int(counts.times[at])}\n"
        yield from _called(left.pop(counts.names[function], ()), counts, files)
    for name, each in left.items():
        yield f"\nfl=???\nfn={name}\n"
        yield from _called(each, counts, files)
    yield f"\ntotals: {counts.total}\n"


def _called(calls: Sequence[CallCost], counts: InstructionCounts, files: Mapping[str, str]) -> Iterator[str]:
    for call in calls:
        at = int(np.searchsorted(counts.addresses, np.uint64(call.site)))
        known = at < len(counts.addresses) and int(counts.addresses[at]) == call.site
        if known:
            yield f"fi={counts.file_of(at) or '???'}\n"
        yield f"cfi={files.get(call.callee) or '???'}\ncfn={call.callee}\ncalls={call.calls} 0x0 0\n"
        yield f"{call.site:#x} {counts.line_of(at) if known else 0} {call.instructions}\n"


def picture(counts: InstructionCounts, title: str) -> Iterator[str]:
    """A flame graph as SVG: functions above everything, their lines above them."""
    names, children, whole = [ROOT], [[]], [counts.total]  # type: tuple[list[str], list[list[int]], list[int]]
    for function, group in groupby(line_costs(counts), key=lambda cost: cost.function):
        place = len(names)
        children[0].append(place)
        names.append(function)
        children.append([])
        whole.append(0)
        for cost in group:
            whole[place] += cost.instructions
            if cost.line:
                children[place].append(len(names))
                names.append(_place(cost))
                children.append([])
                whole.append(cost.instructions)
    yield from flame_graph(title, names, children, whole)


def flame_graph(title: str, names: list[str], children: list[list[int]], whole: list[int]) -> Iterator[str]:
    """A tree as SVG, each place as wide as its instructions; what is narrower than a fifth of a pixel is left out.

    Args:
        title: at the top.
        names: of places; the first is the root.
        children: of each place, others.
        whole: instructions of each, with those of its children.
    """
    total = max(whole[0], 1)
    shown: list[tuple[int, int, int]] = []  # start, depth, place
    waiting = [(0, 0, 0)]
    while waiting:
        start, depth, place = waiting.pop()
        shown.append((start, depth, place))
        for child in children[place]:
            if whole[child] / total * _WIDTH >= _SMALLEST:
                waiting.append((start, depth + 1, child))
            start += whole[child]
    rows = max(depth for _, depth, _ in shown) + 1
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH:g}" height="{(rows + 1) * _ROW + 8}" '
        'font-family="monospace" font-size="12">\n'
    )
    yield f'<text x="4" y="14">{escape(title)}</text>\n'
    for start, depth, place in shown:
        yield from _bar(start, whole[place], total, rows - depth, names[place])
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
