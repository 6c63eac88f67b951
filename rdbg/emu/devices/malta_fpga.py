"""The Malta board's FPGA (Malta User's Manual, MD00048, chapter 4): LEDs, display, switches, soft reset, I2C wires."""

from __future__ import annotations

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.fields import BIT, BYTE, WORD, Bytes, Number, all_of, load_fields, save_fields
from rdbg.emu.devices.i2c_eeprom import I2cEeprom

SIZE = 0x100000
UART_OFFSET, UART_SIZE = 0x900, 0x40
AFTER_UART = 0xA00

SWITCH, STATUS, JUMPERS = 0x200, 0x208, 0x210
LEDBAR, ASCII_WORD, ASCII_FIRST, ASCII_LAST = 0x408, 0x410, 0x418, 0x450
SOFT_RESET, BREAK_RESET = 0x500, 0x508
GPOUT, GPIN = 0xA00, 0xA08
I2C_IN, I2C_ENABLE, I2C_OUT, I2C_SELECT = 0xB00, 0xB08, 0xB10, 0xB18

SOFT_RESET_KEY = 0x42
STATUS_BASE, STATUS_BIG_ENDIAN = 0x10, 0x02
I2C_DATA, I2C_CLOCK = 0x01, 0x02


class MaltaFpga(Device):
    """The registers but for the UART, each a 32-bit word on an 8-byte boundary.

    Args:
        name: unique in the machine.
        system: reset, log.
        big_endian: shown in the status register.
        eeprom: contents of the serial EEPROM on the I2C wires.
    """

    _FIELDS = all_of(BYTE, "leds", "break_reset", "gpout") | {
        "display": Bytes(8, 8),
        "i2c_enable": Number(0, 3),
        "i2c_out": WORD,
        "i2c_select": BIT,
    }

    def __init__(self, name: str, system: System, big_endian: bool, eeprom: bytes) -> None:
        super().__init__(name)
        self._system = system
        self._status = STATUS_BASE | (STATUS_BIG_ENDIAN if big_endian else 0)
        self._eeprom = I2cEeprom(eeprom)
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.leds = 0
        self.display = b" " * 8
        self.break_reset = 0x0A
        self.gpout = 0
        self.i2c_enable = 0
        self.i2c_out = I2C_DATA | I2C_CLOCK
        self.i2c_select = 1
        self._eeprom.reset()

    def reset(self) -> None:
        """LEDs and display dark."""
        self._set_reset_state()

    def read(self, offset: int, size: int) -> int:
        """A guest load; unknown registers read as 0."""
        if size == 8:
            return self.read(offset, 4)
        value = {
            SWITCH: 0,
            STATUS: self._status,
            JUMPERS: 0,
            LEDBAR: self.leds,
            BREAK_RESET: self.break_reset,
            GPOUT: self.gpout,
            GPIN: self.i2c_out if self.i2c_select else 0,
            I2C_IN: I2C_CLOCK | self._eeprom.sda,
            I2C_ENABLE: self.i2c_enable,
            I2C_OUT: self.i2c_out,
            I2C_SELECT: self.i2c_select,
        }.get(offset)
        if value is None:
            self._system.log(f"{self.name}: load from unknown register {offset:#x}")
            return 0
        return value & ((1 << (8 * size)) - 1)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        if offset == LEDBAR:
            self.leds = value & 0xFF
        elif offset == ASCII_WORD:
            self.display = f"{value & 0xFFFF_FFFF:08X}".encode()
        elif ASCII_FIRST <= offset <= ASCII_LAST and offset % 8 == 0:
            place = (offset - ASCII_FIRST) // 8
            self.display = self.display[:place] + bytes((value & 0xFF,)) + self.display[place + 1 :]
        elif offset == SOFT_RESET:
            if value == SOFT_RESET_KEY:
                self._system.request_reset()
        elif offset == BREAK_RESET:
            self.break_reset = value & 0xFF
        elif offset == GPOUT:
            self.gpout = value & 0xFF
        elif offset == I2C_ENABLE:
            self.i2c_enable = value & 0x03
        elif offset == I2C_OUT:
            self.i2c_out = value & 0xFFFF_FFFF
            self._eeprom.drive(value >> 1 & 1, value & 1)
        elif offset == I2C_SELECT:
            self.i2c_select = value & 0x01
        elif offset not in (SWITCH, JUMPERS):
            self._system.log(f"{self.name}: store of {value:#x} to unknown register {offset:#x}")

    def save(self) -> State:
        """All registers and the EEPROM's bus state."""
        return save_fields(self, self._FIELDS) | {"eeprom": dict(self._eeprom.save())}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        eeprom = state.get("eeprom")
        self._eeprom.load(eeprom if isinstance(eeprom, dict) else {})
