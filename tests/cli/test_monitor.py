"""The monitor without GDB: on the terminal, behind Ctrl-A c, on sockets."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.command import TANK, TANK_OUTPUT, rdbg, rdbg_here, start
from tests.processes import free_port

_PROMPT = b"(rdbg) "


class Typist:
    """Somebody at a monitor on a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.connection.settimeout(30)
        self.read()

    def read(self) -> str:
        """What is said up to the next prompt."""
        said = b""
        while not said.endswith(_PROMPT):
            data = self.connection.recv(4096)
            assert data, said
            said += data
        return said.removesuffix(_PROMPT).decode().replace("\r\n", "\n")

    def ask(self, line: str) -> str:
        """Type a line."""
        self.connection.sendall(line.encode() + b"\n")
        return self.read()


def _connect(path: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return connection
        except OSError:
            connection.close()
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)


def test_a_run_is_driven_from_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "m"
    words = ["-kernel", TANK, "-serial", "null", "-monitor", f"unix:{path},server,nowait", "-S"]
    with start("run", *words) as process, _connect(path, process) as connection:
        typist = Typist(connection)
        assert typist.ask("info status") == "VM status: paused (prelaunch)\n"
        assert typist.ask("replay_break 5000") == ""
        assert typist.ask("cont") == ""
        while typist.ask("info status") != "VM status: paused\n":
            pass
        # An instruction count between a branch and its slot means the one before.
        assert re.match("icount (4999|5000),", typist.ask("when"))
        assert re.match("at icount (999|1000),", typist.ask("replay_seek 1000"))
        assert "GDB" not in typist.ask("goto 2000")
        assert typist.ask("replay_break 1500").startswith("cannot set breakpoint at the instruction in the past")
        assert typist.ask("replay_seek 6000000000").startswith("cannot seek to the specified instruction count")
        assert "cannot change the machine" in typist.ask("system_reset")
        assert typist.ask("goto end").startswith("at icount")
        assert "is reset when it goes on" in typist.ask("system_reset")
        assert typist.ask("replay_break 6000") == "" and typist.ask("cont") == ""
        while typist.ask("info status") != "VM status: paused\n":
            pass
        assert int(typist.ask("lastexec 0xbfc00580").split()[1]) > 4999, "it has gone through the boot ROM again"
        assert typist.ask("infoo").startswith("unknown command: 'infoo'")
        connection.sendall(b"q\r\n")
        assert process.wait(30) == 0
    assert not path.exists()


def test_a_reset_from_the_monitor_is_recorded(tmp_path: Path) -> None:
    journal = tmp_path / "rec"
    typed = b"\x01creplay_break 3000\rcont\r"
    with start("record", "-o", journal, "--", "-kernel", TANK, "-S") as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(typed)
        process.stdin.flush()
        said = b""
        while b"paused\r" not in said:
            process.stdin.write(b"info status\r")
            process.stdin.flush()
            said += os.read(process.stderr.fileno(), 4096)
        process.stdin.write(b"system_reset\rcont\r")
        process.stdin.flush()
        assert process.wait(30) == 0
        assert process.stdout is not None
        printed = process.stdout.read()
        assert printed.endswith(TANK_OUTPUT) and printed != TANK_OUTPUT
    assert b"reset" in rdbg("dump", journal).stdout
    again = rdbg("replay", journal)
    assert (again.returncode, again.stdout) == (0, printed)


def test_on_the_terminal() -> None:
    done = rdbg(
        "run",
        "-kernel",
        TANK,
        "-serial",
        "null",
        "-monitor",
        "stdio",
        "-S",
        typed=b"info status\nreplay_seek 0\nquit\n",
    )
    assert done.returncode == 0 and b"VM status: paused (prelaunch)" in done.stdout
    assert b"at icount 0" in done.stdout and done.stdout.startswith(b"rdbg ")
    assert done.stdout.endswith(b"can be replayed\r\n"), "a prompt after the end"


def test_one_terminal_is_not_for_two() -> None:
    done = rdbg_here("run", "-kernel", TANK, "-serial", "stdio", "-monitor", "stdio")
    assert done.returncode == 2 and b"mon:stdio" in done.stderr


@pytest.mark.parametrize("value", ["file:x", "mon:stdio"])
def test_nobody_types_into_a_file(value: str) -> None:
    done = rdbg_here("run", "-kernel", TANK, "-monitor", value)
    assert done.returncode == 2 and b"nobody can type there" in done.stderr


def test_a_monitor_is_open_to_this_host_alone() -> None:
    done = rdbg_here("run", "-kernel", TANK, "-serial", "null", "-monitor", "tcp:0.0.0.0:0,server,nowait")
    assert done.returncode == 1 and b"-monitor tcp:0.0.0.0:0 is open to other hosts" in done.stderr


def test_a_second_process_cannot_have_the_pid_file(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with start("run", "-kernel", TANK, "-S", "-pidfile", path, "-serial", "mon:stdio") as process:
        while not path.exists() or not path.read_text():
            time.sleep(0.02)
        assert int(path.read_text()) == process.pid
        other = rdbg("run", "-kernel", TANK, "-pidfile", path, "-serial", "null")
        assert other.returncode == 1 and b"another process has it" in other.stderr
        assert process.stdin is not None
        process.stdin.write(b"\x01x")
        process.stdin.flush()
        assert process.wait(30) == 0
    assert not path.exists()


def test_gdb_and_a_monitor(tmp_path: Path) -> None:
    """GDB holds the guest: the monitor may look, and stop it, but not take it elsewhere."""
    path, port = tmp_path / "m", free_port()
    words = ["-kernel", TANK, "-serial", "null", "-monitor", f"unix:{path},server,nowait", "-gdb", f"tcp::{port}", "-S"]
    with start("run", *words) as process, _connect(path, process) as connection:
        typist = Typist(connection)
        with socket.create_connection(("127.0.0.1", port)) as gdb:
            gdb.sendall(b"+$?#3f")
            assert select.select([gdb], [], [], 30)[0]
            while "paused" not in typist.ask("info status"):
                pass
            assert typist.ask("goto start").startswith("GDB is connected")
            assert typist.ask("cont").startswith("GDB is connected and holds the guest")
            assert typist.ask("when").startswith("icount 0")
        connection.sendall(b"quit\n")
        assert process.wait(30) == 0
