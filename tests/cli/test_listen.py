"""Where rdbg listens for GDB: loopback, unless told otherwise in words."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest

from tests.cli.command import assert_one_line, rdbg, start

GUEST = Path(__file__).parents[1] / "gdb" / "guest" / "counter-el.elf"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
