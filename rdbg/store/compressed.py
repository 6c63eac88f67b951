"""What the store has packed, and whose length anybody may have written."""

from __future__ import annotations

import zstandard


def compressed(data: bytes) -> bytes:
    """The same in fewer bytes; quickly, since the guest waits."""
    return zstandard.ZstdCompressor(level=1).compress(data)


def decompressed(data: bytes, most: int) -> bytes:
    """What `compressed` was given.

    Args:
        data: what it gave.
        most: bytes that can come of it.

    Raises:
        ValueError: these are not its bytes, or more comes of them.
    """
    try:
        if not 0 <= zstandard.frame_content_size(data) <= most:
            raise ValueError("too long")
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
