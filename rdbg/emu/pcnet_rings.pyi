"""Types of the compiled rings of the Am79C973; see pcnet_rings.pyx."""

from typing import Protocol

from rdbg.emu.device import System
from rdbg.emu.devices.network.pcnet.pcnet_registers import PcnetRegisters
from rdbg.emu.devices.pci import PciFunction

class RingMemory(Protocol):
    def dma_read(self, address: int, size: int) -> bytes: ...
    def dma_write(self, address: int, data: bytes) -> None: ...

class PcnetRings:
    receive_base: int
    transmit_base: int
    def __init__(self, registers: PcnetRegisters, card: RingMemory, function: PciFunction, system: System) -> None: ...
    def owned_receive(self, most: int) -> int: ...
