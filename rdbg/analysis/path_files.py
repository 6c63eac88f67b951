"""Profiles by call path in the formats of others: folded stacks, speedscope, callgrind with calls, a flame graph."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rdbg.analysis.call_tree import NamedPaths
from rdbg.analysis.profile_files import callgrind, flame_graph, speedscope_document


def folded_paths(paths: NamedPaths, title: str) -> Iterator[str]:
    """Stacks with semicolons between frames, outermost first (FlameGraph's ``stackcollapse``)."""
    tree = paths.tree
    for place, count in enumerate(tree.own):
        if count:
            yield f"{';'.join(name.replace(';', ':') for name in tree.path(place))} {count}\n"


def speedscope_paths(paths: NamedPaths, title: str) -> Iterator[str]:
    """speedscope's own format: https://www.speedscope.app/file-format-schema.json."""
    tree = paths.tree
    numbers = {name: number for number, name in enumerate(dict.fromkeys(tree.names))}
    places = [place for place, count in enumerate(tree.own) if count]
    samples = [[numbers[name] for name in tree.path(place)] for place in places]
    yield speedscope_document(title, [{"name": name} for name in numbers], samples, [tree.own[p] for p in places])


def callgrind_paths(paths: NamedPaths, title: str) -> Iterator[str]:
    """Valgrind's format ("Callgrind Format Specification"), an entry for each instruction, and the calls."""
    calls = {caller: list(each) for caller, each in groupby(paths.calls, key=lambda call: call.caller)}
    yield from callgrind(paths.instructions, title, calls)


def flame_graph_paths(paths: NamedPaths, title: str) -> Iterator[str]:
    """A flame graph as SVG, callees above their callers."""
    tree = paths.tree
    children: list[list[int]] = [[] for _ in tree.parents]
    for place in range(1, len(tree.parents)):
        children[tree.parents[place]].append(place)
    whole = tree.whole()
    for each in children:
        each.sort(key=lambda place: tree.names[place])
    yield from flame_graph(title, tree.names, children, whole)
