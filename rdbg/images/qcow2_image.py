"""qcow2 images: clusters found through two levels of tables, compressed, or in the file behind the image."""

from __future__ import annotations

import sys
import zlib
from array import array
from collections import OrderedDict
from enum import Enum

import zstandard

from rdbg.emu.disk import SECTOR_SIZE
from rdbg.errors import RdbgError
from rdbg.images.disk_image import DiskImage
from rdbg.images.host_file import HostFile
from rdbg.images.qcow2_header import Qcow2Header

COPIED, _COMPRESSED, _ZERO = 1 << 63, 1 << 62, 1
OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00
#: Bytes of L2 tables, and of decompressed clusters, that are held.
_TABLE_CACHE, _CLUSTER_CACHE = 8 << 20, 8 << 20


class Where(Enum):
    """Where the contents of a cluster are."""

    BEHIND = 0  # in the backing file, or zeros if there is none
    ZERO = 1
    PLAIN = 2
    COMPRESSED = 3


class Qcow2Image:
    """A qcow2 image for reading; `Qcow2Writer` changes it.

    Args:
        file: is closed with it.
        backing: the image behind it, closed with it; None: there is none.
    """

    def __init__(self, file: HostFile, header: Qcow2Header, backing: DiskImage | None) -> None:
        self.file = file
        self.path = file.path
        self.header = header
        self.backing = backing
        self.size = -(-header.size // SECTOR_SIZE) * SECTOR_SIZE
        self.l1 = big_endian_table(file.read(header.l1_offset, header.l1_entries * 8))
        self._l2_bits = header.cluster_bits - 3
        self._tables: OrderedDict[int, array[int]] = OrderedDict()
        self._unpacked: OrderedDict[int, bytes] = OrderedDict()

    @property
    def files(self) -> list[HostFile]:
        """Its own, and those behind it."""
        return [self.file, *(self.backing.files if self.backing is not None else [])]

    def read(self, offset: int, length: int) -> bytes:
        """Bytes; see DiskImage."""
        out = []
        size = self.header.cluster_size
        while length > 0:
            start = offset % size
            here = min(length, size - start)
            out.append(self._piece(offset // size, start, here))
            offset, length = offset + here, length - here
        return b"".join(out)

    def write(self, offset: int, data: bytes) -> None:
        """Not here."""
        raise RdbgError(f"{self.path}: this image was opened for reading")

    def write_out(self) -> None:
        """Nothing waits."""

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Let go of the files."""
        self.file.close()
        if self.backing is not None:
            self.backing.close()

    # --- clusters -------------------------------------------------------------------------------
    def entry(self, cluster: int) -> int:
        """The L2 entry of a cluster; 0: there is none.

        Raises:
            RdbgError: its table cannot be.
        """
        index = cluster >> self._l2_bits
        offset = self.l1[index] & OFFSET_MASK if index < len(self.l1) else 0
        if not offset:
            return 0
        return self.table(offset)[cluster & (1 << self._l2_bits) - 1]

    def table(self, offset: int) -> array[int]:
        """The L2 table at an offset of the file."""
        found = self._tables.get(offset)
        if found is not None:
            self._tables.move_to_end(offset)
            return found
        size = self.header.cluster_size
        if offset % size or offset + size > self.file.size:
            raise self.damaged(f"an L2 table at offset {offset} of the file, which has {self.file.size} bytes")
        found = self._tables[offset] = big_endian_table(self.file.read(offset, size))
        while len(self._tables) * size > _TABLE_CACHE and len(self._tables) > 2:
            self._tables.popitem(last=False)
        return found

    def where(self, entry: int) -> Where:
        """Where a cluster is, by its L2 entry."""
        if entry & _COMPRESSED:
            return Where.COMPRESSED
        if entry & _ZERO and self.header.version >= 3:
            return Where.ZERO
        return Where.PLAIN if entry & OFFSET_MASK else Where.BEHIND

    def plain_place(self, entry: int, cluster: int) -> int:
        """Offset of a cluster that stands in the file as a guest sees it.

        Raises:
            RdbgError: no cluster can be there.
        """
        offset = entry & OFFSET_MASK
        if offset % self.header.cluster_size:
            raise self.damaged(f"cluster {cluster} at offset {offset} of the file, where none can be")
        return offset

    def compressed_place(self, entry: int) -> tuple[int, int]:
        """Offset and most bytes of a compressed cluster in the file."""
        bits = 62 - (self.header.cluster_bits - 8)
        offset = entry & (1 << bits) - 1
        sectors = (entry >> bits & (1 << 62 - bits) - 1) + 1
        return offset, sectors * 512 - offset % 512

    def cluster(self, number: int) -> bytes:
        """The whole of a cluster as a guest sees it."""
        return self._piece(number, 0, self.header.cluster_size)

    def damaged(self, what: str) -> RdbgError:
        """The line for an image that is not right."""
        return RdbgError(f"{self.path}: a damaged qcow2 image: {what}; see qemu-img check")

    def _piece(self, cluster: int, start: int, length: int) -> bytes:
        entry = self.entry(cluster)
        where = self.where(entry)
        if where is Where.PLAIN:
            return self.file.read(self.plain_place(entry, cluster) + start, length)
        if where is Where.COMPRESSED:
            return self._decompressed(entry, cluster)[start : start + length]
        if where is Where.ZERO or self.backing is None:
            return bytes(length)
        return self.backing.read(cluster * self.header.cluster_size + start, length)

    def _decompressed(self, entry: int, cluster: int) -> bytes:
        found = self._unpacked.get(entry)
        if found is not None:
            self._unpacked.move_to_end(entry)
            return found
        offset, most = self.compressed_place(entry)
        size = self.header.cluster_size
        if offset >= self.file.size:
            raise self.damaged(f"compressed cluster {cluster} at offset {offset} is beyond its end")
        packed = self.file.read(offset, most)
        try:
            if self.header.compression == "zlib":
                content = zlib.decompressobj(wbits=-12).decompress(packed, size)
            else:
                with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(packed) as reader:
                    content = reader.read(size)
        except (zlib.error, zstandard.ZstdError, MemoryError) as error:
            raise self.damaged(f"compressed cluster {cluster} at offset {offset} cannot be unpacked") from error
        if len(content) < size:
            raise self.damaged(f"compressed cluster {cluster} at offset {offset} has {len(content)} bytes")
        self._unpacked[entry] = content
        while len(self._unpacked) * size > _CLUSTER_CACHE and len(self._unpacked) > 2:
            self._unpacked.popitem(last=False)
        return content


def big_endian_table(data: bytes) -> array[int]:
    """Big-endian numbers of 64 bits."""
    found = array("Q", data)
    if sys.byteorder == "little":
        found.byteswap()
    return found


def table_bytes(table: array[int]) -> bytes:
    """The bytes of a table in a file."""
    out = array("Q", table)
    if sys.byteorder == "little":
        out.byteswap()
    return out.tobytes()
