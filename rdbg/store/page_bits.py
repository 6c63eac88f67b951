"""A set of page numbers of a disk that may be large: a bit for each page, where there are any."""

from __future__ import annotations

from collections.abc import Iterator

_BITS = 16
_PAGES = 1 << _BITS


class PageBits:
    """Numbers of pages. 8 KiB for each 256 MiB of a disk of which any page is in it."""

    def __init__(self) -> None:
        self._parts: dict[int, bytearray] = {}

    def __contains__(self, page: int) -> bool:
        part = self._parts.get(page >> _BITS)
        at = page & (_PAGES - 1)
        return part is not None and bool(part[at >> 3] >> (at & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        for number, part in sorted(self._parts.items()):
            for at, byte in enumerate(part):
                if byte:
                    yield from ((number << _BITS) + 8 * at + bit for bit in range(8) if byte >> bit & 1)

    def add(self, page: int) -> None:
        """Put one in."""
        at = page & (_PAGES - 1)
        self._part(page >> _BITS)[at >> 3] |= 1 << (at & 7)

    def _part(self, number: int) -> bytearray:
        found = self._parts.get(number)
        if found is None:
            found = self._parts[number] = bytearray(_PAGES // 8)
        return found
