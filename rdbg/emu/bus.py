"""The system bus: from guest-physical addresses to device registers, and what each page of them shows."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from rdbg.emu.device import Bridge, Device, System
from rdbg.emu.memory_map import PAGE_SIZE, Endian, IoRegion, MemoryMap, MemoryRegion
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

PAGE_SHIFT = PAGE_SIZE.bit_length() - 1


class BusError(Exception):
    """Nothing answers at this address: the CPU takes a bus error exception.

    Args:
        address: guest-physical address of the access.
        size: bytes.
        write: whether it was a store.
    """

    def __init__(self, address: int, size: int, write: bool) -> None:
        super().__init__(f"bus error: {'store' if write else 'load'} of {size} bytes at physical {address:#010x}")
        self.address = address
        self.size = size
        self.write = write


class Claim(Enum):
    """How much of a page answers to loads and stores that go over the bus."""

    NONE = 0  #: every such access is a bus error
    PART = 1  #: some addresses answer, others are bus errors
    WHOLE = 2  #: every address answers, always


@dataclass(frozen=True)
class PageMapping:
    """What a 4 KiB page of the guest-physical address space shows.

    Args:
        backing_page: number of the backing page behind it (all backings counted in order), or None.
        readable: loads and fetches may go straight to the backing page.
        writable: stores may go straight to the backing page.
        claim: who answers the accesses that may not.
    """

    backing_page: int | None
    readable: bool
    writable: bool
    claim: Claim


class _Window(NamedTuple):
    """A piece of a page, as the hot path wants it."""

    start: int
    end: int
    device: Device | None  #: None: loads give the map's ignored value, stores vanish
    shift: int  #: address + shift = offset seen by the device
    swap: bool


class _Route(NamedTuple):
    """Who answers an access of one size at one address: what most accesses need, found in one step."""

    device: Device
    offset: int
    swap: bool


class Bus:
    """Device dispatch over a memory map.

    Args:
        memory_map: the board's address space.
        big_endian: byte order of the CPU.
        system: takes the log line of each bus error; None: no log.
    """

    def __init__(self, memory_map: MemoryMap, big_endian: bool, system: System | None = None) -> None:
        self._map = memory_map
        self._big_endian = big_endian
        self._system = system
        self._windows: dict[int, tuple[_Window, ...]] = {}
        self._mappings: dict[int, PageMapping] = {}
        self._routes: dict[int, _Route] = {}  # by address << 4 | size
        self._moving: tuple[IoRegion, ...] = memory_map.moving() if memory_map.moving else ()
        self._writable = {backing.name: backing.writable for backing in memory_map.backings}
        self._first_page: dict[str, int] = {}
        page = 0
        for backing in memory_map.backings:
            self._first_page[backing.name] = page
            page += backing.size >> PAGE_SHIFT
        self.page_count = page

    def mapping_changed(self) -> None:
        """Forget what was worked out: a window moved, or a device's ``direct_reads`` changed."""
        self._windows.clear()
        self._mappings.clear()
        self._routes.clear()
        if self._map.moving:
            self._moving = self._map.moving()

    def layout(self) -> tuple[object, ...]:
        """What the guest can change of the map, as a value to compare: windows that move, what is behind bridges, flash
        in a command mode."""
        moving = self._map.moving() if self._map.moving else ()
        bridges = tuple(region.device.arrangement() for region in moving if isinstance(region.device, Bridge))
        return moving, bridges, tuple(region.device.direct_reads for region in self._map.memory if region.device)

    def shown(self) -> list[tuple[int, int, int]]:
        """Where memory may be seen: (first page of the backings, counted in order; pages; guest-physical page)."""
        return [
            (self._first_page[region.backing] + (region.offset >> PAGE_SHIFT), region.size >> PAGE_SHIFT,
             region.base >> PAGE_SHIFT)
            for region in self._map.memory
        ]  # fmt: skip

    def require_pages(self, most: int, name: str) -> None:
        """Check that all memory together has not more pages than can be held.

        Args:
            most: pages.
            name: of the board.

        Raises:
            RdbgError: it has.
        """
        if self.page_count > most:
            raise RdbgError(
                f"machine {name} has {self.page_count * PAGE_SIZE >> 20} MiB of memory in all its parts, "
                f"more than the {most * PAGE_SIZE >> 20} MiB that rdbg holds: make them smaller"
            )

    def first_byte(self, backing: str) -> int:
        """The first byte of a backing, in the machine's pages."""
        return self._first_page[backing] << PAGE_SHIFT

    def read(self, paddr: int, size: int) -> int:
        """A load of 1, 2, 4 or 8 bytes that is not served from a backing directly.

        Returns:
            The value as the CPU's register gets it (zero-extended).

        Raises:
            BusError: nothing answers there.
        """
        route = self._routes.get(paddr << 4 | size)
        if route is not None:
            device, offset, swap = route
            value = device.read(offset, size)
            return _swap(value, size) if swap else value
        window = self._window(paddr, size)
        if window is not None:
            route = self._route(window, paddr, size)
            if route is None:
                return self._map.ignored_value & ((1 << (8 * size)) - 1)
            value = route.device.read(route.offset, size)
            return _swap(value, size) if route.swap else value
        if not self._is_claimed(paddr, size):
            raise self._error(paddr, size, False)
        # The access crosses from one window into another: halves, as a narrower bus would do it.
        half = size // 2
        first, second = self.read(paddr, half), self.read(paddr + half, half)
        return first << (8 * half) | second if self._big_endian else second << (8 * half) | first

    def stable_until(self, paddr: int, size: int) -> int:
        """How long a load there can be repeated without asking the device; see Device.stable_until."""
        found = self._whole(paddr, size)
        return 0 if found is None else found[0].stable_until(found[1], size)

    def is_idle_store(self, paddr: int, size: int, value: int) -> bool:
        """Whether a store there changes nothing; see Device.is_idle_store."""
        found = self._whole(paddr, size)
        return size == 1 and found is not None and found[0].is_idle_store(found[1], size, value)

    def _whole(self, paddr: int, size: int) -> tuple[Device, int] | None:
        """The device that answers all of an access, and the offset it sees."""
        windows = self._windows.get(paddr >> PAGE_SHIFT)
        if windows is None:
            windows = self._page_windows(paddr >> PAGE_SHIFT)
        for start, stop, device, shift, _ in windows:
            if start <= paddr < stop:
                return (device, paddr + shift) if device is not None and paddr + size <= stop else None
        return None

    def answers(self, paddr: int, size: int) -> tuple[Device, int] | None:
        """The device that answers all of a load, behind whatever bridge, and the offset it sees."""
        window = self._window(paddr, size)
        route = None if window is None else self._route(window, paddr, size)
        return None if route is None else (route.device, route.offset)

    def write(self, paddr: int, size: int, value: int) -> None:
        """A store of 1, 2, 4 or 8 bytes that does not go to a backing directly.

        Raises:
            BusError: nothing answers there.
        """
        route = self._routes.get(paddr << 4 | size)
        if route is None:
            window = self._window(paddr, size)
            if window is not None:
                route = self._route(window, paddr, size)
                if route is None:
                    return  # ignored
        if route is not None:
            route.device.write(route.offset, size, _swap(value, size) if route.swap else value)
            return
        if not self._is_claimed(paddr, size):
            raise self._error(paddr, size, True)
        half = size // 2
        high, low = value >> (8 * half), value & ((1 << (8 * half)) - 1)
        first, second = (high, low) if self._big_endian else (low, high)
        self.write(paddr, half, first)
        self.write(paddr + half, half, second)

    def _window(self, paddr: int, size: int) -> _Window | None:
        """The window that an access lies in as a whole."""
        page = paddr >> PAGE_SHIFT
        for window in self._windows.get(page) or self._page_windows(page):
            if window.start <= paddr and paddr + size <= window.end:
                return window
        return None

    def _is_claimed(self, paddr: int, size: int) -> bool:
        """Whether anything answers any byte of an access."""
        return any(
            window.start < paddr + size and paddr < window.end
            for page in {paddr >> PAGE_SHIFT, (paddr + size - 1) >> PAGE_SHIFT}
            for window in self._page_windows(page)
        )

    def _route(self, window: _Window, paddr: int, size: int) -> _Route | None:
        """Who answers, remembered where that cannot change; None: the access is ignored."""
        if window.device is None:
            return None
        swap = window.swap and size > 1
        route = _Route(window.device, paddr + window.shift, swap)
        if isinstance(window.device, Bridge):
            target = window.device.route(route.offset, size)
            if target is None:
                return route
            route = _Route(target[0], target[1], swap)
        self._routes[paddr << 4 | size] = route
        return route

    def classify(self, address: int) -> PageMapping:
        """What the page that holds a guest-physical address shows now."""
        page = address >> PAGE_SHIFT
        mapping = self._mappings.get(page)
        if mapping is None:
            mapping = self._mappings[page] = self._classify(page)
        return mapping

    def direct(self, address: int, size: int, write: bool) -> int:
        """How many of ``size`` bytes from ``address`` on can be accessed in a backing directly, without a gap."""
        region = self._memory_at(address)
        if region is None:
            return 0
        readable = region.device is None or region.device.direct_reads
        if not (self._writable[region.backing] if write else readable):
            return 0
        end = region.base + region.size
        for other in self._map.memory[: self._map.memory.index(region)]:  # they go before it
            if address < other.base < end:
                end = other.base
        return min(size, end - address)

    def ignored_page(self, address: int) -> bool:
        """Whether nothing claims any of this page and it reads as zeros all the same: looking has no effect."""
        return self.classify(address).backing_page is None and self.stores_vanish(address)

    def stores_vanish(self, address: int) -> bool:
        """Whether no device answers stores to any of this page, and they are no bus errors either."""
        page = address >> PAGE_SHIFT
        windows = self._windows.get(page) or self._page_windows(page)
        whole = self.classify(address).claim is Claim.WHOLE
        return whole and all(window.device is None for window in windows)

    def _classify(self, page: int) -> PageMapping:
        region = self._memory_at(page << PAGE_SHIFT)
        if region is None:
            windows = self._page_windows(page)
            covered = sum(w.end - w.start for w in windows if w.device is None or not w.device.may_refuse)
            covered = covered or len(windows)
            claim = Claim.WHOLE if covered == PAGE_SIZE else Claim.PART if covered else Claim.NONE
            return PageMapping(None, False, False, claim)
        offset = (page << PAGE_SHIFT) - region.base + region.offset
        backing_page = self._first_page[region.backing] + (offset >> PAGE_SHIFT)
        readable = region.device is None or region.device.direct_reads
        return PageMapping(backing_page, readable, self._writable[region.backing], Claim.WHOLE)

    def _memory_at(self, address: int) -> MemoryRegion | None:
        for region in self._map.memory:
            if region.base <= address < region.base + region.size:
                return region
        return None

    def _page_windows(self, page: int) -> tuple[_Window, ...]:
        """The windows of a page: disjoint, in the order of precedence."""
        start = page << PAGE_SHIFT
        end = start + PAGE_SIZE
        windows: list[_Window] = []
        region = self._memory_at(start)
        if region is not None:
            # Loads come here only while the device is in a command mode; stores to plain ROM vanish.
            windows.append(_Window(start, end, region.device, region.offset - region.base, False))
        else:
            for io in self._map.io + self._moving:
                shift = io.offset - io.base
                for low, high in _holes(windows, max(start, io.base), min(end, io.base + io.size)):
                    windows.append(_Window(low, high, io.device, shift, self._swaps(io.endian)))
            for base, size in self._map.ignored:
                for low, high in _holes(windows, max(start, base), min(end, base + size)):
                    windows.append(_Window(low, high, None, 0, False))
        found = self._windows[page] = tuple(windows)
        return found

    def _swaps(self, endian: Endian) -> bool:
        return endian is (Endian.LITTLE if self._big_endian else Endian.BIG)

    def _error(self, paddr: int, size: int, write: bool) -> BusError:
        error = BusError(paddr, size, write)
        if self._system is not None:
            self._system.log(str(error))
        return error


def _swap(value: int, size: int) -> int:
    return int.from_bytes(value.to_bytes(size, "little"), "big")


def _holes(windows: list[_Window], low: int, high: int) -> list[tuple[int, int]]:
    """What of [low, high) no window claims yet."""
    holes = [(low, high)] if low < high else []
    for window in windows:
        left: list[tuple[int, int]] = []
        for start, end in holes:
            if window.end <= start or end <= window.start:
                left.append((start, end))
                continue
            if start < window.start:
                left.append((start, window.start))
            if window.end < end:
                left.append((window.end, end))
        holes = left
    return holes
