"""Ctrl-C at GDB's terminal, pressed again since nothing seems to happen."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import rdbg
from tests.gdb.driver import Guest
from tests.transcripts import Terminal

ELF = Path(__file__).parent / "guest" / "counter-el.elf"
SCRIPT = Path(rdbg.__file__).parent / "gdb" / "rdbg_gdb.py"
_SLOW = b"qRcmd," + b"info endpoints".hex().encode()
_QUESTION = "Stop debugging it? (y or n) "


class _SlowLine:
    """Stands between GDB and rdbg, and lets one monitor command wait.

    Args:
        port: rdbg's.
    """

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._there = socket.create_connection(("127.0.0.1", port))
        self.waiting = threading.Event()  #: the command has been asked for
        self.released = threading.Event()  #: and may come to rdbg
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        here, _ = self._listener.accept()
        threading.Thread(target=self._answer, args=(here,), daemon=True).start()
        while data := here.recv(4096):
            if _SLOW in data:
                self.waiting.set()
                self.released.wait()
            self._there.sendall(data)

    def _answer(self, here: socket.socket) -> None:
        while data := self._there.recv(4096):
            here.sendall(data)


def test_gdb_asks_before_a_second_interrupt_in_a_monitor_command_ends_the_session(
    gdb_program: str, tmp_path: Path
) -> None:
    """GDB's questions are off otherwise, and no answer is yes."""
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest:
        line = _SlowLine(guest.port)
        surroundings = {**os.environ, "TERM": "dumb", "HOME": str(tmp_path)}
        terminal = Terminal(
            f"{gdb_program} --nx --quiet -ex 'source {SCRIPT}' -ex 'target remote 127.0.0.1:{line.port}' {ELF}",
            tmp_path,
            surroundings,
        )
        try:
            terminal.read("(gdb) ")
            terminal.type("monitor info endpoints")
            assert line.waiting.wait(60)
            terminal.wait_asleep()
            terminal.press(b"\x03", _QUESTION)
            terminal.type("n")
            line.released.set()
            terminal.read("(gdb) ")
            terminal.type("show confirm")
            assert "off" in "\n".join(terminal.read("(gdb) "))
            terminal.type("monitor when")
            assert "icount" in "\n".join(terminal.read("(gdb) "))
        finally:
            terminal.close()
