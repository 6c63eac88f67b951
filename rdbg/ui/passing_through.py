"""Passing through a whole run, slice by slice: what pages show of it and nobody knows yet is found on the way."""

from __future__ import annotations

import time

import numpy as np

from rdbg.analysis.event_places import all_events, noted_events
from rdbg.emu.machine_api import RunRequest, StopKind
from rdbg.quick_dataclass import dataclass
from rdbg.targets.privilege import runs_user_code
from rdbg.ui.run_view import RunView
from rdbg.ui.surveyed import SAMPLE, FoundStretch

#: Seconds that a stretch takes, about: other questions wait for its end.
_STRETCH_SECONDS = 0.04
#: Places of a run where is looked at clock and mode, and instructions between two of them, at least.
_SAMPLES = 1024
_CLOSEST = 20_000


@dataclass(frozen=True)
class SurveyOn:
    """The next stretch, from where the survey has come to."""

    def answer(self, view: RunView) -> FoundStretch:
        """What it had; the copy knows it from now on, too."""
        timeline, surveyed = view.timeline, view.surveyed
        start, end = surveyed.until, timeline.end
        machine = timeline.machine
        probes = all_events(machine.architecture)
        spacing = max(_CLOSEST, (end - timeline.start) // _SAMPLES)
        samples: list[tuple[int, int, int]] = []
        deadline = time.perf_counter() + _STRETCH_SECONDS
        timeline.goto(start)
        machine.take_probe_notes(ended=True)  # of somebody who did not come to an end
        begun, next_sample = timeline.position, start
        while timeline.position < end and time.perf_counter() < deadline:
            here = timeline.position
            if here >= next_sample:
                user = runs_user_code(machine)
                samples.append((here, machine.virtual_ns, 2 if user is None else int(user)))
                next_sample = here + spacing
            until = min(end, next_sample)
            stop = timeline.past.advance(RunRequest(until=until, slice=timeline.past.slice, probes=probes))
            timeline.past.end_touched(spacing)
            if timeline.position == here and stop.kind is not StopKind.PAUSED:
                break  # nothing comes behind
        reached = timeline.position
        last = reached >= end or (reached == begun and not samples)
        if last:
            samples.append((reached, machine.virtual_ns, samples[-1][2] if samples else 2))
        notes = machine.take_probe_notes(ended=True).rows
        notes = notes[np.argsort(notes["icount"], kind="stable")]
        # An exception at the very end of the stretch is the next one's.
        notes = notes[(notes["icount"] >= start) & (notes["icount"] < (end if last else reached))]
        rows = noted_events(notes, machine.architecture)
        found = FoundStretch(start, end if last else reached, rows, np.array(samples, SAMPLE), last)
        view.learn(found)
        return found
