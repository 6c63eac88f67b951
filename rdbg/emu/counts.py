"""How often what ran, and by which calls: what a machine counts in a run that is asked to."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from rdbg.quick_dataclass import dataclass


@dataclass(frozen=True, eq=False)
class CountRequest:
    """What is to be counted. Runs that are asked for the same one go on with it; another one begins from nothing.

    Args:
        first: icount from which is counted; the first run with it may begin before.
        last: icount up to which.
        paths: with the calls that led there.
        borders: addresses where functions begin and end, ascending: little-endian words of 32 bits. An exception is
            told apart from another by the function that it came in, or by the page.
        all_events: give each change of the call stack as an event, and no nodes. Wants ``paths``.
    """

    first: int
    last: int
    paths: bool = False
    borders: bytes = b""
    all_events: bool = False


class Came(IntEnum):
    """What happened to a call stack."""

    CALL = 1  #: a jump that sets the return address to what is behind its slot
    RETURN = 2  #: a jump to the address in the register for return addresses
    EXCEPTION = 3
    BACK = 4  #: a return from an exception
    RESET = 5
    END = 6  #: no more is known


class What(IntEnum):
    """What a row of `CountsTaken.blocks` counts."""

    RUN = 0  #: instructions
    UNFETCHED = 1  #: an instruction that could not be fetched
    CALL = 2  #: calls, or exceptions, that led to a node: none of its instructions


class Node(IntEnum):
    """A place in a tree of calls."""

    ROOT = 0
    CALL = 1
    EXCEPTION = 2
    INTERRUPT = 3


#: Rows of `CountsTaken.blocks`; its members are those of the core's structs.
BLOCK_COUNT = np.dtype(
    [("node", "<u4"), ("pc", "<u4"), ("ran", "<u4"), ("what", "<u4"), ("times", "<u8")],
)
#: Rows of `CountsTaken.nodes`.
CALL_NODE = np.dtype([("parent", "<u4"), ("site", "<u4"), ("target", "<u4"), ("kind", "<u4")])
#: Rows of `CountsTaken.events`.
STACK_EVENT = np.dtype(
    [
        ("icount", "<u8"),
        ("kind", "<u4"),
        ("address", "<u4"),
        ("stack", "<u4"),
        ("space", "<u4"),
        ("node", "<u4"),
        ("pc", "<u4"),
    ],
    align=True,
)


@dataclass(frozen=True)
class CountsTaken:
    """What was counted.

    Args:
        blocks: rows of `BLOCK_COUNT`: a node, the virtual address of a straight piece of code, its instructions that
            ran (1 if it could not be fetched), a `What`, and how often. Each is there once.
        nodes: rows of `CALL_NODE`, those that are new, numbered on from those of the last time: parent, the return
            address (of an exception: where the code begins that it came in), where the call led to, and a `Node`. The
            first is a root. Without paths there is no other.
        events: rows of `STACK_EVENT`: of each stretch whose calls are known the frames that are open at its end (`Came`
            CALL or EXCEPTION; return address, stack pointer, address space, node), outermost first, then what ended it
            (where that led to, the stack pointer and address space there, the root of the next stretch). With
            ``all_events`` each change: node is the `Node` of an exception.
    """

    blocks: NDArray[np.void]
    nodes: NDArray[np.void]
    events: NDArray[np.void]

    @classmethod
    def nothing(cls) -> CountsTaken:
        """Of no run."""
        return cls(np.empty(0, BLOCK_COUNT), np.empty(0, CALL_NODE), np.empty(0, STACK_EVENT))


def borders_at(addresses: NDArray[np.int64]) -> bytes:
    """The borders of a `CountRequest` at these addresses, in any order."""
    return np.unique(addresses[(addresses > 0) & (addresses < 1 << 32)]).astype("<u4").tobytes()
