"""What all network cards on the PCI bus have in common: the way to memory, the cable, frames that have to wait."""

from __future__ import annotations

from abc import abstractmethod

from rdbg.emu.device import LONGEST_FRAME, Device, NetworkDevice, State, System
from rdbg.emu.devices.fields import DOUBLE, FLAG, Bytes, Fields, load_fields, save_fields
from rdbg.emu.devices.pci import PciFunction
from rdbg.emu.dma_name import Detail, ReceivedPacket
from rdbg.emu.endpoint import network_port


class NetworkCard(NetworkDevice):
    """A card: registers in its BARs, descriptors and frames in memory.

    Args:
        name: unique in the machine; what it writes to memory is noted under it.
        system: time, timers, the way out.
        port: number of the network endpoint that its cable goes to.
        mac: its Ethernet address, 6 bytes.
    """

    _CARD_FIELDS: Fields = {
        "link_up": FLAG,
        "receive_disabled": FLAG,
        "packets": DOUBLE,
        "_held": Bytes(0, LONGEST_FRAME),
    }

    def __init__(self, name: str, system: System, port: int, mac: bytes) -> None:
        super().__init__(name)
        self._system = system
        self.endpoint = network_port(port)
        self.mac = mac
        self.link_up = True  #: the cable is plugged in
        self.packets = 0  #: number of the latest that came off the cable
        self.receive_disabled = False  #: a frame did not fit: none is taken before there is room
        self._held = b""  #: the frame that waits for it; empty: none
        self._detail: Detail = ""  #: what is being received, for who asks who wrote to memory
        self._is_busy = False  #: a transfer of its own is under way

    @property
    @abstractmethod
    def function(self) -> PciFunction:
        """Its place on the PCI bus."""

    @property
    def devices(self) -> tuple[Device, ...]:
        """What of it is reset, saved and loaded, in that order, beside its function."""
        return (self,)

    # --- registers ---------------------------------------------------------------------------
    def read(self, offset: int, size: int) -> int:
        """A guest load; a transfer of the card to or from its own registers finds nobody there."""
        if self._is_busy:
            return 0
        if size == 8:
            return self.read_register(offset, 4) | self.read_register(offset + 4, 4) << 32
        return self.read_register(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        if self._is_busy:
            return
        if size == 8:
            self.write_register(offset, 4, value & 0xFFFF_FFFF)
            self.write_register(offset + 4, 4, value >> 32)
            return
        self.write_register(offset, size, value)

    @abstractmethod
    def read_register(self, offset: int, size: int) -> int:
        """A load of 1, 2 or 4 bytes."""

    @abstractmethod
    def write_register(self, offset: int, size: int, value: int) -> None:
        """A store of 1, 2 or 4 bytes."""

    # --- memory ------------------------------------------------------------------------------
    def dma_read(self, address: int, size: int) -> bytes:
        """Bytes of the guest's memory; zeros where nothing answers, or while the card is no bus master."""
        if self.function.is_master:
            plain = self._system.dma_read_plain(address, size)
            if plain is not None:
                return plain
        self._is_busy = True
        try:
            return self.function.dma_read(address, size, source=self) if size else b""
        finally:
            self._is_busy = False

    def dma_write(self, address: int, data: bytes) -> None:
        """Write to the guest's memory; what nothing takes is lost."""
        if self.function.is_master and self._system.dma_write_plain(address, data):
            return
        self._is_busy = True
        try:
            if data:
                self.function.dma_write(address, data, self._detail, self)
        finally:
            self._is_busy = False

    # --- the cable ---------------------------------------------------------------------------
    def send(self, frame: bytes) -> None:
        """Put a frame, without its FCS, on the cable; it is lost while that is unplugged."""
        if self.link_up and frame:
            self._system.output(self.endpoint, frame)

    def receive_packet(self, data: bytes) -> None:
        """A frame comes off the cable (between two instructions). One that is empty or too long is none."""
        self.packets = self._system.packet_number
        if self.link_up and 0 < len(data) <= LONGEST_FRAME:
            self._take_or_hold(data)

    def _take_or_hold(self, frame: bytes) -> None:
        self._detail = ReceivedPacket(self.packets)
        if self.receive_disabled or not self.take(frame):
            self.receive_disabled = True
            self._held = frame
        self._detail = ""

    def loop_back(self, frame: bytes) -> None:
        """Hand the card a frame of its own."""
        if not self.receive_disabled and self.can_receive() and self.link_up and not self.take(frame):
            self.receive_disabled = True

    @abstractmethod
    def take(self, frame: bytes) -> bool:
        """Receive a frame, drop it, or (False) leave it: it comes again when there is room."""

    def can_receive(self) -> bool:
        """Whether frames may come; if not they wait outside."""
        return True

    def receive_room(self) -> int:
        """How many frames can be taken now; the sender waits while it is 0."""
        if not self.link_up:
            return 1  # and is lost
        return self.free_descriptors() if not self.receive_disabled and self.can_receive() else 0

    @abstractmethod
    def free_descriptors(self) -> int:
        """How many frames the guest has given memory for; at least 1 if a further one is to be dropped here."""

    def room_grown(self) -> None:
        """There is room again: what waits in the card is received, and what waits outside comes soon."""
        self.receive_disabled = False
        held, self._held = self._held, b""
        if held and self.link_up:
            self._take_or_hold(held)
        self._system.room_grown()

    def set_link(self, up: bool) -> None:
        """The cable is plugged in or pulled out (between two instructions)."""
        self.link_up = up
        self.link_changed()

    @abstractmethod
    def link_changed(self) -> None:
        """Tell the guest of ``link_up``."""

    # --- state -------------------------------------------------------------------------------
    def reset(self) -> None:
        """As at power-on; the cable stays as it is, and so does the count of packets."""
        self.receive_disabled = False
        self._held = b""

    def save(self) -> State:
        """The cable and the frame that waits."""
        return save_fields(self, self._CARD_FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._CARD_FIELDS, state)
