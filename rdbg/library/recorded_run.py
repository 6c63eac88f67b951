"""A recording as Python programs see it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rdbg.analysis.address_expression import register_number
from rdbg.analysis.place_names import go_to_place, place_words
from rdbg.analysis.seeker import Seeker
from rdbg.analysis.whole_number import at_least
from rdbg.emu.machine_api import Access, Watch
from rdbg.errors import UsageError
from rdbg.host.interrupts import NotedInterrupts
from rdbg.library.run_tables import Address, Place, RunTables
from rdbg.monitor.command import STALE, MonitorContext
from rdbg.monitor.interpreter import obey
from rdbg.navigation.stops import Interrupted, Stop, StopConditions, StopReason
from rdbg.session.images import read_symbols
from rdbg.session.options import silent_replay
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.targets.disassembly import Instruction, disassemble
from rdbg.timeline import LastWrite, Order

#: Bytes of the guest that are read at a time.
_MOST_BYTES = 64 << 20
#: Instructions that are disassembled at a time: some tenths of a second.
_MOST_SHOWN = 65_536


class _Closed:
    """In place of the timeline of a run that is closed."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        raise UsageError(f"{self._path} is closed: open it again")


class RecordedRun(RunTables):
    """A recorded run. Close it, or use it in a ``with``; nothing else uses the recording meanwhile.

    What cannot be done raises RdbgError with a line, and the machine stays where it is. Ctrl-C in a movement raises
    KeyboardInterrupt, and the machine stands somewhere on its way.

    Args:
        path: the recording.
        symbols: an ELF file with the guest's symbols; None: its image, if it is one.

    Raises:
        RdbgError: it cannot be used.
    """

    def __init__(self, path: str, symbols: str | None = None) -> None:
        self._path = path
        around = Surroundings(terminal=False, symbols=read_symbols(symbols), signals=False)
        self._session = Session(silent_replay(path), around)
        super().__init__(self._session.timeline, self._session.symbols)
        # The write that was found last: what was asked, and where that led.
        self._found: dict[tuple[int, int, int], Order] = {}

    def __enter__(self) -> RecordedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the recording. May be called twice; nothing else may be asked then."""
        if not isinstance(self.timeline, _Closed):
            self._session.close()
            self.timeline = _Closed(self._path)  # type: ignore[assignment]  # what is asked of it is refused

    # --- where -----------------------------------------------------------------------------
    @property
    def position(self) -> int:
        """Now, an icount."""
        return self.timeline.position

    @property
    def start(self) -> int:
        """First position of the run, an icount."""
        return self.timeline.start

    @property
    def end(self) -> int:
        """Last position of the run, an icount."""
        return self.timeline.end

    @property
    def virtual_ns(self) -> int:
        """The guest's time here, in nanoseconds since power-on."""
        return self.timeline.machine.virtual_ns

    @property
    def bookmarks(self) -> dict[str, int]:
        """Named positions: icounts."""
        return dict(self.timeline.bookmarks.all())

    @property
    def snapshots(self) -> dict[str, int]:
        """Named snapshots: their icounts."""
        return {each.name: each.position for each in self.timeline.snapshots.here()}

    # --- what is there ---------------------------------------------------------------------
    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return self.timeline.machine.pc

    def register(self, name: str) -> int:
        """A register by any of its names, with or without ``$``.

        Raises:
            UsageError: there is none.
        """
        machine = self.timeline.machine
        return machine.read_register(register_number(machine, name))

    def registers(self) -> dict[str, int]:
        """All registers, in the debugger's order, each by the name that assemblers have for it."""
        machine = self.timeline.machine
        infos = machine.architecture.registers_of(machine.layout)
        return {(info.aliases or (info.name,))[0]: machine.read_register(info.number) for info in infos}

    def memory(self, address: Address, length: int) -> bytes:
        """Bytes at a virtual address, as many as are mapped.

        Raises:
            UsageError: there is no such address.
        """
        return self.read(address, length)[1]

    def read(self, place: Address, length: int) -> tuple[int, bytes]:
        """The address that a place stands for, and the bytes there, as many as are mapped.

        Raises:
            UsageError: there is no such address.
        """
        address = self._address(place)
        return address, self.timeline.machine.read_memory(address, at_least(0, length, "length", _MOST_BYTES))

    def command(self, *words: str) -> str:
        """Obey a command of the monitor, given in words; what it says.

        Raises:
            RdbgError: it cannot be done.
        """
        with self._interruptible() as interrupted:
            context = MonitorContext(self.timeline, interrupted, self.close, self._symbols)
            return obey(context, words).replace(STALE, "")

    def disassemble(self, address: Address = "$pc", count: int = 8) -> list[Instruction]:
        """Instructions in memory, as many as are mapped.

        Raises:
            RdbgError: there is no such address.
        """
        machine, start = self.timeline.machine, self._address(address)
        length = machine.architecture.instruction_lengths[0]
        code = machine.read_memory(start, at_least(0, count, "count", _MOST_SHOWN) * length)
        return disassemble(machine.architecture, machine.big_endian, start, code)

    def symbol(self, address: int) -> tuple[str, int] | None:
        """The symbol in which an address lies, and how far behind its beginning; None: in none."""
        return self._symbols.at(address)

    # --- movements -------------------------------------------------------------------------
    def goto(self, place: Place) -> int:
        """Go to a place as in ``monitor goto``: an icount, ``"50%"``, ``"+100"``, a name, ``'output "login:"'``.

        Returns:
            the icount where the machine stands then: the start or the end of the run, for a place beyond it.

        Raises:
            RdbgError: there is no such place.
        """
        return self.travel(place).position

    def travel(self, place: Place) -> Stop:
        """The same, with what ended it: HISTORY_START or HISTORY_END where the place lies beyond the run.

        Raises:
            RdbgError: there is no such place.
        """
        words = [str(at_least(0, place, "icount"))] if isinstance(place, int) else place_words(self.timeline, place)
        with self._interruptible() as interrupted:
            return go_to_place(Seeker(self.timeline, interrupted), words)

    def step(self, count: int = 1) -> int:
        """So many steps forward, each an instruction with those that run as one with it; the icount then, at most
        `end`.

        Raises:
            UsageError: the number is negative.
        """
        if at_least(0, count, "count") >= self.end - self.position:
            return self.goto(self.end)  # each takes an instruction at least
        with self._interruptible() as interrupted:
            for _ in range(count):
                if interrupted() or self.timeline.step().reason is not StopReason.STEP:
                    break
        return self.position

    def reverse_step(self, count: int = 1) -> int:
        """So many steps back, over the handlers of exceptions; the icount then, at least `start`.

        Raises:
            UsageError: the number is negative.
        """
        if at_least(0, count, "count") >= self.position - self.start:
            return self.goto(self.start)
        with self._interruptible() as interrupted:
            for _ in range(count):
                if self.timeline.reverse_step(interrupted).reason is not StopReason.STEP:
                    break
        return self.position

    def find(self, address: Address, where: str = "", backward: bool = False) -> int | None:
        """Go to the next time, or the time before here, that an instruction is about to run.

        Args:
            address: of the instruction.
            where: only where this holds, as in the tables.
            backward: look at what was before.

        Returns:
            the icount where the machine stands then; None: there is no such time, and it stays where it is.

        Raises:
            UsageError: there is no such address, or that is no condition.
        """
        at, condition = self._address(address), self._where(where)
        wanted = StopConditions(frozenset({at}), conditions={at: (condition,)} if condition else {})
        return self._search(wanted, StopReason.BREAKPOINT, backward)

    def find_write(
        self, address: Address, length: int | None = None, where: str = "", backward: bool = False
    ) -> int | None:
        """Go to just before the next step that writes any of these bytes, or before the last one that did: an
        instruction's store, or the step that leads to what a device writes. Asked again there it is the one behind, or
        before, that one. What the debugger wrote counts backward alone.

        Args:
            address: of the first byte.
            length: bytes; None: those of the symbol, or 4.
            where: only writes before which this holds, as in the tables.
            backward: look at what was before.

        Returns:
            the icount where the machine stands then; None: there is no such write, and it stays where it is.

        Raises:
            UsageError: there is no such address, or that is no condition.
        """
        place, condition, stood = self._bytes_at(address, length), self._where(where), self.position
        search = self._write_before if backward else self._write_behind
        while True:
            found = search(place.address, place.size)
            if found is None:
                self.timeline.goto(stood)
                return None
            if not condition or self.timeline.machine.evaluate(condition):
                return found

    def writes(self, address: Address, length: int | None = None, count: int = 10) -> list[LastWrite]:
        """The last writes to these bytes before here, latest first; the machine stays where it is.

        Args:
            address: of the first byte.
            length: bytes; None: those of the symbol, or 4.
            count: how many at most.

        Raises:
            UsageError: there is no such address, or there are not so many bytes.
        """
        place = self._bytes_at(address, length)
        with self._interruptible() as interrupted:
            return self.timeline.past.last_writes(
                place.address, place.size, at_least(0, count, "count"), interrupted=interrupted
            )

    def _write_before(self, address: int, size: int) -> int | None:
        timeline = self.timeline
        # Several can be at one place: what was found is not found again.
        before = self._found.get((address, size, timeline.position))
        with self._interruptible() as interrupted:
            found = timeline.past.last_writes(address, size, before=before, interrupted=interrupted)
            if not found:
                return None
            write, stood = found[0].write, timeline.position
            position = timeline.goto(write.before - (write.before == write.after), interrupted).position
            timeline.places.leave(stood)
            self._found = {(address, size, position): found[0].order}
            return position

    def _write_behind(self, address: int, size: int) -> int | None:
        watched = StopConditions(watches=(Watch(address, size, Access.WRITE),))
        return self._search(watched, StopReason.WATCHPOINT, backward=False)

    def _search(self, wanted: StopConditions, reason: StopReason, backward: bool) -> int | None:
        timeline, stood = self.timeline, self.position
        with self._interruptible() as interrupted:
            if backward:
                stop = timeline.reverse_run(wanted, interrupted)
            else:
                timeline.step()  # what is here has been found
                stop = timeline.run(wanted, interrupted)
            if stop.reason not in (reason, StopReason.INTERRUPTED):
                timeline.goto(stood)
                return None
            if stop.reason is reason:
                timeline.places.leave(stood)
            return stop.position

    @contextmanager
    def _interruptible(self) -> Iterator[Interrupted]:
        """Meanwhile Ctrl-C is noted, so that a movement can end in order; it is told of behind that."""
        if threading.current_thread() is not threading.main_thread():
            yield self.interrupted  # signals are the first thread's
            self._require_wanted()
            return
        with NotedInterrupts() as noted:
            yield lambda: noted() or self.interrupted()
        if noted.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if noted.signal:
            raise SystemExit(128 + noted.signal)
        self._require_wanted()

    def _require_wanted(self) -> None:
        if self.interrupted():
            raise UsageError("interrupted: nobody waits for the answer any more")
