"""``rdbg chaos --shrink``: a kept run, the fewest moved interrupts, and where these come."""

from __future__ import annotations

import json
import signal
import sys
import time

from rdbg.chaos.keep import FAILURE, RACE, keep
from rdbg.chaos.plan import Plan, StartPlace, recorded_events
from rdbg.chaos.policy import FixedPolicy
from rdbg.chaos.runner import Limits
from rdbg.chaos.shrink import Shrinker, Stopped, delays_of, holds_of, scripted_inputs
from rdbg.chaos.where import end_of_hold, find_interruption
from rdbg.cli.chaos_options import HANDED_ON, checked_conditions, parse_chaos, refuse_alone, seconds, symbols_file
from rdbg.cli.code_places import CodePlaces
from rdbg.cli.qemu_options import ParsedLine
from rdbg.cli.shrink_report import ShrinkReport
from rdbg.errors import RdbgError, UsageError
from rdbg.host.interrupts import on_ending_signals
from rdbg.recording.recording import OpenRecording
from rdbg.session.images import elf_image

#: Options that say something here.
_TAKEN = frozenset({"shrink", "o", "output", "fail-on", "for", "patience", "symbols", "json"})
#: Options that no recording says, and why they say nothing here.
_NOT_FOR_ONE_RUN = {
    **dict.fromkeys(
        ("n", "seed", "until-failure"), "it tries one run with fewer interrupts moved, no other seeds; drop it"
    ),
    "jobs": "it tries one after another, since each depends on the one before; drop it",
    **dict.fromkeys(("keep", "keep-all"), "where the shrunk run goes says -o FILE"),
}


def shrink(line: ParsedLine) -> tuple[int, str]:
    """Shrink a recording; gives the exit code, and what to print.

    Raises:
        RdbgError: it is no recording of a run that fails, or what makes it fail is not known.
    """
    path, as_json = line.last("shrink") or "", "json" in line.own
    _refuse_others(line, path)
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
    with on_ending_signals(signals.append):
        runner = Plan(spec, StartPlace(path), fail_on, limits=limits, symbols=symbols).runner(lambda: bool(signals))
        script = scripted_inputs(events)
        try:
            shrunk = Shrinker(runner, script, _show).shrink(holds_of(events), delays_of(events))
        except Stopped:
            name = signal.Signals(signals[0]).name
            told_text = json.dumps({"signal": name}) if as_json else f"ended by {name}; nothing was written"
            return 128 + signals[0], told_text
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
        machine = runner.guest.machine
        report = ShrinkReport(
            path,
            output,
            RACE if last is not None else FAILURE,
            shrunk,
            tuple(found),
            CodePlaces(symbols or elf_image(spec), machine),
            machine.works,
            time.monotonic() - began,
        )
        told_text = report.as_json() if as_json else report.lines()
        keep(runner, shrunk.run, output, command, None if last is None else last.icount)
    return 0, told_text


def _refuse_others(line: ParsedLine, path: str) -> None:
    """Refuse options that are for runs of many seeds, or that the recording says itself."""
    others = sorted(set(line.own) - _TAKEN)
    if others:
        # The command's own ones of a single letter, and QEMU's, have one dash.
        dashes = "-" if len(others[0]) == 1 else "--"
        why = _NOT_FOR_ONE_RUN.get(others[0], f"{path} says it itself; drop it")
        raise UsageError(f"chaos: {dashes}{others[0]} is not for --shrink: {why}")
    if line.options.images or line.options.said:
        said = sorted(line.options.said)[0]
        raise UsageError(f"chaos: -{said} is not for --shrink: {path} says it itself; drop it")


def _conditions_of(command_line: tuple[str, ...]) -> dict[str, list[str]]:
    """What was said to the ``rdbg chaos`` that kept a recording; empty: something else kept it."""
    if command_line[:2] != ("rdbg", "chaos"):
        return {}
    try:
        own = parse_chaos(list(command_line[2:]))[0].own
    except RdbgError:
        return {}
    return {"fail-on": ["exit", "panic"], **own}


def _show(tries: int, left: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{tries} runs, {left} moved interrupts   ")
        sys.stderr.flush()


def _clear() -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{'':60}\r")
        sys.stderr.flush()
