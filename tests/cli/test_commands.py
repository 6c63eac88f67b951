"""What the commands do when all is well."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from rdbg.cli.main import COMMANDS
from tests.cli.command import PROJECT, TANK, TANK_OUTPUT, rdbg, rdbg_here, start
from tests.conftest import UBOOT_BIOS


@pytest.mark.parametrize("words", [[], *([name] for name in COMMANDS)])
def test_help(words: list[str]) -> None:
    done = rdbg_here(*words, "--help")
    assert done.returncode == 0 and b"usage: rdbg" in done.stdout and done.stderr == b""
    assert all(len(line) < 80 for line in done.stdout.decode().splitlines())


def test_version() -> None:
    assert rdbg("--version").stdout.startswith(b"rdbg 0.")


def test_run_prints_what_the_guest_sends_and_ends_with_it() -> None:
    done = rdbg("run", "-M", "malta", "-m", "64M", "-kernel", TANK, "-nographic", "-net", "none", "-vga", "none")
    assert (done.returncode, done.stdout, done.stderr) == (0, TANK_OUTPUT, b"")


@pytest.mark.parametrize("shift", ["shift=0", "shift=7", "auto", "shift=auto,align=off,sleep=off"])
def test_icount_values(shift: str) -> None:
    assert TANK_OUTPUT[:34] in rdbg("run", "-kernel", TANK, "-icount", shift).stdout


@pytest.mark.parametrize(
    "option", "-M -machine -cpu -accel -d -chardev -device -display -net -netdev -nic -object -vga".split()
)
def test_values_are_listed(option: str) -> None:
    done = rdbg_here("run", option, "help")
    assert done.returncode == 0 and done.stderr == b"" and done.stdout.strip()


#: Lines that QEMU 7.2 takes, and where it prints what the guest sends.
QEMU_LINES = (
    "-nographic -machine type=malta,usb=off -smp 1 -accel tcg,thread=single -uuid 550e8400-e29b-41d4-a716-446655440000 "
    "-name tank,debug-threads=on -rtc base=utc,clock=vm -snapshot",
    "-nographic -machine malta,accel=tcg",
    "-display none -vga none -net none -nic none -parallel none -monitor none -no-user-config -nodefaults "
    "-serial stdio",
    "-nodefaults -display none -chardev stdio,id=c0,signal=off -serial chardev:c0",
    "-nodefaults -display none -serial chardev:c0 -chardev stdio,mux=on,id=c0",
    "-nodefaults -display none -chardev stdio,mux=on,id=c0 -mon chardev=c0,mode=readline -serial chardev:c0",
    "-nographic -d guest_errors,unimp -icount shift=auto,align=off,sleep=on -boot order=c -overcommit mem-lock=off",
    "-nographic -smp cpus=1,sockets=1,cores=1,threads=1 -msg timestamp=off -L /usr/share/qemu",
)


@pytest.mark.parametrize("line", QEMU_LINES)
def test_lines_that_qemu_takes(line: str) -> None:
    done = rdbg("run", "-kernel", TANK, *line.split())
    assert (done.returncode, done.stdout, done.stderr) == (0, TANK_OUTPUT, b"")


@pytest.mark.real("qemu-system-mips")
@pytest.mark.parametrize("line", QEMU_LINES)
def test_qemu_takes_them_too(line: str) -> None:
    words = [*line.split(), *("" if "-vga" in line else "-net none -vga none").split()]  # Debian splits the ROMs off
    command = ["qemu-system-mipsel", "-M", "malta", *words, "-kernel", str(TANK)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode == 0 and done.stdout.startswith(TANK_OUTPUT[:34]), done.stderr  # its clock is the host's


def test_without_defaults_no_serial_port_leads_anywhere() -> None:
    done = rdbg("run", "-kernel", TANK, "-nodefaults")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("words", [["-display", "gtk"], ["-monitor", "vc"], ["-vga", "std"]])
def test_what_is_not_there_is_said_and_done_without(words: list[str]) -> None:
    done = rdbg("run", "-kernel", TANK, "-serial", "stdio", *words)
    assert (done.returncode, done.stdout) == (0, TANK_OUTPUT)
    assert done.stderr.count(b"\n") == 1 and " ".join(words).encode() in done.stderr


def test_chardev_file_and_socket(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        chardevs = ["-chardev", f"file,id=f,path={tmp_path / 'out'}"]
        chardevs += ["-chardev", f"socket,id=s,host=127.0.0.1,port={port}"]
        process = start("run", "-kernel", TANK, *chardevs, "-serial", "chardev:s", "-serial", "chardev:f")
        connection, _ = server.accept()
        with connection:
            received = b"".join(iter(lambda: connection.recv(4096), b""))
        assert process.wait(30) == 0
        process.communicate()
    assert received == TANK_OUTPUT and (tmp_path / "out").read_bytes() == b""


def test_traces_go_to_a_file(tmp_path: Path) -> None:
    recording, log = tmp_path / "rec", tmp_path / "log"
    rdbg("record", "-o", recording, "-kernel", TANK, "-serial", "null")
    done = rdbg("debug", recording, "--batch", "-d", "rsp", "-D", log, "-serial", "null")
    assert done.returncode == 0 and b"qSupported" in log.read_bytes() and b"qSupported" not in done.stderr


def test_record_and_replay(tmp_path: Path) -> None:
    file = tmp_path / "rec"
    done = rdbg("record", "-o", file, "--", "-kernel", TANK, "-serial", "stdio")
    assert done.stdout == TANK_OUTPUT and b"recorded" in done.stderr
    for _ in range(3):
        again = rdbg("replay", file)
        assert (again.returncode, again.stdout) == (0, TANK_OUTPUT)
        assert again.stderr.count(b"\n") == 1 and b"rdbg: replayed" in again.stderr and b"digest" in again.stderr
    assert b"ended the run" in rdbg("dump", file).stdout
    info = rdbg("info", file).stdout
    assert b"tank.elf" in info and b"whole" in info


def test_a_run_that_a_reset_ended_is_not_said_to_have_powered_off(tmp_path: Path) -> None:
    file = tmp_path / "rec"
    guest = TANK.parents[1] / "cookbook" / "reset.elf"
    assert rdbg("record", "-o", file, "--", "-kernel", guest, "-serial", "null", "-no-reboot").returncode == 0
    assert b"the guest ended the run, exit code 0" in rdbg("info", file).stdout


def test_qemu_spelling_of_record_and_replay(tmp_path: Path) -> None:
    file = tmp_path / "rec"
    line = ["-M", "malta", "-kernel", TANK, "-nographic"]
    icount = f"shift=3,rrfile={file},rrsnapshot=init"
    assert rdbg("run", *line, "-icount", f"{icount},rr=record").stdout == TANK_OUTPUT
    assert rdbg("run", *line, "-icount", f"{icount},rr=replay").stdout == TANK_OUTPUT


def test_pack_and_unpack(tmp_path: Path) -> None:
    rdbg("record", "-o", tmp_path / "rec", "-kernel", TANK, "-serial", "null")
    assert rdbg("pack", tmp_path / "rec", tmp_path / "rec.zip").returncode == 0
    assert rdbg("unpack", tmp_path / "rec.zip", tmp_path / "copy").returncode == 0
    assert rdbg("replay", tmp_path / "copy").stdout == TANK_OUTPUT
    for command in ("debug", "replay", "info", "dump"):
        done = rdbg(command, tmp_path / "rec.zip")
        assert done.returncode != 0 and b"this is a packed recording; take it out with rdbg unpack" in done.stderr


def test_serial_file(tmp_path: Path) -> None:
    rdbg("run", "-kernel", TANK, "-serial", f"file:{tmp_path / 'out'}")
    assert (tmp_path / "out").read_bytes() == TANK_OUTPUT


def test_serial_tcp_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = start("run", "-kernel", TANK, "-serial", f"tcp:127.0.0.1:{server.getsockname()[1]}")
        connection, _ = server.accept()
        with connection:
            received = b"".join(iter(lambda: connection.recv(4096), b""))
        assert process.wait(30) == 0
        process.communicate()
    assert received == TANK_OUTPUT


def test_serial_tcp_server_waits_for_its_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = start("run", "-kernel", TANK, "-serial", f"tcp:127.0.0.1:{port},server")
    received = b""
    deadline = time.monotonic() + 30
    while not received and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                received = b"".join(iter(lambda: connection.recv(4096), b""))
        except ConnectionRefusedError:
            time.sleep(0.05)
    process.communicate(timeout=30)
    assert received == TANK_OUTPUT


def test_demo() -> None:
    command = [sys.executable, "examples/demo.py"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found: record_sample()" in done.stdout


class Terminal:
    """rdbg on a terminal of its own."""

    def __init__(self, *words: str | Path) -> None:
        self.master, slave = pty.openpty()
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.process = start(*words, stdin=slave, stdout=slave, start_new_session=True)
        self.output = b""
        self.seen = b""
        self.errors = b""

    def expect(self, text: bytes, timeout: float = 60) -> None:
        """Read until the guest has sent this."""
        deadline = time.monotonic() + timeout
        while text not in self.output:
            if not select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"waited for {text!r}, got {self.output[-2000:]!r}")
            data = os.read(self.master, 65536)
            self.output += data
            self.seen += data.replace(b"\r\n", b"\n")  # the terminal's own translation undone
        self.output = self.output[self.output.index(text) + len(text) :]

    def type(self, data: bytes) -> None:
        """Type on the terminal."""
        os.write(self.master, data)

    def finish(self) -> int:
        """Wait for the end; the terminal must be as it was."""
        code = self.process.wait(30)
        assert termios.tcgetattr(self.slave) == self.before
        self.errors = self.process.communicate()[1]
        os.close(self.master)
        os.close(self.slave)
        return code


@pytest.mark.real("u-boot-qemu")
def test_uboot_demo() -> None:
    command = [sys.executable, "examples/demo_uboot.py"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found: the store" in done.stdout


@pytest.mark.real("u-boot-qemu")
class TestUBoot:
    LINE = ("-M", "malta", "-m", "256", "-bios", UBOOT_BIOS, "-nographic")

    def test_typing_at_the_prompt(self, tmp_path: Path) -> None:
        terminal = Terminal("record", "-o", tmp_path / "rec", "--", *self.LINE)
        terminal.expect(b"maltael # ")
        terminal.type(b"echo hello there\r")
        terminal.expect(b"echo hello there")
        terminal.expect(b"hello there")
        terminal.type(b"\x01h")
        terminal.type(b"\x03")  # to the guest, not to rdbg
        terminal.expect(b"<INTERRUPT>\r\r\nmaltael # ")
        terminal.type(b"\x01x")
        assert terminal.finish() == 0
        assert b"end the run" in terminal.errors and b"terminated" in terminal.errors
        replayed = rdbg("replay", tmp_path / "rec")
        assert replayed.stdout == terminal.seen  # what rdbg says itself is not in the guest's output
        assert replayed.returncode == 0
        assert b"hello there\r\n" in replayed.stdout and b"<INTERRUPT>" in replayed.stdout
        assert replayed.stdout == rdbg("replay", tmp_path / "rec").stdout

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_signals_close_the_recording(self, tmp_path: Path, number: int) -> None:
        terminal = Terminal("record", "-o", tmp_path / "rec", "--", *self.LINE)
        terminal.expect(b"DRAM:")
        terminal.process.send_signal(number)
        assert terminal.finish() == 0
        assert rdbg("info", tmp_path / "rec").returncode == 0

    def test_kill_9_leaves_a_recording(self, tmp_path: Path) -> None:
        terminal = Terminal("record", "-o", tmp_path / "rec", "--", *self.LINE)
        terminal.expect(b"maltael # ")
        terminal.type(b"version\r")
        terminal.expect(b"maltael # ")
        time.sleep(1.5)
        terminal.process.kill()
        terminal.process.communicate()
        replayed = rdbg("replay", tmp_path / "rec")
        assert replayed.returncode == 0
        assert b"U-Boot" in replayed.stdout and b"no end marker" in replayed.stderr

    def test_replay_of_a_pasted_qemu_line(self, tmp_path: Path) -> None:
        words = (*self.LINE, "-net", "none", "-vga", "none", "-monitor", "none", "-no-reboot")
        icount = f"shift=3,rrfile={tmp_path / 'rec'},rrsnapshot=init"
        terminal = Terminal("run", *words, "-icount", f"{icount},rr=record")
        terminal.expect(b"maltael # ")
        terminal.type(b"bdinfo\r")
        terminal.expect(b"maltael # ")
        terminal.type(b"\x01x")
        assert terminal.finish() == 0
        replayed = rdbg("run", *words, "-icount", f"{icount},rr=replay")
        assert replayed.returncode == 0 and b"boot_params" in replayed.stdout
