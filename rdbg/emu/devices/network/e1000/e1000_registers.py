"""The registers of the Intel 82540EM (PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual,
chapter 13), as far as QEMU's model of the card has them: offsets in bytes, bits, reset values, and what may be read and
written."""

from __future__ import annotations

from rdbg.emu.device import StateValue
from rdbg.emu.devices.fields import WORD
from rdbg.errors import RdbgError

MEMORY_SIZE = 0x20000
PORTS_SIZE = 0x40

CTRL, STATUS, EECD, EERD, MDIC, VET = 0x0000, 0x0008, 0x0010, 0x0014, 0x0020, 0x0038
ICR, ITR, ICS, IMS, IMC = 0x00C0, 0x00C4, 0x00C8, 0x00D0, 0x00D8
RCTL, TCTL, AIT, LEDCTL, PBA = 0x0100, 0x0400, 0x0458, 0x0E00, 0x1000
RDBAL, RDBAH, RDLEN, RDH, RDT, RDTR, RADV = 0x2800, 0x2804, 0x2808, 0x2810, 0x2818, 0x2820, 0x282C
RDFH, RDFT, RDFHS, RDFTS, RDFPC = 0x2410, 0x2418, 0x2420, 0x2428, 0x2430
TDFH, TDFT, TDFHS, TDFTS, TDFPC = 0x3410, 0x3418, 0x3420, 0x3428, 0x3430
TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL, TADV = 0x3800, 0x3804, 0x3808, 0x3810, 0x3818, 0x3828, 0x382C
MTA, RA, VFTA = 0x5200, 0x5400, 0x5600
WUC, WUFC, WUS, MANC, IPAV, IP4AT, IP6AT, WUPM = 0x5800, 0x5808, 0x5810, 0x5820, 0x5838, 0x5840, 0x5880, 0x5A00
SWSM, FFLT, FFMT, FFVT, PBM = 0x5B50, 0x5F00, 0x9000, 0x9800, 0x10000

# Statistics.
CRCERRS, MPC, FCRUC = 0x4000, 0x4010, 0x4058
PRC64, PRC1522, GPRC, BPRC, MPRC, GPTC = 0x405C, 0x4070, 0x4074, 0x4078, 0x407C, 0x4080
GORCL, GORCH, GOTCL, GOTCH, RNBC, RUC, RFC, ROC, RJC = (
    0x4088, 0x408C, 0x4090, 0x4094, 0x40A0, 0x40A4, 0x40A8, 0x40AC, 0x40B0,
)  # fmt: skip
TORL, TORH, TOTL, TOTH, TPR, TPT = 0x40C0, 0x40C4, 0x40C8, 0x40CC, 0x40D0, 0x40D4
PTC64, PTC1522, MPTC, BPTC, TSCTC, TSCTFC = 0x40D8, 0x40EC, 0x40F0, 0x40F4, 0x40F8, 0x40FC

CTRL_RESET, CTRL_VLAN = 0x0400_0000, 0x4000_0000
STATUS_LINK_UP = 0x2
TCTL_ENABLE = 0x2
RCTL_ENABLE, RCTL_STORE_BAD, RCTL_UNICAST, RCTL_MULTICAST, RCTL_LONG = 0x02, 0x04, 0x08, 0x10, 0x20
RCTL_BROADCAST, RCTL_VLAN_FILTER, RCTL_STRIP_CRC = 0x8000, 0x0004_0000, 0x0400_0000
RAH_VALID = 0x8000_0000
RX_ADDRESSES = 16

# Interrupt causes.
TX_WRITTEN_BACK, TX_QUEUE_EMPTY, LINK_CHANGE, RX_THRESHOLD = 0x01, 0x02, 0x04, 0x10
RX_OVERRUN, RX_TIMER, MDIO_DONE = 0x40, 0x80, 0x200

# MDIC.
MDIC_DATA, MDIC_WRITE, MDIC_READ, MDIC_READY, MDIC_INTERRUPT, MDIC_ERROR = (
    0xFFFF, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000,
)  # fmt: skip
PHY_ADDRESS = 1

RESET_VALUES = {
    PBA: 0x0010_0030,
    LEDCTL: 0x602,
    CTRL: 0x0014_0240,  # software-definable pins 0 and 2, 1000 Mb/s, link up
    STATUS: 0x8008_0783,  # bus master enabled, speed detected, 1000 Mb/s, full duplex, link up
    MANC: 0x0022_2300,
    VET: 0x8100,
}

# PHY registers (IEEE 802.3 clause 22, and Marvell 88E1000).
(BMCR, BMSR, PHY_ID1, PHY_ID2, ANAR, ANLPAR, ANER, CTRL1000, STAT1000) = (0, 1, 2, 3, 4, 5, 6, 9, 10)
SPEC_CTRL, SPEC_STATUS, EXT_SPEC_CTRL, RX_ERRORS = 0x10, 0x11, 0x14, 0x15
BMCR_RESET, BMCR_LOOPBACK, BMCR_AUTONEGOTIATE, BMCR_RESTART, BMCR_RESERVED = 0x8000, 0x4000, 0x1000, 0x0200, 0x003F
BMSR_LINK_UP, BMSR_NEGOTIATED = 0x0004, 0x0020
ANLPAR_ACKNOWLEDGE = 0x4000
PHY_COUNT = 32
PHY_RESET_VALUES = {
    BMCR: 0x1140, BMSR: 0x794D, PHY_ID1: 0x0141, PHY_ID2: 0x0C20, ANAR: 0x0DE1, ANLPAR: 0x01E0, CTRL1000: 0x0E00,
    STAT1000: 0x3C00, SPEC_CTRL: 0x0360, SPEC_STATUS: 0xAC00, EXT_SPEC_CTRL: 0x0D60,
}  # fmt: skip
PHY_WRITABLE = frozenset((BMCR, ANAR, CTRL1000, SPEC_CTRL, EXT_SPEC_CTRL))
PHY_READABLE = PHY_WRITABLE | {BMSR, PHY_ID1, PHY_ID2, ANLPAR, ANER, STAT1000, SPEC_STATUS, RX_ERRORS}


def _table(start: int, count: int) -> range:
    return range(start, start + 4 * count, 4)


#: Statistics that a load clears.
CLEARED_BY_LOAD = frozenset((
    *range(PRC64, GPTC + 4, 4), RUC, ROC, TPR, TPT, *range(PTC64, TSCTC + 4, 4),
))  # fmt: skip
#: The high halves of 64-bit statistics: a load clears both halves.
PAIRS_CLEARED_BY_LOAD = frozenset((GORCH, GOTCH, TORH, TOTH))

_TABLES = (
    _table(IP6AT, 4), _table(IP4AT, 7), _table(RA, 32), _table(WUPM, 32), _table(MTA, 128), _table(VFTA, 128),
    _table(FFVT, 255), _table(PBM, 16384),
)  # fmt: skip
_ALL_BITS = 0xFFFF_FFFF
#: Registers that keep what is stored: offset -> bits.
WRITABLE: dict[int, int] = (
    dict.fromkeys(
        (PBA, EERD, SWSM, WUFC, TDBAL, TDBAH, TXDCTL, RDBAH, RDBAL, LEDCTL, VET, FCRUC, IPAV, WUC, WUS), _ALL_BITS
    )
    | {offset: _ALL_BITS for table in _TABLES for offset in table}
    | dict.fromkeys((TDLEN, RDLEN), 0xF_FF80)
    | dict.fromkeys((TDH, RDH, RDTR, RADV, TADV, ITR, AIT), 0xFFFF)
    | dict.fromkeys((TDFH, TDFT, *_table(FFLT, 7)), 0x7FF)
    | dict.fromkeys((TDFHS, TDFTS, TDFPC, RDFH, RDFT, RDFHS, RDFTS, RDFPC), 0x1FFF)
    | dict.fromkeys(_table(FFMT, 255), 0xF)
    | {CTRL: _ALL_BITS & ~CTRL_RESET, RDT: 0xFFFF}
)
#: Registers that a load shows as they are.
READABLE = (
    (WRITABLE.keys() - {EERD})
    | {RCTL, TCTL, TDT, MDIC, STATUS, IMS, ICS, MANC, TORL, TOTL, GORCL, GOTCL, RNBC, RFC, RJC, TSCTFC}
    | set(range(CRCERRS, MPC + 4, 4))
    | {0x4014, 0x4018, 0x401C, 0x4020, 0x4028, 0x4030, 0x4034, 0x4038, 0x403C, 0x4040, 0x4048, 0x404C, 0x4050, 0x4054}
    | {0x40B4, 0x40B8, 0x40BC}
)


class RegisterFile(dict[int, int]):
    """Registers by offset; those that are not there are 0. Most are: a list would be saved at each checkpoint."""

    def __missing__(self, offset: int) -> int:
        return 0

    def count(self, offset: int) -> None:
        """Count one, up to the highest number."""
        self[offset] = min(self[offset] + 1, _ALL_BITS)

    def add(self, offset: int, amount: int) -> None:
        """Add to a 64-bit statistic, up to the highest number."""
        total = min((self[offset] | self[offset + 4] << 32) + amount, (1 << 64) - 1)
        self[offset], self[offset + 4] = total & _ALL_BITS, total >> 32

    def count_size(self, first: int, size: int) -> None:
        """Count a frame by its size.

        Args:
            first: offset of the counter of frames of 64 bytes; five follow, up to 127, 255, 511, 1023, and longer.
            size: in bytes; shorter than 64: not counted.
        """
        if size >= 64:
            self.count(first if size == 64 else first + 4 * min(size.bit_length() - 6, 5))

    def saved(self) -> list[StateValue]:
        """Offsets and values, one after the other, of those that are not 0."""
        return [number for offset in sorted(self) if self[offset] for number in (offset, self[offset])]

    @classmethod
    def loaded(cls, device: str, value: StateValue) -> RegisterFile:
        """What ``saved`` gave.

        Args:
            device: name of the device, for the error.
            value: what is in the state.

        Raises:
            RdbgError: it cannot be.
        """
        if isinstance(value, list) and len(value) % 2 == 0:
            numbers = [number for number in value if isinstance(number, int) and WORD.holds(number)]
            if len(numbers) == len(value):
                found = cls(zip(numbers[::2], numbers[1::2], strict=True))
                if all(offset < MEMORY_SIZE and not offset & 3 for offset in found):
                    return found
        raise RdbgError(f"saved state of device {device!r} is damaged: 'registers' cannot be what they are")
