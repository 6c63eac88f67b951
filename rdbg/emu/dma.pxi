# Memory as devices reach it, while nobody watches it: what asks Python for each access is in rdbg/emu/dma.py.

cdef uint32_t virtual_pages(const Cpu *c, uint32_t page, uint32_t *found) noexcept nogil:
    """The virtual pages that show a backing page now; gives how many."""
    cdef uint32_t r, i, odd, lo, mask, half, base, ppage
    cdef uint32_t count = 0
    cdef const TlbEntry *e
    for r in range(c.memory.shown_count):
        ppage = page - c.memory.shown[r].page
        if ppage >= c.memory.shown[r].pages:
            continue
        ppage += c.memory.shown[r].ppage
        for i in range(c.guest.tlb_count):
            e = &c.guest.tlb[i]
            if not (e.is_global or e.asid == (c.guest.cp0.entryhi & 0xFF)):
                continue
            mask = e.mask | 0x1FFF
            half = ((mask >> 1) + 1) >> PAGE_BITS
            for odd in range(2):
                lo = e.lo1 if odd else e.lo0
                base = (lo >> 6) & ~(half - 1)
                if lo & 2 and ppage - base < half:
                    found[count] = ((e.vpn2 & ~mask) >> PAGE_BITS) + odd * half + ppage - base
                    count += 1
        if ppage >> 19 == 0 and c.guest.cp0.status & STATUS_ERL:
            found[count] = ppage
            count += 1
        if ppage >> 17 == 0:
            found[count] = ppage | 0x80000           # kseg0 and kseg1
            found[count + 1] = ppage | 0xA0000
            count += 2
    return count


cdef uint32_t mark_behind(Cpu *c, uint32_t first, uint32_t last, bint store) noexcept nogil:
    """Something else than an instruction accesses bytes of one backing page: searches by virtual addresses have to
    know. Gives how many virtual pages show it; Memory.showing has them."""
    cdef uint32_t i
    cdef uint32_t *found = c.memory.showing
    cdef uint32_t count = virtual_pages(c, first >> PAGE_BITS, found)
    for i in range(count):
        if store:
            if not bit_test_and_set(c.touched.seen_written, found[i]):
                list_add(&c.touched.written_virtual, found[i])
            if c.marking.on:
                mark_page_words(c, c.marking.slot_of_virtual[found[i]], first, last)
        elif not bit_test_and_set(c.touched.seen_read, found[i]):
            list_add(&c.touched.read_virtual, found[i])
    return count


cdef void change_code(Cpu *c, uint32_t page) noexcept nogil:
    """Something else than a store of the CPU is about to change a page: its translated code goes."""
    if c.memory.page_state[page] & (PAGE_CODE | PAGE_MIXED):
        purge_code(c, page)
        c.memory.page_state[page] &= ~(PAGE_CODE | PAGE_MIXED)
    mark_written(c, page)


cdef bint is_plain(Cpu *c, uint32_t pa, size_t size, uint32_t needed) noexcept nogil:
    """Whether all of these bytes, at least one, are memory that may be accessed directly."""
    cdef uint32_t m
    cdef uint32_t ppage
    if size == 0 or size - 1 > 0xFFFFFFFFU - pa:
        return False
    for ppage in range(pa >> PAGE_BITS, (pa + <uint32_t>(size - 1) >> PAGE_BITS) + 1):
        m = c.memory.phys_map[ppage]
        if m == MAP_UNKNOWN:
            m = ask_what_stands_at(c, ppage)
            if (m & MAP_KIND) != MAP_MEMORY:
                return False
            remember_page(c, ppage, m)
        if (m & MAP_KIND) != MAP_MEMORY or not m & needed:
            return False
    return True


cdef void move_by_dma(Cpu *c, uint32_t pa, uint8_t *data, size_t size, bint store) noexcept nogil:
    """Bytes that `is_plain` has found to be memory go to ``data``, or come from there."""
    cdef uint32_t page, first
    cdef size_t piece
    while size:
        piece = min(size, PAGE_BYTES - (pa & (PAGE_BYTES - 1)))
        page = c.memory.phys_map[pa >> PAGE_BITS] >> 8
        first = page << PAGE_BITS | pa & (PAGE_BYTES - 1)
        mark_behind(c, first, first + <uint32_t>piece - 1, store)
        if store:
            if c.marking.on:
                mark_page_words(c, c.marking.slot_of_memory[page], first, first + <uint32_t>piece - 1)
            change_code(c, page)
            memcpy(c.memory.bytes + first, data, piece)
        else:
            memcpy(data, c.memory.bytes + first, piece)
        data += piece
        pa += <uint32_t>piece
        size -= piece


# --- for Python ------------------------------------------------------------------------------

cdef show_backings(Cpu *c, regions):
    """See CoreMemory.show_backings."""
    cdef uint32_t page, pages, ppage
    cdef size_t count = len(regions)
    free(c.memory.shown)
    free(c.memory.showing)
    c.memory.shown_count = 0
    c.memory.shown = <Shown*>calloc(count, sizeof(Shown))
    c.memory.showing = <uint32_t*>calloc(count * (2 * TLB_SLOTS + 3), 4)
    if count and (c.memory.shown == NULL or c.memory.showing == NULL):
        raise MemoryError
    for page, pages, ppage in regions:
        c.memory.shown[c.memory.shown_count] = Shown(page, pages, ppage)
        c.memory.shown_count += 1


cdef pages_behind(Cpu *c, uint32_t first, uint32_t last, bint store):
    """See CoreMemory.mark_behind."""
    cdef uint32_t i
    return [c.memory.showing[i] for i in range(mark_behind(c, first, last, store))]


cdef dma_read(Cpu *c, uint32_t pa, size_t size):
    """See CoreMemory.dma_read."""
    if c.watch.count or position(c) == c.touched.taken_at or not is_plain(c, pa, size, MAP_READ):
        return None
    data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    move_by_dma(c, pa, <uint8_t*>PyBytes_AS_STRING(data), size, False)
    return data


cdef bint dma_write(Cpu *c, uint32_t pa, data) except -1:
    """See CoreMemory.dma_write."""
    cdef Py_buffer view
    cdef bint plain
    if c.watch.count or position(c) == c.touched.taken_at:
        return False
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)    # a memoryview of Cython's takes longer than all else here
    try:
        plain = is_plain(c, pa, <size_t>view.len, MAP_WRITE)
        if plain:
            move_by_dma(c, pa, <uint8_t*>view.buf, <size_t>view.len, True)
    finally:
        PyBuffer_Release(&view)
    return plain


cdef dma_table(Cpu *c, uint32_t pa, uint32_t most, uint32_t last):
    """See CoreMemory.dma_table."""
    cdef uint32_t count = 0
    cdef uint32_t at = pa
    cdef uint32_t word, page
    if c.watch.count or position(c) == c.touched.taken_at or pa & 3:
        return None
    while count < most:
        if at > 0xFFFFFFF8U or not is_plain(c, at, 8, MAP_READ):
            return None
        page = c.memory.phys_map[at + 4 >> PAGE_BITS] >> 8
        memcpy(&word, c.memory.bytes + (page << PAGE_BITS | at + 4 & (PAGE_BYTES - 1)), 4)
        at += 8
        count += 1
        if word & last:
            break
    data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>8 * count)
    move_by_dma(c, pa, <uint8_t*>PyBytes_AS_STRING(data), <size_t>8 * count, False)
    return data


cdef bint dma_write_pieces(Cpu *c, list pieces, const uint8_t[::1] data):
    """See CoreMemory.dma_write_pieces."""
    cdef uint32_t address, size
    cdef size_t at = 0
    if c.watch.count or position(c) == c.touched.taken_at:
        return False
    for address, size in pieces:
        if not is_plain(c, address, size, MAP_WRITE):
            return False
        at += size
    if at > <size_t>data.shape[0]:
        raise ValueError("the pieces have more bytes than there are")
    at = 0
    for address, size in pieces:
        move_by_dma(c, address, <uint8_t*>&data[at], size, True)
        at += size
    return True
