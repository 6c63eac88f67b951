"""The outside world of a run: serial ports, networks, signals, the wish to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from rdbg.emu.endpoint import Endpoint, EndpointKind, serial_port
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.semihosting import CONSOLE
from rdbg.history.live_queue import LiveQueue
from rdbg.host.interrupts import ENDING_SIGNALS
from rdbg.host.outlet import Outlet
from rdbg.serial.monitor_console import MonitorConsole
from rdbg.serial.ports import SerialPorts

if TYPE_CHECKING:
    from rdbg.netdev.networks import Networks

#: Typed or pasted bytes that wait for the guest; with more than this the terminal is not read.
_READ_AHEAD_BYTES = 4096


class OutsideWorld:
    """Moves bytes and packets between the host's ends and the run, between its slices.

    Args:
        ports: the host's ends of serial ports.
        queue: where received bytes wait for the guest.
        accepts: whether the guest takes input now; a replay has its own, and what comes is dropped.
        ended: another reason to end, asked often.
        log: the way of the log, if it should not be lost either.
    """

    def __init__(
        self,
        ports: SerialPorts,
        queue: LiveQueue,
        accepts: Callable[[], bool],
        ended: Callable[[], bool] | None = None,
        log: Outlet | None = None,
    ) -> None:
        self._ports = ports
        self._queue = queue
        self._accepts = accepts
        self._ended = ended
        self._log = log
        self._networks: Networks | None = None
        self._signal: int | None = None
        self._previous: dict[int, object] = {}

    def catch_signals(self, interrupt_ends: bool = True) -> None:
        """End the run on SIGINT, SIGTERM and SIGHUP, in good order. A run of another thread than the first leaves them
        alone: Python lets no other thread have signals.

        Args:
            interrupt_ends: False: SIGINT is somebody else's (the debugger's, on the same terminal).
        """
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ENDING_SIGNALS:
            ends = interrupt_ends or number != signal.SIGINT
            self._previous[number] = signal.signal(number, self._note_signal if ends else _ignore)

    def release_signals(self) -> None:
        """Let signals do what they did before."""
        for number, previous in self._previous.items():
            signal.signal(number, previous)  # type: ignore[arg-type]  # what signal.signal gave us
        self._previous.clear()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Meanwhile SIGINT raises KeyboardInterrupt, as before, and the other ending signals SystemExit: for what does
        not ask whether to end."""
        previous = {number: signal.signal(number, _leave) for number in ENDING_SIGNALS}
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def plug_in(self, networks: Networks) -> None:
        """Let the guest's cables lead somewhere. They are closed with this."""
        self._networks = networks

    @property
    def consoles(self) -> list[MonitorConsole]:
        """The monitors that are typed at without GDB."""
        return self._ports.consoles

    @property
    def quit_requested(self) -> bool:
        """Whether the user wants the run to end."""
        if self._signal is not None or self._ports.quit_requested:
            return True
        return self._ended is not None and self._ended()

    @property
    def signal(self) -> int | None:
        """The signal that asked for the end."""
        return self._signal

    @property
    def ready(self) -> bool:
        """Whether all serial ports that were told to wait for a client have one."""
        return self._ports.ready

    def look(self) -> bool:
        """Look at the outside world without waiting; whether the run should end."""
        self._ports.poll(self._receive, self._wants, self._asked)
        if self._networks is not None and self._accepts():
            self._networks.poll()
        if self._log is not None:
            self._log.flush()
        return self.quit_requested

    @property
    def congested(self) -> bool:
        """Whether the guest should wait: a reader of its output, or of the log about it, is slow."""
        if self._networks is not None and self._networks.congested:
            return True
        return self._ports.congested or (self._log is not None and self._log.pending > 0)

    @property
    def failures(self) -> list[str]:
        """Why output of the guest is lost, a line for each port where it is."""
        return self._ports.failures + (self._networks.failures if self._networks is not None else [])

    def wait(self, seconds: float) -> None:
        """Wait for something to happen outside."""
        if self._networks is None or not self._accepts():
            self._ports.poll(self._receive, self._wants, self._asked, timeout=seconds)
            return
        watched = self._networks.watched()
        patience = self._networks.patience(seconds)
        self._ports.poll(self._receive, self._wants, self._asked, timeout=patience, also=watched)
        self._networks.poll()

    def send(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        """What the guest sent: an OutputSink."""
        if endpoint.kind is not EndpointKind.NETWORK:
            self._ports.send(endpoint, data)
        elif self._networks is not None:
            self._networks.send(endpoint.port, data)

    def close(self) -> None:
        """Give back terminal, sockets and signals."""
        self._ports.close()
        if self._networks is not None:
            self._networks.close()
        self.release_signals()

    def _wants(self, endpoint: Endpoint) -> bool:
        return not self._accepts() or self._queue.waiting(endpoint) < _READ_AHEAD_BYTES

    def _asked(self) -> bool:
        return self._accepts() and self._queue.has_room(serial_port(CONSOLE))

    def _receive(self, endpoint: Endpoint, data: bytes, breaks: int) -> None:
        if not self._accepts():
            self._queue.forget()
            return
        for _ in range(breaks):
            self._queue.put(InputEvent(0, InputKind.SERIAL_BREAK, port=endpoint.port))
        if data:
            self._queue.send(endpoint, data)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._signal = number


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _ignore(number: int, frame: FrameType | None) -> None:
    """A handler, since SIG_IGN would be inherited by child processes."""
