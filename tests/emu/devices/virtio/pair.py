"""A virtio card of ours and QEMU 7.2's, to which the same is done: registers, rings in memory, and what comes of it."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from rdbg.emu.devices.pci import BAR0, COMMAND
from rdbg.emu.disk import SECTOR_SIZE, Disk
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.spec import Image, MachineSpec, Plugged
from tests.emu.bench_system import BenchMachine
from tests.emu.qtest import QtestMachine

GT, PORTS, MEMORY = 0x1400_0000, 0x1000_0000, 0x1200_0000
SLOT = 18
LEGACY_AT, MODERN_AT = 0x2000, MEMORY
RAM = 256 << 20


class MemoryDisk(Disk):
    """A disk in the test's memory."""

    def __init__(self, data: bytes, read_only: bool = False, serial: str = "") -> None:
        self.name = "d0"
        self.endpoint = Endpoint(EndpointKind.DISK, 0)
        self.data = bytearray(data)
        self.sectors = len(data) // SECTOR_SIZE
        self.read_only = read_only
        self.cdrom = False
        self.serial = serial
        self.flushes = 0

    def read(self, sector: int, count: int) -> bytes:
        return bytes(self.data[sector * SECTOR_SIZE : (sector + count) * SECTOR_SIZE])

    def write(self, sector: int, data: bytes) -> None:
        self.data[sector * SECTOR_SIZE : sector * SECTOR_SIZE + len(data)] = data

    def flush(self) -> None:
        self.flushes += 1


class RunningQemu(QtestMachine):
    """QEMU with a CPU that can run all the time, and a cable that can be pulled out."""

    def set_link(self, up: bool) -> None:
        self._qmp("human-monitor-command", {"command-line": f"set_link n0 {'on' if up else 'off'}"})

    def resume(self) -> None:
        self._qmp("cont")


class Pair:
    """The two machines; each call does the same to both, and what they answer has to be the same.

    Args:
        plugged: our cards.
        options: QEMU's words for the same ones.
        disk: in our machine; QEMU gets its bytes in a file, which is compared by `same_disk`.
        big_endian: byte order of the CPU.
        running: QEMU's CPU runs all the time: some of its devices do nothing while it does not.
    """

    def __init__(
        self,
        plugged: Sequence[Plugged],
        options: Sequence[str],
        disk: MemoryDisk | None = None,
        big_endian: bool = False,
        running: bool = False,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rdbg-virtio-")
        self.disk_file = Path(self._folder.name, "disk")
        self.disk_file.write_bytes(bytes(disk.data) if disk is not None else b"")
        words = tuple(
            word.replace("DISK", str(self.disk_file)).replace("FOLDER", self._folder.name) for word in options
        )
        self.folder = Path(self._folder.name)
        self.qemu = RunningQemu(big_endian, options=words)
        self.disk = disk
        code = (0x1000FFFF).to_bytes(4, "big" if big_endian else "little")
        images = (Image("bios", "loop.bin", code),)
        spec = MachineSpec("malta", "24Kf", big_endian, RAM, 7, images, plugged=tuple(plugged))
        self.ours = BenchMachine(spec, {"d0": disk} if disk is not None else {})
        self.big_endian = big_endian
        self.history: list[str] = []
        if running:
            self.qemu.resume()
        self.configure(BAR0, LEGACY_AT)
        self.configure(BAR0 + 16, MODERN_AT)
        self.configure(COMMAND, 7)

    def __enter__(self) -> Pair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.qemu.__exit__(kind, error, trace)
        self._folder.cleanup()

    def story(self) -> str:
        return "\n".join(line[:200] for line in self.history)

    # --- registers ---------------------------------------------------------------------------
    def swapped(self, value: int, size: int) -> int:
        """A little-endian register's value as the CPU moves it, or back."""
        return int.from_bytes(value.to_bytes(size, "little"), "big") if self.big_endian else value

    def write(self, address: int, size: int, value: int) -> None:
        """Store to a little-endian register."""
        self.history.append(f"write {address:#x} {size} {value:#x}")
        value = self.swapped(value & (1 << 8 * size) - 1, size)
        self.ours.write(address, size, value)
        self.qemu.write(address, size, value)

    def read(self, address: int, size: int) -> int:
        """Load from a little-endian register of both."""
        got, wanted = (self.swapped(machine.read(address, size), size) for machine in (self.ours, self.qemu))
        self.history.append(f"read {address:#x} {size}: {wanted:#x}")
        assert got == wanted, f"got {got:#x} in\n{self.story()}"
        return got

    def configure(self, register: int, value: int, slot: int = SLOT) -> None:
        """Store to the PCI configuration space."""
        self.write(GT + 0xCF8, 4, 0x8000_0000 | slot << 11 | register)
        self.write(GT + 0xCFC, 4, self.swapped(value, 4))

    def configuration(self, register: int, slot: int = SLOT) -> int:
        """Load from the PCI configuration space of both."""
        self.write(GT + 0xCF8, 4, 0x8000_0000 | slot << 11 | register)
        return self.swapped(self.read(GT + 0xCFC, 4), 4)

    # --- memory ------------------------------------------------------------------------------
    def fill(self, address: int, data: bytes) -> None:
        """Put bytes into memory."""
        if data:
            self.history.append(f"memory {address:#x} = {data.hex()}")
            self.ours.system.dma_write(address, data, "test")
            self.qemu.write_bytes(address, data)

    def memory(self, address: int, size: int) -> bytes:
        """Bytes of memory of both."""
        got, wanted = self.ours.system.dma_read(address, size), self.qemu.read_bytes(address, size)
        if got != wanted:
            at = next(index for index in range(size) if got[index] != wanted[index]) & ~15
            part = slice(at, at + 32)
            raise AssertionError(
                f"at {address + at:#x}: got {got[part].hex()}, not {wanted[part].hex()} in\n{self.story()}"
            )
        return got

    def is_same(self, address: int, size: int) -> bool:
        """Whether both hold the same there already."""
        return self.ours.system.dma_read(address, size) == self.qemu.read_bytes(address, size)

    def settle(self, done: Callable[[], bool] | None = None, seconds: float = 30) -> None:
        """Let QEMU's threads finish what it was told: until ``done`` of its memory, or, without, what it answers at
        once."""
        until = time.monotonic() + seconds
        while done is not None and not done() and time.monotonic() < until:
            time.sleep(0.001)


def dice(seed: int) -> random.Random:
    return random.Random(seed)
