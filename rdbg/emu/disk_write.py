"""What leaves a disk for its image: writes and flushes, in the guest's order."""

from __future__ import annotations

import construct as c

from rdbg.quick_dataclass import dataclass

_WRITE, _FLUSH = 1, 2
_SECTOR_AT, _DATA_AT = 1, 9

#: One output of a disk: sectors written, from one on; or a flush.
_Record = c.Struct(
    "kind" / c.Int8ul,
    "sector" / c.Int64ul,
    "data" / c.GreedyBytes,
)


@dataclass(frozen=True)
class DiskWrite:
    """Sectors that the guest writes, or a flush.

    Args:
        sector: the first one.
        data: whole sectors of 512 bytes; empty: a flush. All that was written before lasts before what comes after.
    """

    sector: int
    data: bytes

    @property
    def is_flush(self) -> bool:
        """Whether it is a flush."""
        return not self.data


FLUSH = DiskWrite(0, b"")


def encode_disk_write(write: DiskWrite) -> bytes:
    """The bytes that leave by the disk's endpoint."""
    kind = _FLUSH if write.is_flush else _WRITE
    return bytes(_Record.build({"kind": kind, "sector": write.sector, "data": write.data}))


def decode_disk_write(data: bytes) -> DiskWrite:
    """What `encode_disk_write` was given."""
    fields = _Record.parse(data)
    return DiskWrite(int(fields.sector), bytes(fields.data))


def sectors_written(data: bytes) -> tuple[int, int]:
    """The first sector of what left by a disk's endpoint, and how many bytes were written; of a flush 0.

    `decode_disk_write` without a copy of the bytes: this is asked for each write of a run.
    """
    return int.from_bytes(data[_SECTOR_AT:_DATA_AT], "little"), max(0, len(data) - _DATA_AT)
