"""The same accesses to the IDE channels of QEMU's board and of ours, which have the same disks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rdbg.emu.devices.ide.channel import IdeChannel
from rdbg.emu.devices.ide.drive import BSY, DRQ, IdeDrive, Work
from rdbg.emu.disk import Disk, make_disks
from rdbg.emu.disk_overlay import DiskOverlay
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.spec import Drive, Image, MachineSpec
from tests.emu.bench_system import BenchMachine
from tests.emu.qtest import QtestMachine

GT = 0x1400_0000
PORTS = 0x1000_0000
COMMANDS, CONTROLS = (0x1F0, 0x170), (0x3F6, 0x376)
MASTER = 0x2000  #: where the test places the bus masters' ports
PIC2 = PORTS + 0xA0
SECTOR = 512


class FileSource:
    """The first contents of a disk, from memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, page: int, count: int = 1) -> bytes:
        return self._data[page * PAGE_SIZE : (page + count) * PAGE_SIZE].ljust(count * PAGE_SIZE, b"\0")


def no_output(endpoint: Endpoint, data: bytes) -> None:
    """What leaves for an image."""


class IdePair:
    """Both machines.

    Args:
        drives: (place, image, medium) of each; media are ``disk`` and ``cdrom``; None: an empty drive.
        big_endian: byte order of both.
    """

    def __init__(self, drives: Sequence[tuple[int, Path | None, str]], big_endian: bool = False) -> None:
        contents = [b"" if path is None else path.read_bytes() for _, path, _ in drives]
        described = tuple(
            Drive(f"d{place}", "ide", place, medium, len(data), medium == "cdrom")
            for (place, _, medium), data in zip(drives, contents, strict=True)
        )
        code = (0x1000FFFF).to_bytes(4, "big" if big_endian else "little")
        image = Image("bios", "loop.bin", code)
        spec = MachineSpec("malta", "24Kf", big_endian, 256 << 20, 7, (image,), drives=described)
        overlay = DiskOverlay()
        self.disks: dict[str, Disk] = make_disks(described, overlay, [FileSource(data) for data in contents], no_output)
        self.ours = BenchMachine(spec, self.disks)
        self.channels = [device for device in self.ours.board.devices if isinstance(device, IdeChannel)]
        words: list[str] = []
        for place, path, medium in drives:
            source = "" if path is None else f"file={path},format=raw,file.locking=off,"
            words += ["-drive", f"{source}if=ide,index={place},media={medium}"]
        self.qemu = QtestMachine(big_endian, options=tuple(words))
        self.history: list[str] = []
        self._big_endian = big_endian
        # The bus masters' ports get their place, and may access memory.
        for register, value in ((0x20, MASTER), (0x04, 5)):
            self.write(GT + 0xCF8, self.swapped(0x8000_0000 | 81 << 8 | register), 4)
            self.write(GT + 0xCFC, value, 4)

    def swapped(self, value: int) -> int:
        return int.from_bytes(value.to_bytes(4, "little"), "big") if self._big_endian else value

    def __enter__(self) -> IdePair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.qemu.__exit__(kind, error, trace)

    # --- accesses ----------------------------------------------------------------------------
    def read(self, address: int, size: int = 1) -> int:
        got, wanted = self.ours.read(address, size), self.qemu.read(address, size)
        self.history.append(f"read {address:#x} {size}: {wanted:#x}")
        assert got == wanted, f"got {got:#x} in\n" + "\n".join(self.history[-80:])
        return got

    def write(self, address: int, value: int, size: int = 1) -> None:
        self.history.append(f"write {address:#x} {size} {value:#x}")
        self.ours.write(address, size, value)
        self.qemu.write(address, size, value)

    def memory(self, address: int, size: int) -> bytes:
        """Memory, the same in both."""
        got, wanted = self.ours.system.dma_read(address, size), self.qemu.read_bytes(address, size)
        assert got == wanted, f"memory at {address:#x} differs after\n" + "\n".join(self.history[-80:])
        return got

    def fill(self, address: int, data: bytes) -> None:
        self.ours.system.dma_write(address, data, "test")
        self.qemu.write_bytes(address, data)

    # --- IDE ---------------------------------------------------------------------------------
    def port(self, channel: int, register: int) -> int:
        return PORTS + COMMANDS[channel] + register

    def drive(self, channel: int) -> IdeDrive:
        """Our selected drive of a channel."""
        return self.channels[channel].drives[self.channels[channel].selected]

    def settle(self, channel: int) -> int:
        """Let both come to the end of what they do; gives the status."""
        ours, control = self.channels[channel], PORTS + CONTROLS[channel]
        while ours.work is not Work.NONE:
            deadline = self.ours.system.timers[f"{ours.name}.work"].deadline_ns
            assert deadline is not None
            self.ours.system.advance(deadline - self.ours.system.now)
        status = self.ours.read(control, 1)
        end = time.monotonic() + 5
        while self.qemu.read(control, 1) != status and time.monotonic() < end:
            time.sleep(0.0005)
        if status & (BSY | DRQ) == BSY | DRQ:
            time.sleep(0.01)  # QEMU is here on its way, too
        return self.read(control)

    def registers(self, channel: int) -> None:
        """Compare all that can be seen without effects."""
        for register in range(1, 7):
            self.read(self.port(channel, register))
        self.read(PORTS + MASTER + 8 * channel)
        self.read(PORTS + MASTER + 8 * channel + 2)
        self.read(PIC2)

    def command(self, channel: int, command: int, registers: dict[int, int] | None = None) -> int:
        for register, value in (registers or {}).items():
            self.write(self.port(channel, register), value)
        self.write(self.port(channel, 7), command)
        status = self.settle(channel)
        self.registers(channel)
        return status

    def fetch(self, channel: int, count: int, size: int = 2) -> bytes:
        """Load from the data port, at most what the drive offers now."""
        drive = self.drive(channel)
        count = min(count, (len(drive.buffer) - drive.position) // size)
        before = list(self.history)
        data = b"".join(self.read(self.port(channel, 0), size).to_bytes(size, self._order) for _ in range(count))
        self.history = [*before, f"fetch {count} times {size}"]
        self.settle(channel)
        self.registers(channel)
        return data

    @property
    def _order(self) -> str:
        return "big" if self._big_endian else "little"

    def bring(self, channel: int, data: bytes, size: int = 2) -> None:
        """Store to the data port, at most what the drive asks for now."""
        drive = self.drive(channel)
        data = data[: len(drive.buffer) - drive.position]
        before = list(self.history)
        for at in range(0, len(data), size):
            self.write(self.port(channel, 0), int.from_bytes(data[at : at + size], self._order), size)
        self.history = [*before, f"bring {len(data)} bytes by {size}"]
        self.settle(channel)
        self.registers(channel)

    def table(self, address: int, entries: Sequence[tuple[int, int]]) -> None:
        """Write a bus master's table: (address, size and flags)."""
        self.fill(address, b"".join(a.to_bytes(4, "little") + n.to_bytes(4, "little") for a, n in entries))

    def master(self, channel: int, table: int, command: int) -> None:
        """Point the bus master at a table, and start it."""
        base = PORTS + MASTER + 8 * channel
        self.write(base + 4, self.swapped(table), 4)
        self.write(base + 2, 0x66)
        self.write(base, command)
        self.settle(channel)
        self.registers(channel)

    def stop_master(self, channel: int) -> None:
        self.write(PORTS + MASTER + 8 * channel, 0)
        self.registers(channel)
