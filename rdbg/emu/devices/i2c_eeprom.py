"""24C02 serial EEPROM on two wires that the guest drives bit by bit (Atmel AT24C02 data sheet)."""

from __future__ import annotations

from rdbg.emu.device import State
from rdbg.emu.devices.fields import BYTE, Number, all_of, load_field, save_fields
from rdbg.emu.devices.spd import EEPROM_SIZE

IDLE, ADDRESS, POINTER, RECEIVE, SEND = range(5)
DEVICE_ADDRESS = 0xA0
ACK_BIT = 8

_FIELDS = all_of(BYTE, "scl", "sda_in", "sda_out", "bit", "shift", "pointer") | {"phase": Number(IDLE, SEND)}


class I2cEeprom:
    """The chip. Not a device of its own: who drives the wires saves its state.

    Args:
        contents: 256 bytes; stores are ignored (the write-protect pin is tied).
    """

    def __init__(self, contents: bytes) -> None:
        assert len(contents) == EEPROM_SIZE
        self._contents = contents
        self.reset()

    def reset(self) -> None:
        """Bus idle, address pointer 0."""
        self.scl = self.sda_in = self.sda_out = 1
        self.phase = IDLE
        self.bit = 0
        self.shift = 0
        self.pointer = 0

    @property
    def sda(self) -> int:
        """Level of the data wire: low if either side pulls it."""
        return self.sda_in & self.sda_out

    def drive(self, scl: int, sda: int) -> None:
        """The host sets its outputs."""
        if self.scl and scl and sda != self.sda_in:
            self.phase = IDLE if sda else ADDRESS  # stop, start
            self.bit = self.shift = 0
            self.sda_out = 1
        elif scl and not self.scl:
            self._rising(sda)
        elif self.scl and not scl:
            self._falling()
        self.scl, self.sda_in = scl, sda

    def _rising(self, sda: int) -> None:
        """The clock rises: a bit is sampled."""
        if self.phase == IDLE:
            return
        if self.phase == SEND:
            if self.bit == ACK_BIT and sda:  # the host wants no more
                self.phase = IDLE
        elif self.bit < ACK_BIT:
            self.shift = (self.shift << 1 | sda) & 0xFF
        self.bit += 1

    def _falling(self) -> None:
        """The clock falls: the next bit, or the acknowledge, is put on the wire."""
        if self.phase == IDLE:
            self.sda_out = 1
        elif self.phase == SEND:
            if self.bit > ACK_BIT:
                self._load_next()
            self.sda_out = self.shift >> (7 - self.bit) & 1 if self.bit < ACK_BIT else 1
        elif self.bit == ACK_BIT:
            self.sda_out = 0 if self._byte_received() else 1
        elif self.bit > ACK_BIT:
            self.bit = 0
            self.sda_out = 1
            if self.phase == ADDRESS:
                self._after_address()

    def _byte_received(self) -> bool:
        """Eight bits are in; whether to acknowledge them."""
        if self.phase == ADDRESS:
            if self.shift & 0xFE != DEVICE_ADDRESS:
                self.phase = IDLE
                return False
        elif self.phase == POINTER:
            self.pointer = self.shift
            self.phase = RECEIVE
        return True

    def _after_address(self) -> None:
        if self.shift & 1:
            self.phase = SEND
            self._load_next()
            self.sda_out = self.shift >> 7
        else:
            self.phase = POINTER

    def _load_next(self) -> None:
        self.bit = 0
        self.shift = self._contents[self.pointer]
        self.pointer = self.pointer + 1 & 0xFF

    def save(self) -> State:
        """The bus state and the pointer."""
        return save_fields(self, _FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        for name, kind in _FIELDS.items():
            setattr(self, name, load_field("eeprom", name, kind, state))
