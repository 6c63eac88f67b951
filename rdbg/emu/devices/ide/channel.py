"""An IDE channel of the PIIX4: its ports, its two drives, its bus master (82371AB data sheet, chapter 'Bus master IDE';
Programming Interface for Bus Master IDE Controllers, 1.0)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from rdbg.emu.device import FOREVER, Device, State, System
from rdbg.emu.devices.fields import BIT, BYTE, FLAG, WORD, Fields, Number, load_fields, save_fields
from rdbg.emu.devices.ide.drive import BSY, DRQ, IdeDrive, Work
from rdbg.emu.devices.pci import PciFunction
from rdbg.emu.dma_name import Detail, Sectors
from rdbg.errors import RdbgError

DATA, ERROR, COUNT, SECTOR_NUMBER, CYLINDER_LOW, CYLINDER_HIGH, DEVICE, COMMAND = range(8)
CONTROL = 8  #: the control block's port, behind those of the command block

INTERRUPTS_OFF, SOFT_RESET, SHOW_OLD = 0x02, 0x04, 0x80

#: Virtual time that a drive needs to come to its data, and for a sector of them.
ACCESS_NS, SECTOR_NS = 20_000, 1_000

# Bus master.
MASTER_COMMAND, MASTER_STATUS, MASTER_TABLE = 0, 2, 4
START, MASTER_COMMAND_KEPT = 0x01, 0x09
ACTIVE, FAILED, INTERRUPT, CAPABLE = 0x01, 0x02, 0x04, 0x60
TABLE_SIZE = 4096
_ENTRY = 8
_WORDS = struct.Struct("<II")
_LAST_ENTRY = 0x8000_0000

DriveMaker = Callable[["IdeChannel", int], IdeDrive]


class IdeChannel(Device):
    """A channel.

    Args:
        name: unique in the machine.
        system: virtual time.
        irq: drives its ISA interrupt.
        make: builds what is in place 0 or 1.
    """

    _FIELDS: Fields = {
        "selected": BIT,
        "control": BYTE,
        "irq_level": FLAG,
        "work": Number(0, max(Work)),
        "worker": BIT,
        "wants_dma": FLAG,
        "master_command": BYTE,
        "master_status": BYTE,
        "master_table": WORD,
        "master_next": WORD,
    }

    def __init__(self, name: str, system: System, irq: Callable[[bool], None], make: DriveMaker) -> None:
        super().__init__(name)
        self._system = system
        self._irq = irq
        self._timer = system.work_timer(f"{name}.work", self._finish, f"a command of {name}")
        self._function: PciFunction | None = None
        self._is_moving = False  # the bus master is at work: its own ports do not answer it
        self.irq_level = False
        self.drives = (make(self, 0), make(self, 1))
        self._set_reset_state()

    def connect(self, function: PciFunction) -> None:
        """Say whose bus master it is."""
        self._function = function

    def _set_reset_state(self) -> None:
        self.selected = 0
        self.control = 0
        self.work = Work.NONE
        self.worker = 0
        self.wants_dma = False
        self.master_command = self.master_status = self.master_table = 0
        self.master_next = 0  # the table's entry that comes next

    def reset(self) -> None:
        """Both drives are reset, the first is selected, the bus master stands."""
        self._timer.disarm()
        self._set_reset_state()
        for drive in self.drives:
            drive.clear_registers()
        self._set_irq(False)

    # --- ports -------------------------------------------------------------------------------
    @property
    def _is_empty(self) -> bool:
        return not self.drives[0].is_present and not self.drives[1].is_present

    def _status(self) -> int:
        drive = self.drives[self.selected]
        if self._is_empty or (self.selected and not drive.is_present):
            return 0
        return drive.status

    def read(self, offset: int, size: int) -> int:
        """A guest load: of the data port, of a register, or of two registers."""
        if self._is_moving:
            return 0
        if offset == DATA and size != 1:
            if size == 8:
                return self.read(DATA, 4) | self.read(CYLINDER_LOW, 4) << 32
            return self.drives[self.selected].read_data(size)
        if size == 1:
            return self._register(offset)
        if size == 2:
            high = self._register(offset + 1) if offset < COMMAND else 0xFF
            return self._register(offset) | high << 8
        return (1 << (8 * size)) - 1

    def _register(self, offset: int) -> int:
        if offset == CONTROL:
            return self._status()
        if offset == COMMAND:
            self._set_irq(False)
            return self._status()
        if offset == DATA:  # a load of a byte takes a word
            return self.drives[self.selected].read_data(2) & 0xFF
        drive = self.drives[self.selected]
        if self._is_empty:
            return 0
        if offset == DEVICE:
            return drive.device
        old = self.control & SHOW_OLD
        if offset == ERROR:
            if self.selected and not drive.is_present:
                return 0
            return drive.old_features if old else drive.error
        if offset == COUNT:
            return drive.old_count if old else drive.count & 0xFF
        if offset == SECTOR_NUMBER:
            return drive.old_sector if old else drive.sector
        if offset == CYLINDER_LOW:
            return drive.old_cylinder_low if old else drive.cylinder_low
        return drive.old_cylinder_high if old else drive.cylinder_high

    def stable_until(self, offset: int, size: int) -> int:
        """Registers change by the drive's work alone; the data port moves on with each load."""
        if offset == DATA or size != 1 or (offset == COMMAND and self.irq_level):
            return 0
        return FOREVER

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store: to the data port, to a register, or to two registers."""
        if self._is_moving:
            return
        if offset == DATA and size != 1:
            if size == 8:
                self.write(DATA, 4, value & 0xFFFF_FFFF)
                self.write(CYLINDER_LOW, 4, value >> 32)
            else:
                self.drives[self.selected].write_data(size, value)
        elif size == 1:
            self._set_register(offset, value)
        elif size == 2:
            self._set_register(offset, value & 0xFF)
            if offset < COMMAND:
                self._set_register(offset + 1, value >> 8)

    def _set_register(self, offset: int, value: int) -> None:
        if offset == CONTROL:
            self._set_control(value)
            return
        drive = self.drives[self.selected]
        if offset == COMMAND:
            self.control &= ~SHOW_OLD
            self._set_irq(False)
            drive.execute(value)
            return
        if drive.status & (BSY | DRQ):
            return
        if offset == DATA:
            return
        self.control &= ~SHOW_OLD
        if offset == DEVICE:
            self.drives[0].device = value & ~0x10 | 0xA0
            self.drives[1].device = value | 0x10 | 0xA0
            self.selected = value >> 4 & 1
            return
        for each in self.drives:  # both listen
            if offset == ERROR:
                each.old_features, each.features = each.features, value
            elif offset == COUNT:
                each.old_count, each.count = each.count & 0xFF, value
            elif offset == SECTOR_NUMBER:
                each.old_sector, each.sector = each.sector, value
            elif offset == CYLINDER_LOW:
                each.old_cylinder_low, each.cylinder_low = each.cylinder_low, value
            else:
                each.old_cylinder_high, each.cylinder_high = each.cylinder_high, value

    def _set_control(self, value: int) -> None:
        if value & SOFT_RESET and not self.control & SOFT_RESET:
            for drive in self.drives:
                drive.status |= BSY
            self._schedule(Work.RESET, ACCESS_NS)
        self.control = value

    # --- interrupt ---------------------------------------------------------------------------
    def _set_irq(self, level: bool) -> None:
        self.irq_level = level
        self._irq(level)

    def request_interrupt(self) -> None:
        """Raise the channel's interrupt, unless the CPU does not want it."""
        if not self.control & INTERRUPTS_OFF:
            self.master_status |= INTERRUPT
            self._set_irq(True)

    # --- work --------------------------------------------------------------------------------
    def begin(self, drive: IdeDrive, work: Work, sectors: int = 0) -> None:
        """Let a drive be busy for as long as a piece of work takes."""
        drive.status |= BSY
        self.worker = drive.unit
        self._schedule(work, ACCESS_NS + SECTOR_NS * sectors)

    def _schedule(self, work: Work, duration_ns: int) -> None:
        self.work = work
        self._timer.arm(self._system.now_ns + duration_ns)

    def cancel(self) -> None:
        """Forget the work, and a DMA transfer that waits for the bus master."""
        if self.work is Work.DMA:
            self._finish()
        self._timer.disarm()
        self.work = Work.NONE
        self.wants_dma = False

    def _finish(self) -> None:
        work = Work(self.work)
        self.work = Work.NONE
        self._timer.disarm()
        if work is Work.RESET:
            self._finish_reset()
        elif work is not Work.NONE:
            self.drives[self.worker].finish(work)

    def _finish_reset(self) -> None:
        self.wants_dma = False
        for drive in self.drives:
            drive.clear_registers()
            drive.diagnose()
        self.control &= ~SOFT_RESET

    # --- bus master --------------------------------------------------------------------------
    def begin_dma(self, drive: IdeDrive) -> None:
        """Transfer once the bus master has been started."""
        self.worker = drive.unit
        self.wants_dma = True
        if self.master_status & ACTIVE:
            self._run_dma()

    def _run_dma(self) -> None:
        self._schedule(Work.DMA, ACCESS_NS + SECTOR_NS * self.drives[self.worker].dma_sectors())

    def end_dma(self, more: bool = False) -> None:
        """The drive's transfer is over; the bus master stays active if its table has more."""
        self.wants_dma = False
        self.master_status = self.master_status & ~ACTIVE | (ACTIVE if more else 0)

    def dma_segments(self, size: int, whole: bool = True) -> tuple[list[tuple[int, int]], int]:
        """The memory that the bus master's table names. A table without an end ends after a page."""
        segments: list[tuple[int, int]] = []
        left, named = size, 0
        if not (whole or left):
            return segments, named
        for address, word in self._whole_table() if whole else self._entries():
            length = word & 0xFFFE or 0x10000
            named += length
            take = min(left, length)
            if take:
                segments.append((address, take))
                left -= take
            if not (whole or left):
                break
        return segments, named

    def _whole_table(self) -> Iterable[tuple[int, int]]:
        """The rest of the bus master's table."""
        most = -(-(TABLE_SIZE - self._table_read) // _ENTRY)
        table = None
        if self._function is not None and most > 0:
            table = self._function.dma_table(self.master_next, most, _LAST_ENTRY)
        if table is None:
            return self._entries()
        self.master_next = self.master_next + len(table) & 0xFFFF_FFFF
        return _WORDS.iter_unpack(table)

    def _entries(self) -> Iterator[tuple[int, int]]:
        """The same one by one: each is read when it is asked for."""
        word = 0
        while self._table_read < TABLE_SIZE and not word & _LAST_ENTRY:
            entry = self.dma_read(self.master_next, _ENTRY)
            self.master_next = self.master_next + _ENTRY & 0xFFFF_FFFF
            address, word = _WORDS.unpack(entry)
            yield address, word

    @property
    def _table_read(self) -> int:
        """Bytes of the table that have been read."""
        return (self.master_next - self.master_table) & 0xFFFF_FFFF

    def dma_read(self, address: int, size: int, detail: Detail = "") -> bytes:
        """Bytes of memory."""
        if self._function is None:
            return bytes(size)
        self._is_moving = True
        try:
            return self._function.dma_read(address, size, detail, self)
        finally:
            self._is_moving = False

    def dma_write(self, address: int, data: bytes, detail: Detail) -> None:
        """Write to memory."""
        if self._function is not None:
            self._is_moving = True
            try:
                self._function.dma_write(address, data, detail, self)
            finally:
                self._is_moving = False

    def dma_write_pieces(self, pieces: list[tuple[int, int]], data: bytes, sectors: Sectors) -> None:
        """Write to several places of memory in turn."""
        if self._function is None or self._function.dma_write_pieces(pieces, data):
            return
        at = 0
        for address, length in pieces:
            self.dma_write(address, data[at : at + length], sectors.after(at))
            at += length

    def log(self, message: str) -> None:
        """One line about something that is not as it should be."""
        self._system.log(message)

    def read_master(self, offset: int, size: int) -> int:
        """A guest load from the bus master's eight ports."""
        if self._is_moving:
            return 0
        if offset >= MASTER_TABLE:
            return self.master_table >> (8 * (offset - MASTER_TABLE)) & ((1 << (8 * size)) - 1)
        if size == 1 and offset == MASTER_COMMAND:
            return self.master_command
        if size == 1 and offset == MASTER_STATUS:
            return self.master_status
        return (1 << (8 * size)) - 1

    def write_master(self, offset: int, size: int, value: int) -> None:
        """A guest store to the bus master's eight ports."""
        if self._is_moving:
            return
        if offset >= MASTER_TABLE:
            shift = 8 * (offset - MASTER_TABLE)
            mask = ((1 << (8 * size)) - 1) << shift & 0xFFFF_FFFF
            self.master_table = self.master_table & ~mask | value << shift & mask & ~3
        elif size == 1 and offset == MASTER_STATUS:
            kept = self.master_status & ACTIVE | self.master_status & ~value & (FAILED | INTERRUPT)
            self.master_status = value & CAPABLE | kept
        elif size == 1 and offset == MASTER_COMMAND:
            self._set_master_command(value)

    def _set_master_command(self, value: int) -> None:
        if (value ^ self.master_command) & START:
            if value & START:
                self.master_next = self.master_table
                if not self.master_status & ACTIVE:
                    self.master_status |= ACTIVE
                    if self.wants_dma:
                        self._run_dma()
            else:
                if self.work is Work.DMA:
                    self._finish()  # what has begun comes to its end
                self.master_status &= ~ACTIVE
        self.master_command = value & MASTER_COMMAND_KEPT

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """Registers, both drives, the bus master."""
        return save_fields(self, self._FIELDS) | {"drives": [dict(drive.save()) for drive in self.drives]}

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        self.work = Work(self.work)
        drives = state.get("drives")
        if not isinstance(drives, list) or len(drives) != len(self.drives):
            raise RdbgError(f"saved state of device {self.name!r} has no two drives: made by another version")
        for drive, saved in zip(self.drives, drives, strict=True):
            if not isinstance(saved, dict):
                raise RdbgError(f"saved state of device {self.name!r} is damaged: a drive cannot be {str(saved)[:40]}")
            drive.load(self.name, saved)


class BusMasterPorts(Device):
    """The sixteen ports of both channels' bus masters. Their state is the channels'.

    Args:
        name: unique in the machine.
        channels: both.
    """

    def __init__(self, name: str, channels: tuple[IdeChannel, IdeChannel]) -> None:
        super().__init__(name)
        self._channels = channels

    def read(self, offset: int, size: int) -> int:
        """A guest load."""
        return self._channels[offset >> 3].read_master(offset & 7, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """A guest store."""
        self._channels[offset >> 3].write_master(offset & 7, size, value)

    def stable_until(self, offset: int, size: int) -> int:
        """Loads have no effect."""
        return FOREVER

    def reset(self) -> None:
        """No state of its own."""

    def save(self) -> State:
        """No state of its own."""
        return {}

    def load(self, state: State) -> None:
        """No state of its own."""
