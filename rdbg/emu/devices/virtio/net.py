"""virtio-net (Virtio 1.1, 5.1): one pair of queues and a control queue, without checksum or segmentation offload, as
QEMU offers it where its peer is no tap device.

Packets take no virtual time: they leave when the driver has notified the queue.
"""

from __future__ import annotations

from struct import Struct

from rdbg.emu.device import LONGEST_FRAME, NetworkDevice, State, System
from rdbg.emu.devices.fields import Bytes, Number, load_bytes, load_field
from rdbg.emu.devices.virtio.buffers import gather, part, scatter, total
from rdbg.emu.devices.virtio.descriptors import Chain
from rdbg.emu.devices.virtio.net_filter import MAC_SIZE, ReceiveFilter
from rdbg.emu.devices.virtio.queue import Virtqueue
from rdbg.emu.devices.virtio.virtio_device import CommonFeature, Status, VirtioDevice, VirtioKind
from rdbg.emu.dma_name import ReceivedPacket
from rdbg.emu.endpoint import network_port

NETWORK_CARD = 1
QUEUE_SIZE, CONTROL_QUEUE_SIZE = 256, 64
RECEIVE, TRANSMIT, CONTROL = range(3)

# Features (5.1.3).
CSUM, HOST_TSO4, HOST_TSO6, HOST_ECN = 1 << 0, 1 << 11, 1 << 12, 1 << 13
CTRL_GUEST_OFFLOADS, MAC, GSO, MRG_RXBUF, STATUS, CTRL_VQ = 1 << 2, 1 << 5, 1 << 6, 1 << 15, 1 << 16, 1 << 17
CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, GUEST_ANNOUNCE, CTRL_MAC_ADDR = 1 << 18, 1 << 19, 1 << 20, 1 << 21, 1 << 23

LINK_UP, ANNOUNCE = 1, 2  #: in the status of the configuration space

# Classes of control commands (5.1.6.5).
CLASS_RX, CLASS_MAC, CLASS_VLAN, CLASS_ANNOUNCE = range(4)
MAC_TABLE_SET, MAC_ADDR_SET = 0, 1
ACK_OK, ACK_ERROR = b"\0", b"\1"

HEADER_SIZE, MERGEABLE_HEADER_SIZE = 10, 12
BUFFERS_OFFSET = 10  #: of the number of merged buffers in the header
FRAME_LEAST = 14
#: Room that a packet is taken to need, in merged buffers: an Ethernet frame with a VLAN tag, and the header.
FRAME_ROOM = 1518 + MERGEABLE_HEADER_SIZE
ROOM_MOST = 64  #: packets that are counted

_CONFIG = {False: Struct("<6sH"), True: Struct(">6sH")}

KIND = VirtioKind(
    NETWORK_CARD,
    class_code=0x02_0000,
    legacy_device=0x1000,
    queues=(QUEUE_SIZE, QUEUE_SIZE, CONTROL_QUEUE_SIZE),
    config_size=MAC_SIZE + 2,
    features=(
        CTRL_GUEST_OFFLOADS | MAC | GSO | MRG_RXBUF | STATUS | CTRL_VQ
        | CTRL_RX | CTRL_VLAN | CTRL_RX_EXTRA | GUEST_ANNOUNCE | CTRL_MAC_ADDR
    ),
    legacy_features=GSO,
    bad_features=MAC | CSUM | HOST_TSO4 | HOST_TSO6 | HOST_ECN,
)  # fmt: skip


class VirtioNet(VirtioDevice, NetworkDevice):
    """A network card.

    Args:
        name: unique in the machine.
        system: the machine around it.
        port: number of its network endpoint.
        mac: its address at reset, 6 bytes.
        big_endian: byte order of the guest's CPU.
    """

    _LINK_STATUS = Number(0, LINK_UP | ANNOUNCE)

    def __init__(self, name: str, system: System, port: int, mac: bytes, big_endian: bool) -> None:
        self._endpoint = network_port(port)
        self._own_mac = mac
        self.mac = mac
        self.link_status = LINK_UP
        self.filter = ReceiveFilter()
        super().__init__(name, system, KIND, big_endian)

    def device_reset(self) -> None:
        """The address of its own, and everything is let in."""
        self.filter.reset()
        self.mac = self._own_mac
        self.link_status &= ~ANNOUNCE

    @property
    def config_size(self) -> int:
        """The address, and the status if that is offered."""
        return MAC_SIZE if self._withheld & STATUS else KIND.config_size

    # --- configuration -----------------------------------------------------------------------
    def config(self) -> bytes:
        """The configuration space (5.1.4)."""
        return _CONFIG[self.order.big_endian].pack(self.mac, self.link_status)

    def config_changed(self, config: bytes) -> None:
        """Legacy drivers set the address here."""
        if not self.features & (CTRL_MAC_ADDR | CommonFeature.VERSION_1):
            self.mac = config[:MAC_SIZE]

    def features_changed(self) -> None:
        """A driver that does not know of VLANs gets all."""
        self.filter.set_all_vlans(not self.features & CTRL_VLAN)

    def status_changes(self, status: int) -> None:
        """With the cable out, what waits to be sent is dropped."""
        if status & Status.DRIVER_OK and not self.link_status & LINK_UP:
            queue = self.queues[TRANSMIT]
            queue.set_notification(True)
            self._drop(queue)

    def set_link(self, up: bool) -> None:
        """The cable is plugged in or pulled out."""
        old = self.link_status
        self.link_status = old & ~LINK_UP | (LINK_UP if up else 0)
        if self.link_status != old:
            self.announce_config()
        self.status_changes(self.status)
        self.system.room_grown()

    @property
    def _header_size(self) -> int:
        mergeable = self.features & (MRG_RXBUF | CommonFeature.VERSION_1)
        return MERGEABLE_HEADER_SIZE if mergeable else HEADER_SIZE

    def notified(self, queue: Virtqueue) -> None:
        """Buffers for packets, packets to be sent, or commands."""
        if queue.index == RECEIVE:
            self.system.room_grown()
        elif queue.index == TRANSMIT:
            self._transmit(queue)
        else:
            self._control(queue)

    # --- sending -----------------------------------------------------------------------------
    def _drop(self, queue: Virtqueue) -> None:
        if queue.drop_all():
            queue.notify()

    def _transmit(self, queue: Virtqueue) -> None:
        if not self.link_status & LINK_UP:
            self._drop(queue)
            return
        if not self.status & Status.DRIVER_OK:
            queue.set_notification(False)
            return
        queue.notification = False
        while (chain := queue.pop()) is not None:
            if not chain.readable:
                self.fail("virtio-net header not in first element")
                queue.forget()
                return
            size = total(chain.readable) - self._header_size
            if 0 < size <= LONGEST_FRAME:
                self.system.output(self._endpoint, gather(self.memory, part(chain.readable, self._header_size, size)))
            queue.push(chain, 0)
            queue.notify()
        queue.set_notification(True)

    # --- receiving ---------------------------------------------------------------------------
    def _takes(self) -> bool:
        """Whether the driver wants packets at all."""
        return bool(self.queues[RECEIVE].is_ready and self.status & Status.DRIVER_OK and not self.is_disabled)

    def receive_room(self) -> int:
        """Packets for which there are buffers; what comes while the driver wants none is dropped."""
        if not self.link_status & LINK_UP or not self._takes():
            return 1
        queue = self.queues[RECEIVE]
        if self.features & MRG_RXBUF:
            return queue.count_bytes(ROOM_MOST * FRAME_ROOM, FRAME_ROOM) // FRAME_ROOM
        return min(queue.count_chains(), ROOM_MOST)

    def receive_packet(self, data: bytes) -> None:
        """A packet arrives; it is dropped where the cable is out, the filter keeps it out or no buffer holds it."""
        if not self.link_status & LINK_UP or not self._takes() or len(data) < FRAME_LEAST:
            return
        queue = self.queues[RECEIVE]
        mergeable = bool(self.features & MRG_RXBUF)
        if not self._has_buffers(queue, len(data) + self._header_size if mergeable else 0):
            queue.set_notification(True)
            return
        queue.set_notification(False)
        if self.filter.accepts(data, self.mac):
            self._fill(queue, data, mergeable)
        if not self._has_buffers(queue, FRAME_ROOM if mergeable else 0):
            queue.set_notification(True)  # what comes next waits for the driver to give more

    def _has_buffers(self, queue: Virtqueue, size: int) -> bool:
        return not queue.is_empty() and (not size or queue.has_writable(size))

    def _fill(self, queue: Virtqueue, data: bytes, mergeable: bool) -> None:
        """Put a packet into buffers, several ones if the driver can merge them."""
        detail = ReceivedPacket(self.system.packet_number)
        header = self._header_size
        taken: list[tuple[Chain, int]] = []
        done = 0
        while done < len(data):
            chain = queue.pop()
            if chain is None:
                if taken:
                    self.fail("virtio-net unexpected empty queue")
                break
            if not chain.writable:
                self.fail("virtio-net receive queue contains no in buffers")
                queue.forget()
                break
            start = 0 if taken else header
            if not taken:
                scatter(self.memory, chain.writable, bytes(HEADER_SIZE), detail)
            size = scatter(self.memory, chain.writable, data[done:], detail, start)
            done += size
            if not mergeable and done < len(data):
                queue.put_back()
                break
            taken.append((chain, start + size))
        if done < len(data):
            queue.forget(len(taken))
            return
        if mergeable:
            count = self.order.half.pack(len(taken))
            scatter(self.memory, taken[0][0].writable, count, detail, BUFFERS_OFFSET)
        for offset, (chain, size) in enumerate(taken):
            queue.fill(chain, size, offset)
        queue.flush(len(taken))
        queue.notify()

    # --- commands ----------------------------------------------------------------------------
    def _control(self, queue: Virtqueue) -> None:
        while (chain := queue.pop()) is not None:
            if not chain.writable or total(chain.readable) < 2:
                self.fail("virtio-net ctrl missing headers")
                queue.forget()
                return
            most = 2 + 2 * (4 + 64 * MAC_SIZE) + LONGEST_FRAME
            command = gather(self.memory, part(chain.readable, 0, most))
            done = self._command(command[0], command[1], command[2:])
            scatter(self.memory, chain.writable, ACK_OK if done else ACK_ERROR, "command status")
            queue.push(chain, 1)
            queue.notify()

    def _command(self, kind: int, command: int, data: bytes) -> bool:
        if kind == CLASS_RX:
            return self.filter.set_mode(command, data)
        if kind == CLASS_MAC and command == MAC_ADDR_SET and len(data) == MAC_SIZE:
            self.mac = data
            return True
        if kind == CLASS_MAC and command == MAC_TABLE_SET:
            return self.filter.set_table(data, self.order)
        if kind == CLASS_VLAN:
            return self.filter.set_vlan(command, data, self.order)
        # Announcements are asked for after a migration alone; offloads and more queues are not there.
        return False

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """What all virtio devices have, the filter, the address and the link."""
        return super().save() | {
            "mac": self.mac,
            "filter": self.filter.save(),
            "link_status": self.link_status,
        }

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        super().load(state)
        self.mac = load_bytes(self, "mac", state, Bytes(MAC_SIZE, MAC_SIZE))
        link_status = load_field(self.name, "link_status", self._LINK_STATUS, state)
        assert isinstance(link_status, int)
        self.link_status = link_status
        saved = state.get("filter")
        self.filter.load(self, saved if isinstance(saved, dict) else {})
