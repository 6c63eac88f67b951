"""QEMU as the reference for devices: the same accesses through its qtest protocol.

Time passes only in ``run``, while the CPU spins in a loop that counts itself: with ``-icount`` the count is the virtual
time, exactly. (QEMU's own ``clock_step`` needs an accelerator that distributions leave out.)
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from tests.processes import spawn

LOOP_PC = 0xBFC0_0000
LOOP = (0x1000FFFF, 0x24420001)  #: b . ; addiu v0, v0, 1
_LETTER = {1: "b", 2: "w", 4: "l", 8: "q"}


class QtestMachine:
    """QEMU's Malta, driven at guest-physical addresses.

    Args:
        big_endian: which of the two QEMU binaries.
        shift: virtual nanoseconds per instruction = 1 << shift.
        rtc_base: ``-rtc base=`` value.
        options: further ones.
    """

    def __init__(
        self,
        big_endian: bool = False,
        shift: int = 3,
        rtc_base: str = "2021-03-04T05:06:07",
        options: tuple[str, ...] = (),
    ) -> None:
        self._shift = shift
        self._directory = tempfile.TemporaryDirectory(prefix="rdbg-qtest-")
        directory = Path(self._directory.name)
        # QEMU swaps the words of a little-endian machine's image: in the file they are big-endian for both.
        (directory / "loop.bin").write_bytes(b"".join(word.to_bytes(4, "big") for word in LOOP))
        command = [
            "qemu-system-mips" if big_endian else "qemu-system-mipsel", "-M", "malta", "-m", "256", "-nodefaults",
            "-display", "none", "-vga", "none", "-net", "none", "-serial", "null", "-serial", "null", "-serial", "null",
            "-bios", str(directory / "loop.bin"), "-rtc", f"base={rtc_base},clock=vm",
            "-icount", f"shift={shift},sleep=off", "-S", "-qtest", "stdio", "-qtest-log", "none",
            "-qmp", f"unix:{directory / 'qmp'},server=on,wait=off", *options,
        ]  # fmt: skip
        self._process = spawn(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._qmp_path = directory / "qmp"
        self._socket: socket.socket | None = None

    # --- qtest -------------------------------------------------------------------------------
    def _command(self, text: str) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        while True:
            line = self._process.stdout.readline()
            assert line, f"QEMU is gone after {text!r}"
            if not line.startswith("IRQ"):
                assert line.startswith("OK"), line
                return line

    def read(self, address: int, size: int) -> int:
        return int(self._command(f"read{_LETTER[size]} {address:#x}").split()[1], 16)

    def write(self, address: int, size: int, value: int) -> None:
        self._command(f"write{_LETTER[size]} {address:#x} {value:#x}")

    def read_bytes(self, address: int, size: int) -> bytes:
        return bytes.fromhex(self._command(f"read {address:#x} {size:#x}").split()[1][2:])

    def write_bytes(self, address: int, data: bytes) -> None:
        self._command(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    def wait_for_others(self) -> None:
        """Until QEMU has seen what came to its other sockets before."""
        for _ in range(3):
            self._command("endianness")

    def set_link(self, name: str, up: bool) -> None:
        self._qmp("set_link", {"name": name, "up": up})

    # --- time --------------------------------------------------------------------------------
    def run(self, host_seconds: float) -> int:
        """Let the CPU run for about this long on the host's clock.

        Returns:
            Virtual time now, in nanoseconds.
        """
        self._qmp("cont")
        time.sleep(host_seconds)
        self._qmp("stop")
        registers = str(self._qmp("human-monitor-command", {"command-line": "info registers"}))
        count = re.search(r"v0 ([0-9a-f]{8})", registers)
        pc = re.search(r"pc=0x([0-9a-f]+)", registers)
        assert count and pc, registers
        instructions = 2 * int(count[1], 16) + (int(pc[1], 16) - LOOP_PC) // 4
        return instructions << self._shift

    def _qmp(self, command: str, arguments: dict[str, object] | None = None) -> object:
        if self._socket is None:
            self._command("endianness")  # answered once QEMU is up, so its other socket is there too
            self._socket = socket.socket(socket.AF_UNIX)
            self._lines = self._socket.makefile("rw")
            self._socket.connect(str(self._qmp_path))
            self._lines.readline()
            self._qmp("qmp_capabilities")
        self._lines.write(json.dumps({"execute": command, "arguments": arguments or {}}) + "\n")
        self._lines.flush()
        while True:
            answer = json.loads(self._lines.readline())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def __enter__(self) -> QtestMachine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._lines.close()
            self._socket.close()
        self._process.kill()
        self._process.communicate()
        self._directory.cleanup()
