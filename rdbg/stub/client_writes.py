"""What a client writes to registers and memory.

At the live end of the run a write is an input of it. In the past it would not be what happened: there the first write
makes a *scratch branch*, where the guest goes on another way while the run itself stays as it is. GDB's calls of
functions (``print f(1)``) are such writes: they end when GDB has put the program's registers back, and then the branch
is undone to where they began.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rdbg.navigation.scratch import Moment
from rdbg.stub.register_bytes import RegisterBytes
from rdbg.timeline import Timeline

#: A debugger that calls a function puts arguments this far below the stack pointer, at most.
_ARGUMENTS = 0x10000
#: Calls can be nested: a breakpoint in the called function stops, and another call is made there.
_MOST_CALLS = 16


@dataclass
class _Start:
    """Where a call may have begun: the moment and its registers; whether the guest has run since."""

    moment: Moment
    registers: dict[int, bytes]
    written: bool = False  #: a register was
    moved: bool = False


class ClientWrites:
    """One client's writes.

    Args:
        timeline: the run.
        registers: as packets carry them.
    """

    def __init__(self, timeline: Timeline, registers: RegisterBytes) -> None:
        self._timeline = timeline
        self._registers = registers
        self._starts: list[_Start] = []
        self._notices: list[str] = []
        self._told_of_calls = False
        self._undone_at: int | None = None  # where the guest stands since a call was undone
        architecture = timeline.machine.architecture
        self._stack = architecture.number_of(architecture.stack_pointer)

    def memory(self, address: int, data: bytes) -> None:
        """Write memory.

        Raises:
            RdbgError: it is not mapped.
        """
        fresh = self._open("memory")
        try:
            self._timeline.live_end.write_memory(address, data)
        except BaseException:
            self._undo(fresh)
            raise
        start = self._starts[-1] if self._starts else None
        if start is not None and not start.written and not self._is_argument(address):
            moment = self._timeline.scratch.moment()
            if moment is not None:
                start.moment = moment

    def register(self, number: int, data: bytes) -> None:
        """Write one register.

        Raises:
            PacketError: there is no such register, or the width is wrong.
            RdbgError: it cannot be written.
        """
        self.registers([(number, data)])

    def registers(self, values: Iterable[tuple[int, bytes]]) -> None:
        """Write registers. Raises as `register` does."""
        decoded = [(number, self._registers.decode(number, data)) for number, data in values]
        if self._undone_at == self._timeline.position:
            # A debugger that puts registers back goes on after the last that counts; they are all back already.
            read = self._timeline.machine.read_register
            decoded = [(number, value) for number, value in decoded if read(number) != value]
        if not decoded:
            return
        fresh = self._open("registers")
        try:
            for number, value in decoded:
                self._timeline.live_end.write_register(number, value)
        except BaseException:
            self._undo(fresh)
            raise
        if self._starts:
            self._starts[-1].written = True
            self._end_call()

    def moved(self) -> None:
        """The guest has run, or the user has gone elsewhere."""
        if not self._timeline.scratch.active:
            self._starts.clear()
        for start in self._starts:
            start.moved = True
        self._undone_at = None

    def take_notices(self) -> str:
        """What the user should know, for the next time that something can be said."""
        notices, self._notices = "".join(self._notices), []
        return notices

    def _open(self, what: str) -> bool:
        """Make writing possible here. True: by a new scratch branch."""
        timeline = self._timeline
        fresh = not timeline.at_live_end
        if fresh:
            self._starts.clear()
            timeline.scratch.begin()
            self._notices.append(
                f"rdbg: {what} changed at icount {timeline.position}, in the past: the guest goes on from here in a "
                "scratch branch, and the run itself stays as it is. 'monitor branch NAME' keeps it; "
                "'monitor switch main', any jump, or going back before here drops it\n"
            )
        moment = timeline.scratch.moment()
        if moment is not None and (not self._starts or self._starts[-1].moved):
            self._starts.append(_Start(moment, self._values()))
            del self._starts[:-_MOST_CALLS]
        return fresh

    def _undo(self, fresh: bool) -> None:
        if fresh:
            self._notices.pop()
            self._starts.clear()
            self._timeline.scratch.drop()

    def _end_call(self) -> None:
        """Registers that are again what they were before the guest ran: a call has ended.

        Those of the system do not count: exceptions change some that no write puts back (Cause.ExcCode).
        """
        values = self._values()
        for index in range(len(self._starts) - 1, -1, -1):
            start = self._starts[index]
            if start.moved and start.registers == values:
                del self._starts[index:]
                self._timeline.scratch.come_back(start.moment)
                self._undone_at = start.moment.position
                if not self._told_of_calls:
                    self._told_of_calls = True
                    self._notices.append(
                        f"rdbg: the call is undone, with all that it changed: this is icount {start.moment.position} "
                        "again (a call at the live end stays part of the run)\n"
                    )
                return

    def _values(self) -> dict[int, bytes]:
        return {
            info.number: self._registers.read(info.number)
            for info in self._registers.infos
            if info.saved and info.group != "system"
        }

    def _is_argument(self, address: int) -> bool:
        distance = self._timeline.machine.read_register(self._stack) - address
        return 0 < distance <= _ARGUMENTS
