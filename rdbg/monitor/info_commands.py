"""``info TOPIC``."""

from __future__ import annotations

from bisect import bisect_right

from rdbg.emu.architecture import RegisterInfo
from rdbg.emu.output_mark import endpoint_order
from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorCommand, MonitorContext, no_arguments, recording_state
from rdbg.monitor.control_commands import status
from rdbg.monitor.device_commands import block, network
from rdbg.monitor.input_commands import INPUTS_USAGE, inputs

_COLUMNS = 4
_NEAR = 10  #: checkpoints shown on either side


def _info(context: MonitorContext, arguments: list[str]) -> str:
    reports = context.timeline.machine.reports()
    topics = ", ".join([*INFO_TOPICS, *reports])
    if not arguments:
        raise UsageError(f"usage: info TOPIC; topics: {topics}")
    topic = INFO_TOPICS.get(arguments[0])
    if topic is None or topic.usage != INPUTS_USAGE:
        no_arguments(arguments[1:], f"info {arguments[0]}")
    if arguments[0] in reports:
        return reports[arguments[0]].make()
    if topic is None:
        raise UsageError(f"unknown topic: 'info {arguments[0]}'; topics: {topics}")
    return topic.function(context, arguments[1:])


def _snapshots(context: MonitorContext, arguments: list[str]) -> str:
    snapshots, elsewhere = context.timeline.snapshots.here(), context.timeline.snapshots.elsewhere()
    others = [
        f"'{snapshot.name}' of icount {snapshot.position} is on branch '{branch}': 'monitor switch {branch}' goes there"
        for branch, snapshot in elsewhere
    ]
    if not snapshots:
        return "\n".join(["There is no snapshot available.", *others]) + "\n"
    lines = [f"{'ID':<10}{'TAG':<20}{'VM SIZE':>11}{'VM CLOCK':>16}{'ICOUNT':>16}"]
    for number, snapshot in enumerate(snapshots, start=1):
        lines.append(
            f"{number:<10}{snapshot.name:<19} {_size(snapshot.bytes):>11}"
            f"{_clock(snapshot.now_ns):>16}{snapshot.position:>16}"
        )
    return "\n".join([*lines, *others]) + "\n"


def _replay(context: MonitorContext, arguments: list[str]) -> str:
    timeline = context.timeline
    if timeline.live and timeline.at_live_end:
        return f"Live execution: instruction count = {timeline.position}\n{recording_state(context)}"
    doing = "Visiting the past of a live execution" if timeline.live else "Replaying execution"
    return (
        f"{doing}: instruction count = {timeline.position}, history from {timeline.start} to {timeline.end}\n"
        f"{recording_state(context)}"
    )


def _registers(context: MonitorContext, arguments: list[str]) -> str:
    machine = context.timeline.machine
    groups: dict[str, list[RegisterInfo]] = {}
    for info in machine.architecture.registers_of(machine.layout):
        groups.setdefault(info.group, []).append(info)
    lines = []
    for group, infos in groups.items():
        lines.append(f"{group}:")
        shown = [f"{info.name:>9} {machine.read_register(info.number):0{info.bits // 4}x}" for info in infos]
        lines += ["".join(shown[at : at + _COLUMNS]) for at in range(0, len(shown), _COLUMNS)]
    return "\n".join(lines) + "\n"


def _checkpoints(context: MonitorContext, arguments: list[str]) -> str:
    summary = context.timeline.checkpoints()
    positions = summary.positions
    here = bisect_right(positions, context.timeline.position)
    first, last = max(0, here - _NEAR), min(len(positions), here + _NEAR)
    lines = [
        f"{len(positions)} checkpoints in {_size(summary.memory)} of {_size(summary.limit)}; "
        f"index of {summary.intervals} intervals in {_size(summary.index_memory)}; "
        f"{len(summary.stored)} more states on disk",
        f"around here ({first} earlier, {len(positions) - last} later not shown):",
        f"{'ICOUNT':>16}{'COST':>12}",
    ]
    lines += [f"{positions[at]:>16}{_size(summary.costs[at]):>12}" for at in range(first, last)]
    return "\n".join(lines) + "\n"


def _bookmarks(context: MonitorContext, arguments: list[str]) -> str:
    bookmarks = sorted(context.timeline.bookmarks.all().items(), key=lambda item: (item[1], item[0]))
    if not bookmarks:
        return "There is no bookmark; 'monitor bookmark NAME' sets one here.\n"
    return "".join(f"{position:>16}  {name}\n" for name, position in bookmarks)


def _endpoints(context: MonitorContext, arguments: list[str]) -> str:
    timeline = context.timeline
    sent = timeline.output.sent
    lines = [f"{'ENDPOINT':<14}{'OUTPUTS':>12}{'BYTES SENT':>16}"]
    for endpoint in sorted(timeline.machine.endpoints, key=endpoint_order):
        out = sent.sent(endpoint)
        lines.append(f"{endpoint!s:<14}{out.outputs:>12}{out.size:>16}")
    return "\n".join([*lines, f"{timeline.history.known.entered_packets} packets have come in so far"]) + "\n"


def _size(count: int) -> str:
    """Bytes in the unit that suits them."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}" if size < 1000 else f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"


def _clock(nanoseconds: int) -> str:
    milliseconds = nanoseconds // 1_000_000
    seconds = milliseconds // 1000
    return f"{seconds // 3600:04d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{milliseconds % 1000:03d}"


INFO_TOPICS: dict[str, MonitorCommand] = {
    command.name: command
    for command in (
        MonitorCommand("snapshots", "info snapshots", "named snapshots", _snapshots),
        MonitorCommand("status", "info status", "whether the guest runs", status),
        MonitorCommand(
            "replay", "info replay", "whether this is the past or the present, and the instruction count", _replay
        ),
        MonitorCommand("registers", "info registers", "all registers, with CP0", _registers),
        MonitorCommand("bookmarks", "info bookmarks", "named positions", _bookmarks),
        MonitorCommand("inputs", INPUTS_USAGE, "what has come from outside around here", inputs),
        MonitorCommand(
            "endpoints", "info endpoints", "serial ports, network cards, disks, and what has left by each", _endpoints
        ),
        MonitorCommand("network", "info network", "network cards, and what they lead to", network),
        MonitorCommand("block", "info block", "drives, and what is in them", block),
        MonitorCommand("checkpoints", "info checkpoints", "what there is in memory to go back by", _checkpoints),
    )
}

INFO_COMMANDS = (MonitorCommand("info", "info TOPIC", "show a topic", _info),)
