"""Answers all QMP clients of a run, in the same moments as the monitors: while the guest stands, or GDB looks up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

from rdbg.errors import RdbgError
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.desk import GDB_HAS_IT, GDB_RUNS_IT, line_while_gdb_moves, obeyed_line
from rdbg.qmp.qmp_commands import COMMANDS, MOVING, QmpCommand, QmpContext
from rdbg.qmp.qmp_session import COMMAND_NOT_FOUND, QmpError, QmpSession, Request

#: QEMU's ShutdownCause (qapi/run-state.json).
QUIT, SIGNAL, GUEST_SHUTDOWN, GUEST_RESET = "host-qmp-quit", "host-signal", "guest-shutdown", "guest-reset"
_HOST_RESET = "host-qmp-system-reset"

_NEGOTIATION = QmpCommand(lambda context, arguments: {}, {"enable": list}, frozenset({"enable"}))


class QmpDesk:
    """All QMP clients of a run.

    Args:
        leaving: whether a command has ended the run.
    """

    def __init__(self, leaving: Callable[[], bool]) -> None:
        self._leaving = leaving
        self._sessions: list[QmpSession] = []
        self._context: QmpContext | None = None
        self._told_end: str | None = None  # the cause
        self._told_resets: WeakKeyDictionary[object, set[int]] = WeakKeyDictionary()

    def open(self, write: Callable[[bytes], None], pretty: bool) -> QmpSession:
        """One more ``-qmp``."""
        session = QmpSession(write, pretty)
        self._sessions.append(session)
        return session

    def serve(self, context: MonitorContext, recording: Callable[[], str | None], name: str) -> None:
        """What commands work on, once it is there.

        Args:
            context: as of monitors.
            recording: gives the file of the journal that is recorded to, or replayed; None: neither.
            name: what the user calls the guest, or empty.
        """
        self._context = QmpContext(context, lambda line: obeyed_line(context, line), recording, name)
        context.control.watch(self._tell_running)

    @property
    def in_use(self) -> bool:
        """Whether programs may drive this run."""
        return bool(self._sessions)

    @property
    def waiting(self) -> bool:
        """Whether a request has come that is not yet answered."""
        return any(session.waiting for session in self._sessions)

    def obey(self) -> None:
        """Answer all requests; to be called while the guest stands."""
        for session in self._sessions:
            while not self._leaving() and (request := session.next_request()) is not None:
                self._answer(session, request, self._do)

    def obey_while_gdb_moves(self) -> bool:
        """Answer all requests while a GDB has let the guest go; whether one of them wants it to stand."""
        stops: list[bool] = []
        for session in self._sessions:
            while not self._leaving() and (request := session.next_request()) is not None:
                self._answer(session, request, lambda _, request: self._do_while_gdb_moves(request, stops))
        return bool(stops)

    # --- events ----------------------------------------------------------------------------
    def reset(self, run: object, icount: int, by_guest: bool) -> None:
        """The machine was reset while the user ran it; told at the first passage.

        Args:
            run: the branch on which it was; a branch tells what it has in common with another one anew.
            icount: where.
            by_guest: not by the user.
        """
        told = self._told_resets.setdefault(run, set())
        if icount not in told:
            told.add(icount)
            self._tell("RESET", {"guest": by_guest, "reason": GUEST_RESET if by_guest else _HOST_RESET})

    def ended(self, cause: str) -> None:
        """The run is over, or stands where the guest has ended it; told once until it runs again."""
        if self._told_end not in (cause, QUIT):
            self._told_end = cause
            self._tell("SHUTDOWN", {"guest": cause in (GUEST_SHUTDOWN, GUEST_RESET), "reason": cause})

    def _tell_running(self, runs: bool) -> None:
        if runs:
            self._told_end = None
        self._tell("RESUME" if runs else "STOP")

    def _tell(self, event: str, data: Mapping[str, object] | None = None) -> None:
        for session in self._sessions:
            session.tell(event, data)

    # --- requests --------------------------------------------------------------------------
    def _answer(self, session: QmpSession, request: Request, obey: Callable[[QmpSession, Request], object]) -> None:
        try:
            if request.wrong is not None:
                raise request.wrong
            if request.command == "qmp_capabilities":
                session.succeed(request, _negotiate(session, request))
            elif not session.negotiated:
                raise QmpError("Expecting capabilities negotiation with 'qmp_capabilities'", COMMAND_NOT_FOUND)
            else:
                session.succeed(request, obey(session, request))
        except QmpError as error:
            session.fail(request, error)
        except RdbgError as error:
            session.fail(request, QmpError(str(error)))

    def _do(self, session: QmpSession, request: Request) -> object:
        context = self._context
        assert context is not None
        if request.command in MOVING and context.monitor.control.attached:
            raise QmpError(GDB_HAS_IT)

        def interrupted() -> bool:
            return context.monitor.interrupted() or session.asks_to_stop()

        monitor = replace(context.monitor, interrupted=interrupted)
        return self._run(replace(context, monitor=monitor, obey=lambda line: obeyed_line(monitor, line)), request)

    def _do_while_gdb_moves(self, request: Request, stops: list[bool]) -> object:
        assert self._context is not None

        def obey(line: str) -> str:
            assert self._context is not None
            text, stop = line_while_gdb_moves(self._context.monitor, line)
            stops.extend([True] * stop)
            return text

        if request.command in COMMANDS and not COMMANDS[request.command].while_gdb_moves:
            raise QmpError(GDB_RUNS_IT)
        if request.command in ("stop", "quit"):
            stops.append(True)
        return self._run(replace(self._context, obey=obey), request)

    def _run(self, context: QmpContext, request: Request) -> object:
        command = COMMANDS.get(request.command)
        if command is None:
            raise QmpError(f"The command {request.command} has not been found", COMMAND_NOT_FOUND)
        command.check(request.arguments)
        return command.function(context, request.arguments)


def _negotiate(session: QmpSession, request: Request) -> object:
    """Begin to obey, as QEMU has it."""
    if session.negotiated:
        raise QmpError("Capabilities negotiation is already complete, command ignored", COMMAND_NOT_FOUND)
    _NEGOTIATION.check(request.arguments)
    for capability in request.arguments.get("enable", ()):
        raise QmpError(f"Capability {capability} is not available")
    session.negotiated = True
    return {}
