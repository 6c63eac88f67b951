"""The bus master of an IDE channel: its ports, the table that names the memory, and the way there (82371AB data sheet,
chapter 'Bus master IDE'; Programming Interface for Bus Master IDE Controllers, 1.0)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from rdbg.emu.device import FOREVER, Device, State
from rdbg.emu.devices.fields import BYTE, WORD, Fields, load_field
from rdbg.emu.devices.pci import PciFunction
from rdbg.emu.dma_name import Detail, Sectors

MASTER_COMMAND, MASTER_STATUS, MASTER_TABLE = 0, 2, 4
START, MASTER_COMMAND_KEPT = 0x01, 0x09
ACTIVE, FAILED, INTERRUPT, CAPABLE = 0x01, 0x02, 0x04, 0x60
TABLE_SIZE = 4096
_ENTRY = 8
_WORDS = struct.Struct("<II")
_LAST_ENTRY = 0x8000_0000


class IdeBusMaster:
    """A channel's bus master.

    Args:
        channel: whose; a user sees its name with each transfer.
        started: called when the CPU lets it begin.
        stopped: called when the CPU stops it: what has begun must come to its end.
    """

    _FIELDS: Fields = {"command": BYTE, "status": BYTE, "table": WORD, "next": WORD}

    def __init__(self, channel: Device, started: Callable[[], None], stopped: Callable[[], None]) -> None:
        self._channel = channel
        self._started = started
        self._stopped = stopped
        self._function: PciFunction | None = None
        self.is_moving = False  #: it is at work: the channel's ports do not answer it
        self.reset()

    def connect(self, function: PciFunction) -> None:
        """Say whose it is."""
        self._function = function

    def reset(self) -> None:
        """It stands."""
        self.command = self.status = self.table = 0
        self.next = 0  # address of the table's entry that comes next

    @property
    def is_active(self) -> bool:
        """Whether the CPU has started it, and the transfer is not over."""
        return bool(self.status & ACTIVE)

    def note_interrupt(self) -> None:
        """The channel has raised its interrupt."""
        self.status |= INTERRUPT

    def end(self, more: bool) -> None:
        """The transfer is over; it stays active if its table has more."""
        self.status = self.status & ~ACTIVE | (ACTIVE if more else 0)

    # --- the table ---------------------------------------------------------------------------
    def segments(self, size: int, whole: bool = True) -> tuple[list[tuple[int, int]], int]:
        """The memory that the table names. A table without an end ends after a page.

        Args:
            size: bytes that are wanted.
            whole: whether the table is read to its end, or only as far as is needed.

        Returns:
            (address, bytes) of each piece, ``size`` bytes together or fewer; the bytes that the table names as far as
            it was read.
        """
        segments: list[tuple[int, int]] = []
        left, named = size, 0
        if not (whole or left):
            return segments, named
        for address, word in self._whole_table() if whole else self._entries():
            length = word & 0xFFFE or 0x10000
            named += length
            take = min(left, length)
            if take:
                segments.append((address, take))
                left -= take
            if not (whole or left):
                break
        return segments, named

    def _whole_table(self) -> Iterable[tuple[int, int]]:
        """The rest of the table."""
        most = -(-(TABLE_SIZE - self._table_read) // _ENTRY)
        table = None
        if self._function is not None and most > 0:
            table = self._function.dma_table(self.next, most, _LAST_ENTRY)
        if table is None:
            return self._entries()
        self.next = self.next + len(table) & 0xFFFF_FFFF
        return _WORDS.iter_unpack(table)

    def _entries(self) -> Iterator[tuple[int, int]]:
        """The same one by one: each is read when it is asked for."""
        word = 0
        while self._table_read < TABLE_SIZE and not word & _LAST_ENTRY:
            entry = self.read(self.next, _ENTRY)
            self.next = self.next + _ENTRY & 0xFFFF_FFFF
            address, word = _WORDS.unpack(entry)
            yield address, word

    @property
    def _table_read(self) -> int:
        """Bytes of the table that have been read."""
        return (self.next - self.table) & 0xFFFF_FFFF

    # --- memory ------------------------------------------------------------------------------
    def read(self, address: int, size: int, detail: Detail = "") -> bytes:
        """Bytes of memory; a user sees who, and the detail."""
        if self._function is None:
            return bytes(size)
        self.is_moving = True
        try:
            return self._function.dma_read(address, size, detail, self._channel)
        finally:
            self.is_moving = False

    def write(self, address: int, data: bytes, detail: Detail) -> None:
        """Write to memory; a user sees who, and the detail."""
        if self._function is not None:
            self.is_moving = True
            try:
                self._function.dma_write(address, data, detail, self._channel)
            finally:
                self.is_moving = False

    def write_pieces(self, pieces: list[tuple[int, int]], data: bytes, sectors: Sectors) -> None:
        """Write to several places of memory in turn; a user sees who, and which sectors.

        Args:
            pieces: address and bytes of each.
            data: all of them.
            sectors: what they are of.
        """
        if self._function is None or self._function.dma_write_pieces(pieces, data):
            return
        at = 0
        for address, length in pieces:
            self.write(address, data[at : at + length], sectors.after(at))
            at += length

    # --- ports -------------------------------------------------------------------------------
    def read_port(self, offset: int, size: int) -> int:
        """A guest load from its eight ports."""
        if self.is_moving:
            return 0
        if offset >= MASTER_TABLE:
            return self.table >> (8 * (offset - MASTER_TABLE)) & ((1 << (8 * size)) - 1)
        if size == 1 and offset == MASTER_COMMAND:
            return self.command
        if size == 1 and offset == MASTER_STATUS:
            return self.status
        return (1 << (8 * size)) - 1

    def write_port(self, offset: int, size: int, value: int) -> None:
        """A guest store to its eight ports."""
        if self.is_moving:
            return
        if offset >= MASTER_TABLE:
            shift = 8 * (offset - MASTER_TABLE)
            mask = ((1 << (8 * size)) - 1) << shift & 0xFFFF_FFFF
            self.table = self.table & ~mask | value << shift & mask & ~3
        elif size == 1 and offset == MASTER_STATUS:
            kept = self.status & ACTIVE | self.status & ~value & (FAILED | INTERRUPT)
            self.status = value & CAPABLE | kept
        elif size == 1 and offset == MASTER_COMMAND:
            self._set_command(value)

    def _set_command(self, value: int) -> None:
        if (value ^ self.command) & START:
            if value & START:
                self.next = self.table
                if not self.is_active:
                    self.status |= ACTIVE
                    self._started()
            else:
                self._stopped()
                self.status &= ~ACTIVE
        self.command = value & MASTER_COMMAND_KEPT

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """Its registers, as part of the channel's state."""
        return {f"master_{field}": getattr(self, field) for field in self._FIELDS}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        for field, kind in self._FIELDS.items():
            setattr(self, field, load_field(self._channel.name, f"master_{field}", kind, state))


class BusMasterPorts(Device):
    """The sixteen ports of both channels' bus masters. Their state is the channels'.

    Args:
        name: unique in the machine.
        masters: of both.
    """

    def __init__(self, name: str, masters: tuple[IdeBusMaster, IdeBusMaster]) -> None:
        super().__init__(name)
        self._masters = masters

    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        return self._masters[offset >> 3].read_port(offset & 7, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        self._masters[offset >> 3].write_port(offset & 7, size, value)

    def stable_until(self, offset: int, size: int) -> int:
        """Loads have no effect."""
        return FOREVER

    def reset(self) -> None:
        """No state of its own."""

    def save(self) -> State:
        """No state of its own."""
        return {}

    def load(self, state: State) -> None:
        """No state of its own."""
