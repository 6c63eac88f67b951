"""What the commands of breakpoints print, gathered: a packet for each line would cost more than the line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rdbg.emu.machine_api import MachineApi
from rdbg.rsp.agent_printf import AgentPrintf
from rdbg.rsp.printf import MOST_CHARACTERS, formatted

#: What is held back at most, in characters and seconds.
_PIECE = 2000
_LONGEST_HELD = 0.05
_CHUNK = 256


class Printer:
    """Prints on the user's GDB console.

    Args:
        machine: where arguments are evaluated.
        say: sends text to the console.
    """

    def __init__(self, machine: MachineApi, say: Callable[[str], None]) -> None:
        self._machine = machine
        self._say = say
        self._held: list[str] = []
        self._length = 0
        self._since = 0.0

    def obey(self, commands: Sequence[AgentPrintf]) -> None:
        """Print what these print where the machine stands."""
        for command in commands:
            values = command.values(self._machine.evaluate)
            if values is None:
                text = f"<an argument cannot be evaluated at {self._machine.pc:#x}>\n"
            else:
                text = formatted(command.template, values, self._read_string, self._machine.architecture.address_bits)
            self._held.append(text)
            self._length += len(text)
        now = time.monotonic()
        self._since = self._since or now
        if self._length > _PIECE or now - self._since > _LONGEST_HELD:
            self.flush()

    def flush(self) -> None:
        """Send what is held back."""
        text = "".join(self._held)
        self._held, self._length, self._since = [], 0, 0.0
        for start in range(0, len(text), _PIECE):
            self._say(text[start : start + _PIECE])

    def _read_string(self, address: int) -> bytes | None:
        text = b""
        while len(text) < MOST_CHARACTERS:
            size = min(_CHUNK - address % _CHUNK, MOST_CHARACTERS - len(text))
            piece = self._machine.read_memory(address, size)
            end = piece.find(b"\0")
            if end >= 0:
                return text + piece[:end]
            text += piece
            if len(piece) < size:
                return text or None
            address = self._machine.architecture.wrapped(address + size)
        return text
