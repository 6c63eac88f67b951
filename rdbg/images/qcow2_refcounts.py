"""How often each cluster of a qcow2 file is used, and new clusters at the file's end."""

from __future__ import annotations

from array import array

from rdbg.errors import RdbgError
from rdbg.images.host_file import HostFile
from rdbg.images.qcow2_header import (
    MOST_REFCOUNT_TABLE_BYTES,
    REFCOUNT_TABLE_AT,
    REFCOUNT_TABLE_FIELDS,
    Qcow2Header,
)
from rdbg.images.qcow2_image import big_endian_table, table_bytes


class Refcounts:
    """The refcounts of a file. Changes wait in memory until `write_out`.

    Args:
        file: of the image.
        header: of the image.

    Raises:
        RdbgError: they are beyond the file's end.
    """

    def __init__(self, file: HostFile, header: Qcow2Header) -> None:
        self._file = file
        self._size = header.cluster_size
        self._bits = 1 << header.refcount_order
        self._per_block = self._size * 8 // self._bits
        self._table_offset = header.refcount_table_offset
        self._table_clusters = header.refcount_table_clusters
        length = self._table_clusters * self._size
        if self._table_offset + length > file.size or not length:
            raise self._damaged(f"its refcount table at offset {self._table_offset} is beyond its end")
        self._table: array[int] = big_endian_table(file.read(self._table_offset, length))
        self._block_places = {place for place in self._table if place}
        self._blocks: dict[int, bytearray] = {}  # by their number; those that were looked at
        self._dirty: set[int] = set()
        self._table_dirty = False
        self._moved = False
        self._end = -(-file.size // self._size)  # the next new cluster

    def allocate(self) -> int:
        """Offset of a new cluster, which is used once.

        Raises:
            RdbgError: it cannot be counted.
        """
        cluster = self._end
        self._end += 1
        self._set(cluster, 1)  # making room for its count may take clusters of its own, at the end too
        return cluster * self._size

    def release(self, offset: int, length: int = 1) -> None:
        """One user less of the clusters that bytes of the file are in."""
        for cluster in range(offset // self._size, (offset + max(length, 1) - 1) // self._size + 1):
            if cluster >= self._end:
                raise self._damaged(f"it uses offset {offset} of the file, which has {self._file.size} bytes")
            count = self._get(cluster)
            if not count:
                raise self._damaged(f"the cluster at offset {cluster * self._size} is used, and its refcount is 0")
            self._set(cluster, count - 1)

    def stands_at(self, offset: int) -> bool:
        """Whether the cluster at an offset of the file holds refcounts, or their table."""
        end = self._table_offset + self._table_clusters * self._size
        return self._table_offset <= offset < end or offset in self._block_places

    def write_out(self) -> bool:
        """Put what has changed into the file; whether anything had."""
        changed = bool(self._dirty or self._table_dirty)
        for number in sorted(self._dirty):
            self._file.write(self._table[number], bytes(self._blocks[number]))
        self._dirty.clear()
        if self._table_dirty:
            self._file.write(self._table_offset, table_bytes(self._table))
            self._table_dirty = False
        if self._moved:
            # The new table must be there before the header names it.
            self._file.flush()
            fields = {"offset": self._table_offset, "clusters": self._table_clusters}
            self._file.write(REFCOUNT_TABLE_AT, bytes(REFCOUNT_TABLE_FIELDS.build(fields)))
            self._moved = False
        return changed

    def _get(self, cluster: int) -> int:
        block = self._block(cluster)
        index = cluster % self._per_block
        if self._bits >= 8:
            width = self._bits // 8
            return int.from_bytes(block[index * width : (index + 1) * width], "big")
        at = index * self._bits
        return block[at // 8] >> at % 8 & (1 << self._bits) - 1

    def _set(self, cluster: int, count: int) -> None:
        number = cluster // self._per_block
        block = self._block(cluster)
        index = cluster % self._per_block
        if self._bits >= 8:
            width = self._bits // 8
            block[index * width : (index + 1) * width] = count.to_bytes(width, "big")
        else:
            at = index * self._bits
            mask = (1 << self._bits) - 1 << at % 8
            block[at // 8] = block[at // 8] & ~mask & 0xFF | count << at % 8
        self._dirty.add(number)

    def _block(self, cluster: int) -> bytearray:
        """The block that has the count of a cluster, made if there is none."""
        number = cluster // self._per_block
        found = self._blocks.get(number)
        if found is not None:
            return found
        if number >= len(self._table):
            self._grow(number + 1)
            return self._block(cluster)  # the table's own clusters may have made it
        offset = self._table[number]
        if offset:
            if offset % self._size or offset + self._size > self._file.size:
                raise self._damaged(f"a block of refcounts at offset {offset} is beyond its end")
            block = self._blocks[number] = bytearray(self._file.read(offset, self._size))
            return block
        block = self._blocks[number] = bytearray(self._size)
        place = self._end
        self._end += 1
        self._table[number] = place * self._size
        self._block_places.add(place * self._size)
        self._table_dirty = True
        self._dirty.add(number)
        self._set(place, 1)  # in this block, or in one that is there or is made now
        return block

    def _grow(self, entries: int) -> None:
        """Move the table to the end, with room for more blocks.

        Raises:
            RdbgError: nobody could read the image after that.
        """
        old_offset, old_clusters = self._table_offset, self._table_clusters
        needed, most = -(-entries * 8 // self._size), MOST_REFCOUNT_TABLE_BYTES // self._size
        if needed > most:
            raise RdbgError(
                f"{self._file.path}: this qcow2 image has more clusters than its refcounts have room for; convert it "
                "to one of larger clusters with qemu-img convert"
            )
        clusters = min(max(needed, 2 * old_clusters), most)
        first = self._end
        self._end += clusters
        self._table.extend([0] * (clusters * self._size // 8 - len(self._table)))
        self._table_offset, self._table_clusters = first * self._size, clusters
        self._table_dirty = self._moved = True
        for cluster in range(first, first + clusters):
            self._set(cluster, 1)
        for cluster in range(old_offset // self._size, old_offset // self._size + old_clusters):
            self._set(cluster, max(0, self._get(cluster) - 1))

    def _damaged(self, what: str) -> RdbgError:
        return RdbgError(f"{self._file.path}: a damaged qcow2 image: {what}; see qemu-img check")
