"""The least network card: it puts packets into memory, and sends them back some time later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rdbg.emu.board import Board
from rdbg.emu.boards.malta import build_malta
from rdbg.emu.device import NetworkDevice, State, System
from rdbg.emu.disk import Disk
from rdbg.emu.endpoint import network_port
from rdbg.emu.spec import MachineSpec

BUFFERS = 0x0070_0000  #: guest-physical, 2 KiB each
PORT = network_port(0)
_ROOM = 3
_DELAY_NS = 20_000


class EchoCard(NetworkDevice):
    """A card that nothing has to drive."""

    def __init__(self, name: str, system: System) -> None:
        super().__init__(name)
        self._system = system
        self._timer = system.timer(f"{name}.echo", self._echo)
        self.reset()

    def reset(self) -> None:
        self.packets: list[bytes] = []
        self.count, self.up = 0, 1
        self._timer.disarm()

    def read(self, offset: int, size: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int) -> None: ...

    def save(self) -> State:
        return {"packets": list(self.packets), "count": self.count, "up": self.up}

    def load(self, state: State) -> None:
        packets, self.count, self.up = state["packets"], int(str(state["count"])), int(str(state["up"]))
        assert isinstance(packets, list)
        self.packets = [bytes(packet) for packet in packets]  # type: ignore[arg-type]

    def receive_packet(self, data: bytes) -> None:
        self.count += 1
        self._system.dma_write(BUFFERS + self.count % 64 * 2048, data, self, detail=f"packet {self.count}")
        if self.up:
            self.packets.append(data)
            self._timer.arm(self._system.now_ns + _DELAY_NS)

    def receive_room(self) -> int:
        return _ROOM - len(self.packets)

    def set_link(self, up: bool) -> None:
        self.up = int(up)

    def _echo(self) -> None:
        for packet in self.packets:
            self._system.output(PORT, packet[::-1] + self.count.to_bytes(4, "little"))
        self.packets = []
        self._system.room_grown()


def with_echo_card(spec: MachineSpec, system: System, disks: Mapping[str, Disk]) -> Board:
    """A malta that has one. For `rdbg.emu.boards.BOARDS`."""
    board = build_malta(spec, system, disks)
    card = EchoCard("echo", system)
    return replace(board, devices=(*board.devices, card), endpoints={**board.endpoints, PORT: card})
