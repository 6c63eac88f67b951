"""A hard disk on an IDE channel: ATA/ATAPI-7 commands that kernels and firmware send, as QEMU 7.2's disk does them."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.emu.device import State, StateValue
from rdbg.emu.devices.fields import BYTE, FLAG, Bytes, Number, all_of, load_field
from rdbg.emu.devices.ide import smart
from rdbg.emu.devices.ide.drive import LBA, READY, SECTOR, UNC, After, Cable, Work
from rdbg.emu.devices.ide.featured_drive import FeaturedDrive
from rdbg.emu.devices.ide.identify import (
    DISK_WORDS,
    MULTIPLE_MAX,
    WRITE_CACHE_OFF,
    geometry,
    identify_disk,
    serial_number,
)
from rdbg.emu.disk import Disk, DiskError
from rdbg.emu.dma_name import Sectors
from rdbg.errors import RdbgError

DSM_TRIM = 0x01
ACTIVE = 0xFF  #: CHECK POWER MODE

# What a transfer by DMA is.
DMA_READ, DMA_WRITE, DMA_TRIM = range(3)


class AtaDisk(FeaturedDrive):
    """A hard disk; or, without a medium, the place of one that is not there.

    Args:
        cable: the channel.
        unit: 0 or 1 on it.
        disk: the medium.
        number: of the drive's place in the machine, from 1.
    """

    FIELDS = (
        FeaturedDrive.FIELDS
        | all_of(BYTE, "multiple", "told_multiple", "block", "smart_test")
        | all_of(FLAG, "smart_on", "smart_autosave")
        | {"dma": Number(DMA_READ, DMA_TRIM), "heads": Number(0, 16), "track": Number(0, 65536)}
        | {"told_heads": Number(0, 16), "told_track": Number(0, 65536)}
    )

    SEEKING = frozenset(
        (0x10, 0x27, 0x40, 0x41, 0x42, 0x70, 0x91, 0x98, 0xE5, 0xB0, 0xC6, 0xEF, 0xF5, 0xF8)
    )  # fmt: skip

    def __init__(self, cable: Cable, unit: int, disk: Disk | None, number: int) -> None:
        self._shape = (0, 0, 0) if disk is None else geometry(disk)
        _, self.heads, self.track = self._shape  # what addresses by cylinder mean; a reset does not change it
        self._serial = "" if disk is None else serial_number(disk, number)
        self.told_multiple = self.told_heads = self.told_track = 0
        self.smart_on = self.smart_autosave = disk is not None
        self.smart_test = 0
        self.smart_log = bytearray(SECTOR)
        super().__init__(cable, unit, disk, DISK_WORDS)
        self._commands = self._table()

    def clear_registers(self) -> None:
        """What any reset does."""
        super().clear_registers()
        self.multiple = MULTIPLE_MAX
        self.block = 0
        self.dma = DMA_READ

    # --- addresses ---------------------------------------------------------------------------
    def address(self) -> int:
        """The sector that the registers name; negative: none."""
        if self.device & LBA:
            low = self.cylinder_high << 16 | self.cylinder_low << 8 | self.sector
            if not self.wide:
                return (self.device & 0x0F) << 24 | low
            return self.old_cylinder_high << 40 | self.old_cylinder_low << 32 | self.old_sector << 24 | low
        cylinder = self.cylinder_high << 8 | self.cylinder_low
        return (cylinder * self.heads + (self.device & 0x0F)) * self.track + self.sector - 1

    def set_address(self, sector: int) -> None:
        """Show a sector in the registers."""
        if self.device & LBA:
            self.sector, self.cylinder_low, self.cylinder_high = (sector >> shift & 0xFF for shift in (0, 8, 16))
            if self.wide:
                high = (sector >> shift & 0xFF for shift in (24, 32, 40))
                self.old_sector, self.old_cylinder_low, self.old_cylinder_high = high
            else:
                self.device = (self.device & 0xF0 | sector >> 24) & 0xFF
            return
        track = self.track or 1  # a drive that is not there, and a made-up state, have none
        cylinder, rest = divmod(sector, (self.heads or 1) * track)
        self.cylinder_high, self.cylinder_low = cylinder >> 8 & 0xFF, cylinder & 0xFF
        self.device = self.device & 0xF0 | rest // track & 0x0F
        self.sector = (rest % track) + 1 & 0xFF

    def _is_inside(self, sector: int, count: int) -> bool:
        return 0 <= sector and sector + count <= self.sectors

    def _widen(self, wide: bool) -> None:
        """Make one number of the sector count: 0 stands for the most."""
        self.wide = wide
        self.count = (self.old_count << 8 | self.count or 65536) if wide else self.count or 256

    # --- commands ----------------------------------------------------------------------------
    def commands(self) -> dict[int, Callable[[], bool]]:
        """By command code."""
        return self._commands

    def _table(self) -> dict[int, Callable[[], bool]]:
        table: dict[int, Callable[[], bool]] = {
            0x06: self._manage_data,
            0x27: lambda: self._native_max(True), 0xF8: lambda: self._native_max(False),
            0x20: lambda: self._read(False, 1), 0x21: lambda: self._read(False, 1), 0x24: lambda: self._read(True, 1),
            0x25: lambda: self._begin_dma(True, DMA_READ), 0x35: lambda: self._begin_dma(True, DMA_WRITE),
            0xC8: lambda: self._begin_dma(False, DMA_READ), 0xC9: lambda: self._begin_dma(False, DMA_READ),
            0xCA: lambda: self._begin_dma(False, DMA_WRITE), 0xCB: lambda: self._begin_dma(False, DMA_WRITE),
            0x29: lambda: self._read(True, self.multiple), 0xC4: lambda: self._read(False, self.multiple),
            0x30: lambda: self._write(False, 1), 0x31: lambda: self._write(False, 1),
            0x3C: lambda: self._write(False, 1), 0x34: lambda: self._write(True, 1),
            0x39: lambda: self._write(True, self.multiple), 0xC5: lambda: self._write(False, self.multiple),
            0x40: lambda: self._verify(False), 0x41: lambda: self._verify(False), 0x42: lambda: self._verify(True),
            0x90: self.diagnose_command, 0x91: self._set_shape, 0xB0: self._smart, 0xC6: self._set_multiple,
            0xE5: self._check_power, 0x98: self._check_power, 0xE7: self.flush, 0xEA: self.flush,
            0xEC: self._identify, 0xEF: self.set_features, 0xF5: self._freeze_lock,
        }  # fmt: skip
        # Recalibrate, seek; standby, idle, sleep, by both codes of each.
        nothing_to_do = (0x10, 0x70, 0xE0, 0xE1, 0xE2, 0xE3, 0xE6, 0x94, 0x95, 0x96, 0x97, 0x99)
        return table | dict.fromkeys(nothing_to_do, lambda: True)

    def _read(self, wide: bool, block: int) -> bool:
        if not self.is_present or not block:
            self.abort()
            return True
        self._widen(wide)
        self.block = block
        self._read_block()
        return False

    def _read_block(self) -> None:
        """Begin to read the next sectors that the CPU will fetch; there are none: the command is over."""
        self.status = READY
        self.error = 0
        if not self.count:
            self.stop_transfer()
            return
        count = min(self.count, self.block)
        if not self._is_inside(self.address(), count):
            self._fail()
            return
        self.cable.begin(self, Work.READ, count)

    def _write(self, wide: bool, block: int) -> bool:
        if not self.is_present or not block:
            self.abort()
            return True
        self._widen(wide)
        self.block = block
        self.status = READY
        self.ask(SECTOR * min(self.count, block), After.WRITE)
        return False

    def _write_block(self) -> None:
        """Begin to write the sectors that the CPU has brought."""
        self.status = READY
        count = min(self.count, self.block)
        if not self._is_inside(self.address(), count):
            self._fail()
            return
        self.cable.begin(self, Work.WRITE, count)

    def _fail(self, error: int = 0) -> None:
        self.abort()
        self.error = error or self.error
        self.cable.request_interrupt()

    def transferred(self) -> None:
        """The CPU has moved all data."""
        after = self.after
        if after == After.READ:
            self._read_block()
        elif after == After.WRITE:
            self._write_block()
        else:
            self.stop_transfer()

    def finish(self, work: Work) -> None:
        """A piece of work is done."""
        if work is Work.READ:
            self._finish_read()
        elif work is Work.WRITE:
            self._finish_write()
        elif work is Work.FLUSH:
            self.finish_flush()
        elif work is Work.DMA:
            self._finish_dma()

    def _finish_read(self) -> None:
        count, sector = min(self.count, self.block), self.address()
        self.status = READY
        data = self.read_disk(sector, count)
        if data is None:
            self._fail(UNC)
            return
        self.set_address(sector + count)
        self.count -= count
        self.offer(data, After.READ)
        self.cable.request_interrupt()

    def _finish_write(self) -> None:
        count, sector = min(self.count, self.block), self.address()
        self.status = READY
        if not self._write_disk(sector, bytes(self.buffer)):
            self._fail()
            return
        self.count -= count
        self.set_address(sector + count)
        if self.count:
            self.ask(SECTOR * min(self.count, self.block), After.WRITE)
        else:
            self.stop_transfer()
        self.cable.request_interrupt()

    def _write_disk(self, sector: int, data: bytes) -> bool:
        if self.disk is None:
            return False
        try:
            self.disk.write(sector, data)
            if self.word85 == WRITE_CACHE_OFF:
                self.disk.flush()
        except DiskError as error:
            self.cable.log(str(error))
            return False
        return True

    # --- DMA ---------------------------------------------------------------------------------
    def _begin_dma(self, wide: bool, kind: int) -> bool:
        if not self.is_present:
            self.abort()
            return True
        self._widen(wide)
        self._start_dma(kind)
        return False

    def _start_dma(self, kind: int) -> None:
        self.status = READY
        self.stop_transfer()
        self.status = READY | 0x08  # DRQ: the data are on their way
        self.dma = kind
        self.cable.begin_dma(self)

    def _manage_data(self) -> bool:
        if self.features != DSM_TRIM or not self.is_present:
            self.abort()
            return True
        self._start_dma(DMA_TRIM)
        return False

    def dma_sectors(self) -> int:
        """How many the transfer moves."""
        return self.count

    def _finish_dma(self) -> None:
        """Move all data at once: the time that it takes has passed."""
        size = SECTOR * self.count
        segments, named = self.cable.master.segments(size)
        if not size or sum(length for _, length in segments) < size:
            # Nothing to do, or a table that is too short: then there is no interrupt.
            self.status = READY
            if not size:
                self.cable.request_interrupt()
            self.cable.end_dma()
            return
        sector = self.address()
        if self.dma != DMA_TRIM and not self._is_inside(sector, self.count):
            self._end_dma_in_error(0)
            return
        if self.dma == DMA_READ:
            data = self.read_disk(sector, self.count)
            if data is None:
                self._end_dma_in_error(UNC)
                return
            self.cable.master.write_pieces(segments, data, Sectors(sector))
        else:
            pieces: list[bytes] = []
            at = 0
            for address, length in segments:
                written = Sectors(sector).after(at) if self.dma == DMA_WRITE else "sectors to trim"
                pieces.append(self.cable.master.read(address, length, written))
                at += length
            data = b"".join(pieces)
            if not (self._write_disk(sector, data) if self.dma == DMA_WRITE else self._trim(data)):
                self._end_dma_in_error(0)
                return
        self.set_address(sector + self.count)
        self.count = 0
        self.status = READY
        self.cable.request_interrupt()
        self.cable.end_dma(more=named > size)

    def _end_dma_in_error(self, error: int) -> None:
        self.abort()
        self.error = error or self.error
        self.cable.end_dma()
        self.cable.request_interrupt()

    def _trim(self, data: bytes) -> bool:
        """Ranges whose contents are no longer wanted: they are checked, and kept."""
        entries = (int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8))
        return all(self._is_inside(entry & (1 << 48) - 1, entry >> 48) for entry in entries if entry >> 48)

    # --- other commands ----------------------------------------------------------------------
    def _identify(self) -> bool:
        if not self.is_present:
            self.abort()
            return True
        if not self.identified:
            # Later changes are not shown, as on QEMU.
            self.told_multiple, self.told_heads, self.told_track = self.multiple, self.heads, self.track
        changing = self.changing_words()
        shape = (self._shape[0], self.told_heads, self.told_track)
        data = identify_disk(self.sectors, shape, self._serial, self.told_multiple, changing)
        self.status = READY
        self.offer(data, After.NOTHING)
        self.cable.request_interrupt()
        return False

    def _set_multiple(self) -> bool:
        count = self.count & 0xFF
        if count and (count > MULTIPLE_MAX or self.count & (self.count - 1)):
            self.abort()
        else:
            self.multiple = count
        return True

    def _set_shape(self) -> bool:
        """INITIALIZE DEVICE PARAMETERS: heads and sectors of a track, of which there must be one at least."""
        if not self.is_present or not self.count:
            self.abort()
        else:
            self.heads, self.track = (self.device & 0x0F) + 1, self.count
        return True

    def _verify(self, wide: bool) -> bool:
        self._widen(wide)
        return True

    def _native_max(self, wide: bool) -> bool:
        if not self.sectors:
            self.abort()
            return True
        self._widen(wide)
        self.set_address(self.sectors - 1)
        return True

    def _check_power(self) -> bool:
        self.count = ACTIVE
        return True

    def _freeze_lock(self) -> bool:
        """SECURITY FREEZE LOCK, which of a CF card would be WEAR LEVEL and has its answer."""
        self.count = 0
        return True

    def _smart(self) -> bool:
        data: bytes | None = None
        known = (self.cylinder_low, self.cylinder_high) == (smart.KEY_LOW, smart.KEY_HIGH)
        if not known or (not self.smart_on and self.features != smart.ENABLE):
            self.abort()
        elif self.features in (smart.ENABLE, smart.DISABLE):
            self.smart_on = self.features == smart.ENABLE
        elif self.features == smart.AUTOSAVE and self.sector in (smart.AUTOSAVE_OFF, smart.AUTOSAVE_ON):
            self.smart_autosave = self.sector == smart.AUTOSAVE_ON
        elif self.features == smart.EXECUTE and self.sector < smart.SELF_TESTS:
            self.smart_test = smart.add_self_test(self.smart_log, self.smart_test, self.sector)
        elif self.features != smart.STATUS:
            log = bytes(self.smart_log)
            data = smart.sector_read(self.features, self.sector, self.smart_autosave, log, self.smart_test)
            if data is None:
                self.abort()
        if data is None:
            return True
        self.status = READY
        self.offer(data, After.NOTHING)
        self.cable.request_interrupt()
        return False

    # --- state -------------------------------------------------------------------------------
    def save(self) -> dict[str, StateValue]:
        """All of it but the medium."""
        return super().save() | {"smart_log": bytes(self.smart_log)}

    def load(self, name: str, state: State) -> None:
        """Take back what ``save`` gave."""
        super().load(name, state)
        log = load_field(name, "smart_log", Bytes(SECTOR, SECTOR), state)
        assert isinstance(log, bytes)
        self.smart_log = bytearray(log)
        if self.smart_test > smart.SELF_TESTS_MAX:
            raise RdbgError(f"saved state of device {name!r} is damaged: 'smart_test' cannot be {self.smart_test}")
