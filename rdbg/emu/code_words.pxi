# Pages that are fetched from and written: the words that translated code stands for.

cdef void note_code(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """A block is translated; it lies on one page."""
    cdef uint8_t *host = fetch_host(c, pc)
    cdef uint64_t *bits
    cdef uint32_t i
    if host == NULL:
        return
    bits = c.memory.code_words + <size_t>((host - c.memory.bytes) >> PAGE_BITS) * CODE_BITS
    for i in range((pc & (PAGE_BYTES - 1)) >> 2, min((pc & (PAGE_BYTES - 1)) + size + 3, PAGE_BYTES) >> 2):
        bits[i >> 6] |= <uint64_t>1 << (i & 63)


cdef bint in_long_run(const Cpu *c, uint32_t page, uint32_t word) noexcept nogil:
    """Whether one of a page's words is part of a straight run that needs the hook."""
    cdef uint32_t *words = <uint32_t*>(c.memory.bytes + (<size_t>page << PAGE_BITS))
    cdef uint32_t first = word
    cdef uint32_t last = word
    while first > 0 and not ends_run(guest_word(c, words[first - 1])):
        first -= 1
    while last < PAGE_BYTES // 4 and not ends_run(guest_word(c, words[last])):
        last += 1
    return last - first >= LONG_RUN_WORDS


cdef bint in_own_block(const Cpu *c, uint32_t page, uint32_t first, uint32_t last) noexcept nogil:
    """Whether words of a backing page belong to the current block, which may have run them or not."""
    cdef uint8_t *host = fetch_host(c, c.where.start)
    cdef uint32_t start = (c.where.start & (PAGE_BYTES - 1)) >> 2
    return (host != NULL and (host - c.memory.bytes) >> PAGE_BITS == page and first < start + (c.where.size >> 2) and last >= start
            and not c.where.copied and not is_one_step(c))


cdef void store_beside_code(Cpu *c, uint32_t page, uint32_t offset, unsigned size, uint64_t value) noexcept nogil:
    """A store that reaches a page of code behind Unicorn's back. What is translated from the words that it changes must
    go, and nothing else: data on such a page may be stored to all the time."""
    cdef uint8_t *host = c.memory.bytes + (<size_t>page << PAGE_BITS)
    cdef uint32_t *words = <uint32_t*>host
    cdef uint32_t word = offset >> 2
    cdef uint32_t last = (offset + size - 1) >> 2
    cdef bint ended = False                      # whether code around here may be straighter than it was
    cdef bint is_code = False
    while word <= last:
        ended |= ends_run(guest_word(c, words[word]))
        is_code |= bit_test(c.memory.code_words + <size_t>page * CODE_BITS, word)
        word += 1
    store_host(c, host + offset, size, value)
    if is_code:
        if in_own_block(c, page, offset >> 2, last):
            come_again(c)
        purge_code(c, page)
        c.memory.page_state[page] &= ~(PAGE_CODE | PAGE_MIXED)
    elif ended and (in_long_run(c, page, offset >> 2) or in_long_run(c, page, last)):
        # The next fetch finds the page changed, and hooks it.
        c.memory.page_state[page] |= LONG_RUN | LONG_NOPS
        memset(c.code.hooked_pages, 0, (1 << 20) // 8)
        flush_tlb(c)
