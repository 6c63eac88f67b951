"""`rdbg debug`: GDB on an image, with its symbols and its sources, on a terminal that it has for itself."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import struct
from pathlib import Path

import pytest

from rdbg.cli.debugger import find_gdb
from rdbg.errors import UsageError
from tests.cli.command import PROJECT, TANK, assert_one_line, rdbg, start
from tests.emu.guests import NOP, addiu, beq, i_type, lui
from tests.processes import RDBG, spawn


def test_sources_are_found_beside_the_image(tmp_path: Path) -> None:
    """The ELF file names its sources without a folder, and GDB runs elsewhere."""
    commands = ["--ex", "break record_sample", "--ex", "continue", "--ex", "list", "--batch"]
    process = start("debug", TANK, *commands, cwd=tmp_path)
    out, errors = process.communicate(b"", 60)
    assert b"tank.samples[next] = value;" in out, errors


def image_that_prints(folder: Path, text: bytes) -> Path:
    """Firmware that prints a text on Malta's third serial port again and again."""
    words = [beq(0, 0, 7), *[NOP] * 7]  # over the board's revision, which Malta shows at 0x10
    words += [lui(8, 0xBF00), i_type(0x0D, 8, 8, 0x0900)]  # the CBUS UART's transmitter
    for byte in text:
        words += [addiu(9, 0, byte), i_type(0x28, 8, 9, 0)]
    words += [beq(0, 0, -len(words) - 1), NOP]
    path = folder / "prints.bin"
    path.write_bytes(struct.pack(f"<{len(words)}I", *words))
    return path


class Terminal:
    """``rdbg debug`` on a terminal of its own, with somebody who types."""

    def __init__(self, *words: str | Path) -> None:
        self._master, slave = pty.openpty()
        environment = os.environ | {"TERM": "dumb", "HOME": "/nonexistent"}
        # The terminal is to be its own, or Ctrl-C would reach nobody.
        command = ["setsid", "--ctty", *RDBG, "debug", *map(str, words)]
        self.process = spawn(command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=PROJECT)
        os.close(slave)
        self.seen = b""

    def until(self, wanted: bytes) -> bytes:
        """What is shown until then. That is not looked at again."""
        while wanted not in self.seen:
            self.seen += self._more()
        shown, _, self.seen = self.seen.partition(wanted)
        return shown

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def end(self) -> bytes:
        """What is shown until everybody has left the terminal."""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end
            while more := self._more():
                self.seen += more
        self.process.wait(60)
        os.close(self._master)
        return self.seen

    def _more(self) -> bytes:
        assert select.select([self._master], [], [], 60)[0], self.seen
        return os.read(self._master, 65536)


PORTS = ("-serial", "null", "-serial", "null", "-serial", "stdio")


def test_what_the_guest_asks_a_terminal_does_not_reach_gdbs(gdb_program: str, tmp_path: Path) -> None:
    """The terminal would type its answer into GDB's prompt."""
    image = image_that_prints(tmp_path, b"\x1b[6n\x1b[31mhe\x1b]0;title\x07llo\r\n")
    terminal = Terminal(image, "-EL", *PORTS, "--gdb-program", gdb_program)
    assert b"to type to it, add -serial tcp:" in terminal.until(b"(gdb) ")
    terminal.type(b"continue\n")
    shown = terminal.until(b"hello\r\nhello\r\n")
    terminal.type(b"\x03")
    shown += terminal.until(b"(gdb) ")
    terminal.type(b"quit\n")
    shown += terminal.end()
    assert b"SIGINT" in shown and b"\x1b[6n" not in shown and b"\x1b[31m" not in shown and b"title" not in shown


def test_nothing_is_printed_over_the_shell_after_quit(gdb_program: str, tmp_path: Path) -> None:
    """GDB lets the guest go when it quits, and the guest runs on until rdbg has noticed."""
    image = image_that_prints(tmp_path, b"tick\n")
    terminal = Terminal(image, "-EL", *PORTS, "--gdb-program", gdb_program)
    terminal.until(b"(gdb) ")
    terminal.type(b"continue\n")
    terminal.until(b"tick")
    terminal.type(b"\x03")
    terminal.until(b"(gdb) ")
    terminal.type(b"detach\n")  # the guest runs
    terminal.until(b"(gdb) ")
    terminal.type(b"quit\n")
    assert b"tick" not in terminal.end()


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        (("--at", "foo"), 2, ("no snapshot or bookmark 'foo'",)),
        (("--at", ""), 2, ("no snapshot or bookmark ''",)),
        (("--gdb-program", "/bin/true"), 2, ("/bin/true", "MIPS", "gdb-multiarch", "gdb-for-pwndbg")),
        (("--gdb-program", "nowhere"), 2, ("nowhere", "no such program")),
        (("--gdb", "gdb-multiarch"), 2, ("-gdb gdb-multiarch", "where to listen", "--gdb-program")),
    ],
)
def test_what_cannot_begin_is_said_in_a_line(words: tuple[str, ...], code: int, parts: tuple[str, ...]) -> None:
    assert_one_line(rdbg("debug", TANK, "-serial", "null", *words, "--batch"), code, *parts)


@pytest.mark.parametrize(("commands", "code"), [(["foo", "print 1"], 1), (["print 1", "foo"], 1), (["print 1"], 0)])
def test_a_batch_ends_at_the_first_command_that_fails(gdb_program: str, commands: list[str], code: int) -> None:
    words = [word for command in commands for word in ("--ex", command)]
    done = rdbg("debug", TANK, "-serial", "null", "--gdb-program", gdb_program, *words, "--batch")
    assert done.returncode == code
    assert (b"$1 = 1" in done.stdout) == (commands[0] == "print 1")


def test_a_gdb_that_is_killed_is_no_success(tmp_path: Path) -> None:
    """As by its own abort()."""
    program = tmp_path / "gdb"
    program.write_text("#!/bin/sh\ncase $* in *architecture*) echo mips:isa32r2;; *) kill -ABRT $$;; esac\n")
    program.chmod(0o755)
    done = rdbg("debug", TANK, "-serial", "null", "--gdb-program", program, "--batch")
    assert_one_line(done, 1, str(program), "SIGABRT")


def test_gdb_shows_the_frame_where_it_begins(gdb_program: str) -> None:
    done = rdbg("debug", TANK, "-serial", "null", "--gdb-program", gdb_program, "--at", "0", "--batch")
    assert b"0xbfc00000 in ?? ()" in done.stdout and b"Source directories" not in done.stdout


def test_a_place_beyond_the_end_is_told_of_in_a_line(gdb_program: str) -> None:
    done = rdbg("debug", TANK, "-serial", "null", "--gdb-program", gdb_program, "--at", "999999999", "--batch")
    assert b"rdbg: --at 999999999 is beyond the run: this is where it ends, icount 0\n" in done.stderr


def test_a_gdb_without_mips_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most distributions' gdb is one."""
    for name in ("gdb-multiarch", "gdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'Undefined item: \"mips:isa32r2\".' >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python3"))
    with pytest.raises(UsageError, match="built without MIPS.*apt install gdb-multiarch"):
        find_gdb()
    (tmp_path / "gdb").write_text("#!/bin/sh\necho 'The target architecture is set to \"mips:isa32r2\".'\n")
    assert find_gdb() == str(tmp_path / "gdb")
    for name in ("gdb-multiarch", "gdb"):
        (tmp_path / name).unlink()
    with pytest.raises(UsageError, match="there is no GDB; install one.*gdb-for-pwndbg"):
        find_gdb()
