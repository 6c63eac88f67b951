"""What a device is, and what the machine around it offers to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from rdbg.emu.dma_name import Detail
from rdbg.emu.endpoint import Endpoint
from rdbg.errors import RdbgError

#: A virtual time that never comes.
FOREVER = (1 << 62) - 1

StateValue = int | bytes | str | bool | None | list["StateValue"] | dict[str, "StateValue"]
State = dict[str, StateValue]

#: Bytes of the longest frame that is on any cable (virtio's, GSO's), without FCS, as in QEMU.
LONGEST_FRAME = 68 << 10


class DeviceFailure(RdbgError):
    """A device that a user wrote has failed: the run cannot go on past a position.

    Args:
        message: as of every `RdbgError`.
        icount: the last position that the machine can stand at.
    """

    def __init__(self, message: str, icount: int) -> None:
        super().__init__(message)
        self.icount = icount


class Timer(Protocol):
    """A virtual timer of one device. Its deadline is part of the machine's state."""

    @property
    def deadline_ns(self) -> int | None:
        """Virtual time of the next expiry in nanoseconds; None while disarmed."""

    def arm(self, deadline_ns: int) -> None:
        """Call the timer's function before the first instruction at or after ``deadline_ns``."""

    def disarm(self) -> None:
        """Forget the deadline."""


class System(Protocol):
    """The machine as a device sees it. Nothing here reads the host."""

    @property
    def now_ns(self) -> int:
        """Virtual time in nanoseconds: of the access that a device answers, or of the event that happens."""

    @property
    def pc(self) -> int:
        """Virtual address of the instruction whose access a device answers, or that is next."""

    @property
    def last_position(self) -> int:
        """The last position that the machine can stand at before what a device does now: of the instruction whose
        access it answers; between two instructions, before the first of them."""

    def timer(self, name: str, function: Callable[[], None]) -> Timer:
        """Make a virtual timer (at construction time only; ``name`` is unique in the machine)."""

    def work_timer(self, name: str, function: Callable[[], None], work: str) -> Timer:
        """The same for the end of a piece of the device's own work, which may take longer than it says.

        Args:
            name: see `timer`.
            function: called when it is done.
            work: what it is, in words that the user knows: ``a command of ide0``.
        """

    def set_cpu_irq(self, line: int, level: bool) -> None:
        """Drive hardware interrupt ``line`` (0 to 5, Cause.IP2 to IP7) of the CPU."""

    def output(self, endpoint: Endpoint, data: bytes) -> None:
        """Send bytes out of an endpoint. Of a network card: one packet, a whole Ethernet frame without its FCS."""

    def room_grown(self) -> None:
        """Say that an endpoint can take more input now: what waits for it comes soon."""

    def request_reset(self) -> None:
        """Reset the whole machine before the next instruction."""

    def request_shutdown(self, exit_code: int) -> None:
        """Power the machine off before the next instruction."""

    def mapping_changed(self) -> None:
        """Say that ``direct_reads`` of a device changed, or that an address window moved."""

    def read_backing(self, name: str, offset: int, size: int) -> bytes:
        """Bytes of a backing (a flash chip's array, or RAM for DMA)."""

    def write_backing(self, name: str, offset: int, data: bytes) -> None:
        """Change bytes of a backing; translated code and dirty tracking follow."""

    @property
    def packet_number(self) -> int:
        """Running number of the packet that entered last, by whichever card, from 1 since power-on: while a card
        receives one, its own. Where a card stores it later, it keeps the number."""

    def dma_read(self, address: int, size: int, source: Device | str = "a device's", *, detail: Detail = "") -> bytes:
        """Bytes from a guest-physical address on, as the bus resolves it: RAM by each of its addresses, flash, ROM,
        ranges that are ignored, registers of other devices.

        Args:
            address: of the first byte.
            size: how many.
            source: the device that reads, or its name.
            detail: what it reads, as for `dma_write`.

        Raises:
            BusError: nothing answers at one of the addresses (`rdbg.emu.bus`).
        """

    @property
    def dma_read_plain(self) -> Callable[[int, int], bytes | None]:
        """Gives bytes from a guest-physical address on, as `dma_read`, without asking who reads: None where they are
        not plain memory, or somebody has to be told: `dma_read` reads them."""

    def dma_write_plain(self, address: int, data: bytes) -> bool:
        """Write bytes to a guest-physical address on, as `dma_write`, without asking who writes.

        Returns:
            False: nothing was written, since they are not plain memory, or somebody has to be told: `dma_write` writes
            them.
        """

    def dma_direct(self, address: int, size: int, write: bool) -> int:
        """How many of ``size`` bytes from a guest-physical address on lie in memory without a gap: not in registers,
        not where nothing is. 0: the first one does not."""

    def dma_table(self, address: int, most: int, last: int) -> bytes | None:
        """Entries of a table of 8 bytes each, of which the last one has a bit of ``last`` in its second word, in one
        piece.

        Args:
            address: of the first, a multiple of 4.
            most: how many there can be.
            last: what the second word, little endian, of the last one has.

        Returns:
            None: they are not plain memory, or somebody has to be told of each: `dma_read` reads them.
        """

    def dma_write_pieces(self, pieces: list[tuple[int, int]], data: bytes) -> bool:
        """Write bytes to several places in turn.

        Args:
            pieces: address and bytes of each, none empty.
            data: all of them.

        Returns:
            False: nothing was written, since they are not plain memory, or somebody has to be told of each: `dma_write`
            writes them.
        """

    def dma_write(self, address: int, data: bytes, source: Device | str, *, detail: Detail = "") -> None:
        """Write bytes to a guest-physical address on. Translated code, dirty tracking, watchpoints and the questions
        about writers follow.

        Args:
            address: of the first byte.
            data: the bytes.
            source: the device that writes, or its name.
            detail: what it writes, in two words: ``packet 17``; or which sectors. A user reads ``ide0 DMA, sector
                2048``.

        Raises:
            BusError: nothing answers at one of the addresses; what comes before it is written.
        """

    def log(self, message: str) -> None:
        """One line about something the guest did that is not modelled or not allowed."""


class Device(ABC):
    """Registers at addresses, with all state in plain serialisable values.

    Args:
        name: unique in the machine; it keys the device's state in snapshots.
    """

    #: Of what `save` gives: another one with each change to its fields or to what they mean.
    version: int = 1
    #: For the device of a non-writable MemoryRegion: loads go straight to the backing.
    direct_reads: bool = True
    #: For such a device: bytes that are erased at a time; 0: it cannot be erased.
    erase_block: int = 0
    #: Whether it may answer an access with a `BusError`.
    may_refuse: bool = False

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def read(self, offset: int, size: int) -> int:
        """A guest load of ``size`` (1, 2, 4 or 8) bytes at byte ``offset``."""

    @abstractmethod
    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store of ``size`` (1, 2, 4 or 8) bytes at byte ``offset``."""

    def stable_until(self, offset: int, size: int) -> int:
        """Virtual time in nanoseconds before which a load made here has no side effect and gives the same value,
        unless a store to any device, a load with a side effect, a timer or an input changes something; 0: none,
        FOREVER: no end. A guest that polls such a register is not slowed down."""
        return 0

    def is_idle_store(self, offset: int, size: int, value: int) -> bool:
        """Whether a store of ``value`` here, now, changes nothing at all, and so again until something else changes."""
        return False

    @abstractmethod
    def reset(self) -> None:
        """Power-on or reset state. Timers are disarmed, interrupt lines low."""

    @abstractmethod
    def save(self) -> State:
        """Everything that the future depends on, but timer deadlines and backings. A copy."""

    @abstractmethod
    def load(self, state: State) -> None:
        """Take back what ``save`` gave. Must not fire timers, output or interrupts by itself: line
        levels are saved by whoever drives the next line (i8259, CPU)."""

    def upgrade(self, version: int, state: State) -> State:
        """A state that another version of this device saved, as one of its present ``version``: a device that can take
        an old state says here how.

        Args:
            version: that saved it.
            state: not checked yet.

        Raises:
            RdbgError: it cannot be taken.
        """
        raise RdbgError(
            f"the state of device {self.name!r} has version {version}, and this rdbg reads version {self.version}"
        )


class Bridge(Device):
    """A device that passes accesses on to others."""

    @abstractmethod
    def route(self, offset: int, size: int) -> tuple[Device, int] | None:
        """Who answers an access, and the offset that it sees. The bus asks once and goes there directly until
        ``System.mapping_changed``; None: ask the bridge each time."""

    def arrangement(self) -> tuple[object, ...]:
        """What the guest can change of the routes, as a value to compare."""
        return ()


class SerialDevice(Device):
    """A device that takes bytes from outside: of an endpoint SERIAL, CONSOLE or ENTROPY."""

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Bytes arrive from outside (between two instructions)."""

    @abstractmethod
    def receive_break(self) -> None:
        """A break condition arrives from outside (between two instructions)."""

    @abstractmethod
    def receive_room(self) -> int:
        """How many bytes can be taken now without loss; the sender waits while it is 0."""

    def received(self, offset: int, size: int) -> bytes:
        """What has been received and waits, in order, if a load there takes its first byte; else nothing. This changes
        nothing."""
        return b""


class NetworkDevice(Device):
    """A network card: of an endpoint NETWORK."""

    @abstractmethod
    def receive_packet(self, data: bytes) -> None:
        """A packet arrives from outside (between two instructions): an Ethernet frame without its FCS. What the card
        cannot take, or does not want, it drops."""

    @abstractmethod
    def receive_room(self) -> int:
        """How many packets can be taken now without loss; the sender waits while it is 0. A card that is off, or drops
        what comes, has room: `System.room_grown` says when a card without has some again."""

    @abstractmethod
    def set_link(self, up: bool) -> None:
        """The cable is plugged in or pulled out (between two instructions)."""
