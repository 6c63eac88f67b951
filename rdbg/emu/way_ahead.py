"""The way that a guest's code goes on from where it stands, as far as it can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from rdbg.quick_dataclass import dataclass

#: What a system register holds, by number and select; None: unknown.
SystemRegisters = Callable[[int, int], int | None]


def nothing_known(register: int, select: int) -> int | None:
    """No system register is known."""
    return None


@dataclass(frozen=True)
class AccessAhead:
    """A load or a store on the way.

    Args:
        at: how many instructions come before it.
        pc: its address.
        word: address of the word that it lies in.
        store: else a load.
        stack: whether its address is the stack pointer's.
        name: its mnemonic.
    """

    at: int
    pc: int
    word: int
    store: bool
    stack: bool
    name: str = ""


@dataclass
class Way:
    """The way ahead.

    Args:
        accesses: to memory, in order.
        length: instructions that it has.
        followed: steps that were followed to find it; where a loop only counts it is longer.
        waits_at: how many instructions come before a ``wait`` at which it ends; None: it ends otherwise.
    """

    accesses: list[AccessAhead] = field(default_factory=list)
    length: int = 0
    followed: int = 0
    waits_at: int | None = None
