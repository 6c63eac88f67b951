"""Runs a batch on QEMU, through the small part of the remote protocol that this needs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.differential.layout import SLOT_BYTES, Built
from tests.processes import spawn

_READ_BYTES = 0x400
_TIMEOUT = 60.0


class QemuStub:
    """A client of QEMU's GDB server.

    Args:
        connection: the connected socket.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def send(self, payload: str) -> None:
        """Send a packet."""
        data = payload.encode()
        self._connection.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def receive(self) -> str:
        """Receive a packet and acknowledge it."""
        while True:
            start = self._buffer.find(b"$")
            end = self._buffer.find(b"#", start)
            if start >= 0 and 0 <= end < len(self._buffer) - 2:
                packet = self._buffer[start + 1 : end]
                self._buffer = self._buffer[end + 3 :]
                self._connection.sendall(b"+")
                return _expand(packet).decode()
            data = self._connection.recv(65536)
            if not data:
                raise ConnectionError("QEMU closed the connection")
            self._buffer += data

    def ask(self, payload: str) -> str:
        """Send a packet and receive its answer."""
        self.send(payload)
        return self.receive()


def _expand(packet: bytes) -> bytes:
    """Undo run-length encoding."""
    out = bytearray()
    at = 0
    while at < len(packet):
        if packet[at] == ord("*"):
            out += out[-1:] * (packet[at + 1] - 29)
            at += 2
        else:
            out.append(packet[at])
            at += 1
    return bytes(out)


def program_for(big_endian: bool) -> str:
    """QEMU's name."""
    return "qemu-system-mips" if big_endian else "qemu-system-mipsel"


def is_installed(big_endian: bool) -> bool:
    """Whether QEMU is there."""
    return shutil.which(program_for(big_endian)) is not None


def run_on_qemu(built: Built, big_endian: bool, cpu: str = "24Kf") -> bytes:
    """Run a batch to its end and give the memory of all slots."""
    return memory_from_qemu(built.path, built.finish, built.slots, SLOT_BYTES * built.count, big_endian, cpu)


def memory_from_qemu(
    kernel: Path,
    finish: int,
    address: int,
    size: int,
    big_endian: bool,
    cpu: str = "24Kf",
    icount: str | None = None,
) -> bytes:
    """Run a kernel to an address and give some of its memory.

    Args:
        kernel: an ELF file.
        finish: where it is done.
        address: of the memory.
        size: of the memory, in bytes.
        big_endian: byte order.
        cpu: QEMU's name of the CPU.
        icount: what to say to ``-icount``; the real-time clock then follows the same time.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "gdb")
        qemu = spawn(
            [program_for(big_endian), "-M", "malta", "-cpu", cpu, "-m", "128", "-kernel", str(kernel),
             "-display", "none", "-vga", "none", "-net", "none", "-serial", "null", "-monitor", "none",
             "-parallel", "none", "-S", *(("-icount", icount, "-rtc", "clock=vm") if icount else ()),
             "-chardev", f"socket,id=gdb,path={place},server=on,wait=off", "-gdb", "chardev:gdb"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            with _connect(place, qemu) as connection:
                stub = QemuStub(connection)
                stub.ask("?")
                if stub.ask(f"Z0,{finish:x},4") != "OK":
                    raise RuntimeError("QEMU refuses a breakpoint")
                stub.ask("c")
                return b"".join(
                    bytes.fromhex(stub.ask(f"m{address + at:x},{min(_READ_BYTES, size - at):x}"))
                    for at in range(0, size, _READ_BYTES)
                )
        finally:
            qemu.kill()
            qemu.communicate()


def _connect(place: str, qemu: subprocess.Popen[str]) -> socket.socket:
    deadline = time.monotonic() + _TIMEOUT
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(place)
            return connection
        except OSError:
            connection.close()
            if qemu.poll() is not None:
                raise RuntimeError(f"QEMU ended: {qemu.communicate()[1].strip()}") from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
