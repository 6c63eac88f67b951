"""Writing to qcow2 images, so that whenever it is cut off the image is whole.

New contents go to clusters that nothing refers to; then the refcounts go to the file, and when the disk has both, the
tables that refer to them; last, what nothing refers to any more is given up. A cut leaves clusters that are counted and
not used, at worst, which is no damage (``qemu-img check`` calls them leaked).
"""

from __future__ import annotations

from array import array

from rdbg.errors import RdbgError
from rdbg.images.qcow2_image import COPIED, OFFSET_MASK, Qcow2Image, Where, table_bytes
from rdbg.images.qcow2_refcounts import Refcounts


class Qcow2Writer(Qcow2Image):
    """A qcow2 image that can be written. Its file is open for that.

    Raises:
        RdbgError: it is damaged, or nobody may write to it before it was checked.
    """

    def __init__(self, image: Qcow2Image) -> None:
        super().__init__(image.file, image.header, image.backing)
        header = self.header
        cure = "mend it with qemu-img check -r all, or add snapshot=on"
        if header.corrupt:
            raise RdbgError(f"{self.path}: this qcow2 image is marked as damaged: {cure}")
        if header.dirty:
            raise RdbgError(f"{self.path}: this qcow2 image was not closed, its refcounts are out of date: {cure}")
        if header.autoclear:
            raise RdbgError(
                f"{self.path}: this qcow2 image has bitmaps, which rdbg would put out of date: add snapshot=on, or "
                "remove them with qemu-img bitmap --remove"
            )
        self._refcounts = Refcounts(self.file, header)
        size = header.cluster_size
        l1_end = header.l1_offset + max(header.l1_entries * 8, 1)
        #: Offsets of the clusters in which tables stand.
        self._table_places = {offset & OFFSET_MASK for offset in self.l1 if offset & OFFSET_MASK}
        self._table_places.update(range(header.l1_offset // size * size, l1_end, size))
        self._changed: dict[int, array[int]] = {}  # L2 tables not in the file yet, by offset
        self._l1_changed = False
        self._unused: list[tuple[int, int]] = []  # what is given up when the file's tables do not name it any more

    def write(self, offset: int, data: bytes) -> None:
        """Change bytes; see DiskImage."""
        size = self.header.cluster_size
        at = 0
        while at < len(data):
            cluster, start = divmod(offset + at, size)
            here = min(len(data) - at, size - start)
            self._write_piece(cluster, start, data[at : at + here])
            at += here

    def write_out(self) -> None:
        """Let the file have it all; see DiskImage."""
        tables = bool(self._changed or self._l1_changed)
        if self._refcounts.write_out() or tables:
            self.file.flush()
        if not tables:
            return
        for offset, table in self._changed.items():
            self.file.write(offset, table_bytes(table))
        self._changed.clear()
        if self._l1_changed:
            self.file.flush()
            self.file.write(self.header.l1_offset, table_bytes(self.l1))
            self._l1_changed = False
        if self._unused:
            self.file.flush()
            for place in self._unused:
                self._refcounts.release(*place)
            self._unused.clear()
            self._refcounts.write_out()

    def flush(self) -> None:
        """Let the disk have it all; see DiskImage."""
        self.write_out()
        self.file.flush()

    def close(self) -> None:
        """Write what waits, and let go of the files."""
        try:
            if self.file.is_open:
                self.write_out()
        finally:
            super().close()

    def table(self, offset: int) -> array[int]:
        """The L2 table at an offset of the file, as it is to be."""
        return self._changed.get(offset) or super().table(offset)

    def _write_piece(self, cluster: int, start: int, data: bytes) -> None:
        size = self.header.cluster_size
        entry = self.entry(cluster)
        where = self.where(entry)
        if where is Where.PLAIN and entry & COPIED:
            self.file.write(self._own_place(entry, cluster) + start, data)
            return
        if len(data) < size:
            whole = bytearray(self.cluster(cluster))
            whole[start : start + len(data)] = data
            data = bytes(whole)
        table, index = self._own_table(cluster)
        new = self._refcounts.allocate()
        self.file.write(new, data)
        table[index] = new | COPIED
        if where is Where.COMPRESSED:
            self._unused.append(self.compressed_place(entry))
        elif entry & OFFSET_MASK:
            self._unused.append((entry & OFFSET_MASK, 1))

    def _own_place(self, entry: int, cluster: int) -> int:
        """Offset of a cluster that only this entry uses, by its word.

        Raises:
            RdbgError: no cluster can be there, or the image's own tables are.
        """
        place = self.plain_place(entry, cluster)
        if place in self._table_places or self._refcounts.stands_at(place):
            raise self.damaged(f"cluster {cluster} at offset {place} of the file, where its tables are")
        return place

    def _own_table(self, cluster: int) -> tuple[array[int], int]:
        """The L2 table of a cluster, which may be changed, and the cluster's place in it."""
        entries = self.header.cluster_size // 8
        index, within = divmod(cluster, entries)
        old = self.l1[index]
        offset = old & OFFSET_MASK
        if offset and old & COPIED:
            return self._changed.setdefault(offset, self.table(offset)), within
        table = array("Q", self.table(offset)) if offset else array("Q", bytes(self.header.cluster_size))
        new = self._refcounts.allocate()
        self.l1[index] = new | COPIED
        self._l1_changed = True
        self._changed[new] = table
        self._table_places.add(new)
        if offset:
            self._unused.append((offset, 1))
        return table, within
