"""rdbg and QEMU with a QMP socket each, and guests for both."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.emu.guests import NOP, addiu, beq, lui, sw
from tests.emu.images import elf
from tests.processes import RDBG, spawn

#: QEMU's spelling, which rdbg shares.
BARE = ("-M", "malta", "-m", "64", "-vga", "none", "-nic", "none", "-display", "none", "-serial", "null")
QEMU = ("qemu-system-mipsel", "-icount", "shift=5")
_SOFTRES, _RESET = 0xBF00, 0x42
_PATIENCE = 60.0


def counting_guest(path: Path) -> Path:
    """A guest that counts for ever."""
    return _guest(path, addiu(8, 8, 1), beq(0, 0, -2 & 0xFFFF), NOP)


def resetting_guest(path: Path) -> Path:
    """A guest that counts a while and asks for a reset, again and again."""
    count = (lui(8, 0x10), addiu(8, 8, -1 & 0xFFFF), 0x1500FFFE, NOP)
    return _guest(path, *count, lui(9, _SOFTRES), addiu(10, 0, _RESET), sw(10, 0x500, 9), beq(0, 0, 0xFFFF), NOP)


def _guest(path: Path, *words: int) -> Path:
    path.write_bytes(elf(0x80100000, struct.pack(f"<{len(words)}I", *words)))
    return path


class Wire:
    """A socket at which QMP is spoken, byte by byte.

    Args:
        path: the Unix socket.
    """

    def __init__(self, path: Path) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                self.socket.close()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        self.socket.settimeout(_PATIENCE)
        self._lines = self.socket.makefile("rb")

    def next(self) -> dict[str, Any]:
        """The next message."""
        line = self._lines.readline()
        assert line.endswith(b"\r\n"), line
        message: dict[str, Any] = json.loads(line)
        return message

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def ask(self, command: str, **arguments: object) -> list[dict[str, Any]]:
        """Give a command; all messages up to its answer."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.send(json.dumps({"execute": command, "arguments": named, "id": "asked"}).encode())
        messages = [self.next()]
        while messages[-1].get("id") != "asked":
            messages.append(self.next())
        del messages[-1]["id"]
        return messages

    def value(self, command: str, **arguments: object) -> Any:
        """What a command returns."""
        return self.ask(command, **arguments)[-1]["return"]

    def until(self, event: str) -> dict[str, Any]:
        """Read up to an event."""
        while (message := self.next()).get("event") != event:
            pass
        return message

    def rest(self) -> list[dict[str, Any]]:
        """All messages that come before the other end is closed."""
        return [json.loads(line) for line in self._lines]


@contextlib.contextmanager
def machine(program: Sequence[str], *options: str | Path, folder: Path) -> Iterator[tuple[Wire, subprocess.Popen[Any]]]:
    """A machine that is ready to be driven by QMP.

    Args:
        program: rdbg or QEMU, with its own words.
        options: of the machine.
        folder: for the socket.
    """
    path = folder / f"{Path(program[0]).name}.qmp"
    process = spawn(
        [*program, *map(str, options), "-qmp", f"unix:{path},server,nowait"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Wire(path), process
    finally:
        process.terminate()
        assert "Traceback" not in process.communicate(timeout=_PATIENCE)[1]


@contextlib.contextmanager
def ready(program: Sequence[str], *options: str | Path, folder: Path) -> Iterator[Wire]:
    """The same, with the greeting and the negotiation behind it."""
    with machine(program, *options, folder=folder) as (wire, _):
        wire.next()
        assert wire.ask("qmp_capabilities") == [{"return": {}}]
        yield wire


RUN = (*RDBG, "run")
