"""Who called whom, found in the past: no debug information is needed, and no guess about a stack's contents is made."""

from __future__ import annotations

from rdbg.library.recorded_run import RecordedRun
from rdbg.quick_dataclass import dataclass

#: What lies further apart is another stack: no frame of firmware or a kernel is as large.
_SAME_STACK = 4096
#: A call returns behind its delay slot.
_RETURNS_BEHIND = 8


@dataclass(frozen=True)
class CallFrame:
    """One function that has not returned.

    Args:
        pc: where it is: the next instruction, or the call that it waits for.
        function: its name; None: no symbol covers the place, and nothing further out is known.
        offset: bytes from its beginning.
        entered: icount at which it was entered; None: not found in the history.
        arguments: a0 to a3 there.
        called: whether a call led to it; False: a jump, an exception, or code that ran into it.
    """

    pc: int
    function: str | None
    offset: int
    entered: int | None
    arguments: tuple[int, ...]
    called: bool


def call_chain(run: RecordedRun, most: int) -> list[CallFrame]:
    """The functions that have not returned here, innermost first. The machine stands where it stood afterwards.

    A function was entered where it last began on this stack and did not return since; who called it stands one step
    before. Both are looked up in the recorded past.

    Args:
        run: the run.
        most: frames at most.
    """
    stood = run.position
    try:
        return _frames(run, most)
    finally:
        run.goto(stood)


def _frames(run: RecordedRun, most: int) -> list[CallFrame]:
    frames: list[CallFrame] = []
    while len(frames) < most:
        pc, symbol = run.pc, run.symbol(run.pc)
        if symbol is None:
            return [*frames, CallFrame(pc, None, 0, None, (), False)]
        name, offset = symbol
        if not _go_to_entry(run, pc - offset):
            return [*frames, CallFrame(pc, name, offset, None, (), False)]
        entered, returns_to = run.position, run.register("ra")
        arguments = tuple(run.register(f"a{number}") for number in range(4))
        called = run.reverse_step() < entered and run.pc + _RETURNS_BEHIND == returns_to
        frames.append(CallFrame(pc, name, offset, entered, arguments, called))
        if run.position == entered:
            return frames  # the start of the run
    return frames


def _go_to_entry(run: RecordedRun, start: int) -> bool:
    """Go to where the function that begins at ``start``, and in which the machine stands, was entered."""
    here, stack = run.position, run.register("sp")
    if run.pc == start:
        return True
    above = min(stack + _SAME_STACK, 0xFFFF_FFFF)
    while run.find(start, where=f"$sp >= {stack:#x} && $sp < {above:#x}", backward=True) is not None:
        # A call that it made of itself began where its own frame ends, and has returned; so it has no frame.
        if run.register("sp") > stack or not _returned(run, here):
            return True
    run.goto(here)
    return False


def _returned(run: RecordedRun, before: int) -> bool:
    """Whether the call at whose entry the machine stands has returned by then."""
    where = f"$sp == {run.register('sp'):#x}"
    returns = run.executions(run.register("ra"), where, start=run.position, end=before)
    return next(iter(returns), None) is not None
