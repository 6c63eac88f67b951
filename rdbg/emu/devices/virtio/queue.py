"""A split virtqueue (Virtio 1.1, 2.6): descriptors, the available ring, the used ring, and whether to interrupt.

What the guest puts into its rings is checked as QEMU 7.2 checks it: where it is wrong, the device is broken until the
driver resets it. A queue whose ring has no address yields nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from rdbg.emu.device import State
from rdbg.emu.devices.fields import DOUBLE, FLAG, HALF, Number, all_of, load_field
from rdbg.emu.devices.virtio.buffers import Memory
from rdbg.emu.devices.virtio.descriptors import (
    DESCRIPTOR_SIZE,
    MOST_ENTRIES,
    WRITE,
    BadChain,
    ByteOrder,
    Chain,
    DescriptorTable,
)

NO_INTERRUPT = 1  #: in the available ring's flags
NO_NOTIFY = 1  #: in the used ring's flags
LEGACY_ALIGN = 4096
#: Descriptors that are gone through at a time to see how much room there is. All of a queue without tables of their own
#: are fewer, and drivers make chains of some twenty.
MOST_LOOKED_AT = 8 * MOST_ENTRIES


class Owner(Protocol):
    """The device, as its queues see it."""

    @property
    def memory(self) -> Memory:
        """Guest memory."""

    @property
    def order(self) -> ByteOrder:
        """How numbers stand in the rings."""

    @property
    def event_index(self) -> bool:
        """Whether VIRTIO_F_EVENT_IDX was negotiated."""

    @property
    def notify_on_empty(self) -> bool:
        """Whether VIRTIO_F_NOTIFY_ON_EMPTY was negotiated."""

    @property
    def is_disabled(self) -> bool:
        """Whether the device works no rings now: it is broken, or may not be the bus's master."""

    def fail(self, why: str) -> None:
        """The driver has broken the rules: the device is broken until it is reset."""

    def queue_interrupt(self) -> None:
        """A queue has used buffers that the driver wants to hear of."""


class Virtqueue:
    """One queue.

    Args:
        index: its number in the device.
        most: its size at reset, which the driver can reduce; 0: there is no such queue.
        owner: the device.
    """

    _FIELDS = (
        all_of(DOUBLE, "descriptors", "available", "used")
        | all_of(HALF, "next_available", "seen_available", "used_index", "signalled")
        | all_of(FLAG, "is_mapped", "signalled_valid", "notification")
        | {"size": Number(1, MOST_ENTRIES), "in_use": Number(0, MOST_ENTRIES)}
    )

    def __init__(self, index: int, most: int, owner: Owner) -> None:
        self.index = index
        self.most = most
        self._owner = owner
        self._ring_detail = f"ring of queue {index}"
        self.reset()

    def reset(self) -> None:
        """No rings, and the size that it has at first."""
        self.size = self.most  #: entries
        self.descriptors = self.available = self.used = 0  #: guest-physical addresses of the three parts
        self.is_mapped = False  #: the parts can be accessed
        self.next_available = 0  #: index of the next entry of the available ring to take
        self.seen_available = 0  #: the available ring's index when it was last read
        self.used_index = 0
        self.signalled = 0  #: the used index at the last decision about an interrupt
        self.signalled_valid = False
        self.notification = True  #: the driver is to notify
        self.in_use = 0  #: chains taken and not given back

    @property
    def is_fresh(self) -> bool:
        """Whether the driver has not touched it since the reset."""
        return self.size == self.most and not (self.descriptors or self.available or self.used or self.next_available)

    # --- place -------------------------------------------------------------------------------
    def set_size(self, size: int) -> None:
        """The driver's choice, where it can be."""
        if bool(size) == bool(self.size) and size <= MOST_ENTRIES:
            self.size = size

    def set_legacy_address(self, address: int) -> None:
        """All three parts one after another, as legacy devices have them (2.6.2)."""
        if not self.size:
            return
        self.descriptors = address
        if not address:
            return
        self.available = address + DESCRIPTOR_SIZE * self.size
        end = self.available + 4 + 2 * self.size
        self.used = -(-end // LEGACY_ALIGN) * LEGACY_ALIGN
        self.map()

    def set_addresses(self, descriptors: int, available: int, used: int) -> None:
        """Each part where the driver wants it."""
        if self.size:
            self.descriptors, self.available, self.used = descriptors, available, used
            self.map()

    def map(self) -> None:
        """See whether the parts can be accessed. A part that runs out of memory breaks the device."""
        self.is_mapped = False
        if not self.descriptors:
            return
        event = 2 if self._owner.event_index else 0
        for what, address, size, write in (
            ("desc", self.descriptors, DESCRIPTOR_SIZE * self.size, False),
            ("used", self.used, 4 + 8 * self.size + event, True),
            ("avail", self.available, 4 + 2 * self.size + event, False),
        ):
            if 0 < self._owner.memory.direct(address, size, write) < size:
                self._owner.fail(f"Cannot map {what}")
                return
        self.is_mapped = True

    # --- rings -------------------------------------------------------------------------------
    def _half(self, address: int) -> int:
        """A number of the rings; 0 while they cannot be accessed."""
        if not self.is_mapped:
            return 0
        owner = self._owner
        found: int = owner.order.half.unpack(owner.memory.read(address, 2))[0]
        return found

    def _set_half(self, address: int, value: int) -> None:
        if self.is_mapped:
            self._owner.memory.write(address, self._owner.order.half.pack(value), self._ring_detail)

    def _read_available_index(self) -> int:
        if self.is_mapped:
            self.seen_available = self._half(self.available + 2)
            return self.seen_available
        return 0

    def is_empty(self) -> bool:
        """Whether nothing is available."""
        if self._owner.is_disabled or not self.available:
            return True
        if self.seen_available != self.next_available:
            return False
        return self._read_available_index() == self.next_available

    @property
    def is_ready(self) -> bool:
        """Whether the driver has said where the rings are."""
        return self.available != 0

    def _head(self, index: int) -> int | None:
        head = self._half(self.available + 4 + 2 * (index % self.size))
        if head >= self.size:
            self._owner.fail(f"Guest says index {head} is available")
            return None
        return head

    def set_notification(self, enable: bool) -> None:
        """Ask the driver to notify of buffers, or not to."""
        self.notification = enable
        if not self.descriptors:
            return
        if self._owner.event_index:
            index = self._read_available_index()
            if enable:
                self._set_available_event(index)
            return
        flags = self._half(self.used)
        wanted = flags & ~NO_NOTIFY if enable else flags | NO_NOTIFY
        if wanted != flags:
            self._set_half(self.used, wanted)

    def _set_available_event(self, index: int) -> None:
        if self.notification:
            self._set_half(self.used + 4 + 8 * self.size, index)

    # --- taking ------------------------------------------------------------------------------
    def pop(self) -> Chain | None:
        """The next chain that is available; None: there is none, or it is wrong and the device is broken now."""
        owner = self._owner
        if owner.is_disabled or self.is_empty():
            return None
        if self.in_use >= self.size:
            owner.fail("Virtqueue size exceeded")
            return None
        head = self._head(self.next_available)
        self.next_available = self.next_available + 1 & 0xFFFF
        if head is None:
            return None
        if owner.event_index:
            self._set_available_event(self.next_available)
        if not self.is_mapped:
            owner.fail("Region caches not initialized")
            return None
        try:
            chain = self._table().collect(head)
        except BadChain as error:
            owner.fail(str(error))
            return None
        self.in_use += 1
        return chain

    def _table(self) -> DescriptorTable:
        return DescriptorTable(self._owner.memory, self._owner.order, self.descriptors, self.size)

    def has_writable(self, size: int) -> bool:
        """Whether ``size`` bytes can be written in all chains that are available, or after `MOST_LOOKED_AT` descriptors
        it is not known. What is wrong on the way to them breaks the device."""
        if not self.descriptors or not self.is_mapped:
            return False
        table, index, found, looked = self._table(), self.next_available, 0, 0
        while True:
            heads = self._read_available_index() - index & 0xFFFF
            if heads > self.size:
                self._owner.fail(f"Guest moved used index from {index} to {self.seen_available}")
                return False
            head = self._head(index) if heads else None
            if head is None:
                return False
            index = index + 1 & 0xFFFF
            try:
                for _, length, flags, _ in table.walk(head):
                    looked += 1
                    if flags & WRITE:
                        found += length
                    if found >= size or looked > MOST_LOOKED_AT:
                        return True
            except BadChain as error:
                self._owner.fail(str(error))
                return False

    def count_bytes(self, most: int, unit: int = 1) -> int:
        """Bytes that can be written in all chains that are available, as far as ``most``. Looking: nothing changes, and
        what is wrong counts as none until it is taken.

        Args:
            most: where to stop.
            unit: what comes at once. What `MOST_LOOKED_AT` descriptors do not tell is room for one: buffers of nothing,
                or that cannot be written, hold up the guest's packets and not the host.
        """
        found = looked = 0
        table = self._table()
        try:
            for head in self._look_ahead():
                for _, length, flags, _ in table.walk(head):
                    looked += 1
                    if flags & WRITE:
                        found += length
                    if found >= most:
                        return found
                    if looked > MOST_LOOKED_AT:
                        return max(found, unit)
        except BadChain:
            pass
        return found

    def count_chains(self) -> int:
        """Chains that are available. Looking: nothing changes."""
        if not self.is_mapped or self._owner.is_disabled:
            return 0
        heads = self._half(self.available + 2) - self.next_available & 0xFFFF
        return heads if heads <= self.size else 1

    def _look_ahead(self) -> Iterator[int]:
        for ahead in range(self.count_chains()):
            head = self._half(self.available + 4 + 2 * ((self.next_available + ahead) % self.size))
            if head >= self.size:
                return
            yield head

    def put_back(self) -> None:
        """The chain that was taken last is available again."""
        self.next_available = self.next_available - 1 & 0xFFFF
        self.forget()

    def forget(self, count: int = 1) -> None:
        """Chains that were taken are never given back. (There may be none: what was written for one may have reached
        the device's own registers, and reset it.)"""
        self.in_use = max(self.in_use - count, 0)

    # --- giving back -------------------------------------------------------------------------
    def push(self, chain: Chain, size: int) -> None:
        """Give a chain back, of which ``size`` bytes were written."""
        self.fill(chain, size, 0)
        self.flush(1)

    def fill(self, chain: Chain, size: int, offset: int) -> None:
        """Note a chain in the used ring, ``offset`` entries beyond its end; `flush` moves the end."""
        owner = self._owner
        if owner.is_disabled or not self.used or not self.is_mapped:
            return
        place = self.used + 4 + 8 * ((self.used_index + offset) % self.size)
        owner.memory.write(place, owner.order.pair.pack(chain.head, size & 0xFFFF_FFFF), self._ring_detail)

    def flush(self, count: int) -> None:
        """Show the driver the next ``count`` entries of the used ring."""
        if self._owner.is_disabled:
            self.forget(count)
            return
        if not self.used:
            return
        old = self.used_index
        new = old + count & 0xFFFF
        self._set_half(self.used + 2, new)
        self.used_index = new
        self.forget(count)
        if _signed(new - self.signalled) < count:
            self.signalled_valid = False

    def drop_all(self) -> int:
        """Give back all that is available, unread.

        Returns:
            How many chains.
        """
        dropped = 0
        while not self._owner.is_disabled and not self.is_empty() and self.in_use < self.size:
            head = self._head(self.next_available)
            if head is None:
                break
            self.in_use += 1
            self.next_available = self.next_available + 1 & 0xFFFF
            if self._owner.event_index:
                self._set_available_event(self.next_available)
            self.push(Chain(head, [], []), 0)
            dropped += 1
        return dropped

    def notify(self) -> None:
        """Interrupt, if the driver wants to hear of what was given back (2.6.7)."""
        if self._should_interrupt():
            self._owner.queue_interrupt()

    def _should_interrupt(self) -> bool:
        owner = self._owner
        if owner.notify_on_empty and not self.in_use and self.is_empty():
            return True
        if not owner.event_index:
            return not self._half(self.available) & NO_INTERRUPT
        valid, old = self.signalled_valid, self.signalled
        self.signalled_valid, self.signalled = True, self.used_index
        if not valid:
            return True
        event = self._half(self.available + 4 + 2 * self.size) if self.size else 0
        return self.used_index - event - 1 & 0xFFFF < (self.used_index - old & 0xFFFF)

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """Everything but what the rings in memory say."""
        return {name: getattr(self, name) for name in self._FIELDS}

    def load(self, device: str, state: State) -> None:
        """Take back what ``save`` gave.

        Args:
            device: name of the device, for what is said of a damaged state.
            state: what was saved.
        """
        for name, kind in self._FIELDS.items():
            setattr(self, name, load_field(device, name, kind, state))


def _signed(value: int) -> int:
    value &= 0xFFFF
    return value - 0x1_0000 if value & 0x8000 else value
