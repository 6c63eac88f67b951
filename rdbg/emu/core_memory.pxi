# Pages: which were touched, copying them out and back.

cdef class PageAccess(RegisterAccess):
    """Pages: which were touched, copying them out and back. A part of `Core`."""

    def forget_mappings(self):
        """The bus changed: ask again what stands where."""
        memset(self.c.phys_map, 0, 4 << 20)
        forget_recent(self.c)
        flush_tlb(self.c)

    def take_touched(self):
        """(written pages, virtual pages written, read, executed) since the last call: sorted numpy arrays; then the
        blocks executed, or None if they were too many; then guest-physical pages of devices that stores may have gone
        to."""
        cdef Cpu *c = self.c
        cdef size_t i
        result = (take_list(&c.dirty), take_list(&c.written_virtual), take_list(&c.read_virtual),
                  take_list(&c.executed_virtual), take_blocks(c), take_list(&c.written_devices))
        for i in range(c.dirty.count):
            c.page_state[c.dirty.items[i]] &= ~PAGE_DIRTY
        forget_list(&c.written_virtual, c.seen_written)
        forget_list(&c.written_devices, c.seen_devices)
        forget_list(&c.read_virtual, c.seen_read)
        forget_list(&c.executed_virtual, c.seen_executed)
        c.dirty.count = 0
        flush_tlb(c)
        return result

    def take_stale(self):
        """Pages written since the last call, for the digest: a sorted numpy array."""
        cdef Cpu *c = self.c
        cdef size_t i
        result = take_list(&c.stale)
        if c.stale.count:
            for i in range(c.stale.count):
                c.page_state[c.stale.items[i]] &= ~PAGE_STALE
            c.stale.count = 0
            flush_tlb(c)
        return result

    def mark_written(self, uint32_t page):
        """A device or the debugger is about to change a page: its translated code goes."""
        cdef Cpu *c = self.c
        if page >= c.page_count:
            raise IndexError(f"page {page} of a machine with {c.page_count}")
        if c.page_state[page] & (PAGE_CODE | PAGE_MIXED):
            purge_code(c, page)
            c.page_state[page] &= ~(PAGE_CODE | PAGE_MIXED)
        mark_written(c, page)

    def read_pages(self, pages):
        """Bytes of pages, one after another."""
        cdef Cpu *c = self.c
        cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
        cdef size_t n = numbers.shape[0]
        cdef size_t i
        cdef bytearray out
        cdef uint8_t *raw
        check_pages(c, numbers)
        out = bytearray(n << PAGE_BITS)
        raw = out
        for i in range(n):
            memcpy(raw + (i << PAGE_BITS), c.memory + (<size_t>numbers[i] << PAGE_BITS), PAGE_BYTES)
        return out

    def write_pages(self, pages, data):
        """Put pages back: not a guest's write."""
        cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
        cdef const uint8_t[::1] raw = data
        cdef size_t i
        if <size_t>raw.shape[0] != <size_t>numbers.shape[0] << PAGE_BITS:
            raise ValueError("write_pages: data and pages differ in length")
        check_pages(self.c, numbers)
        for i in range(<size_t>numbers.shape[0]):
            put_page(self.c, numbers[i], &raw[i << PAGE_BITS])

    def copy_pages(self, pages, uint8_t[:, ::1] out, rows):
        """Copy each page to a row of ``out``."""
        cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
        cdef uint32_t[::1] to = numpy.ascontiguousarray(rows, dtype=numpy.uint32)
        cdef size_t i
        check_pages(self.c, numbers)
        check_rows(out.shape[0], out.shape[1], numbers, to)
        for i in range(<size_t>numbers.shape[0]):
            memcpy(&out[to[i], 0], self.c.memory + (<size_t>numbers[i] << PAGE_BITS), PAGE_BYTES)

    def put_pages(self, pages, const uint8_t[:, ::1] source, rows):
        """Put each page back from a row of ``source``: not a guest's write."""
        cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
        cdef uint32_t[::1] at = numpy.ascontiguousarray(rows, dtype=numpy.uint32)
        cdef size_t i
        check_pages(self.c, numbers)
        check_rows(source.shape[0], source.shape[1], numbers, at)
        for i in range(<size_t>numbers.shape[0]):
            put_page(self.c, numbers[i], &source[at[i], 0])

    def nonzero_pages(self, uint32_t count):
        """The first ``count`` pages that hold anything but zeros: a sorted numpy array."""
        cdef Cpu *c = self.c
        cdef uint32_t page
        cdef uint8_t *host
        cdef list found = []
        for page in range(min(count, c.page_count)):
            if c.page_state[page] & PAGE_USED:
                host = c.memory + (<size_t>page << PAGE_BITS)
                if host[0] or memcmp(host, host + 1, PAGE_BYTES - 1):
                    found.append(page)
        return numpy.array(found, dtype=numpy.uint32)


cdef take_blocks(Cpu *c):
    """The blocks, as rows of (address, bytes), and forget them."""
    cdef BlockSet *blocks = &c.blocks
    cdef uint32_t i
    cdef uint32_t[:, ::1] rows
    result = None
    if blocks.count < MOST_BLOCKS:
        result = numpy.empty((blocks.count, 2), dtype=numpy.uint32)
        rows = result
        for i in range(blocks.count):
            rows[i, 0] = <uint32_t>(blocks.slots[blocks.used[i]] >> 32)
            rows[i, 1] = <uint32_t>blocks.slots[blocks.used[i]]
    for i in range(blocks.count):
        blocks.slots[blocks.used[i]] = 0
    blocks.count = 0
    forget_recent(c)
    return result


cdef take_list(PageList *pages):
    cdef size_t i
    out = numpy.empty(pages.count, dtype=numpy.uint32)
    cdef uint32_t[::1] view = out
    for i in range(pages.count):
        view[i] = pages.items[i]
    out.sort()
    return out


cdef void forget_list(PageList *pages, uint64_t *seen) noexcept nogil:
    cdef size_t i
    for i in range(pages.count):
        seen[pages.items[i] >> 6] = 0
    pages.count = 0
