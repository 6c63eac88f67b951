"""virtio-blk (Virtio 1.1, 5.2): reads, writes, flushes, discards and write-zeroes on a disk.

A request takes no virtual time: it is done when the driver has notified the queue. Discarded sectors keep their
content, as with QEMU's ``discard=ignore``, its default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct

from rdbg.emu.device import State, System
from rdbg.emu.devices.fields import FLAG, load_field
from rdbg.emu.devices.virtio.buffers import Buffer, gather, part, scatter, total
from rdbg.emu.devices.virtio.descriptors import Chain
from rdbg.emu.devices.virtio.queue import Virtqueue
from rdbg.emu.devices.virtio.virtio_device import CommonFeature, Status, VirtioDevice, VirtioKind
from rdbg.emu.disk import SECTOR_SIZE, Disk, DiskError
from rdbg.emu.dma_name import Sectors

BLOCK_DEVICE = 2
QUEUE_SIZE = 256
CONFIG_SIZE = 57
CONFIG_SIZE_WITH_DISCARD, CONFIG_SIZE_WITHOUT_EITHER = 48, 36  #: without write-zeroes

# Features (5.2.3).
SEG_MAX, GEOMETRY, READ_ONLY, BLK_SIZE, SCSI = 1 << 2, 1 << 4, 1 << 5, 1 << 6, 1 << 7
FLUSH, TOPOLOGY, CONFIG_WCE, DISCARD, WRITE_ZEROES = 1 << 9, 1 << 10, 1 << 11, 1 << 13, 1 << 14
WCE_OFFSET = 32  #: of the write-back flag in the configuration space

# Requests (5.2.6): bit 0 says that the driver's data go to the disk, the highest one is an old barrier.
T_IN, T_OUT, T_SCSI, T_FLUSH, T_GET_ID, T_DISCARD, T_WRITE_ZEROES = 0, 1, 2, 4, 8, 11, 13
T_BARRIER = 0x8000_0000
S_OK, S_IOERR, S_UNSUPP = 0, 1, 2
HEADER_SIZE = 16
ID_SIZE = 20
RANGE_SIZE = 16
UNMAP = 1

MOST_SECTORS = 0x3F_FFFF  #: of a discard or write-zeroes request
MOST_TRANSFER = (1 << 31) - SECTOR_SIZE  #: bytes of a request
PIECE = 1 << 20  #: bytes that pass at a time
HEADS, TRACK_SECTORS = 16, 63
CYLINDERS_MOST = 16383

_LAYOUT = "QIIHBBIBBHIBBHIIIIIB"
_CONFIG = {False: Struct("<" + _LAYOUT), True: Struct(">" + _LAYOUT)}


def block_kind(read_only: bool) -> VirtioKind:
    """What a block device is."""
    features = SEG_MAX | GEOMETRY | BLK_SIZE | FLUSH | TOPOLOGY | CONFIG_WCE | DISCARD | WRITE_ZEROES
    return VirtioKind(
        BLOCK_DEVICE,
        class_code=0x01_0000,
        legacy_device=0x1001,
        queues=(QUEUE_SIZE,),
        config_size=CONFIG_SIZE,
        features=features | (READ_ONLY if read_only else 0),
    )


class VirtioBlock(VirtioDevice):
    """A block device.

    Args:
        name: unique in the machine.
        system: the machine around it.
        disk: what it reads and writes.
        big_endian: byte order of the guest's CPU.
        serial: what the driver is told as the disk's identity.
    """

    def __init__(self, name: str, system: System, disk: Disk, big_endian: bool, serial: str = "") -> None:
        self._disk = disk
        self._serial = serial.encode("latin-1", "replace")
        self.write_back = True  #: writes last when a flush says so; False: at once
        super().__init__(name, system, block_kind(disk.read_only), big_endian)

    def offer(self, is_modern: bool) -> int:
        """A legacy device offers SCSI commands (which it refuses) and does not say that any layout will do."""
        offered = super().offer(is_modern)
        return offered if is_modern else offered & ~int(CommonFeature.ANY_LAYOUT) | SCSI

    @property
    def config_size(self) -> int:
        """It ends with what the features need."""
        if not self._withheld & WRITE_ZEROES:
            return CONFIG_SIZE
        return CONFIG_SIZE_WITHOUT_EITHER if self._withheld & DISCARD else CONFIG_SIZE_WITH_DISCARD

    # --- configuration -----------------------------------------------------------------------
    def config(self) -> bytes:
        """The configuration space (5.2.4)."""
        cylinders = min(max(self._disk.sectors // (HEADS * TRACK_SECTORS), 2), CYLINDERS_MOST)
        return _CONFIG[self.order.big_endian].pack(
            self._disk.sectors, 0, QUEUE_SIZE - 2, cylinders, HEADS, TRACK_SECTORS, SECTOR_SIZE,
            0, 0, 0, 0, self.write_back, 0, 1,
            MOST_SECTORS, 1, 1, MOST_SECTORS, 1, 1,
        )  # fmt: skip

    def config_changed(self, config: bytes) -> None:
        """The driver chooses when writes last."""
        self.write_back = config[WCE_OFFSET] != 0

    def status_changes(self, status: int) -> None:
        """A driver that does not know flushes has each write last at once."""
        if status & Status.DRIVER_OK and not self.features & CONFIG_WCE:
            self.write_back = bool(self.features & FLUSH)

    def device_reset(self) -> None:
        """Writes last when flushed."""
        self.write_back = True

    # --- requests ----------------------------------------------------------------------------
    def notified(self, queue: Virtqueue) -> None:
        """Do all requests that are available. What goes to the disk is done when all have been taken, so that a wrong
        one among them breaks the device before any is given back, as on QEMU."""
        taken: list[tuple[Chain, Callable[[], int]]] = []
        while True:
            queue.notification = False
            while (chain := queue.pop()) is not None:
                work = self._request(chain)
                if work is None:
                    queue.forget()
                    break
                if isinstance(work, int):
                    self._finish(queue, chain, work)
                else:
                    taken.append((chain, work))
            queue.set_notification(True)
            if queue.is_empty():
                break
        for chain, work in taken:
            self._finish(queue, chain, work())

    def _finish(self, queue: Virtqueue, chain: Chain, status: int) -> None:
        room = total(chain.writable) - 1
        scatter(self.memory, chain.writable, bytes((status,)), "status", room)
        queue.push(chain, room + 1)
        queue.notify()

    def _request(self, chain: Chain) -> int | Callable[[], int] | None:
        """Look at a request: its status, or what is to be done to have it. None: the device is broken now."""
        if not chain.readable or not chain.writable:
            self.fail("virtio-blk missing headers")
            return None
        size = total(chain.readable) - HEADER_SIZE
        if size < 0:
            self.fail("virtio-blk request outhdr too short")
            return None
        header = gather(self.memory, part(chain.readable, 0, HEADER_SIZE))
        kind: int = self.order.word.unpack_from(header)[0]
        sector: int = self.order.double.unpack_from(header, 8)[0]
        bare = kind & ~(T_OUT | T_BARRIER)
        if bare == T_IN:
            if kind & T_OUT:
                if not self._fits(sector, size):
                    return S_IOERR
                return partial(self._write, sector, part(chain.readable, HEADER_SIZE, size), size)
            room = total(chain.writable) - 1
            return partial(self._read, sector, chain.writable, room) if self._fits(sector, room) else S_IOERR
        if bare == T_FLUSH:
            return self._flush
        if bare == T_GET_ID:
            identity = (self._serial + b"\0")[: min(ID_SIZE, total(chain.writable) - 1)]
            scatter(self.memory, chain.writable, identity, "serial number")
            return S_OK
        if bare == T_SCSI:
            return self._scsi(chain)
        if bare in (T_DISCARD & ~T_OUT, T_WRITE_ZEROES & ~T_OUT):
            if not kind & T_OUT or size > RANGE_SIZE:
                return S_UNSUPP
            if size < RANGE_SIZE:
                self.fail("virtio-blk discard/write_zeroes header too short")
                return None
            wanted = gather(self.memory, part(chain.readable, HEADER_SIZE, RANGE_SIZE))
            return self._range(wanted, kind & ~T_BARRIER == T_WRITE_ZEROES)
        return S_UNSUPP

    def _fits(self, sector: int, size: int) -> bool:
        if size > MOST_TRANSFER or size % SECTOR_SIZE:
            return False
        return sector + size // SECTOR_SIZE <= self._disk.sectors

    def _flush(self) -> int:
        self._disk.flush()
        return S_OK

    def _read(self, sector: int, buffers: Sequence[Buffer], size: int) -> int:
        for at in range(0, size, PIECE):
            here = min(size - at, PIECE)
            first = sector + at // SECTOR_SIZE
            try:
                data = self._disk.read(first, here // SECTOR_SIZE)
            except DiskError as error:
                self.system.log(f"{self.name}: {error}")
                return S_IOERR
            scatter(self.memory, buffers, data, Sectors(first), at)
        return S_OK

    def _write(self, sector: int, buffers: Sequence[Buffer], size: int) -> int:
        if self._disk.read_only:
            return S_IOERR
        for at in range(0, size, PIECE):
            data = gather(self.memory, part(buffers, at, min(size - at, PIECE)))
            if self._store(sector + at // SECTOR_SIZE, data) != S_OK:
                return S_IOERR
        return S_OK

    def _store(self, sector: int, data: bytes) -> int:
        try:
            self._disk.write(sector, data)
        except DiskError as error:
            self.system.log(f"{self.name}: {error}")
            return S_IOERR
        if not self.write_back:
            self._disk.flush()
        return S_OK

    def _scsi(self, chain: Chain) -> int:
        """SCSI commands go to real SCSI disks alone."""
        if len(chain.readable) < 2 or len(chain.writable) < 3:
            return S_IOERR
        errors = self.order.word.pack(255)
        scatter(self.memory, chain.writable[-2:-1], errors, "SCSI errors")
        return S_UNSUPP

    def _range(self, wanted: bytes, zero: bool) -> int | Callable[[], int]:
        """Discard sectors, or write zeros to them (5.2.6.2)."""
        sector: int = self.order.double.unpack_from(wanted)[0]
        count: int = self.order.word.unpack_from(wanted, 8)[0]
        flags: int = self.order.word.unpack_from(wanted, 12)[0]
        if count > MOST_SECTORS or not self._fits(sector, count * SECTOR_SIZE):
            return S_IOERR
        if flags & ~UNMAP or (flags and not zero):
            return S_UNSUPP
        if self._disk.read_only:
            return S_IOERR
        return partial(self._zero, sector, count * SECTOR_SIZE) if zero else S_OK

    def _zero(self, sector: int, size: int) -> int:
        for at in range(0, size, PIECE):
            if self._store(sector + at // SECTOR_SIZE, bytes(min(size - at, PIECE))) != S_OK:
                return S_IOERR
        return S_OK

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """What all virtio devices have, and when writes last."""
        return super().save() | {"write_back": self.write_back}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        super().load(state)
        self.write_back = load_field(self.name, "write_back", FLAG, state) is True
