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

    def has_any(self, page: int, count: int) -> bool:
        """Whether any of so many pages from ``page`` on is in it."""
        for part, at, end in self._stretches(page, count):
            if part and int.from_bytes(part[at >> 3 : end + 7 >> 3], "little") >> (at & 7) & ((1 << end - at) - 1):
                return True
        return False

    def add(self, page: int, count: int = 1) -> None:
        """Put so many in, from ``page`` on."""
        for number in range(page >> _BITS, (page + count - 1 >> _BITS) + 1):
            self._part(number)
        for part, at, end in self._stretches(page, count):
            bits = (1 << end - at) - 1 << (at & 7)
            first, last = at >> 3, end + 7 >> 3
            part[first:last] = (int.from_bytes(part[first:last], "little") | bits).to_bytes(last - first, "little")

    def _stretches(self, page: int, count: int) -> Iterator[tuple[bytearray, int, int]]:
        """Pages from ``page`` on as parts, empty where there are none, and the first and the end of them in each."""
        end = page + count
        while page < end:
            until = min(end, (page | (_PAGES - 1)) + 1)
            start = page & ~(_PAGES - 1)
            yield self._parts.get(page >> _BITS, bytearray()), page - start, until - start
            page = until

    def _part(self, number: int) -> bytearray:
        found = self._parts.get(number)
        if found is None:
            found = self._parts[number] = bytearray(_PAGES // 8)
        return found
