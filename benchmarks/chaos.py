"""How long `rdbg chaos` takes to find the races of `examples/races`."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.effort import Effort
from benchmarks.rows import Row, Section

_RACES = Path(__file__).parents[1] / "examples" / "races"
_RDBG = [sys.executable, "-m", "rdbg", "chaos"]
_CORES = 2
_SECONDS = 60.0
#: Base seeds are so far apart that no run is made twice.
_APART = 1_000_000


@dataclass(frozen=True)
class Race:
    """A guest with a race.

    Args:
        name: of its ELF file.
        what: it is, for the table.
        words: what is said of it to ``rdbg chaos``.
    """

    name: str
    what: str
    words: tuple[str, ...]


_KINDS = (
    Race("rare_update", "lost update, 1 of 1,000 moments", ("--fail-on", "output:LOST [1-9]")),
    Race("missed_wakeup", "missed wake-up", ("--fail-on", "output:MISSED [1-9]")),
    Race("uart_queue", "queue between UART and main", ("--fail-on", "output:STUCK", "--type", r"all these bytes\n")),
)


def chaos_sections(folder: Path, effort: Effort) -> Iterator[Section]:
    """How many of the seeds lead to each race, how soon, and what a run costs.

    Args:
        folder: for recordings.
        effort: how much to measure.
    """
    seeds = 10 if effort.long else 3
    rows = [row for race in _KINDS for row in _found(race, folder, seeds)]
    text = (
        f"`rdbg chaos --until-failure --jobs {_CORES}` from its start to its end, for {seeds} seeds with no run in "
        f"common; given up after {_SECONDS:.0f} s."
    )
    yield Section("Races found", text, rows)


def _found(race: Race, folder: Path, seeds: int) -> Iterator[Row]:
    times: list[float] = []
    runs: list[int] = []
    for number in range(seeds):
        words = ["-n", str(_APART), "--seed", str(1 + number * _APART), "--until-failure", "--json"]
        seconds, told = _chaos(race, folder, words)
        if told is not None and told["failures"]:
            times.append(seconds)
            runs.append(told["runs"])
    enough = len(times) >= 0.9 * seeds
    took = f"{statistics.median(times):.1f} s (at most {max(times):.1f} s)" if times else "not found"
    note = f"{statistics.median(runs):.0f} runs (at most {max(runs)})" if runs else ""
    yield Row(f"{race.what}: seeds that find it", "", f"{len(times)} of {seeds}", None, "9 of 10", enough)
    yield Row(f"{race.what}: until it is found and kept", "", took, None, f"{_SECONDS:.0f} s", enough, note)
    seconds, told = _chaos(race, folder, ["-n", "400", "--json", "--fail-on", "exit"])
    if told is not None:
        yield Row(f"{race.what}: runs a second", "", f"{told['runs'] / told['seconds']:.0f}", None, "", None)


def _chaos(race: Race, folder: Path, words: list[str]) -> tuple[float, dict[str, int] | None]:
    """Seconds, and the summary; None: it took too long."""
    command = [*_RDBG, *words, "--jobs", str(_CORES), "--keep", str(folder / "kept"), *race.words]
    began = time.monotonic()
    try:
        done = subprocess.run(
            [*command, "--", "-kernel", str(_RACES / f"{race.name}.elf")],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, env=os.environ, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _SECONDS, None
    took = time.monotonic() - began
    return took, json.loads(done.stdout) if done.returncode in (0, 1) and done.stdout else None
