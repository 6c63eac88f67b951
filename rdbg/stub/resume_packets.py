"""``? c C s S vCont bs bc vCtrlC``: movement, forward and back."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.machine_api import Access
from rdbg.errors import RdbgError
from rdbg.monitor.line_progress import line_progress
from rdbg.rsp import fields, replies
from rdbg.rsp.fields import ResumeAction
from rdbg.rsp.packet_error import PacketError
from rdbg.stub.client import Client, Feature
from rdbg.timeline import Stop, StopConditions, StopReason

#: Range steps between two looks at the socket: a step costs up to a tenth of a millisecond.
_STEPS_PER_LOOK = 32


def _why(client: Client, rest: bytes) -> bytes:
    return client.stop_reply()


def _continue(client: Client, rest: bytes) -> bytes:
    _jump(client, rest)
    return _go_on(client)


def _go_on(client: Client, over: bool = False) -> bytes:
    """Run; from where the guest ended its run, if the client was told that it stands there: let the program end."""
    code = client.timeline.exit_code
    if code is not None and client.told_end is not None and client.points.breakpoints <= client.told_end:
        return replies.exited(code)
    return _move(client, lambda: _run(client, over))


def _continue_with_signal(client: Client, rest: bytes) -> bytes:
    """``C SIG[;ADDR]``: a machine takes no signals."""
    return _continue(client, _after_signal(rest))


def _step(client: Client, rest: bytes) -> bytes:
    _jump(client, rest)
    return _move(client, lambda: _step_once(client))


def _step_with_signal(client: Client, rest: bytes) -> bytes:
    return _step(client, _after_signal(rest))


def _after_signal(rest: bytes) -> bytes:
    signal, _, address = rest.partition(b";")
    fields.number(signal)
    return address


def _jump(client: Client, rest: bytes) -> None:
    if rest:
        pc = client.architecture.number_of(client.architecture.pc)
        client.writes.register(
            pc, client.registers.encode(client.registers.info(pc), fields.address(rest, client.architecture))
        )


def _reverse_continue(client: Client, rest: bytes) -> bytes:
    def back(conditions: StopConditions) -> Stop:
        return client.timeline.reverse_run(conditions, client.interrupted)

    def movement() -> Stop:
        with client.timeline.telling(line_progress(client.say)):
            return client.passing.backward(back)

    return _move(client, movement)


def _reverse_step(client: Client, rest: bytes) -> bytes:
    client.passing.stepped_back()

    def back() -> Stop:
        return client.timeline.reverse_step(client.interrupted, client.points.stop_conditions(), client.stood)

    return _move(client, back)


def _actions(client: Client, rest: bytes) -> bytes:
    """``vCont;ACTION[:THREAD]...``: the first action that names the one thread, or any, counts."""
    for action in fields.resume_actions(rest, client.architecture):
        if action.thread in (None, -1, 0, 1):
            return _act(client, action)
    raise PacketError("vCont names no thread that there is; the CPU is thread 1")


def _act(client: Client, action: ResumeAction) -> bytes:
    if action.action == "c":
        return _go_on(client, over=action.thread == 1)
    if action.action == "s":
        return _move(client, lambda: _step_once(client))
    if action.action == "r":
        return _move(client, lambda: _step_range(client, action.start, action.end))
    return client.stop_reply()  # 't': it stands already


def _run(client: Client, over: bool = False) -> Stop:
    machine = client.timeline.machine
    # GDB does not know where a return from an exception leads, and waits behind it for its step to end.
    leads_to = machine.exception_return if client.points.is_step_from(machine.pc, over) else None
    # Where an instruction branches to itself, GDB waits there for the end of its step.
    steps_to_itself = client.points.is_latest(machine.pc) and machine.branch_target == machine.pc

    def movement(conditions: StopConditions, passes: bool) -> Stop:
        if leads_to is not None:
            unconditional = {at: codes for at, codes in conditions.conditions.items() if at != leads_to}
            conditions = StopConditions(conditions.breakpoints | {leads_to}, conditions.watches, unconditional)
        return client.timeline.run(conditions, client.interrupted, passes=passes or steps_to_itself)

    return client.passing.forward(movement, over=over)


def _step_once(client: Client) -> Stop:
    return client.passing.forward(client.timeline.step, waiting=False)


def _step_range(client: Client, start: int, end: int) -> Stop:
    """Step while PC stays in the range; at least once."""

    def movement(conditions: StopConditions, passes: bool) -> Stop:
        steps = 0
        while True:
            stop = client.timeline.step(conditions, passes)
            if stop.reason is not StopReason.STEP or not start <= stop.pc < end:
                return stop
            passes = False
            steps += 1
            if steps % _STEPS_PER_LOOK == 0 and client.interrupted():
                return Stop(StopReason.INTERRUPTED, stop.position, stop.pc)

    return client.passing.forward(movement, waiting=False)


def _standing(client: Client) -> Stop:
    timeline = client.timeline
    return Stop(StopReason.INTERRUPTED, timeline.position, timeline.machine.pc)


def _move(client: Client, movement: Callable[[], Stop]) -> bytes:
    """Make a movement and say where it ended. A movement that fails ends where it stands, with the reason shown."""
    client.console_open = True
    on_scratch, began = client.timeline.scratch.active, client.timeline.position
    notices = client.writes.take_notices()
    if notices:
        client.say(notices)
    client.context.control.moving = True
    try:
        stop = _standing(client) if client.interrupt_pending else movement()
    except RdbgError as error:
        client.say(f"rdbg: {error}\n")
        return client.stop_reply()
    finally:
        client.context.control.moving = False
        client.stood = began
        client.points.moving()
        client.writes.moved()
        client.tell_troubles()
    if stop.position != began:
        client.timeline.places.leave(began, step=stop.reason is StopReason.STEP)
    if stop.reason is StopReason.INTERRUPTED:
        client.interrupt_pending = False
        client.connection.drop_interrupts()  # several presses for one movement are one
    if on_scratch and not client.timeline.scratch.active:
        client.say(f"rdbg: before the change: the scratch branch is dropped, this is '{client.timeline.branch_name}'\n")
    if stop.watch is not None and stop.watch.by:
        at = client.architecture.shown(stop.watch.address)
        done = "read" if stop.watch.access is Access.READ else "written"
        client.say(f"rdbg: {at} is {done} by {' and '.join(stop.watch.by)}\n")
    notice = client.layout_notice()
    if notice:
        client.say(f"rdbg: {notice}. 'disconnect' and connect again, and it shows them whole\n")
    code = client.timeline.exit_code if stop.reason in (StopReason.SHUTDOWN, StopReason.HISTORY_END) else None
    if code is None:
        client.told_end = None
    else:
        # GDB steps by a breakpoint of its own behind the instruction: that run is not to end the program.
        own = {stop.pc} | client.architecture.ends_of_step(stop.pc)
        client.told_end = (client.told_end or frozenset()) | client.points.breakpoints - own
        client.context.console.flush()  # what the guest has printed comes before its end
        # Not a W packet yet: GDB would end the session, and what led here could not be looked at.
        client.say(
            f"rdbg: the guest ended the run at icount {stop.position} (exit code {code}); its past can still be "
            "visited, and 'continue' from here ends the program\n"
        )
    return client.stop_reply(stop)


RESUME = Feature(
    packets={
        b"c": _continue,
        b"C": _continue_with_signal,
        b"s": _step,
        b"S": _step_with_signal,
        b"vCont": _actions,
    },
    words={
        b"?": _why,
        b"vCont?": lambda client, rest: b"vCont;c;C;s;S;t;r",
        b"vCtrlC": lambda client, rest: replies.OK,  # one that comes while the guest stands
    },
    advertise=lambda client: ("vContSupported+",),
    shows_text=True,
)

REVERSE = Feature(
    words={b"bc": _reverse_continue, b"bs": _reverse_step},
    advertise=lambda client: ("ReverseStep+", "ReverseContinue+"),
    shows_text=True,
)
