"""Which packets a virtio-net device lets in, and the control commands that say so (Virtio 1.1, 5.1.6.5)."""

from __future__ import annotations

from rdbg.emu.device import Device, State
from rdbg.emu.devices.fields import FLAG, Bytes, all_of, load_bytes, load_field
from rdbg.emu.devices.virtio.descriptors import ByteOrder

MAC_SIZE = 6
TABLE_ENTRIES = 64
VLANS = 4096
BROADCAST = b"\xff" * MAC_SIZE
VLAN_TAG = b"\x81\x00"

# Commands of the class that sets modes; each takes a byte.
MODES = ("promiscuous", "all_multicast", "all_unicast", "no_multicast", "no_unicast", "no_broadcast")


class ReceiveFilter:
    """Modes, addresses and VLANs."""

    _FIELDS = all_of(FLAG, *MODES, "unicast_overflow", "multicast_overflow")

    def __init__(self) -> None:
        self.reset()
        self.set_all_vlans(False)

    def reset(self) -> None:
        """Everything is let in, as drivers expect that know no filter."""
        self.promiscuous = True
        self.all_multicast = self.all_unicast = False
        self.no_multicast = self.no_unicast = self.no_broadcast = False
        self.unicast_overflow = self.multicast_overflow = False  #: the table was too long: all of its kind come in
        self._unicast: tuple[bytes, ...] = ()
        self._multicast: tuple[bytes, ...] = ()
        self.set_all_vlans(False)

    def set_all_vlans(self, on: bool) -> None:
        """Let packets of all VLANs in, or of none."""
        self._vlans = bytearray((b"\xff" if on else b"\0") * (VLANS // 8))

    def accepts(self, frame: bytes, own: bytes) -> bool:
        """Whether a packet is let in.

        Args:
            frame: Ethernet, 14 bytes or more.
            own: the device's address.
        """
        if self.promiscuous:
            return True
        if frame[12:14] == VLAN_TAG and len(frame) >= 16:
            vlan = int.from_bytes(frame[14:16], "big") & (VLANS - 1)
            if not self._vlans[vlan >> 3] >> (vlan & 7) & 1:
                return False
        target = frame[:MAC_SIZE]
        if target == BROADCAST:
            return not self.no_broadcast
        if target[0] & 1:
            if self.no_multicast:
                return False
            return self.all_multicast or self.multicast_overflow or target in self._multicast
        if self.no_unicast:
            return False
        return self.all_unicast or self.unicast_overflow or target == own or target in self._unicast

    # --- commands ----------------------------------------------------------------------------
    def set_mode(self, command: int, data: bytes) -> bool:
        """Switch a mode. False: no such command, or no byte came with it."""
        if command >= len(MODES) or not data:
            return False
        setattr(self, MODES[command], data[0] != 0)
        return True

    def set_table(self, data: bytes, order: ByteOrder) -> bool:
        """Take two lists of addresses, each after its length. False: they are not of that form."""
        lists: list[tuple[bytes, ...] | None] = []
        room = TABLE_ENTRIES
        for last in (False, True):
            if len(data) < 4:
                return False
            count: int = order.word.unpack_from(data)[0]
            size = count * MAC_SIZE
            data = data[4:]
            # The product has 32 bits in drivers and devices alike; a list ends where the data do.
            if size > len(data) or (last and size != len(data)):
                return False
            if count <= room:
                lists.append(tuple(data[at : at + MAC_SIZE] for at in range(0, size, MAC_SIZE)))
                room -= count
            else:
                lists.append(None)
            data = data[size:]
        unicast, multicast = lists
        self.unicast_overflow, self.multicast_overflow = unicast is None, multicast is None
        self._unicast, self._multicast = unicast or (), multicast or ()
        return True

    def set_vlan(self, command: int, data: bytes, order: ByteOrder) -> bool:
        """Let a VLAN in (0) or keep it out (1). False: no such command or VLAN."""
        if len(data) < 2 or command > 1:
            return False
        vlan: int = order.half.unpack_from(data)[0]
        if vlan >= VLANS:
            return False
        bit = 1 << (vlan & 7)
        self._vlans[vlan >> 3] = self._vlans[vlan >> 3] & ~bit | (0 if command else bit)
        return True

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """All of it."""
        modes: State = {name: getattr(self, name) for name in self._FIELDS}
        return modes | {
            "unicast": b"".join(self._unicast),
            "multicast": b"".join(self._multicast),
            "vlans": bytes(self._vlans),
        }

    def load(self, device: Device, state: State) -> None:
        """Take back what ``save`` gave.

        Args:
            device: that it belongs to, for what is said of a damaged state.
            state: what was saved.
        """
        for name, kind in self._FIELDS.items():
            setattr(self, name, load_field(device.name, name, kind, state))
        self._unicast = _addresses(load_bytes(device, "unicast", state, Bytes(0, TABLE_ENTRIES * MAC_SIZE)))
        self._multicast = _addresses(load_bytes(device, "multicast", state, Bytes(0, TABLE_ENTRIES * MAC_SIZE)))
        self._vlans = bytearray(load_bytes(device, "vlans", state, Bytes(VLANS // 8, VLANS // 8)))


def _addresses(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + MAC_SIZE] for at in range(0, len(data) - MAC_SIZE + 1, MAC_SIZE))
