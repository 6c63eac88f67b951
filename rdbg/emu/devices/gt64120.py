"""Galileo GT-64120 system controller (GT-64120A data sheet), as far as a Malta board uses it.

What works: the register file with its reset values, the window in which the registers themselves are seen (ISD),
the PCI I/O window and both PCI memory windows, PCI configuration accesses and the interrupt acknowledge. DMA, timers,
ECC and SDRAM timing keep values and do nothing. As on QEMU's board, a PCI memory window shows the PCI addresses that
are the CPU's own, whatever the remap registers say, ports begin at 0, and of windows that overlap the last one that was
moved is seen.

Every register is 32 bits and little-endian on the chip; CPU Configuration bit 12 says that the CPU's bus is
little-endian too, else the chip swaps the four bytes of each word.
"""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.fields import load_ints
from rdbg.emu.devices.pci import BAR0, PciFunction, PciIdentity
from rdbg.emu.devices.pci_bus import PciBus
from rdbg.emu.memory_map import Endian, IoRegion
from rdbg.errors import RdbgError

REGISTERS_SIZE = 0x1000

CPU_CONFIG, ISD, MULTI_GT = 0x000, 0x068, 0x120
PCI0_SYNC, PCI1_SYNC = 0x0C0, 0x0C8
PCI0_COMMAND, PCI1_COMMAND = 0xC00, 0xC80
INTERRUPT_CAUSE, INTERRUPT_MASK = 0xC18, 0xC1C
PCI0_ACKNOWLEDGE = 0xC34
PCI0_CONFIG_ADDRESS, PCI0_CONFIG_DATA = 0xCF8, 0xCFC

CPU_LITTLE_ENDIAN = 0x1000
PCI_NO_BYTE_SWAP = 0x0001
CONFIG_ENABLE = 0x8000_0000
CONFIG_WRITABLE = 0x80FF_FFFC
CONFIG_OTHER_DEVICE = 0x00FF_F800  #: any of these set: a device other than the GT-64120 itself
SYNC_VALUE = 0xC000_FFEE  #: reading flushes the PCI queues; the data mean nothing

WINDOW_SHIFT = 21  #: window registers count 2 MiB
PORT_WINDOW_MAX = 0x10000

#: The windows onto PCI: I/O, memory 0, memory 1: (low register, high register).
_PCI_WINDOWS = ((0x048, 0x050), (0x058, 0x060), (0x080, 0x088))
_PORTS = 0  #: which of them shows ports
_REGISTERS = len(_PCI_WINDOWS)  #: stands for the window of the chip's own registers
_BOUNDS = frozenset(register for bounds in _PCI_WINDOWS for register in bounds)

#: (low register, its remap register): a store to the first sets the second.
_LOW_TO_REMAP = {0x048: 0x0F0, 0x058: 0x0F8, 0x080: 0x100, 0x090: 0x108, 0x0A0: 0x110, 0x0B0: 0x118}
_REMAP_MASK = 0x7FF

#: Registers that keep what is stored: offset -> bits.
_WRITABLE: dict[int, int] = (
    {0x000: 0xFFFF_FFFF, ISD: 0x7FFF}
    | dict.fromkeys(_LOW_TO_REMAP, 0x7FFF)
    | dict.fromkeys((0x050, 0x060, 0x088, 0x098, 0x0A8, 0x0B8), 0x7F)
    | dict.fromkeys(_LOW_TO_REMAP.values(), _REMAP_MASK)
    | dict.fromkeys(range(0x400, 0x45C, 4), 0xFFFF_FFFF)  # chip selects and SDRAM
    | dict.fromkeys((0x470, 0x474, 0x478, 0x47C), 0xFFFF_FFFF)
    | {PCI0_COMMAND: 0x0401_FC0F, PCI1_COMMAND: 0x0401_FC0F}
    | {INTERRUPT_MASK: 0x3C3F_FFFE, 0xC24: 0x03FF_FFFE, 0xC28: 0x3F}
)

#: Reset values that are not zero (data sheet, chapter 'Register tables').
_RESET: dict[int, int] = {
    # CPU address decode: low and high bounds, PCI bounds
    0x010: 0x007, 0x018: 0x008, 0x020: 0x00F, 0x028: 0x0E0, 0x030: 0x070, 0x038: 0x0F8, 0x040: 0x07F,
    0x048: 0x080, 0x050: 0x00F, 0x058: 0x090, 0x060: 0x01F, ISD: 0x0A0, 0x080: 0x790, 0x088: 0x01F,
    0x090: 0x100, 0x098: 0x00F, 0x0A0: 0x110, 0x0A8: 0x01F, 0x0B0: 0x120, 0x0B8: 0x02F,
    # address remap
    0x0D8: 0x008, 0x0E0: 0x0E0, 0x0E8: 0x0F8, 0x0F0: 0x080, 0x0F8: 0x090, 0x100: 0x790, 0x108: 0x100,
    0x110: 0x110, 0x118: 0x120,
    # one chip on the bus; error report
    MULTI_GT: 0x003, 0x128: 0xFFFF_FFFF, 0x130: 0xFFFF_FFFF, 0x138: 0xFF,
    # device address decode
    0x404: 0x07, 0x408: 0x08, 0x40C: 0x0F, 0x410: 0x10, 0x414: 0x17, 0x418: 0x18, 0x41C: 0x1F,
    0x420: 0xC0, 0x424: 0xC7, 0x428: 0xC8, 0x42C: 0xCF, 0x430: 0xD0, 0x434: 0xDF, 0x438: 0xF0, 0x43C: 0xFB,
    0x440: 0xFC, 0x444: 0xFF,
    # SDRAM and device parameters
    0x448: 0x200, 0x44C: 0x5, 0x450: 0x5, 0x454: 0x5, 0x458: 0x5,
    0x45C: 0x386F_FFFF, 0x460: 0x386F_FFFF, 0x464: 0x386F_FFFF, 0x468: 0x386F_FFFF, 0x46C: 0x146F_FFFF,
    0x470: 0xFFFF_FFFF, 0x478: 0x7, 0x47C: 0x2,
    # timers
    0x850: 0xFFFF_FFFF, 0x854: 0xFF_FFFF, 0x858: 0xFF_FFFF, 0x85C: 0xFF_FFFF,
    # PCI 0
    0xC04: 0x70F, 0xC08: 0xFF_F000, 0xC0C: 0xFF_F000, 0xC10: 0x1FF_F000, 0xC14: 0xFF_F000, 0xC3C: 0xF, 0xC40: 0x40,
    0xC4C: 0x0100_0000, 0xC50: 0x1C00_0000, 0xC54: 0x1F00_0000, 0xC5C: 0x0100_0000, 0xC64: 0x1F00_0000,
    # PCI 1
    0xC84: 0x70F, 0xC88: 0xFF_F000, 0xC8C: 0xFF_F000, 0xC90: 0x1FF_F000, 0xC94: 0xFF_F000, 0xCBC: 0xF, 0xCC0: 0x40,
    0xCCC: 0x0100_0000, 0xCD0: 0x1C00_0000, 0xCD4: 0x1F00_0000, 0xCDC: 0x0100_0000, 0xCE4: 0x1F00_0000,
}  # fmt: skip


def gt64120_function() -> PciFunction:
    """The chip as it is seen on its own PCI bus (device 0)."""
    values = (0x8, 0x0100_0008, 0x1C00_0000, 0x1F00_0000, 0x1400_0000, 0x1400_0001)
    bases = b"".join(value.to_bytes(4, "little") for value in values)
    identity = PciIdentity(0x11AB, 0x4620, 0x060000, revision=0x10, status=0x0280, interrupt_pin=1)
    return PciFunction("gt64120.pci", identity, defaults=((BAR0, bases),))


class Gt64120(Device):
    """The register file and the windows that can be moved.

    Args:
        name: unique in the machine.
        system: told when a window moves.
        pci: the bus that configuration accesses go to.
        ports: shown in the PCI I/O window.
        acknowledge: the interrupt acknowledge cycle; gives the vector.
        big_endian: byte order of the CPU, which the board straps at reset.
    """

    def __init__(
        self,
        name: str,
        system: System,
        pci: PciBus,
        ports: Device,
        acknowledge: Callable[[], int],
        big_endian: bool,
    ) -> None:
        super().__init__(name)
        self._system = system
        self.pci = pci
        self._ports = ports
        self._acknowledge = acknowledge
        self._big_endian = big_endian
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.registers = [_RESET.get(offset, 0) for offset in range(0, REGISTERS_SIZE, 4)]
        if not self._big_endian:
            self._set(CPU_CONFIG, CPU_LITTLE_ENDIAN)
            self._set(PCI0_COMMAND, 0x0001_0001)
            self._set(PCI1_COMMAND, 0x0001_0001)
        #: The places of the windows onto PCI, in units of 2 MiB.
        self.firsts = [0] * len(_PCI_WINDOWS)
        self.counts = [0] * len(_PCI_WINDOWS)
        #: All windows; the one that was moved last stands first.
        self.order: list[int] = [*range(_REGISTERS), _REGISTERS]
        self._to_front(_REGISTERS)
        self._move_pci_windows()

    def reset(self) -> None:
        """Registers at 0x14000000, PCI I/O at 0x10000000, PCI memory at 0x12000000 and 0xf2000000."""
        self._set_reset_state()
        self._system.mapping_changed()

    # --- windows -----------------------------------------------------------------------------
    def windows(self) -> tuple[IoRegion, ...]:
        """The windows as they stand, and what each shows of the PCI bus."""
        regions: list[IoRegion] = []
        for window in self.order:
            if window == _REGISTERS:
                regions.append(IoRegion(_avoid_board(self._get(ISD) << WINDOW_SHIFT), REGISTERS_SIZE, self))
                continue
            base, size = self.firsts[window] << WINDOW_SHIFT, self.counts[window] << WINDOW_SHIFT
            if window == _PORTS:
                if size:
                    size = min(size, PORT_WINDOW_MAX)
                    regions.append(IoRegion(base, size, self._ports, endian=Endian.LITTLE))
                continue
            for placed in self.pci.placed("memory"):
                start, end = max(base, placed.base), min(base + size, placed.base + placed.size)
                if start < end:
                    offset = start - placed.base
                    regions.append(IoRegion(start, end - start, placed.device, offset, Endian.LITTLE))
        return tuple(regions)

    def _to_front(self, window: int) -> None:
        self.order.remove(window)
        self.order.insert(0, window)

    def _move_pci_windows(self) -> None:
        """The high register holds bits 27:21 of the last address; a window with high below low keeps its old place."""
        for window, (low_register, high_register) in enumerate(_PCI_WINDOWS):
            low, high = self._get(low_register), self._get(high_register)
            if low & 0x7F <= high:
                self.firsts[window] = low
                self.counts[window] = high + 1 - (low & 0x7F)
                self._to_front(window)

    # --- registers ---------------------------------------------------------------------------
    def _get(self, offset: int) -> int:
        return self.registers[offset >> 2]

    def _set(self, offset: int, value: int) -> None:
        self.registers[offset >> 2] = value

    def _swapped(self, value: int) -> int:
        if self._get(CPU_CONFIG) & CPU_LITTLE_ENDIAN:
            return value
        return int.from_bytes(value.to_bytes(4, "little"), "big")

    def _lane(self, offset: int, size: int) -> int:
        """How far a narrow access's data sit from bit 0 of the CPU's 32-bit word."""
        low = offset & 3
        return 8 * (4 - size - low if self._big_endian else low)

    def read(self, offset: int, size: int) -> int:
        """A guest load; narrow ones see their bytes of the word."""
        if size == 8:
            words = (self.read(offset, 4), self.read(offset + 4, 4))
            return words[0] << 32 | words[1] if self._big_endian else words[1] << 32 | words[0]
        word = self._swapped(self._read_register(offset & ~3))
        return word >> self._lane(offset, size) & ((1 << (8 * size)) - 1)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store; the other bytes of the word are driven as zeros in a narrow one."""
        if size == 8:
            high, low = value >> 32, value & 0xFFFF_FFFF
            self.write(offset, 4, high if self._big_endian else low)
            self.write(offset + 4, 4, low if self._big_endian else high)
            return
        self._write_register(offset & ~3, self._swapped(value << self._lane(offset, size)))

    def _read_register(self, offset: int) -> int:
        if offset == PCI0_CONFIG_DATA:
            return self._config_access(None)
        if offset == PCI0_ACKNOWLEDGE:
            return self._acknowledge()
        if offset in (PCI0_SYNC, PCI1_SYNC):
            return SYNC_VALUE
        return self._get(offset)

    def _write_register(self, offset: int, value: int) -> None:
        if offset == PCI0_CONFIG_DATA:
            self._config_access(value)
        elif offset == PCI0_CONFIG_ADDRESS:
            self._set(offset, value & CONFIG_WRITABLE)
        elif offset == INTERRUPT_CAUSE:
            # Zeros clear; bit 0 is the summary of the others.
            left = self._get(offset) & value & 0xFFFF_FFFE
            self._set(offset, left | bool(left))
        elif offset in _WRITABLE:
            self._set(offset, value & _WRITABLE[offset])
            if offset in _LOW_TO_REMAP:
                self._set(_LOW_TO_REMAP[offset], value & _REMAP_MASK)
            if offset == ISD:
                self._to_front(_REGISTERS)
                self._system.mapping_changed()
            elif offset in _BOUNDS:
                self._move_pci_windows()
                self._system.mapping_changed()

    def _config_access(self, value: int | None) -> int:
        """A configuration load (None) or store at the address in the address register."""
        address = self._get(PCI0_CONFIG_ADDRESS)
        # Data of other devices cross the PCI interface, which swaps bytes unless told not to; the chip's own do not.
        swap = not self._get(PCI0_COMMAND) & PCI_NO_BYTE_SWAP and address & CONFIG_OTHER_DEVICE != 0
        if value is not None:
            if address & CONFIG_ENABLE:
                self.pci.config_write(address, 4, _swap32(value) if swap else value)
            return 0
        if not address & CONFIG_ENABLE:
            return 0xFFFF_FFFF
        loaded = self.pci.config_read(address, 4)
        return _swap32(loaded) if swap else loaded

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """All registers and the places of the windows."""
        return {name: list(getattr(self, name)) for name in ("registers", "firsts", "counts", "order")}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave; windows may move."""
        order = load_ints(self, "order", state, len(_PCI_WINDOWS) + 1)
        if sorted(order) != list(range(len(_PCI_WINDOWS) + 1)):
            raise RdbgError(f"saved state of device {self.name!r} is damaged: 'order' cannot be {order}")
        self.order = list(order)
        self.registers = load_ints(self, "registers", state, REGISTERS_SIZE // 4)
        self.firsts = load_ints(self, "firsts", state, len(_PCI_WINDOWS))
        self.counts = load_ints(self, "counts", state, len(_PCI_WINDOWS))
        self._system.mapping_changed()


def _swap32(value: int) -> int:
    return int.from_bytes(value.to_bytes(4, "little"), "big")


def _avoid_board(base: int) -> int:
    """Keep the register window off flash, FPGA (0x1e000000-0x1f0fffff) and boot ROM (0x1fc00000-0x1fcfffff)."""
    if 0x1E00_0000 <= base < 0x1F10_0000:
        base = 0x1F10_0000
    if 0x1FC0_0000 <= base < 0x1FD0_0000:
        base = 0x1FD0_0000
    return base
