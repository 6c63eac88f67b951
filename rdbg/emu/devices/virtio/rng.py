"""virtio-rng (Virtio 1.1, 5.4): a source of random bytes.

The bytes are an input of the run, like what is typed: in a live run they come from the host's randomness and are
written down, in a replay they are the same.
"""

from __future__ import annotations

from rdbg.emu.device import SerialDevice, State, System
from rdbg.emu.devices.fields import FLAG, Number, load_field
from rdbg.emu.devices.virtio.buffers import part, scatter
from rdbg.emu.devices.virtio.queue import Virtqueue
from rdbg.emu.devices.virtio.virtio_device import Status, VirtioDevice, VirtioKind

ENTROPY_SOURCE = 4
QUEUE_SIZE = 8
MOST_BYTES = (1 << 63) - 1
PERIOD_MS = 1 << 16
MILLISECOND_NS = 1_000_000
#: Bytes that come in at a time.
ROOM_MOST = 4096

KIND = VirtioKind(ENTROPY_SOURCE, class_code=0x00_FF00, legacy_device=0x1005, queues=(QUEUE_SIZE,), config_size=0)


class VirtioRng(VirtioDevice, SerialDevice):
    """A source of random bytes.

    Args:
        name: unique in the machine.
        system: the machine around it.
        big_endian: byte order of the guest's CPU.
        most_bytes: that it gives in a period (QEMU's ``max-bytes``).
        period_ms: milliseconds of virtual time (QEMU's ``period``).
    """

    def __init__(
        self, name: str, system: System, big_endian: bool, most_bytes: int = MOST_BYTES, period_ms: int = PERIOD_MS
    ) -> None:
        self._most = most_bytes
        self._period_ns = period_ms * MILLISECOND_NS
        self.quota = most_bytes  #: bytes that are left in this period
        self.starts_period = True  #: the next request starts a period
        self._period = system.timer(f"{name}.period", self._period_over)
        super().__init__(name, system, KIND, big_endian)

    def config(self) -> bytes:
        """It has no configuration."""
        return b""

    def reset(self) -> None:
        """Power-on state."""
        super().reset()
        self.quota = self._most
        self.starts_period = True
        self._period.disarm()

    @property
    def _is_ready(self) -> bool:
        return bool(self.queues[0].is_ready and self.status & Status.DRIVER_OK)

    def notified(self, queue: Virtqueue) -> None:
        """The driver wants bytes."""
        self._want()

    def set_status(self, status: int) -> None:
        """What was made available before the driver was ready is filled now."""
        super().set_status(status)
        self._want()

    def _want(self) -> None:
        if not self._is_ready:
            return
        if self.starts_period:
            self._period.arm(self.system.now_ns + self._period_ns)
            self.starts_period = False
        self.system.room_grown()

    def _period_over(self) -> None:
        self.quota = self._most
        self.starts_period = True
        self._want()

    def receive_room(self) -> int:
        """How many bytes the driver wants."""
        if not self._is_ready or self.is_disabled:
            return 0
        return min(self.queues[0].count_bytes(ROOM_MOST), ROOM_MOST, self.quota)

    def receive(self, data: bytes) -> None:
        """Random bytes arrive from outside."""
        if not self._is_ready:
            return
        queue = self.queues[0]
        self.quota = max(self.quota - len(data), 0)
        done = 0
        while done < len(data):
            chain = queue.pop()
            if chain is None:
                break
            size = scatter(self.memory, part(chain.writable, 0, len(data) - done), data[done:], "random bytes")
            done += size
            queue.push(chain, size)
        queue.notify()
        self._want()

    def receive_break(self) -> None:
        """There is no line that could break."""

    def save(self) -> State:
        """What all virtio devices have, and how much it may give."""
        return super().save() | {"quota": self.quota, "starts_period": self.starts_period}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        super().load(state)
        quota = load_field(self.name, "quota", Number(0, MOST_BYTES), state)
        assert isinstance(quota, int)
        self.quota = quota
        self.starts_period = load_field(self.name, "starts_period", FLAG, state) is True
