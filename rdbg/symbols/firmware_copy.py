"""Where firmware runs that has copied itself from flash into RAM, as U-Boot does (common/board_f.c, `relocate_code`).

U-Boot copies itself to the top of RAM, at a multiple of 64 KiB on MIPS (`reserve_uboot`), and mends the copy's
addresses. So its code is looked for there: most words are the same. No structure of U-Boot's is read (`gd` has its
fields elsewhere in each configuration).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rdbg.elf.elf_file import ElfFile
from rdbg.symbols.kaslr import CodeSamples, linked_in_flash

_STEP = 1 << 16
_RAM, _RAM_END = 0x8000_0000, 0x9000_0000  #: kseg0, without what the boot flash shows there


class FirmwareCopy:
    """Finds the copy. The image in flash stays what it was: code runs in both.

    Args:
        read_memory: gives bytes of guest memory by virtual address.
        elf: the file; one that is not linked in flash has no copy.
    """

    def __init__(self, read_memory: Callable[[int, int], bytes], elf: ElfFile) -> None:
        self._read_memory = read_memory
        self._samples = CodeSamples.of(elf) if linked_in_flash(elf) else None
        self._latest = 0

    def offset(self) -> int:
        """How far the copy is from the original as memory is now, in bytes (negative: below it); 0: there is none."""
        samples = self._samples
        if samples is None:
            return 0
        for offset in self._offsets(samples):
            # A few samples tell that it is not here; all tell that it is.
            if samples.some_at(self._read_memory, offset) and samples.all_at(self._read_memory, offset):
                self._latest = offset
                return offset
        return 0

    def _offsets(self, samples: CodeSamples) -> Iterator[int]:
        if self._latest:
            yield self._latest
        for address in range(_RAM_END - _STEP, _RAM - _STEP, -_STEP):
            yield address - samples.base
