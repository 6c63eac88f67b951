"""What disks and CD-ROM drives share of the ATA commands: SET FEATURES, FLUSH CACHE, EXECUTE DEVICE DIAGNOSTIC."""

from __future__ import annotations

from rdbg.emu.devices.fields import Number, all_of
from rdbg.emu.devices.ide.drive import READY, Cable, IdeDrive, Work
from rdbg.emu.devices.ide.identify import (
    CHANGING,
    MULTI_WORD_DMA,
    SINGLE_WORD_DMA,
    ULTRA_DMA,
    WRITE_CACHE_OFF,
    WRITE_CACHE_ON,
)
from rdbg.emu.disk import Disk

#: SET FEATURES: what needs more than to be accepted, and what does not.
CACHE_ON, CACHE_OFF, TRANSFER_MODE = 0x02, 0x82, 0x03
ACCEPTED = frozenset((0xCC, 0x66, 0xAA, 0x55, 0x05, 0x85, 0x69, 0x67, 0x96, 0x9A, 0x42, 0xC2))


class FeaturedDrive(IdeDrive):
    """What disks and CD-ROM drives share of SET FEATURES.

    Args:
        cable: the channel.
        unit: 0 or 1 on it.
        disk: the medium.
        words: those of its self-description that can be changed, in their order in `CHANGING`.
    """

    FIELDS = IdeDrive.FIELDS | all_of(Number(0, 0xFFFF), *(f"word{word}" for word in CHANGING))

    def __init__(self, cable: Cable, unit: int, disk: Disk | None, words: tuple[int, ...]) -> None:
        self._first_words = words
        self._set_words(words)
        super().__init__(cable, unit, disk)

    def _set_words(self, words: tuple[int, ...]) -> None:
        self.word62, self.word63, self.word85, self.word88 = words

    def changing_words(self) -> list[int]:
        """The words of the self-description that SET FEATURES has changed. A change before the first time that it is
        asked for is lost but for the write cache, as on QEMU."""
        if not self.identified:
            self.identified = True
            single, multi, enabled, ultra = self._first_words
            self._set_words((single, multi, self.word85 if enabled else enabled, ultra))
        return [self.word62, self.word63, self.word85, self.word88]

    def set_features(self) -> bool:
        """SET FEATURES."""
        if not self.is_present:
            self.abort()
        elif self.features == CACHE_ON:
            self.word85 = WRITE_CACHE_ON
        elif self.features == CACHE_OFF:
            self.word85 = WRITE_CACHE_OFF
            return self.flush()
        elif self.features == TRANSFER_MODE:
            self._set_transfer_mode(self.count >> 3, self.count & 7)
        elif self.features not in ACCEPTED:
            self.abort()
        return True

    def _set_transfer_mode(self, kind: int, mode: int) -> None:
        selected = {0: 0, 1: 0, 2: SINGLE_WORD_DMA, 4: MULTI_WORD_DMA, 8: ULTRA_DMA}.get(kind)
        if selected is None:
            self.abort()
            return
        chosen = 1 << (mode + 8)
        self.word62 = 0x07 | (chosen if selected == SINGLE_WORD_DMA else 0)
        self.word63 = 0x07 | (chosen if selected == MULTI_WORD_DMA else 0)
        self.word88 = 0x3F | (chosen if selected == ULTRA_DMA else 0)

    def flush(self) -> bool:
        """FLUSH CACHE."""
        if self.disk is None:
            self.finish_flush()
        elif not self.sectors:
            self.abort()
            self.cable.request_interrupt()
        else:
            self.cable.begin(self, Work.FLUSH)
        return False

    def finish_flush(self) -> None:
        """What was written is where it belongs."""
        if self.disk is not None and self.sectors and not self.disk.read_only:
            self.disk.flush()
        self.status = READY
        self.cable.request_interrupt()

    def diagnose_command(self) -> bool:
        """EXECUTE DEVICE DIAGNOSTIC."""
        self.diagnose()
        return False
