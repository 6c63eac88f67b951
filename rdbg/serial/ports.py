"""All serial ports of a run."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence

from rdbg.errors import UsageError
from rdbg.serial.backend import NullSerial, SerialBackend
from rdbg.serial.file import FileSerial
from rdbg.serial.monitor_console import MonitorConsole
from rdbg.serial.pty import PtySerial
from rdbg.serial.screen import Screen, ScreenSerial
from rdbg.serial.serial_spec import SerialKind, SerialSpec
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


class SerialPorts:
    """The host ends of the serial ports, polled together.

    Args:
        specs: one for each port from 0; the rest lead nowhere.
        screen: shows what goes to standard output, if the terminal is somebody else's.
        listen_any: other hosts may connect to ports that are listened on.
        monitors: ends at which rdbg itself is typed to.

    Raises:
        RdbgError: one cannot be opened (those before it are closed again), or two want the terminal.
    """

    def __init__(
        self,
        specs: Sequence[SerialSpec],
        screen: Screen | None = None,
        listen_any: bool = False,
        monitors: Sequence[SerialSpec] = (),
    ) -> None:
        if sum(spec.kind is SerialKind.STDIO for spec in specs) > 1:
            raise UsageError("-serial stdio: two serial ports cannot share the terminal; give one another back end")
        if sum(spec.kind is SerialKind.STDIO for spec in (*specs, *monitors)) > 1:
            raise UsageError(
                "-monitor stdio: a serial port has the terminal; write -serial mon:stdio (Ctrl-A c changes between the "
                "two), or give one another back end"
            )
        self._backends: list[SerialBackend] = []
        self._consoles: dict[int, MonitorConsole] = {}  # of monitors, by the back end's number
        self._serial_count = len(specs)
        try:
            for number, spec in enumerate(specs):
                self._backends.append(open_backend(spec, screen, listen_any, f"serial{number}"))
            for number, spec in enumerate(monitors):
                self._open_monitor(open_backend(spec, screen, listen_any, f"monitor{number}"), spec.kind)
        except BaseException:
            self.close()
            raise

    def _open_monitor(self, backend: SerialBackend, kind: SerialKind) -> None:
        echo = kind in (SerialKind.TELNET, SerialKind.PTY) or (kind is SerialKind.STDIO and os.isatty(0))
        console = self._consoles[len(self._backends)] = MonitorConsole(backend.send, echo)
        self._backends.append(backend)
        if kind in (SerialKind.STDIO, SerialKind.PTY) or backend.take_arrival():
            console.greet()

    @property
    def consoles(self) -> list[MonitorConsole]:
        """All monitors, those behind Ctrl-A c among them."""
        behind = [backend.console for backend in self._backends if isinstance(backend, StdioSerial)]
        return [*(console for console in behind if console is not None), *self._consoles.values()]

    def send(self, port: int, data: bytes) -> None:
        """Pass on what the guest sent."""
        if port < self._serial_count:
            self._backends[port].send(data)

    def poll(
        self, receive: Callable[[int, bytes, int], None], wants: Callable[[int], bool], timeout: float = 0.0
    ) -> None:
        """Move bytes in both directions.

        Args:
            receive: gets a port's number, the bytes that came for it, and how many breaks did.
            wants: whether a port should be read now (its guest has room).
            timeout: how long to wait for something to happen, in seconds.
        """
        readers = {
            handle: port
            for port, backend in enumerate(self._backends)
            if port in self._consoles or wants(port) or not backend.ready
            for handle in backend.read_handles()
        }
        writers = [handle for backend in self._backends for handle in backend.write_handles()]
        if not readers and not writers and not timeout:
            return
        readable, writable, _ = select.select(list(readers), writers, [], timeout)
        for handle in readable:
            port = readers.get(handle)
            if port is not None:
                data, breaks = self._backends[port].receive(), self._backends[port].take_breaks()
                arrived = self._backends[port].take_arrival()
                if port in self._consoles:
                    if arrived:
                        self._consoles[port].greet()
                    self._consoles[port].typed(data)
                elif data or breaks:
                    receive(port, data, breaks)
        if writable:
            for backend in self._backends:
                backend.flush()

    @property
    def congested(self) -> bool:
        """Whether the guest should wait for a slow reader."""
        return any(backend.congested for backend in self._backends[: self._serial_count])

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
