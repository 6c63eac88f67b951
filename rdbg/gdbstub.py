"""The door that GDB comes through: a server of the GDB remote protocol on one Timeline.

For a single-threaded main loop::

    server = GdbServer(timeline, GdbOptions(port=1234))
    server.listen()                          # RdbgError if the port is in use
    while not server.quit_wanted:
        if server.wants_run:                 # no client, and nobody asked the guest to stand
            stop = timeline.run(StopConditions(), interrupted=server.knocking)
            ...                              # the end of a recording, a power-off: the caller's business
        server.poll(0.05)                    # accepts, serves packets; movements GDB asks for run inside
    server.close()

``poll`` comes back when the packets that have arrived are dealt with. A movement that GDB asked for runs inside it for
as long as it lasts; ``GdbOptions.stop_wanted`` is asked every few milliseconds then: the caller's moment to look at
terminals and serial sockets, and to end the movement.

A guest stops when GDB connects, as in QEMU. It runs again after GDB's ``detach``. It stays where it is when the
connection breaks, or when GDB says ``kill``: nothing is lost, and the next GDB finds it there.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from rdbg.elf.elf_file import read_elf
from rdbg.errors import RdbgError
from rdbg.host.waiting import happened_within
from rdbg.monitor.run_control import RunControl
from rdbg.navigation.stops import never
from rdbg.net.listener import Listener, permitted_address
from rdbg.net.tcp_address import TcpAddress
from rdbg.quick_dataclass import dataclass
from rdbg.rsp.bare_elf import bare_elf
from rdbg.rsp.framing import Packet
from rdbg.stub.client import Client, ClientContext
from rdbg.stub.connection import Connection
from rdbg.stub.features import FEATURES
from rdbg.stub.guest_console import GuestConsole
from rdbg.targets.known import target_of
from rdbg.targets.target import Target
from rdbg.timeline import Timeline

if TYPE_CHECKING:
    from rdbg.analysis.question import MakePool


class SupportsFileno(Protocol):
    """What select can wait for."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


_log = logging.getLogger("rdbg.gdbstub")


def _nothing() -> None:
    """What is done where nothing is to be done."""


@dataclass(frozen=True)
class GdbOptions:
    """Where and how to serve.

    Args:
        host: address to listen on; loopback unless told otherwise.
        listen_any: addresses other than loopback may be listened on.
        port: TCP port; 0 takes a free one, see ``GdbServer.address``.
        stopped: the guest stands until a client lets it go (``-S``).
        executable: the guest's ELF image, which GDB reads if it was given no file; None: only the byte order is told.
        target: what GDB is told of the architecture; None: what is known of it.
        brings_program: GDB has the program, since the guest has no image; it may be for any core.
        control: whether the guest runs by itself, shared with monitors; None: nobody else has a say.
        stop_wanted: asked every few milliseconds during movements; True ends them (Ctrl-C on rdbg's own terminal).
        troubles: what has gone wrong outside the run, a line each; it may grow. Every GDB is told.
        console: the guest's console, if GDB is to show it.
        make_pool: who answers questions to the whole run; None: this process alone.
        asked: called before each packet is dealt with.
    """

    host: str = "127.0.0.1"
    port: int = 1234
    listen_any: bool = False
    stopped: bool = False
    executable: bytes | None = None
    target: Target | None = None
    brings_program: bool = False
    control: RunControl | None = None
    stop_wanted: Callable[[], bool] = field(default=never)
    troubles: Sequence[str] = ()
    console: GuestConsole | None = None
    make_pool: MakePool | None = None
    asked: Callable[[], None] = field(default=_nothing)


class GdbServer:
    """Serves one GDB at a time; a second one is refused.

    Args:
        timeline: the run that clients move in.
        options: where and how to serve.
    """

    def __init__(self, timeline: Timeline, options: GdbOptions) -> None:
        self.timeline = timeline
        self.options = options
        self.quit_wanted = False  #: a client said ``monitor quit``
        machine = timeline.machine
        self._control = options.control or RunControl()
        self._control.stopped = self._control.stopped or options.stopped
        target = options.target or target_of(machine.architecture)
        executable = options.executable or bare_elf(machine.architecture, machine.big_endian, machine.pc)
        elf = read_elf(executable)
        self._context = ClientContext(
            timeline=timeline,
            executable=executable,
            elf=elf,
            target=target,
            cpu_name=target.called(elf, options.brings_program),
            leave=self._leave,
            stop_wanted=self._stop_wanted,
            control=self._control,
            troubles=options.troubles,
            console=options.console or GuestConsole(),
            make_pool=options.make_pool,
        )
        self._listener: Listener | None = None
        self._client: Client | None = None

    @property
    def attached(self) -> bool:
        """Whether a client is connected."""
        return self._client is not None

    @property
    def wants_run(self) -> bool:
        """Whether the guest should run by itself now."""
        return self._control.runs and not self.quit_wanted

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are listened on."""
        if self._listener is None:
            return self.options.host, self.options.port
        where = self._listener.address
        return where.host, where.port

    def listen(self) -> None:
        """Open the port.

        Raises:
            RdbgError: it is in use, the address is not this host's, or it is open to others and may not be.
        """
        where = permitted_address(TcpAddress(self.options.host, self.options.port), self.options.listen_any, "-gdb tcp")
        try:
            self._listener = Listener(where)
        except OSError as error:
            raise RdbgError(
                f"cannot listen for GDB on {where}: {error.strerror}; choose another with -gdb tcp:HOST:PORT"
            ) from error

    def knocking(self) -> bool:
        """Whether a client wants in, or waits for an answer: to be asked while the guest runs by itself."""
        waiting: list[Listener | Connection] = [self._listener] if self._listener is not None else []
        if self._client is not None:
            waiting.append(self._client.connection)
        return bool(waiting) and bool(happened_within(0, [(each.fileno(), select.POLLIN) for each in waiting]))

    def poll(self, timeout: float, other: SupportsFileno | None = None) -> None:
        """Wait for packets, serve them, and come back.

        Args:
            timeout: seconds to wait when there are none.
            other: ends the wait too, when it can be read.
        """
        watched: list[tuple[int, int]] = []
        if self._listener is not None:
            watched.append((self._listener.fileno(), select.POLLIN))
        if self._client is not None:
            connection = self._client.connection
            watched.append((connection.fileno(), select.POLLIN | (select.POLLOUT if connection.unsent else 0)))
        if not watched:
            return
        if other is not None:
            watched.append((other.fileno(), select.POLLIN))
        happened = happened_within(timeout, watched)
        if self._client is not None:  # before a new one: this one may have gone to come again
            self._serve(self._client)
        if self._listener is not None and self._listener.fileno() in happened:
            self._accept()

    def expect_questions(self) -> None:
        """What is inserted now will be asked for when GDB lets the guest go: let it be prepared."""
        if self._client is not None:
            self.timeline.expect(self._client.points.stop_conditions())

    def close(self) -> None:
        """Leave the client and close the port."""
        if self._client is not None:
            self._client.connection.close()
            self._client = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        came = self._listener.accept() if self._listener is not None else None
        if came is None:
            return  # it has gone again
        accepted, name = came
        if self._client is not None:
            _log.warning("refused %s: GDB at %s is connected", name, self._client.connection.name)
            accepted.close()
            return
        _log.info("GDB connected from %s", name)
        self._client = Client(Connection(accepted, name), self._context, FEATURES)
        self._control.stopped = self._control.attached = True

    def _serve(self, client: Client) -> None:
        client.connection.pump()
        while (event := client.connection.next_event()) is not None:
            self.options.asked()
            if isinstance(event, Packet):
                client.handle(event.data)
                client.connection.pump()
            else:
                client.interrupt_pending = True
        if client.connection.closed:
            self._control.stopped = not client.detached
            self._control.attached = False
            self.timeline.scratch.drop()  # the next one, or the guest itself, goes on with what really happened
            _log.info(
                "GDB at %s %s", client.connection.name, "detached" if client.detached else "is gone; the guest stands"
            )
            self._client = None

    def _leave(self) -> None:
        self.quit_wanted = True

    def _stop_wanted(self) -> bool:
        """Asked during movements: also the moment to turn away others."""
        if self._listener is not None and self._listener.knocked():
            self._accept()
        return self.quit_wanted or self.options.stop_wanted()
