"""``rdbg chaos --shrink``: a kept run, the fewest moved interrupts, and where these come."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rdbg.chaos.keep import FAILURE, RACE, keep
from rdbg.chaos.plan import Plan, StartPlace, recorded_events
from rdbg.chaos.policy import FixedPolicy
from rdbg.chaos.runner import Limits
from rdbg.chaos.shrink import Delay, Shrinker, Shrunk, Stopped, delays_of, holds_of, scripted_inputs
from rdbg.chaos.where import Interruption, end_of_hold, find_interruption
from rdbg.cli.chaos_options import HANDED_ON, checked_conditions, parse_chaos, refuse_alone, seconds, symbols_file
from rdbg.cli.code_places import CodePlaces
from rdbg.cli.qemu_options import ParsedLine
from rdbg.emu.way_ahead import AccessAhead
from rdbg.errors import RdbgError, UsageError
from rdbg.host.interrupts import ENDING_SIGNALS
from rdbg.recording.recording import OpenRecording
from rdbg.session.images import elf_image


def shrink(line: ParsedLine) -> tuple[int, str]:
    """Shrink a recording; gives the exit code, and what to print.

    Raises:
        RdbgError: it is no recording of a run that fails, or what makes it fail is not known.
    """
    path = line.last("shrink") or ""
    others = sorted(set(line.own) - {"shrink", "o", "output", "fail-on", "for", "patience", "symbols"})
    if others or line.options.images or line.options.said:
        option = _as_written(line, others)
        raise UsageError(f"chaos: {option} is not for --shrink: the recording says it itself; drop it")
    refuse_alone(line.options)
    output = line.last("o") or line.last("output") or f"{path}.shrunk"
    recording = OpenRecording(path)
    try:
        header = recording.header
        spec = recording.spec()
        events = recorded_events(recording)
    finally:
        recording.close()
    known = _conditions_of(header.command_line)
    own = {name: line.own.get(name) or known.get(name, []) for name in ("fail-on", "for", "patience")}
    own["symbols"] = line.own.get("symbols", [])  # a recording of somebody else's does not say which files are read
    if not own["fail-on"]:
        raise UsageError(
            f"chaos: {path} does not say what made it fail (it was not kept by rdbg chaos); say it with --fail-on"
        )
    told = ParsedLine(line.options, {name: values for name, values in own.items() if values}, ())
    symbols = symbols_file(told)
    fail_on = checked_conditions(own["fail-on"], symbols or elf_image(spec))
    limits = Limits(seconds(told, "for", Limits.seconds), seconds(told, "patience", Limits.patience))
    command: tuple[str, ...] = ("rdbg", "chaos", "--shrink", path)
    command += tuple(word for name in HANDED_ON for value in own.get(name, ()) for word in (f"--{name}", value))
    began = time.monotonic()
    signals: list[int] = []
    with _noting(signals):
        runner = Plan(spec, StartPlace(path), fail_on, limits=limits, symbols=symbols).runner(lambda: bool(signals))
        script = scripted_inputs(events)
        try:
            shrunk = Shrinker(runner, script, _show).shrink(holds_of(events), delays_of(events))
        except Stopped:
            return 128 + signals[0], f"ended by {signal.Signals(signals[0]).name}; nothing was written"
        finally:
            _clear()
        fixed = FixedPolicy(shrunk.holds, shrunk.delays)
        found = [
            (hold, find_interruption(runner, fixed, script, end_of_hold(runner, fixed, script, *hold)))
            for hold in shrunk.holds
        ]
        if shrunk.cause is not None:
            found = [(shrunk.cause, find_interruption(runner, FixedPolicy(()), script, shrunk.cause[0]))]
        last = next((where for _, where in reversed(found) if where is not None), None)
        places = CodePlaces(symbols or elf_image(spec), runner.guest.machine)
        lines = [_heading(shrunk, path, time.monotonic() - began)]
        for hold, where in found:
            lines += _tell(places, hold, where, shrunk)
        lines += [_tell_delay(tuple(runner.guest.machine.system.timers), delay) for delay in shrunk.delays]
        keep(runner, shrunk.run, output, command, None if last is None else last.icount)
    at = RACE if last is not None else FAILURE
    return 0, "\n".join([*lines, f"  rdbg debug {shlex.quote(output)} --at {at}"])


def _as_written(line: ParsedLine, others: list[str]) -> str:
    """The first option that does not belong: the command's own ones of a single letter, and QEMU's, have one dash."""
    if not others:
        return f"-{sorted(line.options.said)[0]}"
    return f"-{others[0]}" if len(others[0]) == 1 else f"--{others[0]}"


def _conditions_of(command_line: tuple[str, ...]) -> dict[str, list[str]]:
    """What was said to the ``rdbg chaos`` that kept a recording; empty: something else kept it."""
    if command_line[:2] != ("rdbg", "chaos"):
        return {}
    try:
        own = parse_chaos(list(command_line[2:]))[0].own
    except RdbgError:
        return {}
    return {"fail-on": ["exit", "panic"], **own}


def _heading(shrunk: Shrunk, path: str, took: float) -> str:
    tries = f"{shrunk.tries} runs, {took:.1f} s"
    what = shrunk.run.outcome.what
    if shrunk.delays and not shrunk.holds:
        return f"{path}: fails with no interrupt moved, where a device takes longer ({tries}): {what}"
    if not shrunk.holds:
        return f"{path}: fails with none of its {shrunk.before} interrupts moved ({tries}): {what}"
    enough = "one is" if len(shrunk.holds) == 1 else f"{len(shrunk.holds)} are"
    moved = "1 moved interrupt" if shrunk.before == 1 else f"{shrunk.before} moved interrupts"
    return f"{path}: of {moved}, {enough} enough ({tries}): {what}"


def _tell(places: CodePlaces, hold: tuple[int, int], where: Interruption | None, shrunk: Shrunk) -> list[str]:
    """An interrupt that makes the run fail, in words."""
    icount, length = hold
    if where is None:
        return [f"an interrupt that is due at icount {icount}, held back by {length} instructions, makes it fail"]
    said = f"the {where.line} interrupt at icount {where.icount}"
    details = []
    if where.before is not None and where.after is not None:
        word = places.data(where.before.word)
        said += f", between {_access(where.before)} and {_access(where.after)} of {word},"
        details = [where.before.pc, where.after.pc]
    elif where.waits:
        said += f", right before the wait at {where.pc:#010x}, "
        details = [where.pc]
    else:
        said += f", before the instruction at {where.pc:#010x},"
        details = [where.pc]
    lines = [f"{said.rstrip(', ')}, makes it fail"]
    names = zip(details, places.code(details), strict=True)
    lines += [f"  {address:#010x}  {name}" for address, name in names if name]
    if shrunk.cause is not None:
        lines.append(f"  (held back by {length} instructions, it does not)")
    else:
        lines.append(f"  (it was due at icount {icount}, and held back by {length} instructions)")
    return lines


def _tell_delay(timers: tuple[str, ...], delay: Delay) -> str:
    """A device's work that makes the run fail, in words."""
    icount, length, timer = delay
    name = timers[timer] if timer < len(timers) else f"timer {timer}"
    return (
        f"the work that ends by device timer {name}, due at icount {icount}, takes {length} instructions' time longer"
    )


def _access(access: AccessAhead) -> str:
    return f"{access.pc:#010x} {access.name}"


def _show(tries: int, left: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{tries} runs, {left} moved interrupts   ")
        sys.stderr.flush()


def _clear() -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{'':60}\r")
        sys.stderr.flush()


@contextmanager
def _noting(signals: list[int]) -> Iterator[None]:
    """Meanwhile note signals that end programs."""

    def note(number: int, frame: FrameType | None) -> None:
        signals.append(number)

    previous = {number: signal.signal(number, note) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
