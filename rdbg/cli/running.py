"""What the commands that run a machine have in common."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rdbg.errors import UsageError
from rdbg.host.messages import LogOutlet, say
from rdbg.host.outlet import Outlet, open_outlet
from rdbg.host.shell_progress import shell_progress
from rdbg.session.options import RecordMode, RunOptions

if TYPE_CHECKING:
    from rdbg.session.session import Session
    from rdbg.timeline import Timeline
    from rdbg.workers.run_copies import RunCopies

#: Exit code of what Ctrl-C has cut short, as a shell has it.
CUT_SHORT = 130


def run_session(options: RunOptions, command_line: tuple[str, ...]) -> int:
    """Run what is asked for to its end, and give the exit code.

    Args:
        options: what to run.
        command_line: the words typed, for the journal.

    Raises:
        RdbgError: it cannot be run, or a replay diverged.
    """
    from rdbg.session.session import Session  # the emulator loads only when something is to run
    from rdbg.session.surroundings import Surroundings

    log = prepare(options)
    session = Session(options, Surroundings(command_line=command_line, log=log, helpers=run_helpers()))
    # A bar between what the guest prints would garble both.
    alone = options.gdb is None and (sys.stdout is None or not sys.stdout.isatty())
    try:
        with shell_progress(bar=alone) as progress, session.timeline.telling(progress):
            session.run()
    finally:
        session.close()
    return session.exit_code


def run_helpers(jobs: int | None = None) -> Callable[[Timeline, Callable[[], None]], RunCopies]:
    """Makes the helpers of a session's searches.

    Args:
        jobs: processes, this one included; None: one for each core.
    """
    from rdbg.workers.run_copies import RunCopies, all_cores

    return lambda timeline, reopen: RunCopies(timeline, jobs or all_cores(), reopen)


def go_to_places(session: Session, places: Sequence[str]) -> None:
    """Go to each place that ``--at`` names, in turn.

    Raises:
        RdbgError: there is no such place.
    """
    for place in places:
        with shell_progress() as progress, session.timeline.telling(progress):
            beyond = session.goto(place)
        if beyond:
            say(f"--at {beyond}")


def replaying(options: RunOptions, path: str) -> RunOptions:
    """The same, of a replay of the recording at ``path``."""
    return replace(options, icount=replace(options.icount, mode=RecordMode.REPLAY, journal=Path(path)))


def one_file(command: str, operands: Sequence[str]) -> str:
    """The only operand of a command.

    Raises:
        UsageError: there are more, or none, or it looks like an option.
    """
    if len(operands) != 1 or operands[0].startswith("-"):
        raise UsageError(f"{command}: give one file; see rdbg {command} --help")
    return operands[0]


def prepare(options: RunOptions) -> Outlet | None:
    """Say what was asked for in vain, and let loggers speak: warnings always, the subjects of -d in full. Gives the way
    of the log, if it has one of its own."""
    for notice in options.notices:
        say(notice)
    try:
        path = options.trace_file
        handle = sys.stderr.fileno() if path is None else open_outlet(path, f"-D {path}")
        outlet: Outlet | None = Outlet(handle)
    except io.UnsupportedOperation:
        outlet = None  # standard error is a test's, in memory
    handlers = [logging.StreamHandler() if outlet is None else LogOutlet(outlet)]
    logging.basicConfig(handlers=handlers, level=logging.WARNING)
    for subject in options.traces:
        logging.getLogger(f"rdbg.{subject}").setLevel(logging.DEBUG)
    return outlet
