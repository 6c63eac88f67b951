"""The machine's registers as bytes in the guest's byte order, which is how packets carry them."""

from __future__ import annotations

from typing import Literal

from rdbg.emu.architecture import RegisterInfo
from rdbg.emu.machine_api import MachineApi
from rdbg.rsp.packet_error import PacketError
from rdbg.targets.target import Target


class RegisterBytes:
    """Register values as packets carry them. A client that has not read the description of the registers (a GDB without
    expat cannot) takes them for those that it assumes, and gets those.

    Args:
        machine: whose registers.
        target: what the client knows of its architecture.
        layout: of the registers that the client is told of.
    """

    def __init__(self, machine: MachineApi, target: Target, layout: str) -> None:
        self._machine = machine
        self._foreign = target.foreign
        self._order: Literal["big", "little"] = "big" if machine.big_endian else "little"
        self.layout = layout
        self.described = False  #: whether the client has read the description
        architecture = machine.architecture
        self.infos = architecture.registers_of(layout)
        assumed = architecture.registers_of()
        self._assumed = tuple(info for info in assumed if info.number in target.undescribed)
        self._by_number = {info.number: info for info in (*assumed, *self.infos)}

    def is_foreign(self, number: int) -> bool:
        """Whether the client means another register by that number, which this machine has not."""
        return not self.described and number in self._foreign

    def info(self, number: int) -> RegisterInfo:
        """What is known of a register.

        Raises:
            PacketError: there is no such register.
        """
        try:
            return self._by_number[number]
        except KeyError:
            raise PacketError(f"there is no register {number}") from None

    def read(self, number: int) -> bytes:
        """A register's value.

        Raises:
            PacketError: there is no such register.
        """
        return self.encode(self.info(number), self._machine.read_register(number))

    def encode(self, info: RegisterInfo, value: int) -> bytes:
        """A value as packets carry that of a register."""
        return (value & ((1 << info.bits) - 1)).to_bytes(info.bits // 8, self._order)

    def decode(self, number: int, data: bytes) -> int:
        """The value that bytes from a packet stand for.

        Raises:
            PacketError: there is no such register, or the width is wrong.
        """
        info = self.info(number)
        if len(data) * 8 != info.bits:
            raise PacketError(f"register {info.name} has {info.bits} bits, not {len(data) * 8}")
        return int.from_bytes(data, self._order)

    def read_all(self) -> bytes:
        """The registers that the client knows, by number: the contents of a ``g`` packet."""
        return b"".join(self.read(info.number) for info in self._known)

    def split(self, data: bytes) -> list[tuple[int, bytes]]:
        """The registers in a ``G`` packet.

        Raises:
            PacketError: more bytes than there are registers, or a part of one.
        """
        parts = []
        position = 0
        for info in self._known:
            if position == len(data):
                break
            size = info.bits // 8
            if position + size > len(data):
                raise PacketError("G packet ends inside a register")
            parts.append((info.number, data[position : position + size]))
            position += size
        if position != len(data):
            raise PacketError("G packet is longer than the registers")
        return parts

    @property
    def _known(self) -> tuple[RegisterInfo, ...]:
        return self.infos if self.described else self._assumed
