"""An end that serial ports and the monitor share: Ctrl-A is a command to rdbg there, with QEMU's letters."""

from __future__ import annotations

from rdbg.serial.around import AroundSerial
from rdbg.serial.backend import SerialBackend
from rdbg.serial.monitor_console import MonitorConsole

ESCAPE = 0x01  # Ctrl-A, as in QEMU

_HELP = (
    "Ctrl-A h    print this help",
    "Ctrl-A x    end the run",
    "Ctrl-A c    go on to the next of those who share this: {}",
    "Ctrl-A b    send a break (Linux: magic SysRq)",
    "Ctrl-A Ctrl-A or Ctrl-A a    send Ctrl-A",
)
_TERMINATED = "rdbg: terminated"


class Multiplexer(AroundSerial):
    """What is typed goes to one of the serial ports, or to the monitor; Ctrl-A c goes on to the next of them.

    Args:
        end: where all of it leads to.
        answers: where rdbg speaks; closed with this.
        monitored: whether the monitor is among them.
        echo: whether what is typed to it is shown too.
    """

    def __init__(self, end: SerialBackend, answers: SerialBackend, monitored: bool, echo: bool) -> None:
        super().__init__(end)
        self._answers = answers
        #: The monitor, behind the last port.
        self.console = MonitorConsole(answers.send, echo) if monitored else None
        self._ports = 1
        self._at = 0  # what is typed goes to that port; as many as there are: to the monitor
        self._escaped = False
        self._later = b""  # what came behind a change from one port to another
        self._breaks = 0
        self._quit = False
        # Standard error is looked at through a terminal that makes whole line ends, or not through one at all.
        self._line_end = "\r\n" if answers is end else "\n"

    def add_port(self) -> None:
        """One port more shares this, and is typed to at first, as in QEMU."""
        self._at = self._ports
        self._ports += 1

    @property
    def port(self) -> int | None:
        """Which of the ports is typed to, from 0 in the order in which they were added; None: the monitor."""
        return self._at if self._at < self._ports else None

    @property
    def accepting(self) -> bool:
        """Whether the monitor, if that is typed to, takes more."""
        return self.console is None or self.console.accepting

    def write_handles(self) -> list[int]:
        """The end's, and where rdbg speaks."""
        return list(dict.fromkeys((*self._end.write_handles(), *self._answers.write_handles())))

    def receive(self) -> bytes:
        """What was typed to the port that is typed to, without the commands to rdbg."""
        return self._without_commands(self._put_off() + self._end.receive())

    def overdue(self) -> bytes:
        """What was held back, and what came for a port behind what came for another."""
        return self._without_commands(self._put_off() + self._end.overdue())

    def take_breaks(self) -> int:
        """How often Ctrl-A b was typed, or a break came."""
        breaks, self._breaks = self._breaks, 0
        return breaks + self._end.take_breaks()

    def take_arrival(self) -> bool:
        """Whether somebody has come. The monitor greets who finds himself there."""
        arrived = self._end.take_arrival()
        if arrived:
            self._escaped = False  # by a Ctrl-A of who was there before
        if arrived and self.port is None and self.console is not None:
            self.console.greet()
        return arrived

    def flush(self) -> None:
        """Let it go to both."""
        self._end.flush()
        self._answers.flush()

    @property
    def quit_requested(self) -> bool:
        """Whether Ctrl-A x was typed, or the end asks for it."""
        return self._quit or self._end.quit_requested

    def close(self) -> None:
        """Close both."""
        self.flush()
        self._answers.close()
        self._end.close()

    def _put_off(self) -> bytes:
        """What came behind a change from one port to another: it comes before what comes now."""
        later, self._later = self._later, b""
        return later

    def _without_commands(self, data: bytes) -> bytes:
        kept = bytearray()
        for at, byte in enumerate(data):
            if not self._escaped:
                self._escaped = byte == ESCAPE
                if not self._escaped:
                    self._take(byte, kept)
                continue
            self._escaped = False
            command = chr(byte).lower()
            if command == "x":
                self._tell(_TERMINATED)
                self._quit = True
            elif command in ("h", "?"):
                self._tell(*_HELP[:2], _HELP[2].format(self._names()), *_HELP[3:])
            elif command == "b":
                self._breaks += 1
            elif command == "c" and (kept or self._breaks):
                self._later = bytes((ESCAPE,)) + data[at:]  # once the port that is typed to now has what is its
                break
            elif command == "c":
                self._go_on()
            elif byte == ESCAPE or command == "a":
                self._take(ESCAPE, kept)
        return bytes(kept)

    def _take(self, byte: int, kept: bytearray) -> None:
        if self.port is None and self.console is not None:
            self.console.typed(bytes([byte]))
        else:
            kept.append(byte)

    def _go_on(self) -> None:
        """Change to the next."""
        self._at = (self._at + 1) % (self._ports + (self.console is not None))
        if self.port is None and self.console is not None:
            self.console.greet()
        elif self.console is not None:
            self._tell("")

    def _names(self) -> str:
        names = [f"serial port {number}" for number in range(self._ports)] if self._ports > 1 else ["serial port"]
        return ", ".join([*names, *["monitor"] * (self.console is not None)])

    def _tell(self, *lines: str) -> None:
        self._answers.send("".join(f"{self._line_end}{line}" for line in lines).encode() + self._line_end.encode())
