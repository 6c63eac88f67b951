"""What all virtio devices have in common (Virtio 1.1, chapter 2): status, features, queues, configuration space.

With VIRTIO_F_VERSION_1 negotiated everything is little-endian; before, and for legacy drivers, as the guest's CPU.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from enum import IntFlag
from typing import Protocol

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.fields import BYTE, DOUBLE, FLAG, Number, all_of, load_fields, save_fields
from rdbg.emu.devices.virtio.buffers import Memory
from rdbg.emu.devices.virtio.descriptors import BIG, LITTLE
from rdbg.emu.devices.virtio.queue import Virtqueue
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

QUEUE_MAX = 1024  #: queues that can be selected
ISR_QUEUE, ISR_CONFIG = 1, 2


class Status(IntFlag):
    """Bits of the device status (2.1)."""

    ACKNOWLEDGE = 0x01
    DRIVER = 0x02
    DRIVER_OK = 0x04
    FEATURES_OK = 0x08
    NEEDS_RESET = 0x40


class CommonFeature(IntFlag):
    """Features that are not of one kind of device (chapter 6, and 6.3 for legacy ones)."""

    NOTIFY_ON_EMPTY = 1 << 24
    ANY_LAYOUT = 1 << 27
    INDIRECT_DESC = 1 << 28
    EVENT_IDX = 1 << 29
    BAD_FEATURE = 1 << 30
    VERSION_1 = 1 << 32
    RING_RESET = 1 << 40


COMMON_FEATURES = (
    CommonFeature.NOTIFY_ON_EMPTY
    | CommonFeature.ANY_LAYOUT
    | CommonFeature.INDIRECT_DESC
    | CommonFeature.EVENT_IDX
    | CommonFeature.RING_RESET
)
#: Not shown to modern drivers.
LEGACY_FEATURES = CommonFeature.BAD_FEATURE | CommonFeature.NOTIFY_ON_EMPTY | CommonFeature.ANY_LAYOUT


class Transport(Protocol):
    """The bus that a device is on."""

    @property
    def memory(self) -> Memory:
        """Guest memory."""

    @property
    def is_modern(self) -> bool:
        """Whether VIRTIO_F_VERSION_1 can be offered."""

    def set_interrupt(self, level: bool) -> None:
        """Drive the interrupt line."""


@dataclass(frozen=True)
class VirtioKind:
    """What a kind of device is.

    Args:
        number: of the kind of device (chapter 5).
        class_code: PCI class, 24 bits.
        legacy_device: PCI device number of a transitional device.
        queues: size of each queue.
        config_size: bytes of the configuration space.
        features: offered, beside `COMMON_FEATURES`.
        legacy_features: of those, not shown to modern drivers.
        bad_features: what a driver is taken to have that acknowledges BAD_FEATURE: it acknowledges everything.
    """

    number: int
    class_code: int
    legacy_device: int
    queues: Sequence[int]
    config_size: int
    features: int = 0
    legacy_features: int = 0
    bad_features: int = 0


class VirtioDevice(Device):
    """A device behind its transport. Its own addresses are those of its configuration space.

    Args:
        name: unique in the machine.
        system: the machine around it.
        kind: what it is.
        big_endian: byte order of the guest's CPU.
    """

    _FIELDS = (
        all_of(BYTE, "status", "isr", "generation")
        | all_of(DOUBLE, "features")
        | all_of(FLAG, "is_broken", "is_off")
        | {"selected": Number(0, QUEUE_MAX - 1)}
    )

    def __init__(self, name: str, system: System, kind: VirtioKind, big_endian: bool) -> None:
        super().__init__(name)
        self.system = system
        self.kind = kind
        self._guest_order = BIG if big_endian else LITTLE
        self._transport: Transport | None = None
        self._withheld = 0
        self.queues = [Virtqueue(index, size, self) for index, size in enumerate(kind.queues)]
        self.generation = 0  #: of the configuration space
        self._clear()

    def attach(self, transport: Transport) -> None:
        """Say which bus it is on (once, before anything else)."""
        self._transport = transport
        self.memory = transport.memory
        self.offered = self.offer(transport.is_modern)

    def offer(self, is_modern: bool) -> int:
        """All features that the driver is offered."""
        offered = COMMON_FEATURES | CommonFeature.BAD_FEATURE | self.kind.features
        return int(offered | CommonFeature.VERSION_1 if is_modern else offered) & ~self._withheld

    def withhold(self, features: int) -> None:
        """Do not offer some features (before it is attached). Configuration that belongs to them alone is not there."""
        self._withheld = features

    def _clear(self) -> None:
        self.status = 0
        self.isr = 0
        self.features = 0  #: negotiated
        self.selected = 0  #: queue that the driver has selected
        self.is_broken = False
        self.is_off = False  #: bus mastering was taken away
        for queue in self.queues:
            queue.reset()
        self._negotiated()

    def _negotiated(self) -> None:
        """Work out what depends on the features: it is asked for at each access to a ring."""
        self.order = LITTLE if self.features & CommonFeature.VERSION_1 else self._guest_order  #: of rings and requests
        self.event_index = bool(self.features & CommonFeature.EVENT_IDX)
        self.notify_on_empty = bool(self.features & CommonFeature.NOTIFY_ON_EMPTY)

    @property
    def is_turned(self) -> bool:
        """Whether a big-endian guest has negotiated little-endian rings and numbers."""
        return self._guest_order.big_endian and not self.order.big_endian

    # --- what kinds of devices define ----------------------------------------------------------
    @abstractmethod
    def config(self) -> bytes:
        """The configuration space as it is now."""

    def config_changed(self, config: bytes) -> None:
        """The driver has written to the configuration space, and wants it to be like this."""

    @abstractmethod
    def notified(self, queue: Virtqueue) -> None:
        """The driver has made buffers available."""

    def status_changes(self, status: int) -> None:
        """The driver sets the status, which is still the old one."""

    def features_changed(self) -> None:
        """Features were negotiated."""

    def device_reset(self) -> None:
        """The driver resets the device, or the machine is reset."""

    # --- seen by queues ------------------------------------------------------------------------
    @property
    def is_disabled(self) -> bool:
        """Whether it works no rings now."""
        return self.is_broken or self.is_off

    def fail(self, why: str) -> None:
        """The driver has broken the rules: nothing works until it resets the device."""
        self.system.log(f"{self.name}: {why}: the device waits for a reset")
        if self.features & CommonFeature.VERSION_1:
            self.status |= Status.NEEDS_RESET
            self.announce_config()
        self.is_broken = True

    def queue_interrupt(self) -> None:
        """A queue has used buffers that the driver wants to hear of."""
        self.isr |= ISR_QUEUE
        self.update_interrupt()

    def announce_config(self) -> None:
        """The configuration space has changed by itself."""
        if self.status & Status.DRIVER_OK:
            self.isr |= ISR_QUEUE | ISR_CONFIG
            self.generation = self.generation + 1 & 0xFF
            self.update_interrupt()

    def update_interrupt(self) -> None:
        """Drive the line as the interrupt status is; a disabled device leaves it."""
        if not self.is_disabled and self._transport is not None:
            self._transport.set_interrupt(bool(self.isr & ISR_QUEUE))

    # --- seen by the transport -----------------------------------------------------------------
    def set_features(self, features: int) -> None:
        """The driver's choice; what was not offered is left out. After FEATURES_OK it is too late."""
        if self.status & Status.FEATURES_OK:
            return
        self.features = features & self.offered
        self._negotiated()
        self.features_changed()
        if self.event_index:
            for queue in self.queues:
                queue.map()  # the rings are longer with it

    def set_status(self, status: int) -> None:
        """The driver's progress. 0 is a reset: `driver_resets`."""
        self.status_changes(status)
        self.status = status

    def read_isr(self) -> int:
        """The interrupt status, which is cleared."""
        value, self.isr = self.isr, 0
        assert self._transport is not None
        self._transport.set_interrupt(False)
        return value

    def queue(self, index: int) -> Virtqueue | None:
        """A queue by its number; None: there is none."""
        return self.queues[index] if index < len(self.queues) else None

    def notify(self, index: int) -> None:
        """The driver notifies a queue."""
        queue = self.queue(index)
        if queue is not None and queue.descriptors and not self.is_broken:
            self.notified(queue)

    def set_off(self, off: bool) -> None:
        """Whether bus mastering is taken away."""
        self.is_off = off
        if off:
            self.set_status(self.status & ~Status.DRIVER_OK)

    def driver_resets(self) -> None:
        """A reset by the driver: all but the configuration's generation."""
        self.set_status(0)
        self.device_reset()
        self._clear()
        self.update_interrupt()

    @property
    def config_size(self) -> int:
        """Bytes of the configuration space."""
        return self.kind.config_size

    # --- configuration space -------------------------------------------------------------------
    def read(self, offset: int, size: int) -> int:
        """Bytes of the configuration space, as a little-endian number; ones beyond its end."""
        if offset + size > self.config_size:
            return (1 << (8 * size)) - 1
        return int.from_bytes(self.config()[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Change bytes of the configuration space; the device decides what becomes of them."""
        if offset + size <= self.config_size:
            config = bytearray(self.config())
            config[offset : offset + size] = value.to_bytes(size, "little")
            self.config_changed(bytes(config))

    # --- state -----------------------------------------------------------------------------------
    def reset(self) -> None:
        """Power-on state."""
        self.driver_resets()
        self.generation = 0

    def save(self) -> State:
        """Status, features and queues."""
        return save_fields(self, self._FIELDS) | {
            "queues": {str(queue.index): queue.save() for queue in self.queues if not queue.is_fresh},
        }

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        queues = state.get("queues")
        if not isinstance(queues, dict) or not queues.keys() <= {str(queue.index) for queue in self.queues}:
            raise RdbgError(f"saved state of device {self.name!r} is damaged: its queues are others")
        for queue in self.queues:
            saved = queues.get(str(queue.index))
            if isinstance(saved, dict):
                queue.load(self.name, saved)
            else:
                queue.reset()
        self._negotiated()
