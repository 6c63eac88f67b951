"""A network card of ours and QEMU's, to which the same is done."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from types import TracebackType

from rdbg.emu.devices.network.network_card import NetworkCard
from rdbg.emu.devices.pci import BAR0, COMMAND
from rdbg.emu.endpoint import network_port
from rdbg.emu.spec import Image, MachineSpec, Plugged
from tests.emu.bench_system import BenchMachine
from tests.emu.qtest import QtestMachine
from tests.processes import free_port

GT = 0x1400_0000
MAC = bytes.fromhex("525400123456")
SLOT = 0x0B
PORTS_AT, MEMORY_AT = 0x1000, 0x1200_0000
PORT_WINDOW = 0x1000_0000
INTERRUPT_STATUS = 0x08  #: in the PCI status register
BOTH_BARS_AND_MASTER = 7
SHIFT = 7
#: Of random tests; more in the nightly run.
SEEDS = range(int(os.environ.get("RDBG_SEEDS", "3")))

#: Base addresses: (index, address) of each card's registers in memory and in ports.
MEMORY_BAR = {"pcnet": 1, "e1000": 0, "rtl8139": 1}


class Twins:
    """The two machines; each call does the same to both, and what they answer has to be the same.

    Args:
        model: QEMU's name of the card.
        big_endian: byte order of the CPU.
    """

    def __init__(self, model: str, big_endian: bool = False) -> None:
        self._cable = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._cable.bind(("127.0.0.1", 0))
        self._cable.setblocking(False)
        self._there = ("127.0.0.1", free_port())
        self._arrived: list[bytes] = []
        here, there = (
            f"{end}.type=inet,{end}.host=127.0.0.1,{end}.port={port}"
            for end, port in (("remote", self._cable.getsockname()[1]), ("local", self._there[1]))
        )
        netdev = f"dgram,id=n0,{here},{there}"
        mac = ":".join(f"{byte:02x}" for byte in MAC)
        options = ("-netdev", netdev, "-device", f"{model},id=card,netdev=n0,mac={mac},addr={SLOT:#x},romfile=")
        self._qemu = QtestMachine(big_endian, SHIFT, options=options)
        code = (0x1000FFFF).to_bytes(4, "big" if big_endian else "little")
        plugged = (Plugged(model, slot=SLOT, nic=0, mac=MAC),)
        images = (Image("bios", "loop.bin", code),)
        self._ours = BenchMachine(MachineSpec("malta", "24Kf", big_endian, 256 << 20, 7, images, plugged=plugged))
        self._big_endian = big_endian
        card = self._ours.board.endpoints[network_port(0)]
        assert isinstance(card, NetworkCard)
        self.card = card
        self._waiting: list[bytes] = []
        self._ours.system.room_grown = self._flush  # type: ignore[method-assign]
        self._compared = 0
        self.history: list[str] = []
        memory = MEMORY_BAR[model]
        self.configure(BAR0 + 4 * memory, MEMORY_AT)
        self.configure(BAR0 + 4 * (1 - memory), PORTS_AT)
        self.configure(COMMAND, BOTH_BARS_AND_MASTER)

    def __enter__(self) -> Twins:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._qemu.__exit__(kind, error, trace)
        self._cable.close()

    def _story(self) -> str:
        return "\n".join(line[:160] for line in self.history)

    # --- registers ---------------------------------------------------------------------------
    def _value(self, value: int, size: int) -> int:
        return int.from_bytes(value.to_bytes(size, "little"), "big") if self._big_endian else value

    def _write(self, address: int, size: int, value: int) -> None:
        self.history.append(f"write {address:#x} {size} {value:#x}")
        value = self._value(value, size)
        self._ours.write(address, size, value)
        self._qemu.write(address, size, value)

    def _read(self, address: int, size: int) -> int:
        got = self._value(self._ours.read(address, size), size)
        wanted = self._value(self._qemu.read(address, size), size)
        self.history.append(f"read {address:#x} {size}: {wanted:#x}")
        assert got == wanted, f"got {got:#x} in\n" + self._story()
        return got

    def write(self, offset: int, value: int, size: int = 4, ports: bool = False) -> None:
        """Store to a register."""
        self._write((PORT_WINDOW + PORTS_AT if ports else MEMORY_AT) + offset, size, value & (1 << 8 * size) - 1)

    def read(self, offset: int, size: int = 4, ports: bool = False) -> int:
        """Load a register of both."""
        return self._read((PORT_WINDOW + PORTS_AT if ports else MEMORY_AT) + offset, size)

    def _configuration_data(self, register: int) -> int:
        self._write(GT + 0xCF8, 4, 0x8000_0000 | SLOT << 11 | register)
        return GT + 0xCFC

    def configure(self, register: int, value: int) -> None:
        """Store to the PCI configuration space."""
        self._write(self._configuration_data(register), 4, self._value(value, 4))  # the north bridge swaps it

    def configuration(self, register: int) -> int:
        """Load from the PCI configuration space of both."""
        return self._value(self._read(self._configuration_data(register), 4), 4)

    def interrupt(self) -> bool:
        """Whether both ask for an interrupt."""
        return bool(self.configuration(COMMAND) >> 16 & INTERRUPT_STATUS)

    # --- memory ------------------------------------------------------------------------------
    def fill(self, address: int, data: bytes) -> None:
        """Put bytes into memory."""
        self.history.append(f"memory {address:#x} = {data.hex()}")
        if data:
            self._ours.system.write_backing("ram", address, data)
            self._qemu.write_bytes(address, data)

    def memory(self, address: int, size: int) -> bytes:
        """Bytes of memory of both."""
        got, wanted = self._ours.system.read_backing("ram", address, size), self._qemu.read_bytes(address, size)
        if got != wanted:
            place = next(index for index in range(size) if got[index] != wanted[index])
            place -= place % 16
            part = slice(place, place + 32)
            raise AssertionError(
                f"at {address + place:#x}: got {got[part].hex()}, not {wanted[part].hex()} in\n{self._story()}"
            )
        return got

    # --- time and the cable ------------------------------------------------------------------
    def run(self, microseconds: int = 0) -> None:
        """Let time pass, about that much on the host, the same in both."""
        seconds, step = microseconds / 1e6, 1 << SHIFT
        self._let_in()
        while True:
            now = self._qemu.run(seconds)
            self._ours.system.advance(max(0, now - step - self._ours.system.now))
            if not self._ours.system.is_due(now):
                self._ours.system.advance(now - self._ours.system.now)
                break
            seconds = max(seconds, 1e-5)
        self.history.append(f"at {now} ns")
        # A QEMU that stops lets all waiting frames in once more, and forgets those that do not fit.
        self.card.room_grown()
        self.card._held = b""
        self._waiting.clear()
        self._drain()

    def _drain(self) -> bool:
        """Take QEMU's frames from the cable; gives whether there were any."""
        self._qemu.wait_for_others()
        before = len(self._arrived)
        try:
            while True:
                self._arrived.append(self._cable.recv(1 << 17))
        except BlockingIOError:
            return len(self._arrived) > before

    def skip_second(self) -> None:
        """Let so much time pass that a delay of a second is over."""
        end = self._ours.system.now + 1_001_000_000
        while self._ours.system.now < end:
            self.run(5000)

    def packet(self, frame: bytes) -> None:
        """A frame comes off the cable; a moment passes."""
        self.history.append(f"packet {frame.hex()}")
        assert self._cable.sendto(frame, self._there) == len(frame)
        self._qemu.wait_for_others()
        self._waiting.append(frame)
        self.run()

    def _let_in(self) -> None:
        """What QEMU does with waiting frames when its CPU goes on."""
        if self.card.can_receive() and not self.card.receive_disabled:
            self._flush()

    def _flush(self) -> None:
        """What it does with them when a card says that it has room again: all go in, and are dropped where there is too
        little. (Ours are asked for their room before each, outside of this test.)"""
        while self._waiting and not self.card.receive_disabled:
            self.card.receive_packet(self._waiting.pop(0))

    def link(self, up: bool) -> None:
        """Plug in the cable, or pull it out."""
        self.history.append(f"link {up}")
        self.card.set_link(up)
        self._qemu.set_link("card", up)

    def sent(self) -> Sequence[bytes]:
        """The frames that both have sent since the last call."""
        self.run()
        frames = [data for _, data in self._ours.system.sent[self._compared :]]
        self._compared += len(frames)
        while self._drain() and len(self._arrived) < len(frames):
            self._qemu.wait_for_others()
        arrived, self._arrived = self._arrived, []
        assert frames == arrived, "\n".join(
            [*(f"got {frame.hex()}" for frame in frames), *(f"not {frame.hex()}" for frame in arrived), self._story()]
        )
        return frames
