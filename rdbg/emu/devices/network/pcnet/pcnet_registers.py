"""The control and status registers (CSR) and bus configuration registers (BCR) of the Am79C973 (its data sheet, chapter
'User Accessible Registers'), as far as QEMU's model of the card has them."""

from __future__ import annotations

# CSR0: status and commands.
INIT, START, STOP, TRANSMIT_DEMAND = 0x0001, 0x0002, 0x0004, 0x0008
TRANSMITTER_ON, RECEIVER_ON, INTERRUPTS_ON, INTERRUPT = 0x0010, 0x0020, 0x0040, 0x0080
INIT_DONE, TRANSMIT_INTERRUPT, RECEIVE_INTERRUPT = 0x0100, 0x0200, 0x0400
MISSED, COLLISION_ERROR, ERROR = 0x1000, 0x2000, 0x8000
CSR0_FLAGS = 0x7F00  #: written 1 to clear
CSR0_INTERRUPTS = 0x5F00
CSR0_ERRORS = 0x7800

DISABLE_TRANSMIT_STOP = 0x0040  #: CSR3: an underflow does not turn the transmitter off

# CSR4
TRANSMIT_START, USER_INTERRUPT, USER_INTERRUPT_COMMAND = 0x0004, 0x0040, 0x0080
DISABLE_POLLING = 0x1000
CSR4_FLAGS = 0x026A
CSR4_MASKS = 0x0115  #: an interrupt's mask is the bit below its flag

# CSR5
SUSPEND = 0x0001
LAST_TRANSMIT_INTERRUPT, NO_TRANSMIT_OK_INTERRUPT = 0x4000, 0x8000
CSR5_FLAGS = 0x0A90
CSR5_ENABLES, CSR5_SYSTEM_ENABLES = 0x0048, 0x0500

# CSR15: mode
DISABLE_RECEIVER, DISABLE_TRANSMITTER, LOOPBACK, NO_FCS, INTERNAL = 0x0001, 0x0002, 0x0004, 0x0008, 0x0040
NO_PHYSICAL, NO_BROADCAST, PROMISCUOUS = 0x2000, 0x4000, 0x8000
MODE_KEPT = 0x21C4  #: bits that a software reset leaves

# Numbers of CSRs.
MODE = 15
LADR, PADR = 8, 12  #: multicast hash filter: 4 registers; address: 3
NEXT_RX, CURRENT_RX, CURRENT_TX, AFTER_NEXT_RX, PREVIOUS_TX = 26, 28, 34, 36, 60  #: 2 registers each
RX_COUNT, RX_STATUS, TX_COUNT, TX_STATUS, NEXT_COUNT, NEXT_STATUS = 40, 41, 42, 43, 44, 45
POLL_COUNT, POLL_INTERVAL = 46, 47
SOFTWARE_STYLE_CSR = 58
RX_INDEX, TX_INDEX, RX_LENGTH, TX_LENGTH = 72, 74, 76, 78  #: indices count down from the length
CHIP_ID = 88
MISSED_FRAMES = 112
CSR_COUNT = 128

# Numbers of BCRs.
MASTER_READ, MASTER_WRITE, MISCELLANEOUS, LINK_LED, LED1, LED2, LED3 = 0, 1, 2, 4, 5, 6, 7
FULL_DUPLEX, BUS_CONTROL, EEPROM, SOFTWARE_STYLE, PCI_LATENCY = 9, 18, 19, 20, 22
BCR_COUNT = 32
_LEDS = (LINK_LED, LED1, LED2, LED3)
_BCR_WRITABLE = frozenset((*_LEDS, MISCELLANEOUS, FULL_DUPLEX, BUS_CONTROL, EEPROM, PCI_LATENCY))
LED_ON, LED_SOURCES, LINK_STATUS = 0x8000, 0x017F, 0x0040
MAU_LOOPBACK, ADDRESS_WRITABLE = 0x4000, 0x0100  #: in MISCELLANEOUS
DOUBLE_WORD_IO = 0x0080  #: in BUS_CONTROL
SIZE32, STYLE_MASK = 0x0100, 0x00FF  #: in SOFTWARE_STYLE
_STYLE_BITS = {0: 0x0200, 1: 0x0100, 2: 0x0300, 3: 0x0300}

_HARD_RESET = {
    MASTER_READ: 0x0005, MASTER_WRITE: 0x0005, MISCELLANEOUS: 0x0002, LINK_LED: 0x00C0, LED1: 0x0084, LED2: 0x0088,
    LED3: 0x0090, FULL_DUPLEX: 0, BUS_CONTROL: 0x9001, EEPROM: 0x0002, SOFTWARE_STYLE: 0x0200, PCI_LATENCY: 0xFF06,
}  # fmt: skip
_SOFT_RESET = {
    0: STOP, 3: 0, 4: CSR4_MASKS, 5: 0, 6: 0, 8: 0, 9: 0, 10: 0, 11: 0,
    RX_INDEX: 1, TX_INDEX: 1, RX_LENGTH: 1, TX_LENGTH: 1, 80: 0x1410, CHIP_ID: 0x1003, CHIP_ID + 1: 0x0262,
    94: 0, 100: 0x0200, 103: 0x0105, MISSED_FRAMES: 0, 114: 0, 122: 0, 124: 0,
}  # fmt: skip
#: Registers that simply keep what is stored.
_CSR_WRITABLE = frozenset((1, 2, *range(8, 16), *range(18, 48), RX_INDEX, TX_INDEX))
_STOPPED_ONLY = frozenset((MISSED_FRAMES,))
DEFAULT_RING = 512


class PcnetRegisters:
    """Both register files, and what their bits say."""

    def __init__(self) -> None:
        self.csr = [0] * CSR_COUNT
        self.bcr = [0] * BCR_COUNT

    # --- reset -------------------------------------------------------------------------------
    def power_on(self, address: bytes) -> None:
        """As at power-on.

        Args:
            address: the first six bytes of the address PROM.
        """
        self.csr = [0] * CSR_COUNT
        self.bcr = [0] * BCR_COUNT
        for number, value in _HARD_RESET.items():
            self.bcr[number] = value
        self.soft_reset(address)

    def soft_reset(self, address: bytes) -> None:
        """As after a load of the reset register: the bus configuration stays, but for the width of the I/O ports."""
        self.bcr[BUS_CONTROL] &= ~DOUBLE_WORD_IO
        for number, value in _SOFT_RESET.items():
            self.csr[number] = value
        for index in range(3):
            self.csr[PADR + index] = int.from_bytes(address[2 * index : 2 * index + 2], "little")
        self.csr[MODE] &= MODE_KEPT

    # --- bits --------------------------------------------------------------------------------
    @property
    def is_halted(self) -> bool:
        """Stopped or suspended."""
        return bool(self.csr[0] & STOP or self.csr[5] & SUSPEND)

    @property
    def is_double_word(self) -> bool:
        """The I/O ports are 32 bits wide."""
        return bool(self.bcr[BUS_CONTROL] & DOUBLE_WORD_IO)

    @property
    def is_32bit(self) -> bool:
        """Addresses in memory structures have 32 bits, not 24."""
        return bool(self.bcr[SOFTWARE_STYLE] & SIZE32)

    @property
    def style(self) -> int:
        """The software style: the layout of descriptors."""
        return self.bcr[SOFTWARE_STYLE] & STYLE_MASK

    def pair(self, number: int) -> int:
        """The 32-bit value of two CSRs, the low half first."""
        return self.csr[number] | self.csr[number + 1] << 16

    def set_pair(self, number: int, value: int) -> None:
        """Set two CSRs, the low half first."""
        self.csr[number], self.csr[number + 1] = value & 0xFFFF, value >> 16 & 0xFFFF

    def physical(self, address: int) -> int:
        """The address on the bus: 24-bit addresses have their high byte from CSR2."""
        return address if self.is_32bit else address | (self.csr[2] & 0xFF00) << 16

    # --- access ------------------------------------------------------------------------------
    def read_csr(self, number: int) -> int:
        """A load of a CSR; CSR88 gives all 32 bits of the chip's identity."""
        if number in (16, 17):
            number -= 15
        if number == SOFTWARE_STYLE_CSR:
            return self.bcr[SOFTWARE_STYLE]
        if number == CHIP_ID:
            return self.pair(CHIP_ID)
        value = self.csr[number]
        if number == 0 and value & CSR0_ERRORS:
            value |= ERROR
        return value

    def write_csr(self, number: int, value: int) -> None:
        """A store to a CSR other than CSR0."""
        if number in (16, 17):
            number -= 15
        if number == 3 or number in _CSR_WRITABLE or (number in _STOPPED_ONLY and self.is_halted):
            self.csr[number] = value
        elif number in (4, 5):
            flags = CSR4_FLAGS if number == 4 else CSR5_FLAGS
            self.csr[number] = value & ~flags | self.csr[number] & ~value & flags
        elif number in (RX_LENGTH, TX_LENGTH):
            self.csr[number] = value or DEFAULT_RING
        elif number == SOFTWARE_STYLE_CSR:
            self.write_bcr(SOFTWARE_STYLE, value)

    def read_bcr(self, number: int, link_up: bool) -> int:
        """A load of a BCR; the LEDs show the link."""
        if number >= BCR_COUNT:
            return 0
        value = self.bcr[number]
        if number in _LEDS:
            value &= ~LED_ON
            if link_up and value & LED_SOURCES & LINK_STATUS:
                value |= LED_ON
        return value

    def write_bcr(self, number: int, value: int) -> None:
        """A store to a BCR."""
        if number in _BCR_WRITABLE:
            self.bcr[number] = value
        elif number == SOFTWARE_STYLE and self.is_halted:
            style = value & STYLE_MASK
            self.bcr[number] = value & ~0x0300 | _STYLE_BITS[style] if style in _STYLE_BITS else _STYLE_BITS[0]
