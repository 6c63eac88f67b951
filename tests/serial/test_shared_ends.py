"""Ends that serial ports and the monitor share, and logs of what leaves through an end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rdbg.cli.qemu_options import parse_line
from rdbg.emu.endpoint import Endpoint, serial_port
from rdbg.errors import RdbgError, UsageError
from rdbg.serial.ports import SerialPorts


def ports(*words: str, folder: Path) -> SerialPorts:
    """The host's ends that a line comes to; ``DIR`` stands for a folder."""
    said = [word.replace("DIR", str(folder)) for word in words]
    options = parse_line([*said, "-net", "none"]).options
    return SerialPorts(options.serials, monitors=options.monitors)


class Typist:
    """Somebody at a Unix socket, and what reaches the guest of what he types."""

    def __init__(self, path: Path, opened: SerialPorts) -> None:
        self.opened = opened
        self.got: list[tuple[Endpoint, bytes, int]] = []
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(path))
        self.connection.settimeout(10)
        self.type(b"")

    def type(self, data: bytes) -> list[tuple[Endpoint, bytes, int]]:
        """What he has typed, as it came to whom: several polls of the ports."""
        self.got.clear()
        self.connection.sendall(data)
        for _ in range(8):
            self.opened.poll(lambda *came: self.got.append(came), lambda endpoint: True, lambda: False, 0.005)
        return list(self.got)

    def said(self, end: bytes) -> bytes:
        """What he is shown, up to ``end``."""
        seen = b""
        while not seen.endswith(end):
            seen += self.connection.recv(1)
        return seen

    def close(self) -> None:
        self.connection.close()
        self.opened.close()


ZERO, ONE = serial_port(0), serial_port(1)


def test_a_socket_is_shared_by_a_serial_port_and_the_monitor(tmp_path: Path) -> None:
    opened = ports("-serial", "mon:unix:DIR/s,server,nowait", folder=tmp_path)
    typist = Typist(tmp_path / "s", opened)
    opened.send(ZERO, b"login: ")
    assert typist.said(b": ") == b"login: "
    assert typist.type(b"root\x01a\r") == [(ZERO, b"root\x01\r", 0)]
    assert typist.type(b"\x01b") == [(ZERO, b"", 1)]
    assert typist.type(b"now\x01cinfo status\n") == [(ZERO, b"now", 0)]
    assert typist.said(b"(rdbg) ").startswith(b"rdbg ")
    (console,) = opened.consoles
    assert console.next_line() == "info status"
    console.answer("VM status: running\n")
    assert typist.said(b"(rdbg) ") == b"VM status: running\r\n(rdbg) "
    assert typist.type(b"\x01cls\r") == [(ZERO, b"ls\r", 0)] and not opened.quit_requested
    assert typist.type(b"\x01x") == [] and opened.quit_requested
    assert typist.said(b"terminated\r\n")
    typist.close()


def test_the_guest_that_takes_nothing_does_not_shut_out_the_monitor(tmp_path: Path) -> None:
    opened = ports("-serial", "mon:unix:DIR/s,server,nowait", folder=tmp_path)
    typist = Typist(tmp_path / "s", opened)
    typist.type(b"\x01c")
    typist.connection.sendall(b"quit\n")
    for _ in range(4):
        opened.poll(lambda *came: None, lambda endpoint: False, lambda: False, 0.005)
    assert [console.next_line() for console in opened.consoles] == ["quit"]
    typist.close()


def test_two_serial_ports_and_the_monitor_take_turns(tmp_path: Path) -> None:
    chardev = ["-chardev", "socket,id=c,path=DIR/s,server=on,wait=off,mux=on,logfile=DIR/log"]
    line = [*chardev, "-serial", "chardev:c", "-serial", "chardev:c", "-mon", "chardev=c"]
    opened = ports(*line, folder=tmp_path)
    typist = Typist(tmp_path / "s", opened)
    assert typist.type(b"b\x01c") == [(ONE, b"b", 0)]
    assert typist.said(b"(rdbg) ")
    assert typist.type(b"when\n\x01ca\x01cb\x01c\x01cx") == [(ZERO, b"a", 0), (ONE, b"b", 0), (ZERO, b"x", 0)]
    opened.send(ZERO, b"zero ")
    opened.send(ONE, b"one")
    assert typist.said(b"one").endswith(b"zero one")
    assert typist.type(b"\x01h") == []
    assert b"the next of those who share this: serial port 0, serial port 1, monitor\r\n" in typist.said(
        b"send Ctrl-A\r\n"
    )
    typist.close()
    assert (tmp_path / "log").read_bytes().count(b"zero one") == 1


def test_what_is_typed_meanwhile_stays_behind_what_waits_for_another_port(tmp_path: Path) -> None:
    """A packet with two changes of the port is passed on in three polls, and more may come between them."""
    chardev = ["-chardev", "socket,id=c,path=DIR/s,server=on,wait=off,mux=on"]
    opened = ports(*chardev, "-serial", "chardev:c", "-serial", "chardev:c", folder=tmp_path)
    typist = Typist(tmp_path / "s", opened)
    came: dict[Endpoint, bytes] = {ZERO: b"", ONE: b""}

    def take(endpoint: Endpoint, data: bytes, breaks: int) -> None:
        came[endpoint] += data

    for packet in (b"one\x01czero\x01cone\x01", b"czero", b" two\x01cend", b"", b"", b""):
        if packet:
            typist.connection.sendall(packet)
        opened.poll(take, lambda endpoint: True, lambda: False, 0.005)
    assert came == {ONE: b"oneoneend", ZERO: b"zerozero two"}
    typist.close()


def test_a_ctrl_a_of_who_has_gone_makes_no_command_of_what_the_next_types(tmp_path: Path) -> None:
    opened = ports("-serial", "mon:unix:DIR/s,server,nowait", folder=tmp_path)
    first = Typist(tmp_path / "s", opened)
    first.type(b"ls\x01")
    first.connection.close()
    second = Typist(tmp_path / "s", opened)
    assert second.type(b"x\r") == [(ZERO, b"x\r", 0)] and not opened.quit_requested
    second.close()


def test_without_mon_there_is_no_monitor_at_a_socket(tmp_path: Path) -> None:
    opened = ports("-chardev", "socket,id=c,path=DIR/s,server,nowait,mux=on", "-serial", "chardev:c", folder=tmp_path)
    typist = Typist(tmp_path / "s", opened)
    assert typist.type(b"\x01cquit\n") == [(ZERO, b"quit\n", 0)] and opened.consoles == []
    typist.close()


def test_a_pseudo_terminal_is_shared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened = ports("-serial", "mon:pty", folder=tmp_path)
    name = capsys.readouterr().err.split()[4]
    other = os.open(name, os.O_RDWR | os.O_NOCTTY)
    os.write(other, b"\x01cwhen\r")
    for _ in range(4):
        opened.poll(lambda *came: None, lambda endpoint: True, lambda: False, 0.02)
    assert opened.consoles[0].next_line() == "when"
    os.close(other)
    opened.close()


def test_a_log_has_what_leaves_also_while_nobody_is_connected(tmp_path: Path) -> None:
    for more, wanted in (("", b"second"), (",logappend=on", b"secondsecond"), (",logappend=off", b"second")):
        for kind in ("null", "socket,path=DIR/s,server=on,wait=off", "file,path=DIR/out"):
            chardev = f"{kind},id=c,logfile=DIR/{kind[:4]}{more}"
            opened = ports("-chardev", chardev, "-serial", "chardev:c", folder=tmp_path)
            opened.send(ZERO, b"second")
            opened.close()
            assert (tmp_path / kind[:4]).read_bytes() == wanted
    assert (tmp_path / "out").read_bytes() == b"second"
    opened = ports("-chardev", "file,id=c,path=DIR/out,append=on", "-serial", "chardev:c", folder=tmp_path)
    opened.send(ZERO, b"third")
    opened.close()
    assert (tmp_path / "out").read_bytes() == b"secondthird"


def test_what_cannot_be_shared_or_logged_is_said(tmp_path: Path) -> None:
    for line, said in {
        "null,id=c,logfile=DIR/none/log": "-chardev null,id=c,logfile=.*/none/log: cannot write it: No such file",
        "file,path=DIR/none/f,id=c": "-chardev file,id=c,path=.*/none/f: cannot write it: No such file",
        "socket,id=c,path=DIR/none/s": "-chardev socket,id=c,path=.*/none/s: cannot connect: No such file",
        "socket,id=c,path=DIR/none/s,server=on": "-chardev socket,id=c,path=.*/none/s: cannot listen: No such file",
        "socket,id=c,port=1": "-chardev socket,id=c:127.0.0.1:1: cannot connect",
        "socket,id=c,host=0.0.0.0,port=1,server=on": "-chardev socket,id=c:0.0.0.0:1 is open to other hosts",
        "socket,id=c,port=1,telnet=on": "-chardev socket,id=c:127.0.0.1:1: cannot connect",
    }.items():
        for user in ("-serial", "-monitor"):
            if not line.startswith(("null", "file")) or user == "-serial":
                with pytest.raises(RdbgError, match=f"^{said}"):
                    ports("-chardev", line, user, "chardev:c", folder=tmp_path)
    with pytest.raises(UsageError, match="^-chardev stdio,id=d: two serial ports cannot share the terminal"):
        ports(
            "-chardev",
            "stdio,id=c",
            "-chardev",
            "stdio,id=d",
            "-serial",
            "chardev:c",
            "-serial",
            "chardev:d",
            folder=tmp_path,
        )
    with pytest.raises(UsageError, match="logappend=on and no log; add logfile=F"):
        parse_line(["-chardev", "null,id=c,logappend=on"])
    with pytest.raises(UsageError, match="another one has that back end.*share one with mux=on"):
        parse_line(["-chardev", "pty,id=c", "-serial", "chardev:c", "-serial", "chardev:c"])
    with pytest.raises(UsageError, match="mon: goes with what can be typed at"):
        parse_line(["-serial", "mon:file:x"])
