"""Breakpoints at addresses of user space stop whatever process runs there, as QEMU's do: side by side."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from rdbg.rsp.framing import Decoder, Packet, encode
from tests.conftest import LINUX
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.initramfs import initramfs
from tests.processes import RDBG, served

pytestmark = [
    pytest.mark.real("linux-image-4kc-malta:mipsel", "qemu-system-mips"),
    pytest.mark.timeout(900),
]

#: A shell in a shell, and programs of both: all of them are the same file at the same addresses.
THEN = "cat /proc/version; sh -c 'ls /; uname -m'; poweroff -f"
#: What the stack holds is at the same place in each run.
APPEND = "console=ttyS0 nokaslr norandmaps rdinit=/init"
#: ``li v0, 4004; syscall``: write, inlined in several places of the C library.
WRITE = (0x2402_0FA4).to_bytes(4, "little") + (0x0000_000C).to_bytes(4, "little")
STOPS_MAX = 500
A0, A2, SP, PC = 4, 6, 29, 37
QEMU = ["-net", "none", "-vga", "none", "-display", "none", "-monitor", "none", "-rtc", "clock=vm"]


def _places(busybox: Path) -> list[int]:
    """Where programs begin, and the system calls that write."""
    with busybox.open("rb") as file:
        elf = ELFFile(file)  # type: ignore[no-untyped-call]
        text = next(segment for segment in elf.iter_segments("PT_LOAD") if segment["p_flags"] & 1)
        code, base = text.data(), int(text["p_vaddr"])
        writes = [at for at in range(0, len(code), 4) if code[at : at + 8] == WRITE]
        assert writes
        return [int(elf["e_entry"]), *(base + at + 4 for at in writes)]


class _Client:
    """Says packets that GDB would not: standing where memory cannot be read, it could not go on."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._decoder = Decoder(1 << 20)

    def ask(self, packet: str) -> bytes:
        """The reply to a packet."""
        self._socket.sendall(encode(packet.encode()))
        while True:
            data = self._socket.recv(1 << 16)
            assert data, "the connection is closed"
            for event in self._decoder.feed(data):
                if isinstance(event, Packet):
                    self._socket.sendall(b"+")
                    if not re.match(rb"O[0-9a-f]", event.data):  # words for the user
                        return event.data

    def registers(self) -> list[int]:
        """General ones, then others; pc is number 37."""
        values = bytes.fromhex(self.ask("g").decode())
        return [int.from_bytes(values[at : at + 4], "little") for at in range(0, len(values), 4)]


@dataclass(frozen=True)
class _Stop:
    pc: int
    stack: int
    arguments: tuple[int, int]
    word: bytes


def _stops(words: Sequence[str], program: Sequence[str]) -> list[_Stop]:
    """All stops, until the machine is off."""
    seen: list[_Stop] = []
    places = _places(LINUX / BUSYBOX)
    with served([*words, "-S", "-serial", "null"], program) as port:
        client = _Client(port)
        client.ask("qSupported:swbreak+")
        client.ask("?")
        for place in places:
            assert client.ask(f"Z0,{place:x},4") == b"OK"
        while len(seen) < STOPS_MAX:
            answer = client.ask("vCont;c")
            if answer.startswith(b"W") or b"replaylog:end" in answer:
                return seen
            registers = client.registers()
            pc = registers[PC]
            assert answer.startswith(b"T05") and pc in places, answer
            arguments = (registers[A0], registers[A2])
            seen.append(_Stop(pc, registers[SP], arguments, client.ask(f"m{pc:x},4")))
            assert client.ask(f"z0,{pc:x},4") == b"OK"
            assert client.ask("vCont;s:1").startswith(b"T05")
            assert client.ask(f"Z0,{pc:x},4") == b"OK"
    raise AssertionError("it does not end")


def _stops_of_qemu(words: Sequence[str]) -> list[_Stop]:
    """QEMU's, which now and then comes to a standstill under ``-icount`` and obeys no signal either: then another one
    is asked, since its answers are what is wanted."""
    with contextlib.suppress(TimeoutError, subprocess.TimeoutExpired):
        return _stops(words, ["qemu-system-mipsel"])
    return _stops(words, ["qemu-system-mipsel"])


def test_the_same_stops_as_in_qemu(tmp_path: Path) -> None:
    assert shutil.which("qemu-system-mipsel")
    initrd = tmp_path / "initrd.gz"
    initrd.write_bytes(initramfs(LINUX / BUSYBOX, THEN))
    machine = ["-M", "malta", "-m", "128", "-kernel", str(LINUX / KERNEL), "-initrd", str(initrd)]
    machine += ["-append", APPEND, "-icount", "shift=7", "-no-reboot", "-net", "none"]
    ours = _stops(["run", *machine], RDBG)
    theirs = _stops_of_qemu([*machine, *QEMU])
    starts = [stop for stop in ours if stop.pc == ours[0].pc]
    assert len(starts) >= 7 and len(ours) > len(starts)
    # QEMU stops before the page is in the TLB too, where GDB can read nothing, and again when it is.
    assert ours == [stop for stop in theirs if not stop.word.startswith(b"E")]
    assert not any(stop.word.startswith(b"E") for stop in ours)
