# What is noted of a run between two checkpoints: pages and blocks.

cdef inline bint bit_test_and_set(uint64_t *bits, uint32_t n) noexcept nogil:
    """Set bit ``n``; whether it was set before."""
    cdef uint64_t m = (<uint64_t>1) << (n & 63)
    if bits[n >> 6] & m:
        return True
    bits[n >> 6] |= m
    return False


cdef inline bint bit_test(uint64_t *bits, uint32_t n) noexcept nogil:
    return (bits[n >> 6] >> (n & 63)) & 1


cdef inline void list_add(PageList *pages, uint32_t n) noexcept nogil:
    """Add a page that is not in the list: there is room for every page that there can be."""
    pages.items[pages.count] = n
    pages.count += 1


cdef inline void mark_written(Cpu *c, uint32_t page) noexcept nogil:
    """A backing page's bytes change, or may from now on."""
    if not c.memory.page_state[page] & PAGE_DIRTY:
        c.memory.page_state[page] |= PAGE_DIRTY | PAGE_USED
        list_add(&c.touched.dirty, page)
    if not c.memory.page_state[page] & PAGE_STALE:
        c.memory.page_state[page] |= PAGE_STALE
        list_add(&c.touched.stale, page)


cdef void remember_block(BlockSet *blocks, uint64_t block) noexcept nogil:
    """Add a block, address << 32 | bytes, to those executed in this interval."""
    cdef uint32_t at = <uint32_t>((block * 0x9E3779B97F4A7C15ULL) >> 47) & (2 * MOST_BLOCKS - 1)
    if blocks.count == MOST_BLOCKS:
        return
    while blocks.slots[at]:
        if blocks.slots[at] == block:
            return
        at = (at + 1) & (2 * MOST_BLOCKS - 1)
    blocks.slots[at] = block
    blocks.used[blocks.count] = at
    blocks.count += 1
