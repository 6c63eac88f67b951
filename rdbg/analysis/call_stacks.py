"""Call stacks of a run, as many as live beside each other in it, followed by what happens to them.

A call pushes a frame, an exception too. A jump to the return address in its register returns from the call that gave
this address with this stack pointer; frames above it are left, as by a longjmp. Where no such frame is in the stack
that runs, but in one that was left behind, that one goes on: a switch of tasks. A jump that matches no frame stays in
its function if the stack pointer is where this function may have it; leaves the frames below the stack pointer, if it
is above; and else begins a stack that nothing is known of, as of a new task. A return from an exception goes back to
what it interrupted.
"""

from __future__ import annotations

from rdbg.emu.counts import Came

#: Bytes by which a function has moved its stack pointer at most before it jumps; the core's FAR_STACK.
_FAR = 4096
_MASK = 0xFFFFFFFF


class OpenFrame:
    """A call or an exception that is open, or where a stack begins.

    Args:
        kind: CALL, EXCEPTION, or RESET where a stack begins.
        link: the return address.
        stack: the stack pointer of the call, or before the exception.
        space: number of the address space that it returns to.
        data: what belongs to it.
    """

    __slots__ = ("below", "above", "kind", "link", "stack", "space", "data")

    def __init__(self, kind: Came, link: int, stack: int, space: int, data: int) -> None:
        self.kind = kind
        self.link = link
        self.stack = stack
        self.space = space
        self.data = data
        self.below: OpenFrame | None = None
        self.above: OpenFrame | None = None


class CallStacks:
    """The stacks, and the frame in which the CPU is.

    Args:
        root: what belongs to the beginning of each stack.
    """

    def __init__(self, root: int = 0) -> None:
        self._root = root
        self._open: dict[tuple[int, int, int], list[OpenFrame]] = {}
        self.current = self._new_stack()

    def push(self, kind: Came, link: int, stack: int, space: int, data: int) -> None:
        """A call or an exception; see `OpenFrame`."""
        frame = OpenFrame(kind, link, stack, space, data)
        frame.below = self.current
        self.current.above = frame
        self.current = frame
        if kind is Came.CALL:
            self._open.setdefault((link, stack, space), []).append(frame)

    def happen(self, kind: Came, pc: int, stack: int, space: int) -> None:
        """Anything else.

        Args:
            kind: what.
            pc: where it has led to.
            stack: the stack pointer there.
            space: number of the address space there.
        """
        if kind is Came.RETURN:
            self._return(pc, stack, space)
        elif kind is Came.BACK:
            self._go_back(stack)
        elif kind is Came.RESET:
            self._open.clear()
            self.current = self._new_stack()

    def _new_stack(self) -> OpenFrame:
        return OpenFrame(Came.RESET, 0, 0, 0, self._root)

    def _begin_stack(self) -> None:
        """Go on in a stack that nothing is known of."""
        if self.current.kind is not Came.RESET:
            self.current = self._new_stack()

    def _return(self, pc: int, stack: int, space: int) -> None:
        frame = self.current
        while frame.kind is Came.CALL and frame.stack <= stack:
            if frame.link == pc and frame.stack == stack:
                self._cut(frame)
                return
            frame = _below(frame)
        near = frame.kind is not Came.RESET and (frame.stack - stack) & _MASK <= _FAR
        if near and frame is self.current:
            return
        others = self._open.get((pc, stack, space))
        if others:
            self._cut(others[-1])
        elif near:
            self._cut_above(frame)
        else:
            self._begin_stack()

    def _go_back(self, stack: int) -> None:
        frame = self.current
        while frame.kind is Came.CALL:
            frame = _below(frame)
        if frame.kind is Came.RESET:
            self._begin_stack()
            return
        self._cut(frame)
        if frame.stack == stack:
            return
        before = kept = self.current
        while kept.kind is Came.CALL and kept.stack < stack:
            kept = _below(kept)
        if kept.kind is Came.RESET and before is not kept:
            self._begin_stack()  # another program
        else:
            self._cut_above(kept)

    def _cut(self, frame: OpenFrame) -> None:
        """A frame has ended, with all above it."""
        self._cut_above(_below(frame))

    def _cut_above(self, frame: OpenFrame) -> None:
        each = frame.above
        while each is not None:
            if each.kind is Came.CALL:
                key = each.link, each.stack, each.space
                same = self._open[key]
                same.remove(each)
                if not same:
                    del self._open[key]
            each = each.above
        frame.above = None
        self.current = frame


def _below(frame: OpenFrame) -> OpenFrame:
    assert frame.below is not None
    return frame.below
