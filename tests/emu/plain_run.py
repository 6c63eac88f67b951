"""A machine that runs forward without a timeline, as far as a test says."""

from __future__ import annotations

from dataclasses import replace

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest, RunStop, StopKind
from rdbg.history.history import History

LONGEST_BLOCK = 1024  # instructions


def run_plainly(
    machine: Machine, request: RunRequest, history: History | None = None, output: bytearray | None = None
) -> RunStop:
    """Run as ``machine.run`` does. Where it has gone past a place that must be come to in single steps, go back to the
    beginning and do that.

    Args:
        history: where the machine's inputs come from, to be wound back with it.
        output: what it has sent.
    """
    state, pages, sent = machine.save_state(), machine.nonzero_pages(), len(output or b"")
    data = machine.read_pages(pages)
    stop = machine.run(request)
    places = []
    while stop.kind is StopKind.AMBIGUOUS:
        assert stop.rerun_from is not None
        places.append(stop.rerun_from)
        machine.load_state(state)
        cleared = [page for page in machine.nonzero_pages() if page not in set(pages)]
        machine.write_pages(cleared, bytes(len(cleared) << 12))
        machine.write_pages(pages, data)
        if history is not None:
            history.seek(state.icount)
        if output is not None:
            del output[sent:]
        for place in places:
            reached = machine.run(replace(request, until=place))
            assert reached.kind is StopKind.LIMIT and reached.position >= place, f"on the way to {place}: {reached}"
            end = place + LONGEST_BLOCK if request.until is None else min(place + LONGEST_BLOCK, request.until)
            stop = machine.run(replace(request, until=end, exact=True))
            if stop.kind is not StopKind.LIMIT:
                break
        if stop.kind is StopKind.LIMIT and stop.position != request.until:  # else it is where the run ends
            stop = machine.run(request)
    return stop
