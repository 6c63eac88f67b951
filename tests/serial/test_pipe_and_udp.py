"""Serial ports on FIFOs and on datagrams."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from rdbg.cli.qemu_options import parse_line
from rdbg.errors import RdbgError, UsageError
from rdbg.net.tcp_address import TcpAddress
from rdbg.serial.backend import SerialBackend
from rdbg.serial.pipe import PipeSerial
from rdbg.serial.ports import open_backend
from rdbg.serial.serial_spec import SerialKind, SerialSpec
from rdbg.serial.udp import UdpSerial
from tests.cli.command import TANK, TANK_OUTPUT, rdbg, start
from tests.emu.guests import serial_reader

PATIENCE = 60.0
PEER = TcpAddress("127.0.0.1", 7007)


def spec(*words: str) -> SerialSpec:
    (found,) = parse_line([*words, "-net", "none"]).options.serials
    return found


def _received(port: SerialBackend, wanted: int) -> bytes:
    data = b""
    while len(data) < wanted:
        data += port.receive()
    return data


@pytest.mark.parametrize("names", [("p.in", "p.out"), ("p", "p")])
def test_fifos_lead_to_the_guest_and_from_it(
    names: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in set(names):
        os.mkfifo(tmp_path / name)
    port = open_backend(spec("-serial", f"pipe:{tmp_path / 'p'}"))
    assert isinstance(port, PipeSerial)
    assert ("the guest may hear what it says itself" in capsys.readouterr().err) is (names == ("p", "p"))
    other = os.open(tmp_path / names[0], os.O_RDWR)
    os.write(other, b"to the guest")
    assert _received(port, 12) == b"to the guest" and port.receive() == b""
    port.send(b"from it")
    out = os.open(tmp_path / names[1], os.O_RDWR | os.O_NONBLOCK)
    assert os.read(out, 100) == b"from it"
    port.send(bytes(1 << 20))
    assert port.congested and port.write_handles() and not port.failure  # nobody reads: the guest waits
    while port.congested:
        os.read(out, 1 << 16)
        port.flush()
    port.close()
    port.close()
    os.close(other)
    os.close(out)


@pytest.mark.parametrize("size", [5, 1 << 20])
def test_what_nobody_has_read_in_the_end_is_said(size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for end in ("in", "out"):
        os.mkfifo(tmp_path / f"p.{end}")
    for is_read in (True, False):
        port = PipeSerial(str(tmp_path / "p"))
        out = os.open(tmp_path / "p.out", os.O_RDONLY | os.O_NONBLOCK)
        port.send(bytes(size))
        if not is_read:
            os.close(out)
        port.close()
        port.close()
        held = 0
        while is_read and (data := os.read(out, 1 << 20)):
            held += len(data)
        lost = size - held
        said = f"rdbg: -serial pipe:{tmp_path}/p: {lost} bytes of output are lost: nobody has read {tmp_path}/p.out; "
        assert capsys.readouterr().err == (f"{said}have it read before the run ends\n" if lost else "")
        if is_read:
            os.close(out)


def test_a_run_whose_output_nobody_reads_says_so(tmp_path: Path) -> None:
    for end in ("in", "out"):
        os.mkfifo(tmp_path / f"p.{end}")
    done = rdbg("run", "-kernel", TANK, "-net", "none", "-serial", f"pipe:{tmp_path}/p")
    assert done.returncode == 0 and f"{len(TANK_OUTPUT)} bytes of output are lost".encode() in done.stderr


def test_datagrams_go_to_a_peer_and_come_from_it_alone() -> None:
    peer, stranger = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    peer.bind(("127.0.0.1", 0))
    peer.settimeout(PATIENCE)
    at = peer.getsockname()
    port = open_backend(spec("-serial", f"udp::{at[1]}@:0"))
    assert isinstance(port, UdpSerial) and port.address.host == "127.0.0.1"
    own = (port.address.host, port.address.port)
    stranger.sendto(b"typed by a stranger", own)
    peer.sendto(b"typed", own)
    assert _received(port, 5) == b"typed" and port.receive() == b""
    port.send(b"x" * 3000)
    assert b"".join(peer.recv(4096) for _ in range(3)) == b"x" * 3000
    peer.close()
    for _ in range(3):
        port.send(b"nobody hears it")
    assert port.receive() == b"" and not port.failure and not port.congested
    port.close()
    stranger.close()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["-serial", "udp::7007"], SerialSpec(SerialKind.UDP, address=PEER)),
        (
            ["-serial", "udp:127.0.0.1:7007@:9"],
            SerialSpec(SerialKind.UDP, address=PEER, local=TcpAddress("127.0.0.1", 9)),
        ),
        (
            ["-chardev", "udp,id=c,port=7007,localaddr=::1", "-serial", "chardev:c"],
            SerialSpec(SerialKind.UDP, address=PEER, local=TcpAddress("::1", 0), option="-chardev udp,id=c"),
        ),
        (
            ["-chardev", "pipe,id=c,path=P,mux=on", "-serial", "chardev:c"],
            SerialSpec(
                SerialKind.PIPE, path="P", escape=True, monitored=False, shared="c", option="-chardev pipe,id=c"
            ),
        ),
        (["-serial", "mon:pipe:a:b"], SerialSpec(SerialKind.PIPE, path="a:b", escape=True)),
    ],
)
def test_what_is_understood(words: list[str], wanted: SerialSpec) -> None:
    assert spec(*words) == wanted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-serial", "pipe:"], "-serial pipe: names no file; .*mkfifo"),
        (["-serial", "udp:127.0.0.1"], "names no port"),
        (["-serial", "udp::0"], "nothing can be sent to port 0"),
        (["-chardev", "udp,id=c"], "-chardev udp, port: '' is not a number"),
        (["-chardev", "pipe,id=c"], "-chardev pipe: names no file"),
        (["-monitor", "udp::7"], "nobody can type there"),
        (["-qmp", "udp::7"], "no program can speak QMP there"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_line([*words, "-net", "none"])


def test_what_cannot_be_opened_is_said_and_nobody_else_can_type(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "half.in")
    for words, said in {
        f"-serial pipe:{tmp_path}/none": "-serial pipe:.*/none: cannot open .*/none: No such file.*mkfifo",
        f"-serial pipe:{tmp_path}/half": "-serial pipe:.*/half: cannot open .*/half.out: No such file.*mkfifo",
        f"-serial pipe:{tmp_path}/file": "-serial pipe:.*/file is no FIFO; make two with mkfifo",
        f"-chardev pipe,id=c,path={tmp_path} -serial chardev:c": "-chardev pipe,id=c,path=.*: cannot open",
        "-serial udp:127.0.0.1:7@0.0.0.0:0": "-serial udp:0.0.0.0:0 is open to other hosts",
        "-serial udp:192.0.2.1:7@127.0.0.1:0": "-serial udp:192.0.2.1:7@127.0.0.1:0: .*choose another address",
    }.items():
        with pytest.raises(RdbgError, match=f"^{said}"):
            open_backend(spec(*words.split()))


def test_what_comes_by_a_fifo_is_recorded_and_replayed(tmp_path: Path) -> None:
    (tmp_path / "guest").write_bytes(serial_reader(echo=True))
    for end in ("in", "out"):
        os.mkfifo(tmp_path / f"p.{end}")
    words = ("-kernel", tmp_path / "guest", "-net", "none", "-serial", f"pipe:{tmp_path}/p")
    recorder = start("record", "-o", tmp_path / "run", *words)
    try:
        with open(tmp_path / "p.out", "rb", buffering=0) as out, open(tmp_path / "p.in", "wb", buffering=0) as typed:
            heard = b""
            for word in (b"typed", b"again"):
                typed.write(word)
                while not heard.endswith(word):
                    heard += out.read(1)
        recorder.send_signal(signal.SIGTERM)
        assert recorder.wait(PATIENCE) in (0, 128 + signal.SIGTERM), recorder.stderr
    finally:
        recorder.kill()
        recorder.communicate()
    done = rdbg("replay", tmp_path / "run", "-serial", f"file:{tmp_path / 'out'}")
    assert (done.returncode, (tmp_path / "out").read_bytes()) == (0, b"typedagain"), done.stderr


def test_the_monitor_answers_at_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.in")
    os.mkfifo(tmp_path / "m.out")
    process = start("run", "-kernel", TANK, "-serial", "null", "-S", "-monitor", f"pipe:{tmp_path}/m")
    try:
        with open(tmp_path / "m.out", "rb", buffering=0) as out, open(tmp_path / "m.in", "wb", buffering=0) as typed:
            typed.write(b"when\nquit\n")
            heard = b""
            while b"icount 0" not in heard:
                heard += out.read(1)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()
