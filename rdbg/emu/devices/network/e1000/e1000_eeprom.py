"""The EEPROM of the 82540EM: 64 words behind a Microwire interface (the manual's chapter 5 and section 13.4.3)."""

from __future__ import annotations

from dataclasses import dataclass

WORDS = 64
CHECKSUM_PLACE, CHECKSUM_TOTAL = 0x3F, 0xBABA

CLOCK, SELECT, DATA_IN, DATA_OUT, REQUEST = 0x01, 0x02, 0x04, 0x08, 0x40
GRANTED, PRESENT = 0x80, 0x100
_KEPT = CLOCK | SELECT | DATA_IN | 0x30 | REQUEST
READ_START, READ_DONE = 0x01, 0x10
_READ_OPCODE, _COMMAND_BITS = 0b110, 9

#: Words as QEMU's card has them: (first word, values).
_CONTENTS = (
    (4, (0xFFFF,)),
    (8, (0x3000, 0x1000, 0x6403, 0, 0x8086, 0, 0x8086, 0x3040, 0x0008, 0x2000, 0x7E14, 0x0048, 0x1000, 0x00D8)),
    (23, (0x2700, 0x6CC9, 0x3150, 0x0722, 0x040B, 0x0984, 0x0000, 0xC000, 0x0706, 0x1008, 0x0000, 0x0F04, 0x7FFF)),
    (36, (0x4D01, *([0xFFFF] * 11), 0x0100, 0x4000, 0x121C, *([0xFFFF] * 12))),
)
_DEVICE_ID_PLACES = (11, 13)


def e1000_eeprom_words(mac: bytes, device_id: int) -> tuple[int, ...]:
    """The 64 words: the address in the first three, the checksum in the last.

    Args:
        mac: Ethernet address, 6 bytes.
        device_id: of the card on the PCI bus.
    """
    words = [0] * WORDS
    for first, values in _CONTENTS:
        words[first : first + len(values)] = values
    words[0:3] = (int.from_bytes(mac[place : place + 2], "little") for place in (0, 2, 4))
    for place in _DEVICE_ID_PLACES:
        words[place] = device_id
    words[CHECKSUM_PLACE] = CHECKSUM_TOTAL - sum(words[:CHECKSUM_PLACE]) & 0xFFFF
    return tuple(words)


@dataclass
class Microwire:
    """The wires to the EEPROM, as the register EECD shows them.

    Args:
        pins: what was last driven.
        shifted: bits that came in since it was selected.
        bits_in: how many.
        place: number of the bit that goes out, from the first of word 0.
        is_reading: a read command came in.
    """

    pins: int = 0
    shifted: int = 0
    bits_in: int = 0
    place: int = 0
    is_reading: bool = False

    def read(self, words: tuple[int, ...]) -> int:
        """The register EECD."""
        bit = words[self.place >> 4 & WORDS - 1] >> (self.place & 0xF ^ 0xF) & 1
        return PRESENT | GRANTED | self.pins | (DATA_OUT if bit or not self.is_reading else 0)

    def write(self, value: int) -> None:
        """Drive the wires."""
        changed = value ^ self.pins
        self.pins = value & _KEPT
        if not value & SELECT:
            return
        if changed & SELECT:
            self.shifted = self.bits_in = self.place = 0
            self.is_reading = False
        if not changed & CLOCK:
            return
        if not value & CLOCK:
            self.place = self.place + 1 & 0xFFFF
            return
        self.shifted = self.shifted << 1 & 0xFFFF_FFFF | bool(value & DATA_IN)
        self.bits_in = self.bits_in + 1 & 0xFFFF
        if self.bits_in == _COMMAND_BITS and not self.is_reading:
            self.place = ((self.shifted & WORDS - 1) << 4) - 1 & 0xFFFF
            self.is_reading = self.shifted >> 6 & 7 == _READ_OPCODE


def read_word(words: tuple[int, ...], command: int) -> int:
    """The register EERD after a store of ``command``: bit 0 starts a read of the word in bits 15:8."""
    if not command & READ_START:
        return command
    command &= ~READ_START
    place = command >> 8
    return command | READ_DONE | (words[place] << 16 if place < WORDS else 0)
