"""What happened along a stretch of a run, counted in bins: exceptions, interrupts, inputs, digests, time, modes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdbg.emu.architecture import ExceptionInfo
from rdbg.quick_dataclass import dataclass
from rdbg.recording.words import kind_name, record_text
from rdbg.timeline import Timeline
from rdbg.ui.bins import Bins
from rdbg.ui.run_view import RunView
from rdbg.ui.surveyed import Samples

#: Events that are listed one by one, at most.
MOST_ROWS = 300
#: Seconds in which is read on in the history; what is not read yet is asked for again.
_READING_SECONDS = 0.03
#: Inputs that are remembered.
_MOST_INPUTS = 4_000_000


@dataclass
class _Gathered:
    """Records of a history, as far as they are read."""

    rest: Iterator[tuple[int, str]]
    kinds: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    whats: bytearray = field(default_factory=bytearray)
    done: bool = False

    def read_on(self) -> None:
        deadline = time.perf_counter() + _READING_SECONDS
        for number, (icount, kind) in enumerate(self.rest):
            if kind not in self.kinds:
                self.kinds.append(kind)
            self.places.append(icount)
            self.whats.append(self.kinds.index(kind))
            if number % 256 == 255 and time.perf_counter() > deadline:
                return
            if len(self.places) >= _MOST_INPUTS:
                break
        self.done = True

    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
        return np.array(self.places, np.uint64), np.frombuffer(bytes(self.whats), np.uint8)


def _records(timeline: Timeline) -> Iterator[tuple[int, str]]:
    for each in timeline.history.known.inputs_between(timeline.start, timeline.end + 1, False):
        yield each.record.icount, kind_name(each.record.kind)


def _digests(timeline: Timeline) -> Iterator[tuple[int, str]]:
    at = timeline.history.known.next_digest(timeline.start - 1 if timeline.start else 0)
    while at is not None:
        yield at, "digest"
        at = timeline.history.known.next_digest(at)


@dataclass(frozen=True)
class Tracks:
    """What happened from ``start`` to before ``end``.

    Args:
        start, end: icounts.
        bins: how many parts.
    """

    start: int
    end: int
    bins: int

    def answer(self, view: RunView) -> dict[str, Any]:
        """Counts in bins by kind, as [bin, number] where there are any; rows one by one where they are few."""
        timeline = view.timeline
        bins = Bins(self.start, self.end, self.bins)
        log = timeline.past.known_events()
        infos = {info.code: info for info in timeline.machine.architecture.exceptions}
        events = log.between(self.start, self.end)
        kinds: dict[str, list[list[int]]] = {}
        for code in np.unique(events["code"]).tolist():
            name = _name(infos.get(code))
            kinds[name] = bins.counts(events["icount"][events["code"] == code])
        key = timeline.branch_name, timeline.end
        inputs = view.kept("inputs", key, lambda: _Gathered(_records(timeline)))
        digests = view.kept("digests", key, lambda: _Gathered(_digests(timeline)))
        if not inputs.done:
            inputs.read_on()
        elif not digests.done:
            digests.read_on()
        places, whats = inputs.arrays()
        inside = (places >= self.start) & (places < self.end)
        came = {
            kind: bins.counts(places[inside & (whats == number)])
            for number, kind in enumerate(inputs.kinds)
            if (inside & (whats == number)).any()
        }
        compared = digests.arrays()[0]
        samples = view.surveyed.samples()
        count = len(events) + int(inside.sum())
        return {
            "from": self.start,
            "to": self.end,
            "bins": bins.count,
            "events": kinds,
            "inputs": came,
            "digests": bins.counts(compared[(compared >= self.start) & (compared < self.end)]),
            "times": _times(view, samples, bins),
            "modes": _modes(samples, bins),
            "known": min(log.until, view.surveyed.until),
            "complete": inputs.done and digests.done,
            "count": count,
            "rows": self._rows(view, infos, events) if count <= MOST_ROWS else None,
        }

    def _rows(self, view: RunView, infos: dict[int, ExceptionInfo], events: NDArray[np.void]) -> list[list[Any]]:
        """Icount, kind and text of each event and input, in order."""
        rows: list[list[Any]] = []
        for icount, code, lines in zip(
            events["icount"].tolist(), events["code"].tolist(), events["lines"].tolist(), strict=True
        ):
            asked = ", ".join(str(line) for line in range(32) if lines >> line & 1)
            rows.append([icount, _name(infos.get(code)), f"line {asked}" if lines else "exception"])
        machine = view.timeline.machine
        for each in view.timeline.history.known.inputs_between(self.start, self.end, False):
            text = record_text(each.record, machine.architecture, machine.works)
            rows.append([each.record.icount, kind_name(each.record.kind), f"input {each.number}: {text}"])
        return sorted(rows, key=lambda row: row[0])


def _name(info: ExceptionInfo | None) -> str:
    return "interrupt" if info is None or info.interrupt else info.name


def _times(view: RunView, samples: Samples, bins: Bins) -> list[list[int]]:
    """Some pairs of icount and virtual nanoseconds, which reach over the stretch as far as these are known."""
    if not len(samples):
        return []
    low, high = np.searchsorted(samples["icount"], np.array([bins.start, bins.end], np.uint64))
    inside = samples[max(int(low) - 1, 0) : int(high) + 1]
    every = max(1, len(inside) // 500)
    chosen = np.concatenate([inside[:-1:every], inside[-1:]])
    return [[int(icount), int(ns)] for icount, ns in zip(chosen["icount"].tolist(), chosen["ns"].tolist(), strict=True)]


def _modes(samples: Samples, bins: Bins) -> dict[str, Any]:
    """Shares of the virtual time of each bin in which the CPU idled, and ran code of users, of the system.

    Between two samples the CPU runs at one speed: what goes by beyond that is idle time. Which code ran is known of
    the samples alone.
    """
    if len(samples) < 2:
        return {"shares": [], "every": 0}
    steps = np.diff(samples["icount"]).astype(np.float64)
    passed = np.diff(samples["ns"]).astype(np.float64)
    moved = steps > 0
    speed = float((passed[moved] / steps[moved]).min()) if moved.any() else 0.0
    busy = np.minimum(steps * speed, passed)
    starts, ends = samples["icount"][:-1], samples["icount"][1:]
    inside = (ends > bins.start) & (starts < bins.end)
    which = bins.of(np.maximum(starts[inside], np.uint64(bins.start)))
    user = samples["user"][:-1][inside]
    idle = np.bincount(which, passed[inside] - busy[inside], bins.count)
    ran = {name: np.bincount(which[user == code], busy[inside][user == code], bins.count) for name, code in _MODES}
    whole = idle + sum(ran.values())
    some = np.flatnonzero(whole > 0)
    parts = np.stack([ran["user"], ran["system"], idle])[:, some] / whole[some]
    shares = [[int(at), *each] for at, each in zip(some, parts.T.round(4).tolist(), strict=True)]
    return {"shares": shares, "every": float(np.median(steps))}


_MODES = (("user", 1), ("system", 0), ("unknown", 2))
