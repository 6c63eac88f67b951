"""The header of a qcow2 image (versions 2 and 3), as QEMU's docs/interop/qcow2.txt describes it."""

from __future__ import annotations

import construct as c

from rdbg.errors import RdbgError
from rdbg.images.formats import QCOW2_MAGIC
from rdbg.images.host_file import HostFile
from rdbg.quick_dataclass import dataclass

_DIRTY, _CORRUPT, _EXTERNAL_DATA, _COMPRESSION_TYPE, _EXTENDED_L2 = (1 << bit for bit in range(5))
_KNOWN = _DIRTY | _CORRUPT | _COMPRESSION_TYPE
_BACKING_FORMAT = 0xE2792ACA
#: Lengths of the headers of version 2, and of version 3 without a compression type.
_OLD_LENGTH, _PLAIN_LENGTH = 72, 104
#: What QEMU allows: more is damage.
_MOST_L1_BYTES = 32 << 20
MOST_REFCOUNT_TABLE_BYTES = 8 << 20
_MOST_NAME = 1023
_MOST_EXTENSIONS = 64
MOST_SIZE = 1 << 42
COMPRESSIONS = {0: "zlib", 1: "zstd"}

_Start = c.Struct(
    "magic" / c.Bytes(4),
    "version" / c.Int32ub,
    "backing_offset" / c.Int64ub,
    "backing_length" / c.Int32ub,
    "cluster_bits" / c.Int32ub,
    "size" / c.Int64ub,
    "encryption" / c.Int32ub,
    "l1_entries" / c.Int32ub,
    "l1_offset" / c.Int64ub,
    "refcount_table_offset" / c.Int64ub,
    "refcount_table_clusters" / c.Int32ub,
    "snapshots" / c.Int32ub,
    "snapshots_offset" / c.Int64ub,
)
_More = c.Struct(
    "incompatible" / c.Int64ub,
    "compatible" / c.Int64ub,
    "autoclear" / c.Int64ub,
    "refcount_order" / c.Int32ub,
    "header_length" / c.Int32ub,
)
_Extension = c.Struct("kind" / c.Int32ub, "length" / c.Int32ub)

#: Where fields stand that a writer changes.
REFCOUNT_TABLE_FIELDS = c.Struct("offset" / c.Int64ub, "clusters" / c.Int32ub)
REFCOUNT_TABLE_AT = 48


@dataclass(frozen=True)
class Qcow2Header:
    """What the header says.

    Args:
        version: 2 or 3.
        cluster_bits: clusters have 1 << that bytes.
        size: bytes that a guest sees.
        l1_entries: of the first table.
        l1_offset: where it is in the file.
        refcount_table_offset: where the table of the blocks of refcounts is.
        refcount_table_clusters: how many clusters it has.
        refcount_order: refcounts have 1 << that bits.
        compression: ``zlib`` or ``zstd``.
        backing: the file behind it, as named there; None: none.
        backing_format: that file's format, if it is named.
        dirty: it was not closed, and its refcounts are out of date.
        corrupt: QEMU has found damage in it.
        autoclear: features that go when a writer does not know them.
    """

    version: int
    cluster_bits: int
    size: int
    l1_entries: int
    l1_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    refcount_order: int
    compression: str
    backing: str | None
    backing_format: str | None
    dirty: bool
    corrupt: bool
    autoclear: int

    @property
    def cluster_size(self) -> int:
        """Bytes of a cluster."""
        return 1 << self.cluster_bits


def read_header(file: HostFile) -> Qcow2Header:
    """The header of an image.

    Raises:
        RdbgError: it is damaged, or needs a feature that is not there.
    """
    path = file.path

    def damaged(what: str) -> RdbgError:
        return RdbgError(f"{path}: a damaged qcow2 image: {what}; see qemu-img check")

    start = _Start.parse(file.read(0, _OLD_LENGTH))
    if file.size < _OLD_LENGTH or start.magic != QCOW2_MAGIC:
        raise damaged(f"its header ends at offset {file.size}")
    if start.version not in (2, 3):
        raise RdbgError(
            f"{path}: a qcow2 image of version {start.version}, not 2 or 3; convert it with qemu-img convert"
        )
    more = _More.parse(file.read(_OLD_LENGTH, _PLAIN_LENGTH - _OLD_LENGTH)) if start.version == 3 else None
    length = more.header_length if more is not None else _OLD_LENGTH
    incompatible = more.incompatible if more is not None else 0
    if more is not None and not _PLAIN_LENGTH <= length <= 1 << start.cluster_bits % 32:
        raise damaged(f"its header has {length} bytes")
    for bit, what in ((_EXTERNAL_DATA, "an external data file"), (_EXTENDED_L2, "extended L2 entries")):
        if incompatible & bit:
            raise RdbgError(
                f"{path}: a qcow2 image with {what}, which rdbg does not read; convert it with qemu-img convert"
            )
    if incompatible & ~_KNOWN:
        raise RdbgError(
            f"{path}: a qcow2 image with features that rdbg does not know (bits {incompatible & ~_KNOWN:#x}); convert "
            "it with qemu-img convert"
        )
    if start.encryption:
        raise RdbgError(f"{path}: an encrypted qcow2 image; convert it with qemu-img convert")
    compression = file.read(_PLAIN_LENGTH, 1)[0] if length > _PLAIN_LENGTH else 0
    if compression not in COMPRESSIONS:
        raise RdbgError(
            f"{path}: a qcow2 image compressed in a way that rdbg does not know; convert it with qemu-img convert"
        )
    if not 9 <= start.cluster_bits <= 21:
        raise damaged(f"clusters of 2^{start.cluster_bits} bytes")
    cluster = 1 << start.cluster_bits
    if start.size > MOST_SIZE:
        raise RdbgError(f"{path}: a qcow2 image of {start.size} bytes, and the most are {MOST_SIZE >> 40} TiB")
    if start.l1_entries * 8 > _MOST_L1_BYTES or start.l1_offset % cluster:
        raise damaged(f"an L1 table of {start.l1_entries} entries at offset {start.l1_offset}")
    if start.l1_offset + start.l1_entries * 8 > file.size:
        raise damaged(f"its L1 table at offset {start.l1_offset} is beyond its end")
    if start.l1_entries < -(-start.size // (cluster * (cluster // 8))):
        raise damaged(f"an L1 table of {start.l1_entries} entries is too short for {start.size} bytes")
    order = more.refcount_order if more is not None else 4
    if order > 6:
        raise damaged(f"refcounts of 2^{order} bits")
    if start.refcount_table_offset % cluster or start.refcount_table_clusters * cluster > MOST_REFCOUNT_TABLE_BYTES:
        raise damaged(f"a refcount table of {start.refcount_table_clusters} clusters at {start.refcount_table_offset}")
    name = None
    if start.backing_offset:
        if start.backing_length > _MOST_NAME or start.backing_offset + start.backing_length > min(cluster, file.size):
            raise damaged("the name of its backing file is beyond its header")
        name = file.read(start.backing_offset, start.backing_length).decode("utf-8", "surrogateescape")
    return Qcow2Header(
        version=start.version,
        cluster_bits=start.cluster_bits,
        size=start.size,
        l1_entries=start.l1_entries,
        l1_offset=start.l1_offset,
        refcount_table_offset=start.refcount_table_offset,
        refcount_table_clusters=start.refcount_table_clusters,
        refcount_order=order,
        compression=COMPRESSIONS[compression],
        backing=name,
        backing_format=_backing_format(file, length, start.backing_offset or cluster),
        dirty=bool(incompatible & _DIRTY),
        corrupt=bool(incompatible & _CORRUPT),
        autoclear=more.autoclear if more is not None else 0,
    )


def _backing_format(file: HostFile, at: int, end: int) -> str | None:
    """What the header's extensions say of the backing file's format."""
    for _ in range(_MOST_EXTENSIONS):
        if at + _Extension.sizeof() > end:
            return None
        extension = _Extension.parse(file.read(at, _Extension.sizeof()))
        at += _Extension.sizeof()
        if extension.kind == 0 or at + extension.length > end:
            return None
        if extension.kind == _BACKING_FORMAT:
            return file.read(at, min(extension.length, _MOST_NAME)).decode("utf-8", "surrogateescape")
        at += -(-extension.length // 8) * 8
    return None
