"""USB host controller of the PIIX4 (Intel UHCI Design Guide 1.1, chapter 2) with nothing plugged in.

Registers, reset and the frame counter are there; the schedule in memory is not walked, as nobody would answer.
"""

from __future__ import annotations

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.fields import BYTE, HALF, NANOSECONDS, WORD, all_of, load_fields, save_fields

PORT_COUNT = 32  #: bytes of I/O ports
COMMAND, STATUS, INTERRUPT_ENABLE, FRAME, FRAME_BASE, SOF, PORTS = 0x00, 0x02, 0x04, 0x06, 0x08, 0x0C, 0x10
RUN, HOST_RESET, GLOBAL_RESET = 0x01, 0x02, 0x04
HALTED = 0x20
FRAME_NS = 1_000_000
FRAME_MASK = 0x7FF
SOF_DEFAULT = 64

PORT_CONNECTED, PORT_ENABLED, PORT_RESERVED_ONE = 0x0001, 0x0004, 0x0080
PORT_READ_ONLY, PORT_CLEARABLE = 0x01BB, 0x000A


class Uhci(Device):
    """The controller's registers.

    Args:
        name: unique in the machine.
        system: time for the frame counter.
    """

    _FIELDS = all_of(HALF, "command", "status", "enable", "frame_at_start", "port0", "port1") | {
        "started_ns": NANOSECONDS,
        "frame_base": WORD,
        "sof": BYTE,
    }

    def __init__(self, name: str, system: System) -> None:
        super().__init__(name)
        self._system = system
        self.reset()

    def reset(self) -> None:
        """Halted, frame 0."""
        self.command = 0
        self.status = HALTED
        self.enable = 0
        self.frame_at_start = 0
        self.started_ns = 0
        self.frame_base = 0
        self.sof = SOF_DEFAULT
        self.port0 = self.port1 = PORT_RESERVED_ONE

    def _frame(self) -> int:
        if not self.command & RUN:
            return self.frame_at_start
        return (self.frame_at_start + (self._system.now_ns - self.started_ns) // FRAME_NS) & FRAME_MASK

    def read(self, offset: int, size: int) -> int:
        """A guest load; bytes of wider registers come from within them."""
        value = 0
        for index in range(size):
            value |= self._byte(offset + index) << (8 * index)
        return value

    def _byte(self, offset: int) -> int:
        if FRAME_BASE <= offset < FRAME_BASE + 4:
            return self.frame_base >> (8 * (offset - FRAME_BASE)) & 0xFF
        if offset == SOF:
            return self.sof
        words = {
            COMMAND: self.command, STATUS: self.status, INTERRUPT_ENABLE: self.enable, FRAME: self._frame(),
            PORTS: self.port0, PORTS + 2: self.port1,
        }  # fmt: skip
        word = words.get(offset & ~1)
        if word is None:
            return 0xFF if offset > PORTS else 0
        return word >> (8 * (offset & 1)) & 0xFF

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store, as wide as its register; a 4-byte one to two 2-byte registers is split."""
        if size == 4 and offset != FRAME_BASE:
            self.write(offset, 2, value & 0xFFFF)
            self.write(offset + 2, 2, value >> 16)
        elif offset == COMMAND:
            self._set_command(value)
        elif offset == STATUS:
            self.status &= ~value  # the halted bit too, as drivers find it on QEMU's board
        elif offset == INTERRUPT_ENABLE:
            self.enable = value & 0xFFFF
        elif offset == FRAME:
            if self.status & HALTED:
                self.frame_at_start = value & FRAME_MASK
        elif offset == SOF:
            self.sof = value & 0xFF
        elif offset == FRAME_BASE and size == 4:
            self.frame_base = value & 0xFFFF_F000
        elif offset == FRAME_BASE:
            self.frame_base = self.frame_base & 0xFFFF_0000 | value & 0xF000
        elif offset == FRAME_BASE + 2:
            self.frame_base = self.frame_base & 0xFFFF | (value & 0xFFFF) << 16
        elif offset == PORTS:
            self.port0 = self._port(self.port0, value)
        elif offset == PORTS + 2:
            self.port1 = self._port(self.port1, value)

    def _set_command(self, value: int) -> None:
        if value & (HOST_RESET | GLOBAL_RESET):
            frame = self._frame()
            self.reset()
            self.frame_at_start = frame
            return
        frame = self._frame()
        self.command = value & 0xFFFF
        self.frame_at_start = frame
        self.started_ns = self._system.now_ns
        self.status = self.status & ~HALTED | (0 if value & RUN else HALTED)

    @staticmethod
    def _port(old: int, value: int) -> int:
        if not old & PORT_CONNECTED:
            value &= ~PORT_ENABLED
        return (old & PORT_READ_ONLY | value & ~PORT_READ_ONLY & 0xFFFF) & ~(value & PORT_CLEARABLE)

    def save(self) -> State:
        """All registers."""
        return save_fields(self, self._FIELDS)

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
