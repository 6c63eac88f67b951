"""What has left a run, all of it: known already, or made by a replay of what is not."""

from __future__ import annotations

from rdbg.navigation.output_log import OutputLog
from rdbg.navigation.questions import QuestionInterrupted
from rdbg.navigation.replayer import Origin, Replayer
from rdbg.navigation.stops import Interrupted
from rdbg.navigation.traveller import Traveller


def complete_log(traveller: Traveller, replayer: Replayer, interrupted: Interrupted) -> OutputLog:
    """The log of the run at hand, up to its end; the machine stays where it is.

    Raises:
        QuestionInterrupted: the user asked to stop.
    """
    log, here = replayer.output.log, traveller.position
    end = replayer.history.end
    if here >= end and replayer.output.passed == log.count:
        return log  # nothing has left that was not seen
    origin = _latest_known(replayer, end, log.count)
    if origin.position == end:
        return log
    stood = here
    try:
        if not (origin.position <= here and replayer.output.passed == log.count):
            replayer.restore(origin)
            replayer.catch_up()
        if not replayer.run_to(end, interrupted, rungs=False):
            raise QuestionInterrupted
        replayer.catch_up()
    finally:
        traveller.go(stood)
    return log


def is_whole(traveller: Traveller, replayer: Replayer) -> bool:
    """Whether all is known that has left the run at hand, so that `complete_log` makes no replay."""
    log, end = replayer.output.log, replayer.history.end
    if traveller.position >= end and replayer.output.passed == log.count:
        return True
    return _latest_known(replayer, end, log.count).position == end


def _latest_known(replayer: Replayer, position: int, count: int) -> Origin:
    """The latest state up to which not more than ``count`` outputs have left."""
    origin = replayer.latest(position)
    while origin.position > replayer.history.start and sum(sent.outputs for sent in origin.output.endpoints) > count:
        origin = replayer.latest(origin.position - 1)
    return origin
