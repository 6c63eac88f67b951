"""What is said when a run is at its end, or not."""

from __future__ import annotations

from rdbg.host.messages import say
from rdbg.timeline import Timeline


class WholeReplay:
    """A replay that is there to be run to its end, and compared with what was recorded.

    Args:
        timeline: the run.
        path: the recording, for messages.
    """

    def __init__(self, timeline: Timeline, path: str) -> None:
        self._timeline = timeline
        self._path = path
        self._is_done = False

    def reach_end(self) -> None:
        """Say what it was for: it is what was recorded.

        Raises:
            RdbgError: the journal is not any more.
        """
        self._is_done = True
        timeline = self._timeline
        timeline.history.sync()
        count = timeline.agreement.compared
        digests = "its one state digest agrees" if count == 1 else f"all its {count} state digests agree"
        outcome = digests if count else "it has no state digest to compare with"
        say(f"replayed {timeline.end - timeline.start} instructions of {self._path}: {outcome}")

    def shortfall(self) -> str | None:
        """How far it has come, in a line; None: to its end, or it has diverged."""
        timeline = self._timeline
        if self._is_done or timeline.agreement.diverged:
            return None
        count = timeline.agreement.compared
        digests = "no state digest was compared" if not count else f"{count} state digest{'s' * (count > 1)} agreed"
        done, length = timeline.position - timeline.start, timeline.end - timeline.start
        return f"replayed {done} of the {length} instructions of {self._path}, not to its end: {digests}"


def run_ended(exit_code: int | None, gdb: tuple[str, int] | None) -> str:
    """That nothing comes any more, and what can be done still.

    Args:
        exit_code: what the guest gave when it ended the run; None: it is a recording that ends.
        gdb: host and port that GDB can connect to; None: there is none.
    """
    what = (
        "the recording is at its end" if exit_code is None else f"the guest has ended the run (exit code {exit_code})"
    )
    if gdb is None:
        return f"{what}; -no-shutdown keeps rdbg here (Ctrl-C ends)"
    host, port = gdb
    return f"{what}; GDB can look at its past: target remote {host}:{port} (Ctrl-C ends)"
