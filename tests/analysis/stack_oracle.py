"""Call stacks of a run in single steps, followed by a slow and simple program that shares nothing with the product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from rdbg.timeline import Timeline
from tests.emu.guests import ERET

FAR = 4096
#: A frame: (what, return address or where it came in, stack pointer, address space, where it led to, its number).
Entry = tuple[str, int, int, int, int, int]


@dataclass
class Oracle:
    """What single steps see.

    Args:
        instructions: that ran, by (path, address). A path: (what, return address, where it led to), outermost first.
        calls: how often each path was called.
    """

    instructions: Counter[tuple[tuple[tuple[str, int, int], ...], int]] = field(default_factory=Counter)
    calls: Counter[tuple[tuple[str, int, int], ...]] = field(default_factory=Counter)


class Stacks:
    """A list of lists; the last list runs."""

    def __init__(self) -> None:
        self.all: list[list[Entry]] = [[]]

    @property
    def running(self) -> list[Entry]:
        return self.all[-1]

    def path(self) -> tuple[tuple[str, int, int], ...]:
        return tuple((what, link, target) for what, link, _, _, target, _ in self.running)

    def jump_back(self, pc: int, sp: int, space: int) -> None:
        stack = self.running
        at = len(stack)
        while at and stack[at - 1][0] == "call" and stack[at - 1][2] <= sp:
            if stack[at - 1][1] == pc and stack[at - 1][2] == sp:
                del stack[at - 1 :]
                return
            at -= 1
        near = at > 0 and 0 <= stack[at - 1][2] - sp <= FAR
        if near and at == len(stack):
            return
        same = [(e[5], other, n) for other in self.all for n, e in enumerate(other) if e[:4] == ("call", pc, sp, space)]
        if same:
            _, other, n = max(same, key=lambda found: found[0])
            del other[n:]
            self.all = [each for each in self.all if each is not other] + [other]
            return
        if near:
            del stack[at:]
        elif stack:
            self.all.append([])

    def return_from_exception(self, sp: int) -> None:
        stack = self.running
        at = len(stack)
        while at and stack[at - 1][0] == "call":
            at -= 1
        if at == 0:
            if stack:
                self.all.append([])
            return
        before = stack[at - 1][2]
        del stack[at - 1 :]
        if before == sp:
            return
        at = len(stack)
        while at and stack[at - 1][0] == "call" and stack[at - 1][2] < sp:
            at -= 1
        if at == 0 and stack:
            self.all.append([])
        else:
            del stack[at:]


def word_at(timeline: Timeline, pc: int) -> int:
    machine = timeline.machine
    try:
        data = machine.read_memory(pc, 4)
    except Exception:
        return 0
    return int.from_bytes(data, "big" if machine.big_endian else "little") if len(data) == 4 else 0


def look(timeline: Timeline, start: int, end: int, vectors: Collection[int]) -> Oracle:
    """Step through a stretch.

    Args:
        timeline: the run.
        start, end: icounts.
        vectors: where exceptions lead to.
    """
    timeline.goto(start)
    machine = timeline.machine
    numbers = {info.name: info.number for info in machine.architecture.registers_of(machine.layout)}

    def register(name: str) -> int:
        return machine.read_register(numbers[name]) & 0xFFFFFFFF

    oracle, stacks = Oracle(), Stacks()

    def push(what: str, link: int, sp: int, target: int) -> None:
        space = 0xFFFF if link >> 31 else register("entryhi") & 0xFF
        stacks.running.append((what, link, sp, space, target, oracle.calls.total()))
        oracle.calls[stacks.path()] += 1

    def arrive(word: int, pc: int, to: int, instructions: int) -> None:
        """The instruction at ``pc`` has led to another place."""
        if word == ERET and instructions == 1:
            stacks.return_from_exception(register("r29"))
        elif to != pc + 8 and instructions == 2:
            if links(word) and register("r31") == pc + 8:
                push("call", pc + 8, register("r29"), to)
            elif word & 0xFFFFF83F == 0x03E00008 or word & 0xFFFFF83F == 0x03E00009:
                stacks.jump_back(to, register("r29"), 0xFFFF if to >> 31 else register("entryhi") & 0xFF)

    while timeline.position < end:
        icount, pc = timeline.position, machine.pc
        word, handler = word_at(timeline, pc), bool(register("status") & 2)
        timeline.step()
        length = timeline.position - icount
        for at in range(min(length, end - icount)):
            oracle.instructions[stacks.path(), pc + 4 * at] += 1
        if timeline.position > end:
            break
        to = machine.pc
        raised = to in vectors and bool(register("status") & 2) and (not handler or word == ERET)
        if not raised:
            if not (handler and to in vectors):
                arrive(word, pc, to, length)
            continue
        came_in = register("epc")
        if machine.by_interrupt:
            if length:
                arrive(word, pc, came_in, length)
            push("interrupt", came_in & ~0xFFF, register("r29"), 0)
        else:
            came_in = register("epc") + (4 if register("cause") >> 31 else 0)
            push("exception", came_in & ~0xFFF, register("r29"), 0)
    return oracle


def links(word: int) -> bool:
    """Whether an instruction is a call: jal, jalr to ``ra``, bltzal and its like."""
    op = word >> 26
    return (
        op == 3 or op == 1 and (word >> 16) & 0x1C == 0x10 or op == 0 and word & 0x3F == 9 and (word >> 11) & 31 == 31
    )
