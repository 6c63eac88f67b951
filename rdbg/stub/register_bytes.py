"""The machine's registers as bytes in the guest's byte order, which is how packets carry them."""

from __future__ import annotations

from rdbg.emu.machine_api import MachineApi, RegisterInfo
from rdbg.rsp.packet_error import PacketError

#: GDB's registers for a MIPS that nothing describes: general ones to $fir are what this machine calls so too, the rest
#: belong to embedded processors of long ago (GDB's mips-tdep.h, enum mips_embed_regnum).
_STANDARD = range(72)
_EMBEDDED = range(72, 90)


class RegisterBytes:
    """Register values as packets carry them. A client that has not read the description of the registers (a GDB without
    expat cannot) takes them for the standard ones, and gets those.

    Args:
        machine: whose registers.
        wide_floats: whether the client is told of 64-bit floating-point registers.
    """

    def __init__(self, machine: MachineApi, wide_floats: bool = False) -> None:
        self._machine = machine
        self.wide_floats = wide_floats
        self.described = False  #: whether the client has read the description
        self.infos = tuple(sorted(machine.registers(wide_floats), key=lambda info: info.number))
        standard = sorted(machine.registers(wide_floats=False), key=lambda info: info.number)
        self._standard = tuple(info for info in standard if info.number in _STANDARD)
        self._by_number = {info.number: info for info in (*standard, *self.infos)}
        self._by_name = {info.name: info.number for info in self.infos}

    def number_of(self, name: str) -> int | None:
        """GDB's number of a register, or None if the machine has none of that name."""
        return self._by_name.get(name)

    def is_foreign(self, number: int) -> bool:
        """Whether the client means another register by that number, which this machine has not."""
        return not self.described and number in _EMBEDDED

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
        """A register's value."""
        info = self.info(number)
        value = self._machine.read_register(number) & ((1 << info.bits) - 1)
        return value.to_bytes(info.bits // 8, "big" if self._machine.big_endian else "little")

    def decode(self, number: int, data: bytes) -> int:
        """The value that bytes from a packet stand for.

        Raises:
            PacketError: there is no such register, or the width is wrong.
        """
        info = self.info(number)
        if len(data) * 8 != info.bits:
            raise PacketError(f"register {info.name} has {info.bits} bits, not {len(data) * 8}")
        return int.from_bytes(data, "big" if self._machine.big_endian else "little")

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
        return self.infos if self.described else self._standard
