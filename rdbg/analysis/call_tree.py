"""Functions as a tree of calls, with the instructions of each place in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rdbg.analysis.call_paths import CallPaths
from rdbg.analysis.code_lines import InstructionCounts, Source, named
from rdbg.emu.counts import Node
from rdbg.quick_dataclass import dataclass

#: Everything's frame, and those between what an exception came in and its handler.
ROOT = "guest"
MARKS = {Node.EXCEPTION: "[exception]", Node.INTERRUPT: "[interrupt]"}


@dataclass(frozen=True)
class CallTree:
    """Places in a tree of functions. Parents come before their children; the first is `ROOT`.

    Args:
        parents: of each place.
        names: of each place, its function.
        own: instructions of each place, without those of what it called.
    """

    parents: list[int]
    names: list[str]
    own: list[int]

    def path(self, place: int) -> list[str]:
        """Names from the root to a place."""
        found = [self.names[place]]
        while place:
            place = self.parents[place]
            found.append(self.names[place])
        return found[::-1]

    def whole(self) -> list[int]:
        """Instructions of each place, with those of what it called."""
        sums = list(self.own)
        for place in range(len(sums) - 1, 0, -1):
            sums[self.parents[place]] += sums[place]
        return sums


@dataclass(frozen=True)
class CallCost:
    """Calls from one place in the code to a function.

    Args:
        caller, callee: names of functions.
        site: virtual address of the call; 0: there is none in the code.
        calls: how many.
        instructions: all that they took, with what they called.
    """

    caller: str
    callee: str
    site: int
    calls: int
    instructions: int


@dataclass(frozen=True)
class NamedPaths:
    """Paths with names.

    Args:
        tree: of functions.
        calls: by caller, callee and place.
        instructions: the same instructions by address.
    """

    tree: CallTree
    calls: list[CallCost]
    instructions: InstructionCounts


def named_paths(paths: CallPaths, source: Source, instruction: int, behind_call: int) -> NamedPaths:
    """Name what was counted.

    Args:
        paths: what was counted.
        source: what is known of the code.
        instruction: bytes of one.
        behind_call: bytes from a call to its return address.
    """
    blocks = paths.blocks
    first = np.repeat(np.cumsum(blocks.ran) - blocks.ran, blocks.ran)
    within = (np.arange(int(blocks.ran.sum()), dtype=np.int64) - first).astype(np.uint64)
    addresses = np.repeat(blocks.pcs, blocks.ran) + within * np.uint64(instruction)
    kinds = paths.nodes["kind"]
    sites = paths.nodes["site"].astype(np.uint64) - np.where(kinds == Node.CALL, behind_call, 0).astype(np.uint64)
    targets = paths.nodes["target"].astype(np.uint64)
    every = named(np.concatenate([addresses, sites, targets]), source)
    functions, callers, callees = np.split(every.functions, [len(addresses), len(addresses) + len(sites)])
    keys = np.repeat(paths.node, blocks.ran) * len(every.names) + functions
    used, place_of = np.unique(keys, return_inverse=True)
    own = np.zeros(len(used), np.int64)
    np.add.at(own, place_of, np.repeat(blocks.times, blocks.ran))
    leaves = [
        (key // len(every.names), key % len(every.names), n) for key, n in zip(used.tolist(), own.tolist(), strict=True)
    ]
    tree = _tree(paths.nodes, callers, every.names, leaves)
    calls = _calls(paths, sites, callers, callees, every.names, leaves)
    flat_addresses, times = paths.flat().by_address(instruction)
    return NamedPaths(tree, calls, InstructionCounts.of(flat_addresses, times, source))


def _tree(
    nodes: NDArray[np.void], callers: NDArray[np.int64], names: tuple[str, ...], leaves: list[tuple[int, int, int]]
) -> CallTree:
    parents, labels, own = [0], [ROOT], [0]
    children: dict[tuple[int, str], int] = {}

    def child(parent: int, name: str) -> int:
        found = children.get((parent, name))
        if found is None:
            found = children[parent, name] = len(parents)
            parents.append(parent)
            labels.append(name)
            own.append(0)
        return found

    below = [0]  # of each node, the place of what has called it
    rows = zip(nodes["parent"].tolist()[1:], nodes["kind"].tolist()[1:], callers.tolist()[1:], strict=True)
    for parent, kind, caller in rows:
        place = child(below[parent], names[caller])
        below.append(place if kind == Node.CALL else child(place, MARKS[Node(kind)]))
    for node, function, count in leaves:
        own[child(below[node], names[function])] += count
    return CallTree(parents, labels, own)


def _calls(
    paths: CallPaths,
    sites: NDArray[np.uint64],
    callers: NDArray[np.int64],
    callees: NDArray[np.int64],
    names: tuple[str, ...],
    leaves: list[tuple[int, int, int]],
) -> list[CallCost]:
    """What each function has called. Code that a function has jumped to, and not called, counts as called once."""
    parents, kinds = paths.nodes["parent"].tolist(), paths.nodes["kind"].tolist()
    parts: list[dict[int, int]] = [{} for _ in parents]  # of each node, instructions by function, with what that called
    for node, function, count in leaves:
        parts[node][function] = parts[node].get(function, 0) + count
    sums: dict[tuple[str, str, int], tuple[int, int]] = {}

    def add(caller: str, callee: str, site: int, calls: int, instructions: int) -> None:
        known = sums.get((caller, callee, site), (0, 0))
        sums[caller, callee, site] = known[0] + calls, known[1] + instructions

    for node in range(len(parents) - 1, 0, -1):
        whole = sum(parts[node].values())
        caller = int(callers[node])
        entered = names[int(callees[node])] if kinds[node] == Node.CALL else MARKS[Node(kinds[node])]
        add(names[caller], entered, int(sites[node]), int(paths.calls[node]), whole)
        for function, count in parts[node].items():
            if names[function] != entered:
                add(entered, names[function], 0, 1, count)
        above = parts[parents[node]]
        above[caller] = above.get(caller, 0) + whole
    return [CallCost(*key, *found) for key, found in sorted(sums.items())]
