# Code whose instructions are followed one by one.

cdef bint is_hooked(const Cpu *c, uint32_t first, uint32_t last) noexcept nogil:
    """Whether on_instruction is called for all of these addresses."""
    cdef size_t i
    for i in range(c.code.hooked.count):
        if c.code.hooked.items[i].first <= first and last <= c.code.hooked.items[i].last:
            return True
    return False


cdef void hook_range(Cpu *c, uint32_t first, uint32_t last) noexcept nogil:
    """Have on_instruction called for each instruction at these virtual addresses, all on one page, when it is translated
    the next time. Code elsewhere on the page keeps its speed.

    It also makes Unicorn's translator split long blocks: the hook's operations fill its buffer before LONG_RUN_WORDS
    instructions do. Hooks stay, so a page that needs them at ever other places gets one hook for all of it in the end.
    """
    cdef RangeList *hooked = &c.code.hooked
    cdef uc_hook handle
    cdef size_t i
    cdef uint32_t on_page = 0
    if hooked.count == MOST_HOOKED_RANGES or is_hooked(c, first, last):
        return                                   # the last one covers all there is
    for i in range(hooked.count):
        on_page += hooked.items[i].first >> PAGE_BITS == first >> PAGE_BITS
    if on_page >= MOST_HOOKED_RUNS:
        first &= ~<uint32_t>(PAGE_BYTES - 1)
        last = first + PAGE_BYTES - 1
    if hooked.count == MOST_HOOKED_RANGES - 1:
        first, last = 0, 0xFFFFFFFFU
    hooked.items[hooked.count] = AddressRange(first, last)
    hooked.count += 1
    uc_hook_add(c.uc, &handle, UC_HOOK_CODE, <void*>on_instruction, c, first, last)


cdef inline bint may_be_empty(uint32_t w) noexcept nogil:
    """Whether Unicorn may translate ``w`` to nothing: nop and its like, prefetches, results that go to register 0."""
    cdef uint32_t op = w >> 26
    cdef bint no_rt = (w >> 16) & 31 == 0
    cdef bint no_rd = (w >> 11) & 31 == 0
    if op == 0:
        return no_rd or (w & 0x30) == 0x30           # conditional traps, too
    if op == 0x1C:
        return no_rd
    if op == 0x1F:
        return no_rd or no_rt
    if op == 0x11:
        return no_rt
    return op == 1 or op == 0x13 or op == 0x2F or op == 0x33 or no_rt or never_taken(w)


cdef inline bint ends_run(uint32_t w) noexcept nogil:
    """Whether no block goes on behind ``w``, or behind its slot."""
    return may_branch(w) and not never_taken(w) or (w & 0xFC00003EU) == 0x0000000C     # syscall, break


cdef uint8_t hook_long_runs(Cpu *c, uint32_t page, uint32_t vpage) noexcept nogil:
    """Set the hook on the page's straight runs that need it. LONG_RUN: it has such; LONG_RUN | LONG_NOPS: one whose
    blocks get long enough only with the checks for an exit."""
    cdef uint32_t *words = <uint32_t*>(c.memory.bytes + (<size_t>page << PAGE_BITS))
    cdef uint32_t base = vpage << PAGE_BITS
    cdef uint32_t i, w
    cdef uint32_t run = 0
    cdef uint32_t empty = 0
    cdef uint8_t found = 0
    for i in range(PAGE_BYTES // 4 + 1):
        w = guest_word(c, words[i]) if i < PAGE_BYTES // 4 else 0x0000000C
        if not ends_run(w):
            run += 1
            empty += may_be_empty(w)
            continue
        if run >= LONG_RUN_WORDS:
            hook_range(c, base + 4 * (i - run), base + 4 * i - 1)
            found |= LONG_RUN
            if empty > MOST_EMPTY:
                found |= LONG_NOPS
        run = 0
        empty = 0
    return found


cdef uint16_t becomes_code(Cpu *c, uint32_t page, uint32_t vpage, uint16_t state) noexcept nogil:
    """A page that is not code is fetched from; returns its new state."""
    cdef uint8_t found = hook_long_runs(c, page, vpage)
    state = (state & ~(LONG_RUN | LONG_NOPS)) | found | PAGE_CODE
    if not found:
        return state
    memset(c.code.hooked_pages, 0, (1 << 20) // 8)    # at other addresses it may have been hooked as it was
    bit_test_and_set(c.code.hooked_pages, vpage)
    return state


cdef void hook_elsewhere(Cpu *c, uint32_t page, uint32_t vpage, uint16_t state) noexcept nogil:
    """A page that needs the hook is fetched from at another virtual address, or has become mixed."""
    if state & PAGE_MIXED:
        hook_range(c, vpage << PAGE_BITS, (vpage << PAGE_BITS) + PAGE_BYTES - 1)
    else:
        hook_long_runs(c, page, vpage)
    bit_test_and_set(c.code.hooked_pages, vpage)


cdef void ambiguous(Cpu *c) noexcept nogil:
    """More than one instruction could have raised this: the run must come here again in single steps. From now on the
    block's instructions are followed one by one, so that this happens once."""
    cdef uint8_t *host = fetch_host(c, c.where.start)
    if c.code.hooked.count >= MOST_CODE_HOOKS:
        c.run.broken = True
    elif host != NULL:
        hook_range(c, c.where.start, c.where.start + c.where.size - 1)
        purge_code(c, <uint32_t>((host - c.memory.bytes) >> PAGE_BITS))
    come_again(c)
