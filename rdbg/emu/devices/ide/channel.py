"""An IDE channel of the PIIX4: its ports, its two drives, and when their work is done."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import FOREVER, Device, State, System
from rdbg.emu.devices.fields import BIT, BYTE, FLAG, Fields, Number, load_fields, save_fields
from rdbg.emu.devices.ide.bus_master import IdeBusMaster
from rdbg.emu.devices.ide.drive import BSY, DRQ, IdeDrive, Work
from rdbg.errors import RdbgError

DATA, ERROR, COUNT, SECTOR_NUMBER, CYLINDER_LOW, CYLINDER_HIGH, DEVICE, COMMAND = range(8)
CONTROL = 8  #: the control block's port, behind those of the command block

INTERRUPTS_OFF, SOFT_RESET, SHOW_OLD = 0x02, 0x04, 0x80

#: Virtual time that a drive needs to come to its data, and for a sector of them.
ACCESS_NS, SECTOR_NS = 20_000, 1_000

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
    }

    def __init__(self, name: str, system: System, irq: Callable[[bool], None], make: DriveMaker) -> None:
        super().__init__(name)
        self._system = system
        self._irq = irq
        self._timer = system.work_timer(f"{name}.work", self._finish, f"a command of {name}")
        self.master = IdeBusMaster(self, self._master_started, self._master_stopped)
        self.irq_level = False
        self.drives = (make(self, 0), make(self, 1))
        self._set_reset_state()

    def _set_reset_state(self) -> None:
        self.selected = 0
        self.control = 0
        self.work = Work.NONE
        self.worker = 0
        self.wants_dma = False
        self.master.reset()

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
        if self.master.is_moving:
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
        if self.master.is_moving:
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
            self.master.note_interrupt()
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

    # --- DMA ---------------------------------------------------------------------------------
    def begin_dma(self, drive: IdeDrive) -> None:
        """Transfer once the bus master has been started."""
        self.worker = drive.unit
        self.wants_dma = True
        if self.master.is_active:
            self._run_dma()

    def _master_started(self) -> None:
        if self.wants_dma:
            self._run_dma()

    def _master_stopped(self) -> None:
        if self.work is Work.DMA:
            self._finish()  # what has begun comes to its end

    def _run_dma(self) -> None:
        self._schedule(Work.DMA, ACCESS_NS + SECTOR_NS * self.drives[self.worker].dma_sectors())

    def end_dma(self, more: bool = False) -> None:
        """The drive's transfer is over; the bus master stays active if its table has more."""
        self.wants_dma = False
        self.master.end(more)

    def log(self, message: str) -> None:
        """One line about something that is not as it should be."""
        self._system.log(message)

    # --- state -------------------------------------------------------------------------------
    def save(self) -> State:
        """Registers, both drives, the bus master."""
        return (
            save_fields(self, self._FIELDS)
            | self.master.save()
            | {"drives": [dict(drive.save()) for drive in self.drives]}
        )

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, self._FIELDS, state)
        self.master.load(state)
        self.work = Work(self.work)
        drives = state.get("drives")
        if not isinstance(drives, list) or len(drives) != len(self.drives):
            raise RdbgError(f"saved state of device {self.name!r} has no two drives: made by another version")
        for drive, saved in zip(self.drives, drives, strict=True):
            if not isinstance(saved, dict):
                raise RdbgError(f"saved state of device {self.name!r} is damaged: a drive cannot be {str(saved)[:40]}")
            drive.load(self.name, saved)
