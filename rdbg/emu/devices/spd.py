"""Contents of the serial EEPROMs on a Malta board: SDRAM module (JEDEC serial presence detect) and board serial."""

from __future__ import annotations

EEPROM_SIZE = 256
MIB = 1 << 20

TYPE_SDR, TYPE_DDR2 = 0x04, 0x08
CHECKSUM = 63

#: Timing and geometry of the PC133-class module that the board pretends to carry (SPD byte -> value).
_MODULE = {
    0: 0x80, 1: 0x08, 3: 0x0D, 4: 0x0A, 6: 0x40, 8: 0x01, 9: 0x75, 10: 0x54, 12: 0x82, 13: 0x08, 15: 0x01,
    16: 0x8F, 17: 0x04, 18: 0x02, 19: 0x01, 20: 0x01, 27: 0x14, 28: 0x0F, 29: 0x14, 30: 0x2D,
    32: 0x15, 33: 0x08, 34: 0x15, 35: 0x08, 62: 0x12, 126: 0x64, 127: 0xF4,
}  # fmt: skip


def spd_contents(ram_bytes: int) -> bytes:
    """The EEPROM of the memory module.

    Args:
        ram_bytes: size of RAM; it is described as up to three power-of-two banks.
    """
    left = ram_bytes // MIB
    banks = 0
    density = 0  # bit n: a bank of 4 MiB << n
    while left >= 4 and banks <= 2:
        log2 = min(left.bit_length() - 1, 14)
        banks += 1
        density |= 1 << (log2 - 2)
        left -= 1 << log2
    if banks == 1 and density > 1:  # two equal banks rather than one
        banks = 2
        density >>= 1
    if density & 0xFF00:
        kind = TYPE_DDR2
        density = density & 0xE0 | density >> 8 & 0x1F
    else:
        kind = TYPE_SDR if density & 0x1F else TYPE_DDR2
    data = bytearray(EEPROM_SIZE)
    for offset, value in _MODULE.items():
        data[offset] = value
    data[2] = kind
    data[5] = banks
    data[31] = density & 0xFF
    data[CHECKSUM] = sum(data[:CHECKSUM]) & 0xFF
    return bytes(data)


def serial_contents() -> bytes:
    """The EEPROM with the board's MAC address (none) and serial number, as records: type, length, data; checksum."""
    records = bytes((0x01, 0x02)) + bytes((0x01, 6)) + bytes(6) + bytes((0x02, 5)) + bytes.fromhex("0123456789")
    return (records + bytes((sum(records) & 0xFF,))).ljust(EEPROM_SIZE, b"\0")
