# Backing pages: what was touched of them, and what is put into them.

cdef check_pages(const Cpu *c, uint32_t[::1] pages):
    """Whoever names pages may have the numbers from a file.

    Raises:
        IndexError: the machine has no page of such a number.
    """
    cdef Py_ssize_t i
    for i in range(pages.shape[0]):
        if pages[i] >= c.memory.page_count:
            raise IndexError(f"page {pages[i]} of a machine with {c.memory.page_count}")


cdef check_rows(Py_ssize_t count, Py_ssize_t length, uint32_t[::1] pages, uint32_t[::1] rows):
    cdef Py_ssize_t i
    if length != PAGE_BYTES or pages.shape[0] != rows.shape[0]:
        raise ValueError("pages, their rows and the array do not fit together")
    for i in range(rows.shape[0]):
        if rows[i] >= count:
            raise ValueError("a row is outside the array")


cdef void put_page(Cpu *c, uint32_t page, const uint8_t *data) noexcept nogil:
    cdef uint8_t *host = c.memory.bytes + (<size_t>page << PAGE_BITS)
    if memcmp(host, data, PAGE_BYTES) == 0:
        return
    if c.memory.page_state[page] & (PAGE_CODE | PAGE_MIXED):
        purge_code(c, page)
        c.memory.page_state[page] &= ~(PAGE_CODE | PAGE_MIXED)
    memcpy(host, data, PAGE_BYTES)
    c.memory.page_state[page] |= PAGE_USED
    if not c.memory.page_state[page] & PAGE_STALE:
        c.memory.page_state[page] |= PAGE_STALE
        list_add(&c.touched.stale, page)


cdef take_blocks(Cpu *c):
    """The blocks, as rows of (address, bytes), and forget them."""
    cdef BlockSet *blocks = &c.touched.blocks
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


cdef take_touched(Cpu *c):
    """See CoreMemory.take_touched."""
    cdef size_t i
    result = (take_list(&c.touched.dirty), take_list(&c.touched.written_virtual), take_list(&c.touched.read_virtual),
              take_list(&c.touched.executed_virtual), take_blocks(c), take_list(&c.touched.written_devices))
    for i in range(c.touched.dirty.count):
        c.memory.page_state[c.touched.dirty.items[i]] &= ~PAGE_DIRTY
    forget_list(&c.touched.written_virtual, c.touched.seen_written)
    forget_list(&c.touched.written_devices, c.touched.seen_devices)
    forget_list(&c.touched.read_virtual, c.touched.seen_read)
    forget_list(&c.touched.executed_virtual, c.touched.seen_executed)
    c.touched.dirty.count = 0
    c.touched.taken_at = position(c)
    flush_tlb(c)
    return result


cdef take_stale(Cpu *c):
    """See CoreMemory.take_stale."""
    cdef size_t i
    result = take_list(&c.touched.stale)
    if c.touched.stale.count:
        for i in range(c.touched.stale.count):
            c.memory.page_state[c.touched.stale.items[i]] &= ~PAGE_STALE
        c.touched.stale.count = 0
        flush_tlb(c)
    return result


cdef read_pages(const Cpu *c, pages):
    """See CoreMemory.read_pages."""
    cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
    cdef size_t n = numbers.shape[0]
    cdef size_t i
    cdef bytearray out
    cdef uint8_t *raw
    check_pages(c, numbers)
    out = bytearray(n << PAGE_BITS)
    raw = out
    for i in range(n):
        memcpy(raw + (i << PAGE_BITS), c.memory.bytes + (<size_t>numbers[i] << PAGE_BITS), PAGE_BYTES)
    return out


cdef write_pages(Cpu *c, pages, data):
    """See CoreMemory.write_pages."""
    cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
    cdef const uint8_t[::1] raw = data
    cdef size_t i
    if <size_t>raw.shape[0] != <size_t>numbers.shape[0] << PAGE_BITS:
        raise ValueError("write_pages: data and pages differ in length")
    check_pages(c, numbers)
    for i in range(<size_t>numbers.shape[0]):
        put_page(c, numbers[i], &raw[i << PAGE_BITS])


cdef copy_pages(const Cpu *c, pages, uint8_t[:, ::1] out, rows):
    """See CoreMemory.copy_pages."""
    cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
    cdef uint32_t[::1] to = numpy.ascontiguousarray(rows, dtype=numpy.uint32)
    cdef size_t i
    check_pages(c, numbers)
    check_rows(out.shape[0], out.shape[1], numbers, to)
    for i in range(<size_t>numbers.shape[0]):
        memcpy(&out[to[i], 0], c.memory.bytes + (<size_t>numbers[i] << PAGE_BITS), PAGE_BYTES)


cdef put_pages(Cpu *c, pages, const uint8_t[:, ::1] source, rows):
    """See CoreMemory.put_pages."""
    cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
    cdef uint32_t[::1] at = numpy.ascontiguousarray(rows, dtype=numpy.uint32)
    cdef size_t i
    check_pages(c, numbers)
    check_rows(source.shape[0], source.shape[1], numbers, at)
    for i in range(<size_t>numbers.shape[0]):
        put_page(c, numbers[i], &source[at[i], 0])


cdef nonzero_pages(const Cpu *c, uint32_t count):
    """See CoreMemory.nonzero_pages."""
    cdef uint32_t page
    cdef uint8_t *host
    cdef list found = []
    for page in range(min(count, c.memory.page_count)):
        if c.memory.page_state[page] & PAGE_USED:
            host = c.memory.bytes + (<size_t>page << PAGE_BITS)
            if host[0] or memcmp(host, host + 1, PAGE_BYTES - 1):
                found.append(page)
    return numpy.array(found, dtype=numpy.uint32)
