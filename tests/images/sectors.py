"""What the guest of `guest/sectors.c` does to its disk."""

from __future__ import annotations

import struct
from pathlib import Path

GUEST = Path(__file__).parent / "guest" / "sectors.elf"
SECTOR, SECTORS = 512, 2048
WORD = 0xFFFF_FFFF


class SectorsModel:
    """The disk and the guest's sum after some rounds.

    Args:
        disk: its bytes at the start.
    """

    def __init__(self, disk: bytes) -> None:
        self.disk = bytearray(disk)
        self.round = 0
        self.sum = 0

    def advance(self) -> None:
        """One round."""
        self.round += 1
        at = self.round * 577 % SECTORS * SECTOR
        for half in struct.unpack("<256H", self.disk[at : at + SECTOR]):
            self.sum = (self.sum * 31 + half) & WORD
        words = [(self.round * 2654435761 + index) & WORD for index in range(128)]
        words[0] = self.round
        at = self.round * 1103 % SECTORS * SECTOR
        self.disk[at : at + SECTOR] = struct.pack("<128I", *words)

    def line(self) -> bytes:
        """What the guest prints after this round, or nothing."""
        return f"{self.round:08x} {self.sum:08x}\n".encode() if self.round % 8 == 0 else b""


def whole_lines(printed: bytes) -> list[bytes]:
    """The guest's lines but for one that is not whole."""
    lines = printed.replace(b"\r\n", b"\n").splitlines(keepends=True)
    return lines if not lines or lines[-1].endswith(b"\n") else lines[:-1]
