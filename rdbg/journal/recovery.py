"""What is left of a journal whose recorder was killed, whose disk was full, or whose bytes were damaged."""

from __future__ import annotations

import os
import zlib

from rdbg.journal.chunks import CHUNK_HEADER_SIZE, CHUNK_MAGIC, Chunk, parse_chunk_header
from rdbg.quick_dataclass import dataclass

#: How much of a file is searched or checksummed at a time.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Damage:
    """Where a journal stops being usable, and why.

    Args:
        offset: byte offset of the first bad chunk.
        record: number of the first record that is lost.
        icount: the recording is whole up to here.
        lost: bytes from ``offset`` to the end of the file.
        reason: in words.
        torn: the file merely ends early, as after kill -9; False: bytes inside it are wrong.
    """

    offset: int
    record: int
    icount: int
    lost: int
    reason: str
    torn: bool

    def line(self, path: str) -> str:
        """One line for the user."""
        if self.torn:
            return (
                f"{path}: the recording was cut off ({self.reason} at offset {self.offset}, record {self.record}); "
                f"it is used up to icount {self.icount}"
            )
        return (
            f"{path}: damaged at offset {self.offset}, record {self.record} ({self.reason}); the recording is used up "
            f"to icount {self.icount} and {self.lost} bytes after it are not; take a good copy to go further"
        )


@dataclass(frozen=True)
class Survey:
    """The chunks of a journal that can be used.

    Args:
        chunks: from the first to the last before any damage.
        damage: what ended them, or None.
        size: bytes in the file.
    """

    chunks: tuple[Chunk, ...]
    damage: Damage | None
    size: int


def survey(descriptor: int, start_offset: int, start_icount: int) -> Survey:
    """Walk a journal's chunk headers and check every chunk's CRC, parsing no record.

    A CRC costs a second in a gigabyte of journal, which is some hundred million inputs; knowing of damage before
    the replay starts is worth it.

    Args:
        descriptor: the open file.
        start_offset: byte offset of the first chunk.
        start_icount: where the recording starts.
    """
    size = os.fstat(descriptor).st_size
    chunks: list[Chunk] = []
    offset, record, icount = start_offset, 0, start_icount

    def stop(reason: str, torn: bool) -> Survey:
        return Survey(tuple(chunks), Damage(offset, record, icount, size - offset, reason, torn), size)

    while offset < size:
        head = os.pread(descriptor, CHUNK_HEADER_SIZE, offset)
        chunk = parse_chunk_header(offset, head)
        if chunk is None:
            later = _find_chunk(descriptor, offset + 1, size)
            if later is not None:
                return stop(
                    f"no chunk header here; the next one is at offset {later.offset}, icount {later.first}", False
                )
            return stop("no whole chunk header", True)
        if chunk.ordinal != record or chunk.first < icount or chunk.last < chunk.first:
            return stop(f"a chunk that does not continue the one before it (record {chunk.ordinal})", False)
        if chunk.end_offset > size:
            return stop("a chunk is incomplete", True)
        if _crc(descriptor, offset + CHUNK_HEADER_SIZE, chunk.length) != chunk.payload_crc:
            # A power cut leaves the last chunk with its length but not its bytes.
            return stop(f"CRC mismatch in a chunk of {chunk.count} records", chunk.end_offset == size)
        chunks.append(chunk)
        offset, record, icount = chunk.end_offset, record + chunk.count, chunk.last
    return Survey(tuple(chunks), None, size)


def _find_chunk(descriptor: int, offset: int, size: int) -> Chunk | None:
    """The next valid chunk header at or after ``offset``."""
    while offset < size:
        block = os.pread(descriptor, _BLOCK + CHUNK_HEADER_SIZE, offset)
        at = block.find(CHUNK_MAGIC)
        while 0 <= at < _BLOCK:
            chunk = parse_chunk_header(offset + at, block[at : at + CHUNK_HEADER_SIZE])
            if chunk is not None:
                return chunk
            at = block.find(CHUNK_MAGIC, at + 1)
        offset += _BLOCK
    return None


def _crc(descriptor: int, offset: int, length: int) -> int:
    crc = 0
    while length > 0:
        block = os.pread(descriptor, min(length, _BLOCK), offset)
        if not block:
            return -1
        crc = zlib.crc32(block, crc)
        offset += len(block)
        length -= len(block)
    return crc
