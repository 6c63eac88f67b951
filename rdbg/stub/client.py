"""One GDB client: what it has set up, and the way from a packet to its handler."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from rdbg.elf.elf_file import ElfFile
from rdbg.errors import RdbgError
from rdbg.monitor.command import MonitorContext
from rdbg.monitor.run_control import RunControl
from rdbg.quick_dataclass import dataclass
from rdbg.rsp import replies
from rdbg.rsp.packet_error import EFAULT, PacketError
from rdbg.stub.client_writes import ClientWrites
from rdbg.stub.connection import Connection
from rdbg.stub.guest_console import GuestConsole
from rdbg.stub.passing import Passing
from rdbg.stub.points import PointTable
from rdbg.stub.register_bytes import RegisterBytes
from rdbg.symbols.kaslr import kernel_offset, moves_itself
from rdbg.symbols.table import SymbolTable
from rdbg.targets.target import Target
from rdbg.timeline import Stop, StopReason, Timeline

if TYPE_CHECKING:
    from rdbg.analysis.question import MakePool

_log = logging.getLogger("rdbg.rsp")

#: Seconds after which a client that waits for an answer is told that it will come. GDB gives up after 2.
_PATIENCE = 0.5

#: Stops at an end of the history, and which.
_ENDS = {StopReason.HISTORY_START: "begin", StopReason.HISTORY_END: "end", StopReason.SHUTDOWN: "end"}

Handler = Callable[["Client", bytes], bytes | None]


@dataclass(frozen=True)
class Feature:
    """The packets of one subject.

    Args:
        packets: how a packet begins -> handler, which is given what follows and gives the reply, or None if it sent
            what there is to send. The longest beginning that fits counts.
        words: the same for packets that are that name and nothing else.
        advertise: entries for the reply to ``qSupported``.
        shows_text: whether GDB shows text (``O`` packets) that comes before the replies.
    """

    packets: Mapping[bytes, Handler] = field(default_factory=dict)
    words: Mapping[bytes, Handler] = field(default_factory=dict)
    advertise: Callable[[Client], Iterable[str]] = field(default=lambda client: ())
    shows_text: bool = False


@dataclass(frozen=True)
class ClientContext:
    """What a client may use besides its connection.

    Args:
        timeline: the run.
        executable: an ELF file that GDB may read if it was given none.
        elf: the same, if it can be read here.
        target: what GDB is told of the architecture.
        cpu_name: what the CPU is called in its description.
        leave: ends the whole session (``monitor quit``).
        stop_wanted: asked during movements: whether something outside GDB wants them to end.
        troubles: what has gone wrong outside the run, a line each; it grows. Every client is told.
        console: what the guest prints, if GDB is to show it.
        control: whether the guest runs by itself.
        make_pool: who answers questions to the whole run; None: this process alone.
    """

    timeline: Timeline
    executable: bytes
    elf: ElfFile | None
    target: Target
    cpu_name: str
    leave: Callable[[], None]
    stop_wanted: Callable[[], bool]
    console: GuestConsole
    troubles: Sequence[str] = ()
    control: RunControl = field(default_factory=RunControl)
    make_pool: MakePool | None = None


class Client:
    """A GDB and what it has set up.

    Args:
        connection: packets from and to it.
        context: what it may use.
        features: all packets that are understood.
    """

    def __init__(
        self,
        connection: Connection,
        context: ClientContext,
        features: Sequence[Feature],
    ) -> None:
        self.connection = connection
        self.context = context
        self.timeline = context.timeline
        self.features = features
        machine = self.timeline.machine
        self.architecture = machine.architecture
        # GDB reads the description of the registers once, while the guest can change their layout at any time. One that
        # is not that of a reset was chosen.
        resting = machine.architecture.layouts[0].name if machine.architecture.layouts else ""
        compiled = context.target.layout_of(context.elf) if context.elf is not None else None
        layout = compiled if compiled and machine.layout == resting else machine.layout
        self.registers = RegisterBytes(machine, context.target, layout)
        self.writes = ClientWrites(self.timeline, self.registers)
        self.points = PointTable(self.architecture)
        self.passing = Passing(self.timeline, self.points, self.say, self.interrupted)
        self.monitor_context = MonitorContext(
            self.timeline,
            self.interrupted,
            context.leave,
            SymbolTable(context.elf, machine.read_memory),
            context.control,
            self.say,
            make_pool=context.make_pool,
        )
        self.flash: list[tuple[int, bytes]] = []  #: what vFlashDone is to write
        self.supports: frozenset[str] = frozenset()
        self._waiting_since: float | None = None  # a request is being answered, and the client's patience is short
        self._told_of_layout = False
        self._told_troubles = 0
        self.console_open = False  #: the client shows what is said: it waits for a stop, or for a monitor command
        self.kept_answer = ""  #: to a command of the script's, which asks for it
        self._commanded = False  # a monitor command is under way
        self._has_said = False  # and has shown something,
        self._had_more = False  # when another request waited already: this client does not wait for answers
        #: A Ctrl-C that has crossed a stop reply. GDB sends one only while it takes the guest to run: whoever looks at
        #: each stop and resumes (a watchpoint's condition) means it for the next movement.
        self.interrupt_pending = False
        self.stood: int | None = None  #: where the last movement began
        #: The latest stop was where the guest ended its run: breakpoints with which a run from there is no step.
        self.told_end: frozenset[int] | None = None
        self.detached = False
        self.has_script = False  # whether rdbg.gdb is loaded there
        self.is_lldb = False
        self.extended = False  #: ``target extended-remote``: the connection outlives a kill
        self._handlers = {name: handler for feature in features for name, handler in feature.packets.items()}
        self._words = {name: handler for feature in features for name, handler in feature.words.items()}
        self._longest = max(map(len, self._handlers))
        self._showing = {
            name for feature in features if feature.shows_text for name in (*feature.packets, *feature.words)
        }
        self._expedited = tuple(map(self.architecture.number_of, self.architecture.expedited))

    def kernel_offset(self) -> int:
        """How far the guest's kernel has moved itself (KASLR), in bytes. In a recording: by its end, since GDB asks
        once."""
        timeline, elf = self.timeline, self.context.elf
        if elf is None:
            return 0
        offset = kernel_offset(timeline.machine.read_memory, elf)
        if offset or timeline.live or not moves_itself(elf):
            return offset
        position = timeline.position
        timeline.goto(timeline.end, self.interrupted)
        offset = kernel_offset(timeline.machine.read_memory, elf)
        timeline.goto(position, self.interrupted)
        return offset

    def handle(self, packet: bytes) -> None:
        """Obey a packet and send the reply."""
        self._waiting_since = time.monotonic()
        reply = self._reply(packet)
        self._waiting_since = None
        self.console_open = False
        if reply is not None:
            self.connection.send(reply)

    def interrupted(self) -> bool:
        """Whether the movement in progress is to end: Ctrl-C, the client is gone, or something outside."""
        now = time.monotonic()
        if self._waiting_since is not None and now - self._waiting_since > _PATIENCE:
            self._waiting_since = now
            self.connection.keep_alive()
        self.tell_troubles()
        self.connection.pump()
        if self.connection.overfull:  # what is not read may be its Ctrl-C, or its end
            self.connection.drop("it sends requests and does not wait for their answers")
        ended = self.connection.closed or self.connection.take_interrupt() or self.context.stop_wanted()
        return ended or self.given_up

    def layout_notice(self) -> str:
        """What to tell a client once the registers have another layout than it was told of; empty: nothing new."""
        now = self.timeline.machine.layout
        if self._told_of_layout or not self.registers.described or now == self.registers.layout:
            return ""
        notice = next((layout.notice for layout in self.architecture.layouts if layout.name == now), "")
        self._told_of_layout = bool(notice)
        return notice

    def say(self, text: str) -> None:
        """Print text on the user's GDB console (while the guest is running, or in a monitor command)."""
        if self._commanded and not self._has_said:
            self._has_said, self._had_more = True, self.connection.has_request
        self.connection.send(replies.console(text))

    @contextmanager
    def commanded(self) -> Iterator[None]:
        """Meanwhile a monitor command is obeyed; see `given_up`."""
        self._commanded, self._has_said = True, False
        try:
            yield
        finally:
            self._commanded = False

    @property
    def given_up(self) -> bool:
        """Whether the client waits no more for the answer to its monitor command: it was shown something of it, and
        has sent another request since. GDB leaves the command so at a Ctrl-C, and takes what comes next for the answer
        to that request."""
        return self._commanded and self._has_said and not self._had_more and self.connection.has_request

    def tell_troubles(self) -> None:
        """Say what has gone wrong, once and as soon as the client listens."""
        troubles = self.context.troubles
        while self.console_open and self._told_troubles < len(troubles):
            self.say(f"rdbg: {troubles[self._told_troubles]}\n")
            self._told_troubles += 1

    def stop_reply(self, stop: Stop | None = None) -> bytes:
        """The reply that says where and why the guest stands; None: it was found standing."""
        signal = replies.SIGTRAP
        reason = ""
        if stop is not None:
            reason = self._stop_reason(stop)
            if stop.reason is StopReason.INTERRUPTED:
                signal = replies.SIGINT
        return replies.stop_reply(signal, reason, {number: self.registers.read(number) for number in self._expedited})

    def _stop_reason(self, stop: Stop) -> str:
        end = _ENDS.get(stop.reason)
        if end is not None:
            # LLDB before 21 knows no ends of history, and goes on stepping there. An exception ends its steps.
            place = "start" if end == "begin" else "end"
            return replies.history_end(end, f"{place} of the recorded history" if self.is_lldb else "")
        return self.points.reason(stop, self.supports)

    def _reply(self, packet: bytes) -> bytes | None:
        name, handler = self._find(packet)
        if handler is None:
            return replies.UNSUPPORTED
        try:
            if name not in self._showing:
                return handler(self, packet[len(name) :])
            with self.context.console.shown_by(self.connection):
                return handler(self, packet[len(name) :])
        except PacketError as error:
            _log.info("%s: %s", self.connection.name, error)
            # Only numbers are understood by every GDB in the answers to memory packets.
            if error.code == EFAULT or "error-message" not in self.supports:
                return replies.error(error.code)
            return replies.error_message(str(error))
        except RdbgError as error:
            _log.info("%s: %s", self.connection.name, error)
            return replies.error_message(str(error))
        except Exception:
            # A mistake of ours must not end a session of hours: GDB hears of it and goes on.
            _log.exception("%s: packet %r failed", self.connection.name, packet[:100])
            return replies.error_message("internal error; rdbg's log has the details")

    def _find(self, packet: bytes) -> tuple[bytes, Handler | None]:
        if packet in self._words:
            return packet, self._words[packet]
        for length in range(min(self._longest, len(packet)), 0, -1):
            handler = self._handlers.get(packet[:length])
            if handler is not None:
                return packet[:length], handler
        return b"", None
