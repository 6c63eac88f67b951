# Unicorn's soft TLB and translated code: what it has cached, and the code that the CPU would fetch.

cdef inline void set_exit_checks(Cpu *c, bint wanted) noexcept nogil:
    """Whether code that is translated from now on asks after each load and store if it shall stop."""
    if c.code.no_exit_checks != NULL:
        c.code.no_exit_checks[0] = not wanted


cdef inline void flush_tlb(Cpu *c) noexcept nogil:
    """Forget all of Unicorn's cached translations (not its translated code)."""
    uc_ctl_flush_tlb(c.uc)
    c.memory.generation += 1
    memset(c.touched.recent, 0, 4 * MAPPED_BLOCKS)
    set_exit_checks(c, c.code.want_exit_checks)


cdef inline void forget_recent(Cpu *c) noexcept nogil:
    """Code may have changed, or an interval begins: note each block again when it runs."""
    memset(c.touched.recent, 0, 4 * (MAPPED_BLOCKS + UNMAPPED_BLOCKS))


cdef void purge_code(Cpu *c, uint32_t page) noexcept nogil:
    """Throw away all code translated from a backing page. Safe inside callbacks."""
    # remove_cache takes a virtual address and looks it up as a fetch: while purge_page is set every fetch
    # finds that page, and no cached translation may stand in the way or stay behind.
    flush_tlb(c)
    c.watch.direct_epoch += 1
    c.memory.purge_page = page + 1
    uc_ctl_remove_cache(c.uc, 0x10000, 0x10000 + PAGE_BYTES)
    c.memory.purge_page = 0
    memset(c.memory.code_words + <size_t>page * CODE_BITS, 0, 8 * CODE_BITS)
    flush_tlb(c)
    forget_recent(c)


cdef uint8_t *fetch_host(const Cpu *c, uint32_t va) noexcept nogil:
    """Host address of the code at ``va`` as the CPU would fetch it now; NULL if it cannot."""
    cdef uint32_t vpage = va >> PAGE_BITS
    cdef const FetchEntry *f = &c.memory.fetch[vpage & (FETCH_CACHE - 1)]
    cdef uint32_t pa, m
    if f.vpage == vpage and f.generation == c.memory.generation:
        return f.host + (va & (PAGE_BYTES - 1))
    if translate(c, va, FETCH, kernel_mode(c), &pa) != TRANSLATED:
        return NULL
    m = stands_at(c, pa >> PAGE_BITS)
    if (m & MAP_KIND) != MAP_MEMORY:
        return NULL
    return c.memory.bytes + (<size_t>(m >> 8) << PAGE_BITS) + (va & (PAGE_BYTES - 1))


cdef inline uint32_t code_word(const Cpu *c, uint32_t va) noexcept nogil:
    """The instruction at ``va``, or in the word that ``va`` points into; 0 (nop) where nothing can be fetched."""
    cdef uint8_t *host = fetch_host(c, va & ~<uint32_t>3)
    if host == NULL:
        return 0
    return guest_word(c, (<uint32_t*>host)[0])


cdef bint slot_at(const Cpu *c, uint32_t start, bint starts_in_slot, uint32_t pc) noexcept nogil:
    """Whether the instruction at ``pc`` sits in a delay slot, in a straight run from ``start``.

    A branch in a slot has none of its own: it is reserved, or passed over.
    """
    cdef bint odd = False
    while pc != start and is_branch(c, code_word(c, pc - 4)):
        pc -= 4
        odd = not odd
    return odd != (pc == start and starts_in_slot)


cdef void forget_phys_map(Cpu *c) noexcept nogil:
    """Ask again what stands where. A boot loader moves a bridge's windows in a row, with few pages known in between."""
    cdef uint32_t i
    if c.memory.known_count > KNOWN_PAGES:
        memset(c.memory.phys_map, 0, 4 << 20)
    else:
        for i in range(c.memory.known_count):
            c.memory.phys_map[c.memory.known[i]] = MAP_UNKNOWN
    c.memory.known_count = 0


cdef uint32_t io_window(Cpu *c, uint32_t ppage) noexcept nogil:
    """Unicorn-physical page that leads to the devices' callbacks for a guest-physical page."""
    if c.devices.slot_of_page[ppage] == 0:
        if c.devices.slots == IO_SLOTS:
            # All are given away: take them back. Nothing may go on knowing them.
            memset(c.devices.slot_of_page, 0, 4 << 20)
            forget_phys_map(c)
            c.devices.slots = 0
            flush_tlb(c)
        c.devices.page_of_slot[c.devices.slots] = ppage
        c.devices.slots += 1
        c.devices.slot_of_page[ppage] = <uint32_t>c.devices.slots
    return IO_WINDOW + ((c.devices.slot_of_page[ppage] - 1) << PAGE_BITS)


cdef inline bint in_slot(const Cpu *c, uint32_t pc) noexcept nogil:
    """Whether the instruction at ``pc`` of the current block sits in a delay slot."""
    return slot_at(c, c.where.start, c.where.in_slot, pc)


cdef void come_again(Cpu *c) noexcept nogil:
    """The current block cannot be run as a whole: the run must come here again, in single steps."""
    cdef uint32_t back = 1 if c.where.in_slot else 0
    c.run.why = WHY_AMBIGUOUS
    c.run.again = c.where.base - back
    c.run.again_pc = c.where.start - 4 * back
    look_at_blocks(c)
    uc_emu_stop(c.uc)


cdef inline bint is_one_step(const Cpu *c) noexcept nogil:
    """Whether the current block is one instruction, or a branch and its slot."""
    return c.where.size == 4 or c.where.size == 8 and is_branch(c, code_word(c, c.where.start))


cdef inline bint on_mixed_page(const Cpu *c, uint32_t pc) noexcept nogil:
    """Whether the code at ``pc`` may change without notice."""
    cdef uint8_t *host = fetch_host(c, pc)
    return host != NULL and c.memory.page_state[(host - c.memory.bytes) >> PAGE_BITS] & PAGE_MIXED != 0


cdef uint32_t step_length(const Cpu *c, uint32_t pc) noexcept nogil:
    """Instructions that one step from ``pc`` counts: a branch and its slot are one step."""
    return 2 if is_branch(c, code_word(c, pc)) else 1


cdef bint slot_runs(const Cpu *c, uint32_t pc) noexcept nogil:
    """Whether a step from ``pc``, where the CPU stands, runs a slot."""
    cdef uint32_t w = code_word(c, pc)
    return is_branch(c, w) and not (
        is_likely(w) and not likely_taken(w, gpr(c, (w >> 21) & 31), gpr(c, (w >> 16) & 31), fcsr(c)))
