"""The side of a page that the run's own thread has: what pages want of the run waits here for its turn."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.errors import RdbgError, UsageError
from rdbg.monitor import interpreter
from rdbg.monitor.command import STALE
from rdbg.quick_dataclass import dataclass
from rdbg.session.onlooker import RunOnView, WorkingCopies
from rdbg.ui.moment import MomentAtHand
from rdbg.ui.page_questions import PageQuestion
from rdbg.ui.run_state import GuestDoes, RunState, StateKeeper
from rdbg.ui.run_view import RunView
from rdbg.ui.surveyed import FoundStretch, Surveyed

#: Seconds between two states that are told of a guest that moves.
_TELLING = 0.1
#: Seconds for which a copy of a run that goes on is young enough to be asked.
_YOUNG = 1.0
#: Commands that move the guest: of a GDB that is connected they are asked, since it must look again.
MOVING = frozenset({"goto", "back", "forward", "switch"})
#: What a page may want beside that.
COMMANDS = MOVING | {"stop", "cont", "bookmark", "delbookmark"}


class GdbMoves(RdbgError):
    """It cannot be done now: GDB moves the guest."""


@dataclass(frozen=True)
class _Job:
    future: Future[Any]
    work: Callable[[], Any]
    needs_standing: bool


class PageDesk:
    """An `Onlooker` on behalf of pages. `ask` and `waiting` may be used in any thread, all else is the run's.

    Args:
        run: see there.
        publish: told of each new state.
    """

    def __init__(self, run: RunOnView, publish: Callable[[RunState], None]) -> None:
        self._run = run
        self._context = run.context
        self._publish = publish
        self._states = StateKeeper(run.context)
        self._told: RunState | None = None
        self._told_at = 0.0
        self._jobs: deque[_Job] = deque()
        self._wakes, self._bell = os.pipe()
        os.set_blocking(self._wakes, False)
        os.set_blocking(self._bell, False)
        self._copies: WorkingCopies | None = None
        self._copied: tuple[object, int, float] = (None, -1, 0.0)
        self._surveyed = Surveyed(run.context.timeline.start)
        self._surveyed_of: object = None
        self._view = RunView(run.context.timeline, run.context.symbols, self._surveyed, run.sources)
        self._closed = False
        self._standing = True  # whether nobody moves the guest: then answers are of its very end

    # --- in any thread -------------------------------------------------------------------------
    @property
    def waiting(self) -> bool:
        """Whether a job waits."""
        return bool(self._jobs)

    def fileno(self) -> int:
        """Can be read when a job has come."""
        return self._wakes

    def ask(self, work: Callable[[], Any], needs_standing: bool = True) -> Future[Any]:
        """Have something done in the run's thread.

        Args:
            work: is done when the guest stands.
            needs_standing: False: also in the middle of a movement of GDB's. True: there the future ends in `GdbMoves`.
        """
        future: Future[Any] = Future()
        self._jobs.append(_Job(future, work, needs_standing))
        if self._closed:
            self._give_up()
            return future
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            pass  # it rings already
        return future

    # --- in the run's thread -------------------------------------------------------------------
    def take_turn(self) -> None:
        """Do all that waits."""
        self._standing = self._doing_alone() is GuestDoes.STANDS
        self._take(lambda job: True)
        self._tell(self._doing_alone())

    def look_on(self) -> None:
        """Tell how far the guest has come, and do what can be done meanwhile."""
        doing = self._doing_alone() if not self._context.control.attached else GuestDoes.MOVES
        self._standing = False
        if doing is GuestDoes.RUNS and self._jobs:
            return  # it has a turn at once
        if self._jobs:
            self._take(lambda job: not job.needs_standing)
        now = time.monotonic()
        if now - self._told_at >= _TELLING:
            self._tell(doing)

    def in_copy(self) -> None:
        """The bell is not for copies."""
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (self._wakes, self._bell):
            os.dup2(null, descriptor)
        os.close(null)

    def close(self) -> None:
        """Nothing will be done any more."""
        self._closed = True
        self._give_up()
        if self._copies is not None:
            self._copies.dismiss()
            self._copies = None

    def let_go(self) -> None:
        """Close the bell, which no other thread can ring any more: its number may be another file's then."""
        os.close(self._wakes)
        os.close(self._bell)

    def obey(self, line: str) -> str:
        """Obey a monitor command of a page; the guest stands.

        Raises:
            UsageError: no page may say that, or GDB must do it itself.
        """
        name = (line.split() or [""])[0]
        if name not in COMMANDS:
            raise UsageError(f"{name}: no command that a page may give")
        control = self._context.control
        if control.attached and name in (MOVING | {"stop", "cont"}):
            raise UsageError(f"GDB is connected and moves the guest: say there 'monitor {line}'")
        if name in MOVING:
            control.stopped = True  # or it would run on at once
        return interpreter.run(self._context, line).replace(STALE, "")

    def marks(self) -> dict[str, Any]:
        """What has a name in the run: of the branch that it is on, and the other branches."""
        timeline = self._context.timeline
        return {
            "snapshots": [{"name": each.name, "icount": each.position} for each in timeline.snapshots.here()],
            "bookmarks": [{"name": name, "icount": at} for name, at in sorted(timeline.bookmarks.all().items())],
            "branches": [
                {"name": each.name, "parent": each.parent, "fork": each.fork, "end": each.end, "current": each.current}
                for each in timeline.branches()
            ],
        }

    def crew(self) -> WorkingCopies:
        """Who answers questions to the past as it is known now: a copy of this process."""
        timeline = self._context.timeline
        history, end = timeline.history, timeline.end
        now = time.monotonic()
        known, until, made = self._copied
        if (
            self._copies is not None
            and known is history
            and (until == end or (not self._standing and now - made < _YOUNG))
        ):
            return self._copies
        if self._run.copies is None:
            return _InTurn(self, self._view)
        if self._copies is not None:
            self._copies.dismiss()
            self._copies = None
        if self._surveyed_of is not None and self._surveyed_of is not history:
            self._surveyed.cut(timeline.start)  # another branch: who knows from where on it is another way
        self._surveyed_of = history
        view = RunView(timeline, self._context.symbols, self._surveyed, self._run.sources)
        self._copies = self._run.copies(1, view.answer)
        self._copied = history, end, now
        return self._copies

    def moment(self) -> Any:
        """What there is to see where the guest stands."""
        return MomentAtHand().answer(self._view)

    def learn(self, found: FoundStretch) -> bool:
        """Take what a copy has found, for the next one, for GDB's questions, and for the recording; whether there is
        more to find."""
        timeline = self._context.timeline
        if self._copied[0] is not timeline.history:
            return False  # it is of another branch
        self._view.learn(found)
        if found.last:
            timeline.past.keep_events()
        return not found.last

    def in_turn(self, question: PageQuestion) -> Any:
        """The answer to a question, by the machine itself, which stands where it stood."""
        with ReplayedRun(self._context.timeline):
            return question.answer(self._view)

    def _doing_alone(self) -> GuestDoes:
        return GuestDoes.RUNS if self._context.control.runs and self._context.timeline.at_live_end else GuestDoes.STANDS

    def _tell(self, doing: GuestDoes) -> None:
        self._told_at = time.monotonic()
        state = self._states.now(doing)
        if state != self._told:
            self._told = state
            self._publish(state)

    def _take(self, fits: Callable[[_Job], bool]) -> None:
        try:
            while os.read(self._wakes, 4096):
                pass
        except BlockingIOError:
            pass
        for _ in range(len(self._jobs)):
            job = self._jobs.popleft()
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                if not fits(job):
                    raise GdbMoves("GDB moves the guest; interrupt it there first (Ctrl-C)")
                answer = job.work()
            except Exception as error:
                job.future.set_exception(error)
                continue
            if job.needs_standing:
                self._tell(self._doing_alone())  # who has moved it is answered when all know where to
            job.future.set_result(answer)

    def _give_up(self) -> None:
        while True:
            try:
                job = self._jobs.popleft()
            except IndexError:  # the other thread may give up the same ones
                return
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(RdbgError("the run has ended"))


class _InTurn:
    """Answers in the run's own thread: of a run that cannot have copies."""

    def __init__(self, desk: PageDesk, view: RunView) -> None:
        self._desk = desk
        self._view = view

    def submit(self, *arguments: Any) -> Future[Any]:
        """Answer a question in a turn."""
        (question,) = arguments
        return self._desk.ask(lambda: self._desk.in_turn(question))

    def dismiss(self) -> None:
        """There is nothing to end."""
