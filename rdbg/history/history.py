"""The inputs of a run, past and to come, as the machine and the timeline ask for them."""

from __future__ import annotations

from collections.abc import Sequence

from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.errors import RdbgError
from rdbg.history.known_records import KnownRecords
from rdbg.history.live_queue import LiveInputs
from rdbg.history.log import GrowingLog, Log
from rdbg.history.log_queries import (
    MOVING_KINDS,
    digest_at,
    entering,
    inputs_at,
)
from rdbg.history.long_logs import BranchLog, RecordedLog, ScratchLog
from rdbg.history.recorded import check_kinds, notice_of
from rdbg.history.recorder import Recorder
from rdbg.journal.output_marks import Digests, build_digests
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import (
    INPUT_KINDS,
    KIND_DIGEST,
    POKE_KINDS,
    EndOfRun,
    Record,
    event_of,
    record_of,
)
from rdbg.journal.writer import JournalWriter


class History:
    """The ordered inputs of a run, with a cursor: the source that the machine takes its inputs from.

    There is one total order of inputs, also among those at one icount. The cursor stands before the next one that will
    enter. The canonical state at position P includes every input at P.

    For the machine, an InputSource. For the timeline: after
    restoring a state, `seek` to its position; never run past `next_poke`, stop there and apply `take_pokes`; after
    every run, `advance` to where the machine stands. In a live run whatever waits outside enters after ``end``, so a
    state seen at ``end`` (by a checkpoint, by the user) stays what it was. One exception: an idle CPU has no later
    position. `advance(position, idle=True)` lets inputs enter at ``position`` itself; `entered_at` tells whether a
    state taken there before is out of date.

    Make one with `live_run`, `recording` or `replay`.

    Args:
        log: the records so far.
        start: first icount of the run.
        end: last icount known.
        live: where a live run's inputs wait; None: nothing comes from outside.
        recorder: writes the run down, or None.
        finished: how the run ended, or None.
        growing: the run goes on past ``end``.
    """

    def __init__(
        self,
        log: Log,
        start: int,
        end: int,
        live: LiveInputs | None,
        recorder: Recorder | None,
        finished: EndOfRun | None,
        growing: GrowingLog | None,
    ) -> None:
        self._log = log
        self._growing = growing
        self._outside = live
        self._recorder = recorder
        self._finished = finished
        self._start = start
        self._end = end
        self._open_from = end + 1  # live inputs enter at this icount or later
        self._cursor = 0
        self._next: int | None = None  # number of the first input at or after the cursor,
        self._next_of = -1  # where the cursor stood when that was found; -1: it is not known
        self._idled_until: int | None = None
        self._moved_at: tuple[int, int | None] | None = None  # where, and when, what is due was last let come later
        self.notice: str | None = None
        self.known = KnownRecords(self)  #: answers questions about them

    @classmethod
    def live_run(cls, live: LiveInputs | None = None, start: int = 0) -> History:
        """A run that goes on and leaves nothing behind."""
        log = ScratchLog()
        return cls(log, start, start, live, None, None, log)

    @classmethod
    def recording(cls, writer: JournalWriter, live: LiveInputs | None = None) -> History:
        """A run that goes on and is recorded by ``writer``, from whose file it reads its own past."""
        log = RecordedLog(writer)
        start = writer.header.start
        return cls(log, start, start, live, Recorder(writer), None, log)

    @classmethod
    def replay(cls, reader: JournalReader, live: LiveInputs | None = None) -> History:
        """A finished run. ``notice`` holds a line for the user if the journal is torn or damaged.

        Args:
            reader: its journal.
            live: for runs that leave it (`fork`); the finished one takes nothing from outside.

        Raises:
            RdbgError: the journal holds kinds of records that this rdbg does not know.
        """
        check_kinds(reader)
        history = cls(reader, reader.header.start, reader.covered, live, None, reader.end, None)
        history.notice = notice_of(reader)
        return history

    @property
    def log(self) -> Log:
        """All records that are known."""
        return self._log

    # --- bounds ------------------------------------------------------------------------------
    @property
    def start(self) -> int:
        """First icount of the run."""
        return self._start

    @property
    def end(self) -> int:
        """Last icount known: of the finished run, or where the live one has come to."""
        return self._end

    @property
    def live(self) -> bool:
        """Whether the run goes on past ``end``."""
        return self._growing is not None and self._finished is None

    @property
    def finished(self) -> EndOfRun | None:
        """How the run ended; None: it goes on, or its journal is torn."""
        return self._finished

    @property
    def failure(self) -> str | None:
        """Why the recording of this run broke off, in a line; None: it did not, or the run is not recorded."""
        return None if self._recorder is None else self._recorder.failure

    # --- for the machine ---------------------------------------------------------------------
    def next_icount(self) -> int | None:
        """Position of the next input of the history, or None. None also when a debugger's write comes first: the
        timeline applies that one."""
        ordinal = self._next_input()
        if ordinal is None:
            return None
        record = self._log.record(ordinal)
        return None if record.kind in POKE_KINDS else record.icount

    def _next_input(self) -> int | None:
        """Number of the next input, or of the debugger's next write, if that comes first. It is asked for several times
        between two packets, and found once."""
        if self._next_of != self._cursor:
            self._next, self._next_of = self._log.next_of(self._cursor, INPUT_KINDS), self._cursor
        return self._next

    def waiting_from(self, until: int | None = None) -> int | None:
        """With something waiting outside of a live run: the first position at which it may enter, up to ``until``."""
        # Written out, as this is asked several times for each packet: not `ahead`, and `live`.
        if until is not None and until < self._open_from or self._next_input() is not None:
            return None
        if self._outside is None or self._growing is None or self._finished is not None:
            return None
        return self._open_from if self._outside.pending() else None

    @property
    def asks_interrupts(self) -> bool:
        """Whether what waits outside of a live run may hold interrupts back, and delay devices' work."""
        return self.live and self._outside is not None and self._outside.holds_interrupts

    def hold_interrupt(self, icount: int, idled_until: int | None) -> list[InputEvent]:
        """Inputs that come before an interrupt that a live run is about to take."""
        if self._outside is None or icount < self._open_from or self.ahead:
            return []
        events = self._outside.hold_interrupt(icount)
        # What is not held back is taken now, and in a replay inputs enter before: nothing else does here.
        return self._moved(events, icount, idled_until) if events else self._entered([], icount)

    def delay_work(self, icount: int, timer: int, idled_until: int | None) -> list[InputEvent]:
        """Inputs that come before a device of a live run is done with a piece of work."""
        if self._outside is None or icount < self._open_from or self.ahead:
            return []
        events = self._outside.delay_work(icount, timer)
        return self._moved(events, icount, idled_until) if events else []

    def _moved(self, events: list[InputEvent], icount: int, idled_until: int | None) -> list[InputEvent]:
        """Write down what moves something that is due. More may be moved there: another device's work, an interrupt."""
        if idled_until is not None and self._moved_at != (icount, idled_until):  # together with what was moved before
            events = [InputEvent(icount, InputKind.WAKE, value=idled_until), *events]
        entered = self._entered(events, icount)
        self._open_from, self._moved_at = icount, (icount, idled_until)
        return entered

    def take(self, icount: int, idled_until: int | None = None) -> list[InputEvent]:
        """Inputs that enter at ``icount``, in order; the cursor moves past them. See `InputSource`.

        Raises:
            RdbgError: a recorded input's position was not met: the replay has diverged.
        """
        taken: list[InputEvent] = []
        if self.ahead:
            taken, self._cursor = entering(self._log, self._cursor, icount)
            if self.ahead:
                return taken
        if icount >= self._open_from and self.live and self._outside is not None:
            events = self._outside.take()
            if events:
                waited = [time for time in (self._idled_until, idled_until) if time is not None]
                if waited:
                    events.insert(0, InputEvent(icount, InputKind.WAKE, value=max(waited)))
                self._idled_until = None
                taken += self._entered(events, icount)
        return taken

    def take_first(self, icount: int) -> list[InputEvent]:
        """Each HOLD and DELAY that is next at ``icount``; the cursor moves past them. See `InputSource`."""
        taken, self._cursor = entering(self._log, self._cursor, icount, MOVING_KINDS)
        return taken

    def _entered(self, events: list[InputEvent], icount: int) -> list[InputEvent]:
        """Write down what enters a live run, stamped with its position."""
        stamped = [InputEvent(icount, *event[1:]) for event in events]
        for event in stamped:
            self._append(record_of(event))
        self._cursor = self._log.count
        self._end = max(self._end, icount)
        self._open_from = self._end + 1
        return stamped

    # --- for the timeline --------------------------------------------------------------------
    def seek(self, icount: int, entered: int | None = None) -> None:
        """Stand at ``icount``.

        Args:
            icount: the position.
            entered: how many of the inputs there have entered already (what `entered` gave when the state was taken).
                None: all.
        """
        if entered is None:
            self._cursor = self._log.find(icount)
            return
        self._cursor = self._log.find(icount - 1)
        for _ in range(entered):
            ordinal = self._log.next_of(self._cursor, INPUT_KINDS)
            if ordinal is not None:
                self._cursor = ordinal + 1

    def entered(self, icount: int) -> int:
        """How many of the inputs that stand at ``icount`` are behind the cursor."""
        return sum(ordinal < self._cursor for ordinal in inputs_at(self._log, icount))

    @property
    def ahead(self) -> bool:
        """Whether the history holds inputs that have not entered yet."""
        return self._next_input() is not None

    def next_poke(self) -> int | None:
        """Position of the next write of the debugger after the cursor: do not run past it. None: no more."""
        ordinal = self._log.next_of(self._cursor, POKE_KINDS)
        return None if ordinal is None else self._log.record(ordinal).icount

    def take_pokes(self, icount: int) -> list[InputEvent]:
        """The debugger's writes that are next in order and stand at ``icount``; the cursor moves past them.

        Ask when the machine stands at ``icount`` and has taken the inputs there. If `next_icount` then answers
        ``icount`` (an input came to the idle CPU after the write), run again to ``icount`` and ask again.
        """
        taken: list[InputEvent] = []
        while True:
            ordinal = self._log.next_of(self._cursor, INPUT_KINDS)
            if ordinal is None:
                return taken
            record = self._log.record(ordinal)
            if record.kind not in POKE_KINDS or record.icount != icount:
                return taken
            taken.append(event_of(record))
            self._cursor = ordinal + 1

    def end_at(self, icount: int) -> None:
        """What a live run has done last counts for nothing: ``icount`` is its end, unless an input stands behind it."""
        if self.live and not self.ahead:
            last = self._log.record(self._log.count - 1).icount if self._log.count else icount
            self._end = max(icount, last)
            self._open_from = self._end + 1

    def append(self, event: InputEvent) -> None:
        """Add an input at the live end that the caller applies to the machine itself, such as a debugger's write.

        Args:
            event: its icount is ``end`` or later. The cursor stands at the end of the history, and then after it.

        Raises:
            RdbgError: the run is finished, or the position is in its past.
        """
        if not self.live:
            raise RdbgError("this recording is finished: its past cannot be changed; start a live run to write")
        if event.icount < self._end or self._log.next_of(self._cursor, INPUT_KINDS) is not None:
            raise RdbgError(
                f"cannot write at icount {event.icount}: it is in the past, and the live end is at icount {self._end}; "
                "go there first"
            )
        self._append(record_of(event))
        self._cursor = self._log.count
        self._end = event.icount
        self._open_from = self._end + 1

    def idled_until(self, now_ns: int) -> None:
        """Say that the live machine's CPU has idled in host time, up to this virtual time in nanoseconds.

        Holds until the machine has run on. An input that comes meanwhile enters after a WAKE with that time: it finds
        the guest's clock where it would be, had the guest not been waited for in pieces.
        """
        self._idled_until = now_ns

    def advance(self, position: int, idle: bool = False) -> None:
        """Say that the machine stands at ``position``.

        Args:
            position: icount.
            idle: the CPU waits there; an input from outside may enter at ``position`` itself.
        """
        self._idled_until = None
        if self.live and position >= self._end:
            self._end = position
            self._open_from = position if idle else position + 1
            if self._recorder is not None:
                self._recorder.advance(position)

    def entered_at(self, icount: int) -> int:
        """How many inputs stand at ``icount``: when it grows, a state taken there is out of date."""
        return sum(1 for _ in inputs_at(self._log, icount))

    def written_by(self, writer: JournalWriter) -> RecordedLog:
        """Have a journal, of which this run is to be the past, tell all of it so far; see `go_on_with`.

        Raises:
            RdbgError: it cannot be written (the disk is full).
        """
        log = RecordedLog(writer)
        for ordinal in range(self._log.count):
            record = self._log.record(ordinal)
            log.append(record)
            writer.append(record)
        writer.sync(self._end)
        return log

    def go_on_with(self, log: RecordedLog, writer: JournalWriter) -> None:
        """Be recorded from now on by a journal that has all of it so far."""
        self._log = self._growing = log
        self._next_of = -1
        self._recorder = Recorder(writer)

    @property
    def recorded(self) -> bool:
        """Whether the run is being written down, or was."""
        return self._recorder is not None or self._growing is None

    def watch(self, *paths: str) -> None:
        """Let the journal be flushed by time, and notice when a file of the recording goes; see `Recorder.watch`."""
        if self._recorder is not None:
            self._recorder.watch(*paths)

    def sync(self) -> None:
        """Let the disk have the journal up to here, before something that refers to it is confirmed. A finished one
        must be what it was.

        Raises:
            RdbgError: the recording broke off, or another program has written to the finished journal.
        """
        if self._recorder is not None and self.live:
            self._recorder.sync(self._end)
        self._log.check()

    def close(self, end: EndOfRun) -> None:
        """End a live run, and its journal with an end marker: ``failure`` says whether that could be written. A
        finished run stays as it is."""
        if not self.live:
            return
        self._end = max(self._end, end.icount)
        self._finished = end
        if self._recorder is not None:
            self._recorder.close(end)

    def fork(self, icount: int) -> History:
        """A run that shares this one's past up to here and goes on live from here; it leaves nothing behind.

        Args:
            icount: where the machine stands; inputs behind the cursor have entered.
        """
        log = BranchLog(self._log, self._cursor)
        history = History(log, self._start, icount, self._outside, None, None, log)
        history._cursor = log.count
        return history

    def kept_fork(self, shared: int, records: Sequence[Record], end: int, finished: EndOfRun | None) -> History:
        """A run that has left this one, as it was kept; it can go on from its end.

        Args:
            shared: how many of this one's records are its past, too.
            records: those that came then.
            end: its last icount.
            finished: how it ended; None: it did not.

        Raises:
            RdbgError: this run has not so many records.
        """
        if shared > self._log.count:
            raise RdbgError(f"it shares {shared} records with the run, which has {self._log.count}")
        log = BranchLog(self._log, shared)
        for record in records:
            log.append(record)
        return History(log, self._start, end, self._outside, None, finished, log)

    @property
    def entered_records(self) -> int:
        """How many records are behind the cursor; see `rewind`."""
        return self._cursor

    def rewind(self, icount: int, records: int) -> None:
        """Forget what came after a moment of this run, which is not recorded: it goes on from there another way.

        Args:
            icount: the moment.
            records: what `entered_records` was then.

        Raises:
            RdbgError: the run is recorded.
        """
        if self._growing is None or self._recorder is not None:
            raise RdbgError(f"cannot leave the recorded run at icount {icount}: a recording keeps its one past")
        self._growing.truncate(records)
        self._next_of = -1
        self._cursor = min(self._cursor, self._log.count)
        self._finished = None
        self._end = icount
        self._open_from = self._end + 1

    def only_look(self) -> None:
        """This object is a copy, in a process of its own, of that of a run: it writes nothing down, and takes nothing
        from outside."""
        self._recorder = None
        self._outside = None

    # --- digests -----------------------------------------------------------------------------
    def note_digest(self, icount: int, digests: Digests) -> None:
        """Write down what a replay has to come to at ``icount``, if the run is live there; in the past this does
        nothing.

        Args:
            icount: where the machine stands, all inputs there entered.
            digests: of it.
        """
        if not self.live or icount < self._end or digest_at(self._log, icount) is not None:
            return
        at_end = self._cursor == self._log.count
        self._append(Record(icount, KIND_DIGEST, 0, 0, build_digests(digests)))
        if at_end:
            self._cursor = self._log.count
        self._end = icount

    # --- writing -----------------------------------------------------------------------------
    def _append(self, record: Record) -> None:
        if self._growing is None:
            raise RdbgError("this recording is finished")
        self._growing.append(record)
        self._next_of = -1
        if self._recorder is not None:
            self._recorder.append(record)
