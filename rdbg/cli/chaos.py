"""``rdbg chaos``: what its command line asks for is set up, run and told."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rdbg.chaos.campaign import Campaign, Keeping, Summary
from rdbg.chaos.conditions import DEFAULTS
from rdbg.chaos.guest_disks import unwritten
from rdbg.chaos.plan import Plan, StartPlace, recorded_events
from rdbg.chaos.report import summary_lines, summary_object
from rdbg.chaos.runner import Limits
from rdbg.chaos.script import parse_text
from rdbg.cli.chaos_options import HANDED_ON, checked_conditions, parse_chaos, refuse_alone, seconds, symbols_file
from rdbg.cli.chaos_shrink import shrink
from rdbg.cli.option_values import parse_number
from rdbg.cli.qemu_options import HARMLESS, ParsedLine
from rdbg.emu.inputs import InputEvent
from rdbg.emu.spec import MachineSpec
from rdbg.errors import RdbgError, UsageError
from rdbg.host.shell_progress import shell_progress
from rdbg.recording.recording import OpenRecording
from rdbg.session.images import elf_image, machine_spec
from rdbg.session.run_drives import used_drives

#: What the real-time clock shows at power-on, unless -rtc says otherwise: each run begins alike. 2000-01-01.
_CLOCK = 946_684_800
_MOST_RUNS = 100_000_000
_MOST_SEED = (1 << 63) - 1


def chaos(words: Sequence[str]) -> tuple[int, str]:
    """Run the command; gives its exit code, and what to print.

    Raises:
        RdbgError: it cannot be done.
    """
    logging.basicConfig(format="rdbg: %(message)s", level=logging.WARNING)
    line, qemu_words = parse_chaos(words)
    if line.last("shrink") is not None:
        return shrink(line)
    if "o" in line.own or "output" in line.own:
        raise UsageError("chaos: -o belongs to --shrink; where failing runs go says --keep DIR")
    plan = _plan(line, qemu_words)
    count = parse_number(line.last("n", "100") or "", "-n", 1, _MOST_RUNS)
    first = parse_number(line.last("seed", "1") or "", "--seed", 0, _MOST_SEED - count)
    jobs = parse_number(line.last("jobs") or str(os.cpu_count() or 1), "--jobs", 1, 1024)
    keeping = Keeping(_folder(line), "keep-all" in line.own)
    began = time.monotonic()
    with shell_progress("json" in line.own) as progress:

        def tell(so_far: Summary) -> None:
            progress.advance(so_far.runs, count, f"runs, {so_far.failures} failed")

        summary = Campaign(plan, keeping, jobs, tell).run(first, count, "until-failure" in line.own)
    took = time.monotonic() - began
    if "json" in line.own:
        return _exit_code(summary), summary_object(plan, summary, first, count, took)
    return _exit_code(summary), "\n".join(summary_lines(plan, summary, first, count, took))


def _folder(line: ParsedLine) -> Path:
    """Where runs are kept. What is in its way is told before the first run, not when one has failed at last."""
    folder = line.last("keep", "chaos") or ""
    if not folder:
        raise UsageError("--keep: its value is empty; write --keep DIR")
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise RdbgError(f"--keep {folder}: is not a folder; choose another name")
    return Path(folder)


def _exit_code(summary: Summary) -> int:
    if summary.signal:
        return 128 + summary.signal
    return 1 if summary.failures else 0


def _plan(line: ParsedLine, qemu_words: tuple[str, ...]) -> Plan:
    options = line.options
    refuse_alone(options)
    start, spec = _start(line)
    symbols = symbols_file(line)
    fail_on = checked_conditions(line.own.get("fail-on", list(DEFAULTS)), symbols or elf_image(spec))
    text, inputs = _script(line)
    limits = Limits(seconds(line, "for", Limits.seconds), seconds(line, "patience", Limits.patience))
    handed_on = [word for name in HANDED_ON for value in line.own.get(name, ()) for word in (f"--{name}", value)]
    command_line = (*handed_on, *(("--", *qemu_words) if qemu_words else ()))
    return Plan(spec, start, fail_on, text, inputs, limits, command_line, symbols, tuple(used_drives(options)))


def _start(line: ParsedLine) -> tuple[StartPlace | None, MachineSpec]:
    """Where runs start, and the machine."""
    options = line.options
    text = line.last("from")
    if text is None:
        if options.rtc_base is None:
            options = replace(options, rtc_base=_CLOCK)
        with closing(unwritten(used_drives(options))) as drives:
            return None, replace(machine_spec(options, drives.described), sleep=False)
    said = sorted(options.said - set(HARMLESS))
    if said or options.images:
        raise UsageError(f"chaos: -{said[0]}: {text} says this itself; drop it")
    path, place = text, ""
    if not os.path.exists(text) and ":" in text:
        path, _, place = text.rpartition(":")
    recording = OpenRecording(path)
    try:
        return StartPlace(path, place), replace(recording.spec(), sleep=False)
    finally:
        recording.close()


def _script(line: ParsedLine) -> tuple[bytes, tuple[InputEvent, ...]]:
    """What comes from outside: a text, or inputs."""
    text, path = line.last("type"), line.last("inputs")
    if text is not None and path is not None:
        raise UsageError("chaos: --type and --inputs both say what is typed; keep one")
    if text is not None:
        return parse_text(text), ()
    if path is None:
        return b"", ()
    recording = OpenRecording(path)
    try:
        return b"", tuple(recorded_events(recording))
    finally:
        recording.close()
