"""SMBus host controller of the PIIX4 (82371AB data sheet, chapter 7.3) with byte-addressed EEPROMs on its bus.

A transaction runs when the guest reads the status after starting it: the first read still says busy, as firmware of the
time expects; with the interrupt enabled it runs at once.
"""

from __future__ import annotations

from rdbg.emu.device import State
from rdbg.emu.devices.byte_device import ByteDevice
from rdbg.emu.devices.fields import FLAG, Bytes, Number, all_of, load_bytes, load_fields, save_fields
from rdbg.emu.devices.spd import EEPROM_SIZE

STATUS, CONTROL, COMMAND, ADDRESS, DATA0, DATA1, BLOCK = 0, 2, 3, 4, 5, 6, 7

STATUS_BUSY, STATUS_DONE, STATUS_DEVICE_ERROR, STATUS_FAILED = 0x01, 0x02, 0x04, 0x10
CONTROL_INTERRUPT, CONTROL_KILL, CONTROL_START, CONTROL_READABLE = 0x01, 0x02, 0x40, 0x1F
QUICK, BYTE, BYTE_DATA, WORD_DATA = range(4)
BLOCK_SIZE = 32
FIRST_EEPROM = 0x50


class SmbusHost(ByteDevice):
    """The controller's sixteen ports.

    Args:
        name: unique in the machine.
        eeproms: contents of the EEPROMs at addresses 0x50 and up.
    """

    _FIELDS = all_of(Number(0, 0xFF), "status", "control", "command", "address", "data0", "data1") | {
        "block_index": Number(0, BLOCK_SIZE - 1),
        "waiting": FLAG,
    }

    def __init__(self, name: str, eeproms: tuple[bytes, ...]) -> None:
        super().__init__(name)
        self._initial = b"".join(eeproms)
        self.eeproms = bytearray(self._initial)
        self._pointers = bytearray(len(eeproms))
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.status = 0
        self.control = 0
        self.command = 0
        self.address = 0
        self.data0 = 0
        self.data1 = 0
        self.block_index = 0
        self.waiting = False
        self.block = bytearray(BLOCK_SIZE)

    def reset(self) -> None:
        """Idle; what was written to the EEPROMs is back to what the board ships with."""
        self._set_reset_state()
        self.eeproms[:] = self._initial
        self._pointers[:] = bytes(len(self._pointers))

    def read_byte(self, offset: int) -> int:
        """A register."""
        if offset == STATUS:
            value = self.status
            if self.waiting:
                self.waiting = False
                self._run()
            return value
        if offset == CONTROL:
            return self.control & CONTROL_READABLE
        if offset == BLOCK:
            value = self.block[self.block_index]
            self.block_index = (self.block_index + 1) % BLOCK_SIZE
            return value
        return {COMMAND: self.command, ADDRESS: self.address, DATA0: self.data0, DATA1: self.data1}.get(offset, 0)

    def write_byte(self, offset: int, value: int) -> None:
        """A register; writing CONTROL with START begins a transaction."""
        if offset == STATUS:
            self.status &= ~value | STATUS_BUSY
        elif offset == CONTROL:
            self.control = value & ~CONTROL_START
            if value & CONTROL_START:
                self._start()
            if value & CONTROL_KILL:
                self.block_index = 0
                self.status = self.status & ~STATUS_BUSY | STATUS_FAILED
        elif offset == COMMAND:
            self.command = value
        elif offset == ADDRESS:
            self.address = value
        elif offset == DATA0:
            self.data0 = value
        elif offset == DATA1:
            self.data1 = value
        elif offset == BLOCK:
            self.block[self.block_index] = value
            self.block_index = (self.block_index + 1) % BLOCK_SIZE

    def _start(self) -> None:
        if self.control & CONTROL_INTERRUPT:
            self.waiting = False
            self._run()
        else:
            self.status |= STATUS_BUSY
            self.waiting = True

    def _run(self) -> None:
        """Do the transaction that the registers describe."""
        self.status &= ~STATUS_BUSY
        if self.status & STATUS_DEVICE_ERROR:
            return
        protocol = self.control >> 2 & 7
        chip = (self.address >> 1) - FIRST_EEPROM
        if protocol > WORD_DATA or not 0 <= chip < len(self._pointers):
            self.status |= STATUS_DEVICE_ERROR
            return
        if self.address & 1:
            if protocol in (BYTE_DATA, WORD_DATA):
                self._pointers[chip] = self.command
            if protocol != QUICK:
                self.data0 = self._next(chip)
            if protocol == WORD_DATA:
                self.data1 = self._next(chip)
        elif protocol != QUICK:
            self._pointers[chip] = self.command
            for value in (self.data0, self.data1)[: protocol - BYTE]:
                self.eeproms[chip * EEPROM_SIZE + self._pointers[chip]] = value
                self._pointers[chip] = self._pointers[chip] + 1 & 0xFF
        self.status |= STATUS_DONE

    def _next(self, chip: int) -> int:
        pointer = self._pointers[chip]
        self._pointers[chip] = pointer + 1 & 0xFF
        return self.eeproms[chip * EEPROM_SIZE + pointer]

    def save(self) -> State:
        """Registers and EEPROMs."""
        extra: State = {
            "block": bytes(self.block),
            "eeproms": bytes(self.eeproms),
            "pointers": bytes(self._pointers),
        }
        return save_fields(self, self._FIELDS) | extra

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        self.block = bytearray(load_bytes(self, "block", state, Bytes(len(self.block), len(self.block))))
        self.eeproms = bytearray(load_bytes(self, "eeproms", state, Bytes(len(self.eeproms), len(self.eeproms))))
        self._pointers = bytearray(load_bytes(self, "pointers", state, Bytes(len(self._pointers), len(self._pointers))))
