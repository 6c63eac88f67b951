"""All serial ports of a run."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence

from rdbg.emu.endpoint import Endpoint, EndpointKind, serial_port
from rdbg.emu.semihosting import CONSOLE
from rdbg.errors import UsageError
from rdbg.host.waiting import Watched, happened_within
from rdbg.quick_dataclass import dataclass
from rdbg.serial.backend import NullSerial, SerialBackend
from rdbg.serial.conversation import Conversation
from rdbg.serial.file import FileSerial
from rdbg.serial.monitor_console import MonitorConsole
from rdbg.serial.pty import PtySerial
from rdbg.serial.screen import Screen, ScreenSerial
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.serial.stderr import StderrSerial
from rdbg.serial.stdio import StdioSerial
from rdbg.serial.tcp import TcpSerial, TelnetSerial
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
    option = f"-{label.rstrip('0123456789')} {spec.kind.value}"
    if spec.kind is SerialKind.STDIO:
        return StdioSerial(spec.escape) if screen is None else ScreenSerial(screen)
    if spec.kind is SerialKind.STDERR:
        return StderrSerial() if screen is None else ScreenSerial(screen)
    if spec.kind is SerialKind.FILE:
        return FileSerial(spec.path)
    if spec.kind is SerialKind.TCP and spec.address is not None:
        return TcpSerial(spec.address, spec.server, spec.wait, listen_any, option)
    if spec.kind is SerialKind.TELNET and spec.address is not None:
        return TelnetSerial(spec.address, spec.server, spec.wait, listen_any, option)
    if spec.kind is SerialKind.UNIX:
        return UnixSerial(spec.path, spec.server, spec.wait, option)
    if spec.kind is SerialKind.PTY:
        return PtySerial(label)
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
        if sum(spec.kind is SerialKind.STDIO for spec in (*specs, *virtual_consoles)) > 1:
            raise UsageError("-serial stdio: two serial ports cannot share the terminal; give one another back end")
        if sum(spec.kind is SerialKind.STDIO for spec in (*specs, *virtual_consoles, *monitors)) > 1:
            raise UsageError(
                "-monitor stdio: a serial port has the terminal; write -serial mon:stdio (Ctrl-A c changes between the "
                "two), or give one another back end"
            )
        if (
            any(end.spec.kind is SerialKind.STDIO for end in controls)
            and sum(
                spec.kind is SerialKind.STDIO
                for spec in (*specs, *virtual_consoles, *monitors, *(end.spec for end in controls))
            )
            > 1
        ):
            raise UsageError(
                "-qmp stdio: a serial port or monitor has the terminal; write -qmp unix:F,server,nowait, or give that "
                "another back end (-serial null)"
            )
        self._backends: list[SerialBackend] = []
        self._consoles: dict[int, Conversation] = {}  # who answers at what is not the guest's, by the back end's number
        self._endpoints = [serial_port(port) for port in range(len(specs))]  # of each back end that the guest has
        self._shared: Endpoint | None = None
        self._typed_first = typed_first
        if console is not None and console.kind is SerialKind.STDIO:
            self._shared = next(
                (serial_port(port) for port, spec in enumerate(specs) if spec.kind is SerialKind.STDIO), None
            )
        try:
            for number, spec in enumerate(specs):
                self._backends.append(open_backend(spec, screen, listen_any, f"serial{number}"))
            for number, spec in enumerate(virtual_consoles):
                self._backends.append(open_backend(spec, screen, listen_any, f"virtconsole{number}"))
                self._endpoints.append(Endpoint(EndpointKind.CONSOLE, number))
            if console is not None and self._shared is None:
                self._backends.append(open_backend(console, screen, listen_any, "semihosting"))
                self._endpoints.append(serial_port(CONSOLE))
            for number, spec in enumerate(monitors):
                self._open_monitor(open_backend(spec, screen, listen_any, f"monitor{number}"), spec.kind)
            for number, end in enumerate(controls):
                backend = open_backend(end.spec, screen, listen_any, f"qmp{number}")
                self._converse(backend, end.begin(backend.send), end.spec.kind)
        except BaseException:
            self.close()
            raise

    def _open_monitor(self, backend: SerialBackend, kind: SerialKind) -> None:
        echo = kind in (SerialKind.TELNET, SerialKind.PTY) or (kind is SerialKind.STDIO and os.isatty(0))
        self._converse(backend, MonitorConsole(backend.send, echo), kind)

    def _converse(self, backend: SerialBackend, who: Conversation, kind: SerialKind) -> None:
        self._consoles[len(self._backends)] = who
        self._backends.append(backend)
        if kind in (SerialKind.STDIO, SerialKind.PTY) or backend.take_arrival():
            who.greet()

    @property
    def consoles(self) -> list[MonitorConsole]:
        """All monitors, those behind Ctrl-A c among them."""
        behind = [backend.console for backend in self._backends if isinstance(backend, StdioSerial)]
        typed = [who for who in self._consoles.values() if isinstance(who, MonitorConsole)]
        return [*(console for console in behind if console is not None), *typed]

    def send(self, endpoint: Endpoint, data: bytes) -> None:
        """Pass on what the guest sent."""
        if self._shared is not None and endpoint == serial_port(CONSOLE):
            endpoint = self._shared
        if endpoint in self._endpoints:
            self._backends[self._endpoints.index(endpoint)].send(data)

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
            if held := backend.overdue():
                self._pass_on(at, held, receive, asked)
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
                data, breaks = self._backends[number].receive(), self._backends[number].take_breaks()
                arrived = self._backends[number].take_arrival()
                if arrived and number in self._consoles:
                    self._consoles[number].greet()
                if breaks and number not in self._consoles:
                    receive(self._endpoints[number], b"", breaks)
                if data:
                    self._pass_on(number, data, receive, asked)
        if writable:
            for backend in self._backends:
                backend.flush()

    def _reads(self, number: int, wants: Callable[[Endpoint], bool], asked: Callable[[], bool]) -> bool:
        """Whether what comes at a back end should be read now."""
        backend = self._backends[number]
        if number in self._consoles:
            return self._consoles[number].accepting and not backend.congested
        return wants(self._typed_to(number, asked)) or not backend.ready

    def _pass_on(
        self, number: int, data: bytes, receive: Callable[[Endpoint, bytes, int], None], asked: Callable[[], bool]
    ) -> None:
        """Give what came at a back end to whom it is for."""
        if number in self._consoles:
            self._consoles[number].typed(data)
        else:
            receive(self._typed_to(number, asked), data, 0)

    def _typed_to(self, number: int, asked: Callable[[], bool]) -> Endpoint:
        """Which port it is for what comes at a back end now."""
        to_console = self._endpoints[number] == self._shared and (self._typed_first or asked())
        return serial_port(CONSOLE) if to_console else self._endpoints[number]

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
