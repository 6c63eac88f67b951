"""A device for tests that writes to memory by DMA: at once, when a timer expires, when it is read, when a packet comes.

Its registers are words:

    0   ADDRESS, guest-physical
    4   VALUE, which is written over and over
    8   LENGTH, bytes
    12  GO: nanoseconds from now; 0: in this very store. With TWICE: two writes, the second with VALUE + 1.
    16  READ: a load writes, too, and gives the first word that stands there after that
    20  IRQ: whether hardware interrupt 1 (Cause.IP3) is high, which each end of a timed write and each packet does; a
        store lowers it
    24  PERIOD: nanoseconds after which a timed write is made again; 0: it is not
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from unittest import mock

from rdbg.emu.board import Board
from rdbg.emu.boards import build_board
from rdbg.emu.bus import BusError
from rdbg.emu.device import NetworkDevice, State, System
from rdbg.emu.disk import Disk
from rdbg.emu.endpoint import network_port
from rdbg.emu.inputs import InputSource
from rdbg.emu.machine import Machine
from rdbg.emu.memory_map import IoRegion
from rdbg.emu.spec import MachineSpec

DMA_BASE = 0x1B000000
TWICE = 1 << 30
IRQ_LINE = 1
_REGISTERS = ("address", "value", "length", "go", "read", "irq", "period")


class DmaDevice(NetworkDevice):
    def __init__(self, system: System) -> None:
        super().__init__("copier")
        self._system = system
        self._timer = system.timer("copier", self._expired)
        self._registers = dict.fromkeys(_REGISTERS, 0)
        self.lost = 0  # writes that nothing answered

    def read(self, offset: int, size: int) -> int:
        name = _REGISTERS[offset // 4 % len(_REGISTERS)]
        if name == "read":
            self._write("on a load")
            return int.from_bytes(self._system.dma_read(self._registers["address"], 4, self), "little")
        return self._registers[name]

    def write(self, offset: int, size: int, value: int) -> None:
        name = _REGISTERS[offset // 4 % len(_REGISTERS)]
        self._registers[name] = value
        if name == "irq":
            self._irq(False)
        elif name == "go" and value & ~TWICE:
            self._timer.arm(self._system.now_ns + (value & ~TWICE))
        elif name == "go":
            self._go()

    def _go(self) -> None:
        self._write()
        if self._registers["go"] & TWICE:
            self._registers["value"] = (self._registers["value"] + 1) & 0xFFFFFFFF
            self._write("again")

    def _write(self, detail: str = "", data: bytes = b"") -> None:
        pattern = self._registers["value"].to_bytes(4, "little") * (self._registers["length"] // 4 + 1)
        try:
            self._system.dma_write(
                self._registers["address"], data or pattern[: self._registers["length"]], self, detail=detail
            )
        except BusError:
            self.lost += 1

    def _expired(self) -> None:
        self._go()
        self._irq(True)
        if self._registers["period"]:
            self._registers["value"] = (self._registers["value"] + 1) & 0xFFFFFFFF
            self._timer.arm(self._system.now_ns + self._registers["period"])

    def _irq(self, level: bool) -> None:
        self._registers["irq"] = int(level)
        self._system.set_cpu_irq(IRQ_LINE, level)

    def receive_packet(self, data: bytes) -> None:
        self._write(f"packet {self._system.packet_number}", data)
        self._irq(True)

    def receive_room(self) -> int:
        return 1

    def set_link(self, up: bool) -> None: ...

    def reset(self) -> None:
        self._registers = dict.fromkeys(_REGISTERS, 0)
        self._timer.disarm()

    def save(self) -> State:
        return {**self._registers}

    def load(self, state: State) -> None:
        self._registers = {name: int(state[name]) for name in _REGISTERS}  # type: ignore[arg-type]


def with_dma_device(spec: MachineSpec, system: System, disks: Mapping[str, Disk]) -> Board:
    """The board of a machine, and the device on it."""
    board, device = build_board(spec, system, disks), DmaDevice(system)
    windows = (*board.memory_map.io, IoRegion(DMA_BASE, 0x1000, device))
    return replace(
        board,
        memory_map=replace(board.memory_map, io=windows),
        devices=(*board.devices, device),
        endpoints={**board.endpoints, network_port(0): device},
    )


def dma_machine(spec: MachineSpec, inputs: InputSource | None = None) -> Machine:
    """A machine that has the device."""
    with mock.patch("rdbg.emu.machine.build_board", with_dma_device):
        return Machine(spec, inputs)
