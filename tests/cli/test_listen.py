"""Where rdbg listens for GDB: loopback, unless told otherwise in words."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest

from tests.cli.command import assert_one_line, rdbg, start
from tests.processes import free_port

GUEST = Path(__file__).parents[1] / "gdb" / "guest" / "counter-el.elf"


def test_an_address_open_to_others_is_refused_in_a_line() -> None:
    done = rdbg("run", "-kernel", GUEST, "-serial", "null", "-S", "-gdb", "tcp:0.0.0.0:0")
    assert_one_line(done, 1, "-gdb tcp:0.0.0.0:0", "--listen-any")


@pytest.mark.parametrize(("words", "warned"), [((), False), (("--listen-any",), True)])
def test_loopback_unless_listen_any(words: tuple[str, ...], warned: bool) -> None:
    port = free_port()
    process = start("run", "-kernel", GUEST, "-serial", "null", "-S", "-gdb", f"tcp::{port}", *words)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 10).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                time.sleep(0.05)
        table = Path("/proc/net/tcp").read_text()
        addresses = re.findall(rf"^ *\d+: ([0-9A-F]+):{port:04X} [0-9A-F:]+ 0A", table, re.MULTILINE)
        assert addresses == (["00000000"] if warned else ["0100007F"])
    finally:
        process.terminate()
        errors = process.communicate(timeout=20)[1]
    assert (b"whoever can connect there can change the guest" in errors) == warned


@pytest.mark.parametrize(
    "words",
    [
        ["-serial", "tcp:0.0.0.0:0,server,nowait"],
        ["-serial", "tcp:[::]:0,server=on,wait=off"],
        ["-chardev", "socket,id=c,host=0.0.0.0,port=0,server=on,wait=off", "-serial", "chardev:c"],
    ],
)
def test_a_serial_port_open_to_others_is_refused_as_gdb_s_is(words: list[str]) -> None:
    done = rdbg("run", "-kernel", GUEST, *words)
    assert_one_line(done, 1, "is open to other hosts", "--listen-any")


@pytest.mark.parametrize(
    ("words", "opened"),
    [
        (("-serial", "tcp::{port},server,nowait"), "0100007F"),
        (("-serial", "tcp:127.0.0.1:{port},server,nowait"), "0100007F"),
        (("-serial", "tcp::{port},server,nowait", "--listen-any"), "00000000"),
        (("-serial", "tcp:0.0.0.0:{port},server,nowait", "--listen-any"), "00000000"),
    ],
)
def test_serial_ports_listen_on_loopback_unless_listen_any(words: tuple[str, ...], opened: str) -> None:
    port = free_port()
    process = start("run", "-kernel", GUEST, "-S", "-gdb", "tcp:127.0.0.1:0", *(w.format(port=port) for w in words))
    try:
        table = ""
        while f":{port:04X} " not in table:
            assert process.poll() is None
            time.sleep(0.02)
            table = Path("/proc/net/tcp").read_text()
        assert re.findall(rf"^ *\d+: ([0-9A-F]+):{port:04X} [0-9A-F:]+ 0A", table, re.MULTILINE) == [opened]
    finally:
        process.terminate()
        errors = process.communicate(timeout=20)[1]
    assert (b"-serial tcp:" in errors) == (opened == "00000000")
