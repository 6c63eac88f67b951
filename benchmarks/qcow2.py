"""An empty disk image in QEMU's qcow2 format, version 2 (docs/interop/qcow2.txt of QEMU), so that qemu-img is not
needed: QEMU keeps its snapshots in one."""

from __future__ import annotations

import struct
from pathlib import Path

_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS


def write_empty(path: Path, size: int) -> None:
    """Write an image of an empty disk.

    Args:
        path: the file, replaced if it is there.
        size: of the disk in bytes.
    """
    table_entries = -(-size // (_CLUSTER * (_CLUSTER // 8)))
    header = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb", 2, 0, 0, _CLUSTER_BITS, size, 0,
        table_entries, 3 * _CLUSTER,
        _CLUSTER, 1,
        0, 0,
    )  # fmt: skip
    references = struct.pack(">4H", 1, 1, 1, 1)
    clusters = (header, struct.pack(">Q", 2 * _CLUSTER), references, b"")
    path.write_bytes(b"".join(cluster.ljust(_CLUSTER, b"\0") for cluster in clusters))
