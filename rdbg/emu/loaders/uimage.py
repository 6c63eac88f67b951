"""U-Boot's legacy images: a header of 64 bytes before a kernel, which may be packed (U-Boot's include/image.h)."""

from __future__ import annotations

import struct
import zlib

from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

_MAGIC = 0x2705_1956
_HEADER = struct.Struct(">7I4B32s")
_KERNEL = 2
_PLAIN, _GZIP = 0, 1
#: A packed kernel may have so many bytes, as in QEMU.
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Uimage:
    """What such an image asks for.

    Args:
        address: where it is to be loaded.
        entry: where it is to be started.
        data: its bytes, unpacked.
    """

    address: int
    entry: int
    data: bytes


def parse_uimage(data: bytes, what: str) -> Uimage | None:
    """Read a kernel's image; None: it is none.

    Args:
        data: of the file.
        what: it is, for messages.

    Raises:
        RdbgError: it is damaged, or packed in another way than by gzip.
    """
    if len(data) < _HEADER.size:
        return None
    magic, _, _, size, address, entry, _, _, _, kind, packing, _ = _HEADER.unpack_from(data)
    if magic != _MAGIC or kind != _KERNEL:
        return None
    content = data[_HEADER.size : _HEADER.size + size]
    if len(content) < size:
        raise RdbgError(f"{what} is truncated: its header speaks of {size} bytes, {len(content)} follow")
    if packing == _GZIP:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content, _MOST_BYTES)
        except zlib.error as error:
            raise RdbgError(f"{what} is damaged: it cannot be unpacked ({error})") from error
        if not unpacker.eof:
            raise RdbgError(f"{what} is damaged, or has more than {_MOST_BYTES >> 20} MiB unpacked")
    elif packing != _PLAIN:
        raise RdbgError(f"{what} is packed in U-Boot's way {packing}; make one that is not, or by gzip")
    return Uimage(address, entry, content)
