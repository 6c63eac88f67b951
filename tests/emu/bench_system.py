"""A machine with no CPU: time that the test moves, timers, backings, and what devices did to the outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rdbg.emu.board import Board
from rdbg.emu.boards import build_board
from rdbg.emu.bus import Bus
from rdbg.emu.device import Device
from rdbg.emu.disk import Disk
from rdbg.emu.dma import DirectMemoryAccess
from rdbg.emu.dma_name import Detail, DmaName, dma_name
from rdbg.emu.endpoint import Endpoint
from rdbg.emu.spec import MachineSpec


class BenchTimer:
    def __init__(self, function: Callable[[], None]) -> None:
        self.function = function
        self.deadline: int | None = None

    @property
    def deadline_ns(self) -> int | None:
        return self.deadline

    def arm(self, deadline_ns: int) -> None:
        self.deadline = deadline_ns

    def disarm(self) -> None:
        self.deadline = None


class BenchSystem:
    """What devices see as the machine (System)."""

    def __init__(self) -> None:
        self.now = 0
        self.timers: dict[str, BenchTimer] = {}
        self.cpu_lines = [False] * 6
        self.sent: list[tuple[Endpoint, bytes]] = []
        self.resets = 0
        self.shutdowns: list[int] = []
        self.backings: dict[str, bytearray] = {}
        self.bus: Bus | None = None
        self.dma: DirectMemoryAccess | None = None
        self.packets = 0
        self.dma_writers: list[str] = []  # of each piece of memory that was written
        self.lines: list[str] = []

    @property
    def now_ns(self) -> int:
        return self.now

    @property
    def pc(self) -> int:
        return 0

    @property
    def last_position(self) -> int:
        return 0

    def timer(self, name: str, function: Callable[[], None]) -> BenchTimer:
        assert name not in self.timers
        timer = self.timers[name] = BenchTimer(function)
        return timer

    def work_timer(self, name: str, function: Callable[[], None], work: str) -> BenchTimer:
        return self.timer(name, function)

    def set_cpu_irq(self, line: int, level: bool) -> None:
        self.cpu_lines[line] = level

    def output(self, endpoint: Endpoint, data: bytes) -> None:
        self.sent.append((endpoint, data))

    def room_grown(self) -> None: ...

    def request_reset(self) -> None:
        self.resets += 1

    def request_shutdown(self, exit_code: int) -> None:
        self.shutdowns.append(exit_code)

    def mapping_changed(self) -> None:
        if self.bus is not None:
            self.bus.mapping_changed()

    def read_backing(self, name: str, offset: int, size: int) -> bytes:
        return bytes(self.backings[name][offset : offset + size])

    def write_backing(self, name: str, offset: int, data: bytes) -> None:
        assert offset + len(data) <= len(self.backings[name])
        self.backings[name][offset : offset + len(data)] = data

    @property
    def packet_number(self) -> int:
        self.packets += 1  # a card asks once for each
        return self.packets

    def dma_read(self, address: int, size: int, source: Device | str = "", *, detail: Detail = "") -> bytes:
        assert self.dma is not None
        return self.dma.read(address, size)

    def dma_direct(self, address: int, size: int, write: bool) -> int:
        assert self.dma is not None
        return self.dma.direct(address, size, write)

    def dma_write(self, address: int, data: bytes, source: Device | str, *, detail: Detail = "") -> None:
        assert self.dma is not None
        self.dma.write(address, data, dma_name(source, detail))

    def dma_read_plain(self, address: int, size: int, /) -> bytes | None:
        return None  # a device has to do without

    def dma_write_plain(self, address: int, data: bytes) -> bool:
        return False

    def dma_table(self, address: int, most: int, last: int) -> bytes | None:
        return None  # a device has to do without

    def dma_write_pieces(self, pieces: list[tuple[int, int]], data: bytes) -> bool:
        return False

    def log(self, message: str) -> None:
        self.lines.append(message)

    def is_due(self, moment: int) -> bool:
        """Whether a timer has its deadline at a moment, or before it."""
        return any(timer.deadline is not None and timer.deadline <= moment for timer in self.timers.values())

    def advance(self, nanoseconds: int) -> None:
        """Let time pass, timers firing in order at their deadlines."""
        end = self.now + nanoseconds
        while True:
            due = [
                (timer.deadline, name)
                for name, timer in self.timers.items()
                if timer.deadline is not None and timer.deadline <= end
            ]
            if not due:
                break
            deadline, name = min(due)
            self.now = max(self.now, deadline)
            timer = self.timers[name]
            timer.deadline = None
            timer.function()
        self.now = end


class BenchMachine:
    """A board on a bus, driven at guest-physical addresses."""

    def __init__(self, spec: MachineSpec, disks: Mapping[str, Disk] | None = None) -> None:
        self.spec = spec
        self.system = BenchSystem()
        self.board: Board = build_board(spec, self.system, disks or {})
        for backing in self.board.memory_map.backings:
            data = bytearray(bytes((backing.fill,))) * backing.size
            data[: len(backing.initial)] = backing.initial
            self.system.backings[backing.name] = data
        self.bus = Bus(self.board.memory_map, spec.big_endian, self.system)
        self.system.bus = self.bus
        self.system.dma = DirectMemoryAccess(
            self.bus, spec.big_endian, self._read_bytes, self._stored_bytes, self._write_bytes
        )
        self._order = "big" if spec.big_endian else "little"
        self.reset()

    def reset(self) -> None:
        for device in self.board.devices:
            device.reset()

    def read(self, address: int, size: int) -> int:
        """A load as the CPU makes it: from the backing where the page allows, else over the bus."""
        mapping = self.bus.classify(address)
        if mapping.backing_page is not None and mapping.readable:
            name, offset = self._place(mapping.backing_page, address)
            data = self.system.read_backing(name, offset, size)
            return int.from_bytes(data, "big" if self._order == "big" else "little")
        return self.bus.read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """A store as the CPU makes it."""
        mapping = self.bus.classify(address)
        if mapping.backing_page is not None and mapping.writable:
            name, offset = self._place(mapping.backing_page, address)
            self.system.write_backing(name, offset, value.to_bytes(size, "big" if self._order == "big" else "little"))
        else:
            self.bus.write(address, size, value)

    def _read_bytes(self, first: int, size: int, by: DmaName) -> bytes:
        return self._stored_bytes(first, size)

    def _stored_bytes(self, first: int, size: int) -> bytes:
        return self.system.read_backing(*self._place(first // 4096, first), size)

    def _write_bytes(self, first: int, data: bytes, by: DmaName) -> None:
        self.system.write_backing(*self._place(first // 4096, first), data)
        self.system.dma_writers.append(by.at(0))

    def _place(self, page: int, address: int) -> tuple[str, int]:
        for backing in reversed(self.board.memory_map.backings):
            first = self.bus.first_byte(backing.name) // 4096
            if page >= first:
                return backing.name, (page - first) * 4096 + address % 4096
        raise AssertionError("page numbers start at 0")
