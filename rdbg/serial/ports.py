"""All serial ports of a run."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence
from functools import partial

from rdbg.emu.endpoint import Endpoint, EndpointKind, serial_port
from rdbg.emu.semihosting import CONSOLE
from rdbg.errors import RdbgError, UsageError
from rdbg.host.waiting import Watched, happened_within
from rdbg.quick_dataclass import dataclass
from rdbg.serial.backend import NullSerial, SerialBackend
from rdbg.serial.conversation import Conversation
from rdbg.serial.file import FileSerial
from rdbg.serial.logged import LoggedSerial
from rdbg.serial.monitor_console import MonitorConsole
from rdbg.serial.multiplexer import Multiplexer
from rdbg.serial.pipe import PipeSerial
from rdbg.serial.pty import PtySerial
from rdbg.serial.screen import Screen, ScreenSerial
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.serial.stderr import StderrSerial
from rdbg.serial.stdio import StdioSerial
from rdbg.serial.tcp import TcpSerial, TelnetSerial
from rdbg.serial.udp import UdpSerial
from rdbg.serial.unix import UnixSerial


def open_backend(
    spec: SerialSpec, screen: Screen | None = None, listen_any: bool = False, label: str = "serial0"
) -> SerialBackend:
    """Open the host end that a ``-serial`` or ``-monitor`` option names.

    Args:
        spec: the option.
        screen: shows what goes to standard output, if the terminal is somebody else's.
        listen_any: other hosts may connect to a port that is listened on.
        label: what is being opened, as QEMU calls it.

    Raises:
        RdbgError: it cannot be opened.
    """
    option = spec.option or f"-{label.rstrip('0123456789')} {spec.kind.value}"
    backend = _open(spec, screen, listen_any, label, option)
    if not spec.log:
        return backend
    try:
        return LoggedSerial(backend, FileSerial(spec.log, spec.log_append, f"{option},logfile="))
    except RdbgError:
        backend.close()
        raise


def _open(spec: SerialSpec, screen: Screen | None, listen_any: bool, label: str, option: str) -> SerialBackend:
    before_path = f"{option},path=" if spec.option else f"{option}:"
    if spec.kind is SerialKind.STDIO:
        return StdioSerial(signals=not spec.escape) if screen is None else ScreenSerial(screen)
    if spec.kind is SerialKind.STDERR:
        return StderrSerial() if screen is None else ScreenSerial(screen)
    if spec.kind is SerialKind.FILE:
        return FileSerial(spec.path, spec.append, before_path)
    if spec.kind is SerialKind.TCP and spec.address is not None:
        return TcpSerial(spec.address, spec.server, spec.wait, listen_any, option)
    if spec.kind is SerialKind.TELNET and spec.address is not None:
        return TelnetSerial(spec.address, spec.server, spec.wait, listen_any, option)
    if spec.kind is SerialKind.UNIX:
        return UnixSerial(spec.path, spec.server, spec.wait, before_path)
    if spec.kind is SerialKind.PTY:
        return PtySerial(label, option)
    if spec.kind is SerialKind.PIPE:
        return PipeSerial(spec.path, before_path)
    if spec.kind is SerialKind.UDP and spec.address is not None:
        return UdpSerial(spec.address, spec.local, listen_any, option)
    return NullSerial()


@dataclass(frozen=True)
class ControlEnd:
    """An end at which a program speaks to rdbg.

    Args:
        spec: where it is.
        begin: given what sends bytes there, makes who answers.
    """

    spec: SerialSpec
    begin: Callable[[Callable[[bytes], None]], Conversation]


class SerialPorts:
    """The host ends of the serial ports, polled together.

    Args:
        specs: one for each port from 0; the rest lead nowhere.
        screen: shows what goes to standard output, if the terminal is somebody else's.
        listen_any: other hosts may connect to ports that are listened on.
        monitors: ends at which rdbg itself is typed to.
        console: the end of the console that the guest has by calling the host, port number CONSOLE. It shares a
            terminal with a serial port.
        typed_first: at a shared terminal all is typed to the console; else what a call waits for.
        virtual_consoles: one for each console endpoint from 0.
        controls: ends at which programs speak to rdbg.

    Raises:
        RdbgError: one cannot be opened (those before it are closed again), or two want the terminal.
    """

    def __init__(
        self,
        specs: Sequence[SerialSpec],
        screen: Screen | None = None,
        listen_any: bool = False,
        monitors: Sequence[SerialSpec] = (),
        console: SerialSpec | None = None,
        typed_first: bool = False,
        virtual_consoles: Sequence[SerialSpec] = (),
        controls: Sequence[ControlEnd] = (),
    ) -> None:
        _check_terminal((*specs, *virtual_consoles), monitors, [end.spec for end in controls])
        self._backends: list[SerialBackend] = []
        self._consoles: dict[int, Conversation] = {}  # who answers at what is not the guest's, by the back end's number
        self._endpoints: list[list[Endpoint]] = []  # of each back end that the guest has
        self._leads: dict[Endpoint, SerialBackend] = {}
        self._muxes: dict[str, int] = {}  # back ends that several may have, by their names
        self._shared: Endpoint | None = None
        self._typed_first = typed_first
        if console is not None and console.kind is SerialKind.STDIO:
            self._shared = next(
                (serial_port(port) for port, spec in enumerate(specs) if spec.kind is SerialKind.STDIO), None
            )
        try:
            opening = partial(open_backend, screen=screen, listen_any=listen_any)
            for number, spec in enumerate(specs):
                self._lead(serial_port(number), spec, partial(opening, label=f"serial{number}"), screen)
            for number, spec in enumerate(virtual_consoles):
                endpoint = Endpoint(EndpointKind.CONSOLE, number)
                self._lead(endpoint, spec, partial(opening, label=f"virtconsole{number}"), screen)
            if console is not None and self._shared is None:
                self._lead(serial_port(CONSOLE), console, partial(opening, label="semihosting"), screen)
            for number, spec in enumerate(monitors):
                self._open_monitor(open_backend(spec, screen, listen_any, f"monitor{number}"), spec.kind)
            for number, end in enumerate(controls):
                backend = open_backend(end.spec, screen, listen_any, f"qmp{number}")
                self._converse(backend, end.begin(backend.send), end.spec.kind)
        except BaseException:
            self.close()
            raise

    def _lead(
        self,
        endpoint: Endpoint,
        spec: SerialSpec,
        opening: Callable[[SerialSpec], SerialBackend],
        screen: Screen | None,
    ) -> None:
        """Let an endpoint of the guest's lead to a back end, which another may have already."""
        at = self._muxes.get(spec.shared)
        if at is None:
            end = opening(spec)
            if spec.escape and not (spec.kind is SerialKind.STDIO and screen is not None):
                answers = StderrSerial() if spec.kind is SerialKind.STDIO else end
                end = Multiplexer(end, answers, spec.monitored, _echoes(spec.kind))
            at = len(self._backends)
            self._backends.append(end)
            self._endpoints.append([])
            if spec.shared:
                self._muxes[spec.shared] = at
        elif isinstance(shared := self._backends[at], Multiplexer):
            shared.add_port()
        self._endpoints[at].append(endpoint)
        self._leads[endpoint] = self._backends[at]

    def _open_monitor(self, backend: SerialBackend, kind: SerialKind) -> None:
        self._converse(backend, MonitorConsole(backend.send, _echoes(kind)), kind)

    def _converse(self, backend: SerialBackend, who: Conversation, kind: SerialKind) -> None:
        self._consoles[len(self._backends)] = who
        self._backends.append(backend)
        if kind in (SerialKind.STDIO, SerialKind.PTY, SerialKind.PIPE) or backend.take_arrival():
            who.greet()

    @property
    def consoles(self) -> list[MonitorConsole]:
        """All monitors, those behind Ctrl-A c among them."""
        behind = [backend.console for backend in self._backends if isinstance(backend, Multiplexer)]
        typed = [who for who in self._consoles.values() if isinstance(who, MonitorConsole)]
        return [*(console for console in behind if console is not None), *typed]

    def send(self, endpoint: Endpoint, data: bytes) -> None:
        """Pass on what the guest sent."""
        if self._shared is not None and endpoint == serial_port(CONSOLE):
            endpoint = self._shared
        if endpoint in self._leads:
            self._leads[endpoint].send(data)

    def poll(
        self,
        receive: Callable[[Endpoint, bytes, int], None],
        wants: Callable[[Endpoint], bool],
        asked: Callable[[], bool],
        timeout: float = 0.0,
        also: Watched = (),
    ) -> None:
        """Move bytes in both directions.

        Args:
            receive: gets a port's endpoint, the bytes that came for it, and how many breaks did.
            wants: whether what comes for a port should be read now (its guest has room).
            asked: whether the guest waits for something typed at its console.
            timeout: how long to wait for something to happen, in seconds.
            also: other descriptors at which something may happen.
        """
        for at, backend in enumerate(self._backends):
            self._pass_on(at, backend.overdue(), receive, asked)
        readers = {
            handle: number
            for number, backend in enumerate(self._backends)
            if self._reads(number, wants, asked)
            for handle in backend.read_handles()
        }
        writers = [handle for backend in self._backends for handle in backend.write_handles()]
        if not readers and not writers and not timeout:
            return
        reads = [(handle, select.POLLIN) for handle in readers]
        writes = [(handle, select.POLLOUT) for handle in writers]
        happened = happened_within(timeout, [*reads, *writes, *also])
        writable = any(happened.get(handle, 0) & ~select.POLLIN for handle in writers)
        for handle, number in readers.items():
            if happened.get(handle, 0) & ~select.POLLOUT:
                data = self._backends[number].receive()
                if self._backends[number].take_arrival() and number in self._consoles:
                    self._consoles[number].greet()
                self._pass_on(number, data, receive, asked)
        if writable:
            for backend in self._backends:
                backend.flush()

    def _reads(self, number: int, wants: Callable[[Endpoint], bool], asked: Callable[[], bool]) -> bool:
        """Whether what comes at a back end should be read now."""
        backend = self._backends[number]
        if number in self._consoles:
            return self._consoles[number].accepting and not backend.congested
        if isinstance(backend, Multiplexer) and backend.port is None:
            return backend.accepting and not backend.congested
        return wants(self._typed_to(number, asked)) or not backend.ready

    def _pass_on(
        self, number: int, data: bytes, receive: Callable[[Endpoint, bytes, int], None], asked: Callable[[], bool]
    ) -> None:
        """Give what came at a back end to whom it is for."""
        breaks = self._backends[number].take_breaks()
        if number in self._consoles:
            if data:
                self._consoles[number].typed(data)
            return
        if breaks:
            receive(self._typed_at(number), b"", breaks)
        if data:
            receive(self._typed_to(number, asked), data, 0)

    def _typed_to(self, number: int, asked: Callable[[], bool]) -> Endpoint:
        """Which port it is for what comes at a back end now."""
        endpoint = self._typed_at(number)
        to_console = endpoint == self._shared and (self._typed_first or asked())
        return serial_port(CONSOLE) if to_console else endpoint

    def _typed_at(self, number: int) -> Endpoint:
        """Which of those that share a back end is typed to; the first while that is the monitor."""
        backend = self._backends[number]
        port = backend.port if isinstance(backend, Multiplexer) else None
        return self._endpoints[number][port or 0]

    @property
    def congested(self) -> bool:
        """Whether the guest should wait for a slow reader."""
        return any(backend.congested for backend in self._backends[: len(self._endpoints)])

    @property
    def failures(self) -> list[str]:
        """Why output is lost, a line for each port where it is."""
        return [backend.failure for backend in self._backends if backend.failure]

    @property
    def ready(self) -> bool:
        """Whether the guest may start."""
        return all(backend.ready for backend in self._backends)

    @property
    def quit_requested(self) -> bool:
        """Whether the user asked at a terminal to end the run."""
        return any(backend.quit_requested for backend in self._backends)

    def close(self) -> None:
        """Close all; terminal modes are given back."""
        for backend in self._backends:
            backend.close()


def _echoes(kind: SerialKind) -> bool:
    """Whether who types to a monitor there sees only what is sent to him."""
    return kind in (SerialKind.TELNET, SerialKind.PTY) or (kind is SerialKind.STDIO and os.isatty(0))


def _check_terminal(
    guest: Sequence[SerialSpec], monitors: Sequence[SerialSpec], controls: Sequence[SerialSpec]
) -> None:
    """See that the terminal is given to one alone, or to those who share it.

    Raises:
        UsageError: two would have it.
    """

    def users(specs: Sequence[SerialSpec]) -> int:
        at_terminal = [spec for spec in specs if spec.kind is SerialKind.STDIO]
        return sum(not spec.shared for spec in at_terminal) + len({spec.shared for spec in at_terminal if spec.shared})

    if users(guest) > 1:
        named = [spec.option for spec in guest if spec.kind is SerialKind.STDIO and spec.option]
        raise UsageError(
            f"{named[-1] if named else '-serial stdio'}: two serial ports cannot share the terminal; give one another "
            "back end, or both a -chardev stdio with mux=on"
        )
    if users((*guest, *monitors)) > 1:
        raise UsageError(
            "-monitor stdio: a serial port has the terminal; write -serial mon:stdio (Ctrl-A c changes between the "
            "two), or give one another back end"
        )
    if users(controls) and users((*guest, *monitors, *controls)) > 1:
        raise UsageError(
            "-qmp stdio: a serial port or monitor has the terminal; write -qmp unix:F,server,nowait, or give that "
            "another back end (-serial null)"
        )
