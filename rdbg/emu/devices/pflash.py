"""Parallel NOR flash with the Intel command set (CFI 'primary algorithm 1'), 32 bits wide, as on a Malta board.

The array is a backing of the machine. While the chip is in read-array mode loads go straight to it; the first command
takes them to the chip until read-array comes back. Erase and program take no time and do not wait for their confirm
cycle: a guest that polls the status sees 'ready' at once.
"""

from __future__ import annotations

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.fields import BYTE, DOUBLE, FLAG, Fields, Number, load_fields, save_fields

BUS_WIDTH = 4

READ_ARRAY, READ_ID, READ_QUERY, READ_STATUS, CLEAR_STATUS = 0xFF, 0x90, 0x98, 0x70, 0x50
PROGRAM, PROGRAM_ALTERNATE, ERASE, LOCK, WRITE_BUFFER, CONFIRM = 0x40, 0x10, 0x20, 0x60, 0xE8, 0xD0
LOCK_SET = 0x01
ARRAY_MODE = 0  #: ``command`` in read-array mode

STATUS_READY = 0x80
BUFFER_LOG2 = 11


class ParallelFlash(Device):
    """One flash bank.

    Args:
        name: unique in the machine.
        system: access to the array, and who is told when loads change their way.
        backing: name of the array's backing.
        size: bytes.
        block_size: bytes per erase block.
        big_endian: byte order of the CPU's bus.
    """

    _FIELDS: Fields = {"command": BYTE, "cycle": Number(0, 3), "status": BYTE, "counter": DOUBLE, "direct_reads": FLAG}

    def __init__(self, name: str, system: System, backing: str, size: int, block_size: int, big_endian: bool) -> None:
        super().__init__(name)
        self._system = system
        self._backing = backing
        self._size = size
        self.erase_block = block_size
        self._order = "big" if big_endian else "little"
        self._query = _query_table(size, block_size)
        self.command = ARRAY_MODE
        self.cycle = 0  #: bus cycles of the current command seen so far
        self.status = 0
        self.counter = 0  #: words of a buffered write still to come, less one
        self.direct_reads = True

    def reset(self) -> None:
        """Read-array mode. The array keeps what was written."""
        self.status = 0
        self.counter = 0
        self._read_array()

    # --- loads -------------------------------------------------------------------------------
    def read(self, offset: int, size: int) -> int:
        """A guest load: array, status, identifier or query data, as the last command says."""
        if size == 8:
            first, second = self.read(offset, 4), self.read(offset + 4, 4)
            return first << 32 | second if self._order == "big" else second << 32 | first
        mask = (1 << (8 * size)) - 1
        if self.command in (PROGRAM, PROGRAM_ALTERNATE, ERASE, LOCK, WRITE_BUFFER, READ_STATUS):
            # Two 16-bit chips side by side each give their status.
            return (self.status << 16 | self.status) & mask
        if self.command == READ_ID:
            return 0  # the board's chips do not say who made them
        if self.command == READ_QUERY:
            return self._query[(offset & 0xFF) // BUS_WIDTH] & mask
        return self._from_bytes(self._system.read_backing(self._backing, offset, size))

    # --- stores ------------------------------------------------------------------------------
    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store: a command, or data that one of them waits for."""
        if size == 8:
            high, low = value >> 32, value & 0xFFFF_FFFF
            first, second = (high, low) if self._order == "big" else (low, high)
            self.write(offset, 4, first)
            self.write(offset + 4, 4, second)
            return
        if self.cycle == 0:
            self._first_cycle(offset, value & 0xFF, value)
        elif self.cycle == 1:
            self._second_cycle(offset, size, value)
        elif self.cycle == 2:
            self._store(offset, size, value)
            self.status |= STATUS_READY
            if self.counter == 0:
                self.cycle = 3
            self.counter = self.counter - 1 & 0xFFFF_FFFF_FFFF_FFFF
        elif value & 0xFF == CONFIRM:
            self.cycle = 0
            self.status |= STATUS_READY
        else:
            self._unknown(offset, value)

    def _first_cycle(self, offset: int, command: int, value: int) -> None:
        if self.direct_reads:
            self.direct_reads = False
            self._system.mapping_changed()
        if command in (PROGRAM, PROGRAM_ALTERNATE, LOCK, READ_QUERY):
            self.cycle = 1
        elif command == ERASE:
            block = offset & ~(self.erase_block - 1)
            self._system.write_backing(self._backing, block, b"\xff" * self.erase_block)
            self.status |= STATUS_READY
            self.cycle = 1
        elif command == WRITE_BUFFER:
            self.status |= STATUS_READY
            self.cycle = 1
        elif command == CLEAR_STATUS:
            self.status = 0
            self._read_array()
            return
        elif command in (READ_STATUS, READ_ID):
            pass
        elif command in (READ_ARRAY, 0x00, 0xF0):  # the last two: probes for other command sets
            self._read_array()
            return
        else:
            self._unknown(offset, value)
            return
        self.command = command

    def _second_cycle(self, offset: int, size: int, value: int) -> None:
        byte = value & 0xFF
        if self.command in (PROGRAM, PROGRAM_ALTERNATE):
            self._store(offset, size, value)
            self.status |= STATUS_READY
            self.cycle = 0
        elif self.command == ERASE:
            if byte == CONFIRM:
                self.cycle = 0
                self.status |= STATUS_READY
            elif byte == READ_ARRAY:
                self._read_array()
            else:
                self._unknown(offset, value)
        elif self.command == WRITE_BUFFER:
            self.counter = value
            self.cycle = 2
        elif self.command == LOCK:
            if byte in (CONFIRM, LOCK_SET):
                self.cycle = 0
                self.status |= STATUS_READY
            else:
                self._read_array()
        elif byte == READ_ARRAY:  # query mode goes on until read-array
            self._read_array()

    def _store(self, offset: int, size: int, value: int) -> None:
        data = value.to_bytes(size, "big" if self._order == "big" else "little")
        self._system.write_backing(self._backing, offset, data)

    def _from_bytes(self, data: bytes) -> int:
        return int.from_bytes(data, "big" if self._order == "big" else "little")

    def _unknown(self, offset: int, value: int) -> None:
        self._system.log(
            f"{self.name}: unknown command {value:#x} at offset {offset:#x} in cycle {self.cycle} of command "
            f"{self.command:#x}; back to read-array mode"
        )
        self._read_array()

    def _read_array(self) -> None:
        self.command = ARRAY_MODE
        self.cycle = 0
        if not self.direct_reads:
            self.direct_reads = True
            self._system.mapping_changed()

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """The command state; the array is a backing."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave; the way of loads may change."""
        load_fields(self, self._FIELDS, state)
        self._system.mapping_changed()


def _query_table(size: int, block_size: int) -> bytes:
    """The CFI query data (JEDEC JESD68.01), one byte per address."""
    blocks = size // block_size
    table = bytearray(0x53)
    table[0x10:0x17] = b"QRY\x01\x00\x31\x00"  # Intel command set, extended table at 0x31
    table[0x1B:0x1D] = b"\x45\x55"  # supply 4.5 to 5.5 V
    table[0x1F:0x27] = b"\x07\x07\x0a\x00\x04\x04\x04\x00"  # typical and longest times
    table[0x27] = size.bit_length() - 1
    table[0x28:0x2A] = b"\x02\x00"  # 8 and 16 bits
    table[0x2A] = BUFFER_LOG2
    table[0x2C] = 1  # erase regions
    table[0x2D:0x2F] = (blocks - 1).to_bytes(2, "little")
    table[0x2F:0x31] = (block_size >> 8).to_bytes(2, "little")
    table[0x31:0x36] = b"PRI10"
    table[0x3F] = 1  # protection fields
    return bytes(table)
