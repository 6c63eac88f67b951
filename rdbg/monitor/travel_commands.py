"""``when goto back forward bookmark delbookmark``."""

from __future__ import annotations

from rdbg.analysis.place_names import ALL_PLACES, go_to_place, place_words
from rdbg.analysis.seeker import Seeker
from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, arrival, no_arguments, one_argument, recording_state
from rdbg.timeline import Stop

_GOTO_USAGE = f"goto {ALL_PLACES}"


def _when(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "when")
    timeline = context.timeline
    length = timeline.end - timeline.start
    share = 100 * (timeline.position - timeline.start) / length if length else 100.0
    kind = "live" if timeline.live else "recorded"
    branch = "" if timeline.branch_name == "main" else f", on branch '{timeline.branch_name}'"
    pc = timeline.machine.architecture.shown(timeline.machine.pc)
    return (
        f"icount {timeline.position}, {share:.2f}% of the {kind} history {timeline.start}..{timeline.end}, "
        f"virtual time {timeline.machine.virtual_ns / 1e9:.9f} s, pc {pc}{branch}\n"
        f"{recording_state(context)}"
    )


def _goto(context: MonitorContext, arguments: list[str]) -> str:
    if not arguments or not arguments[0]:
        raise UsageError(f"usage: {_GOTO_USAGE}")
    return arrival(context, _travel(context, arguments))


def travel(context: MonitorContext, place: str) -> Stop:
    """Go to a place as users name them, in one string: an icount, a name, ``output "TEXT" 2``.

    Raises:
        RdbgError: there is no such place.
    """
    return _travel(context, place_words(context.timeline, place))


def _travel(context: MonitorContext, words: list[str]) -> Stop:
    seeker = Seeker(context.timeline, context.interrupted, context.progress, context.make_pool)
    return go_to_place(seeker, words)


def _back(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "back")
    context.timeline.scratch.drop()
    place = context.timeline.places.back(context.timeline.position)
    if place is None:
        raise UsageError("there is no place to go back to: nothing was moved")
    return arrival(context, context.timeline.goto(place, context.interrupted))


def _forward(context: MonitorContext, arguments: list[str]) -> str:
    no_arguments(arguments, "forward")
    context.timeline.scratch.drop()
    place = context.timeline.places.forward(context.timeline.position)
    if place is None:
        raise UsageError("there is no place to go forward to: 'monitor back' was not used")
    return arrival(context, context.timeline.goto(place, context.interrupted))


def _bookmark(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "bookmark NAME")
    context.timeline.bookmarks.put(name)
    return f"bookmark '{name}' set at icount {context.timeline.position}\n{recording_state(context, naming=True)}"


def _delete_bookmark(context: MonitorContext, arguments: list[str]) -> str:
    name = one_argument(arguments, "delbookmark NAME")
    context.timeline.bookmarks.delete(name)
    return f"bookmark '{name}' deleted\n"


TRAVEL_COMMANDS = (
    MonitorCommand("when", "when", "show the position: instruction count, virtual time, pc", _when),
    MonitorCommand("goto", _GOTO_USAGE, "go to a moment of the run, or so many instructions on or back", _goto),
    MonitorCommand("back", "back", "go to where the last movement began: a jump, a run, steps in a row", _back),
    MonitorCommand("forward", "forward", "undo 'back'", _forward),
    MonitorCommand("bookmark", "bookmark NAME", "name this position; 'goto NAME' comes back to it", _bookmark),
    MonitorCommand("delbookmark", "delbookmark NAME", "forget a named position", _delete_bookmark),
)
