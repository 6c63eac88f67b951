# The soft-TLB fill callback: what an access gets, and which page is code and which is data.

cdef uint32_t classify(Cpu *c, uint32_t ppage) noexcept nogil:
    """Find out what stands at a guest-physical page, and remember it."""
    cdef uint32_t m = ask_what_stands_at(c, ppage)
    if (m & MAP_KIND) == MAP_IO:
        m |= (io_window(c, ppage) - IO_WINDOW) >> PAGE_BITS << 8
    remember_page(c, ppage, m)
    return m


cdef void remember_page(Cpu *c, uint32_t ppage, uint32_t m) noexcept nogil:
    if c.memory.phys_map[ppage] == MAP_UNKNOWN:
        if c.memory.known_count < KNOWN_PAGES:
            c.memory.known[c.memory.known_count] = ppage
        if c.memory.known_count <= KNOWN_PAGES:
            c.memory.known_count += 1
    c.memory.phys_map[ppage] = m


cdef void remember_code_page(Cpu *c) noexcept nogil:
    """Find out what stands at the page of the current block: its words are looked at one by one, and looking
    remembers nothing."""
    cdef uint32_t pa, m
    if translate(c, c.where.start, FETCH, kernel_mode(c), &pa) == TRANSLATED:
        m = stands_at(c, pa >> PAGE_BITS)
        if m & MAP_KIND == MAP_MEMORY:
            remember_page(c, pa >> PAGE_BITS, m)


cdef bint alternates_fast(Cpu *c, uint32_t page) noexcept nogil:
    """Note a store to a page of code; whether there were MIXED_AFTER of them within a while, the page fetched from in
    between. (A kernel that patches itself now and then keeps the page as code.)"""
    cdef uint16_t now = <uint16_t>(c.where.base >> MIXED_PERIOD)
    if c.memory.alternated[page].period != now:
        c.memory.alternated[page].period = now
        c.memory.alternated[page].times = 0
    c.memory.alternated[page].times += 1
    return c.memory.alternated[page].times >= MIXED_AFTER


cdef bint fill_memory(Cpu *c, uint32_t vpage, uint32_t page, int access, uc_tlb_entry *entry) noexcept nogil:
    """Grant an access to a backing page. WRITE and EXEC are never granted together, but to mixed pages:
    stores stay inline, and translated code never goes stale."""
    cdef uint16_t state = c.memory.page_state[page]
    cdef FetchEntry *f
    entry.paddr = <uint64_t>page << PAGE_BITS
    if access == LOAD:
        entry.perms = UC_PROT_READ
    elif access == FETCH:
        if state & PAGE_DATA:
            flush_tlb(c)
            forget_recent(c)
            state &= ~PAGE_DATA
        if not state & (PAGE_CODE | PAGE_MIXED):
            state = becomes_code(c, page, vpage, state)
        elif state & PAGE_MIXED or state & LONG_RUN and not bit_test(c.code.hooked_pages, vpage):
            hook_elsewhere(c, page, vpage, state)
        c.memory.page_state[page] = state
        if state & (PAGE_MIXED | LONG_NOPS | PAGE_EXIT_CHECKS):
            set_exit_checks(c, True)             # nothing is translated from a page that was not asked for here
        entry.perms = UC_PROT_READ | UC_PROT_EXEC
        f = &c.memory.fetch[vpage & (FETCH_CACHE - 1)]
        f.vpage = vpage
        f.generation = c.memory.generation
        f.host = c.memory.bytes + (<size_t>page << PAGE_BITS)
    else:
        if state & PAGE_CODE:
            purge_code(c, page)
            state &= ~PAGE_CODE
            if alternates_fast(c, page):
                state |= PAGE_MIXED
        if state & PAGE_MIXED:
            entry.perms = UC_PROT_ALL            # fetches will not come here
            if not bit_test_and_set(c.touched.seen_executed, vpage):
                list_add(&c.touched.executed_virtual, vpage)
            hook_elsewhere(c, page, vpage, state)
            set_exit_checks(c, True)
        else:
            state |= PAGE_DATA
            entry.perms = UC_PROT_READ | UC_PROT_WRITE
        c.memory.page_state[page] = state
        mark_written(c, page)
    return True


cdef bint refuse(Cpu *c, int why, int code, bint refill, bint has_address, uint32_t va, uint32_t pc,
                 int access) noexcept nogil:
    if c.run.why == WHY_AMBIGUOUS:
        return False                             # all that comes is to be run again
    c.run.why = why
    c.fault.code = code
    c.fault.refill = refill
    c.fault.has_address = has_address
    c.fault.address = va
    c.fault.pc = pc
    c.fault.access = access
    return False


cdef bint fill(uc_engine *uc, uint64_t address, uc_mem_type kind, uc_tlb_entry *entry, void *user) noexcept nogil:
    """Unicorn asks for the translation of one page."""
    cdef Cpu *c = <Cpu*>user
    cdef uint32_t va = <uint32_t>address
    cdef uint32_t vpage = va >> PAGE_BITS
    cdef uint32_t pa = 0
    cdef uint32_t pc = 0
    cdef uint32_t m
    cdef int access, result, code
    if c.memory.purge_page:
        entry.paddr = <uint64_t>(c.memory.purge_page - 1) << PAGE_BITS
        entry.perms = UC_PROT_READ | UC_PROT_EXEC
        return True
    if c.machine.bring_up:
        entry.paddr = IO_WINDOW if va >> PAGE_BITS == BRING_UP_IO >> PAGE_BITS else SCRATCH_PAGE
        entry.perms = UC_PROT_ALL
        return True
    look_at_clock(c)
    access = FETCH if kind == UC_MEM_FETCH else STORE if kind == UC_MEM_WRITE else LOAD
    uc_reg_read(uc, UC_MIPS_REG_PC, &pc)
    if access == FETCH and pc & 3:
        return refuse(c, WHY_EXCEPTION, EXC_ADEL, False, True, va, pc, access)
    result = translate(c, va, access, kernel_mode(c), &pa)
    if result != TRANSLATED:
        if result == NOT_DIRTY:
            code = EXC_MOD
        elif result == ADDRESS_ERROR:
            code = EXC_ADES if access == STORE else EXC_ADEL
        else:
            code = EXC_TLBS if access == STORE else EXC_TLBL
        return refuse(c, WHY_EXCEPTION, code, result == NO_MATCH, True, va, pc, access)
    m = c.memory.phys_map[pa >> PAGE_BITS]
    if m == MAP_UNKNOWN:
        m = classify(c, pa >> PAGE_BITS)
    if access == FETCH:
        if (m & MAP_KIND) != MAP_MEMORY or not m & MAP_READ:
            return refuse(c, WHY_EXCEPTION, EXC_IBE, False, False, va, pc, access)
        if not bit_test_and_set(c.touched.seen_executed, vpage):
            list_add(&c.touched.executed_virtual, vpage)
        fill_memory(c, vpage, m >> 8, access, entry)
        if through_window(c, vpage, m, pa >> PAGE_BITS):
            entry.perms = UC_PROT_EXEC  # its loads must come here, and go through the window
        elif not bit_test_and_set(c.touched.seen_read, vpage):
            list_add(&c.touched.read_virtual, vpage)  # loads from a page that may be fetched are not seen
        return True

    # What is granted along with this access will not come here: stores bring loads with them, devices both.
    if (access == STORE or (m & MAP_KIND) == MAP_IO) and not bit_test_and_set(c.touched.seen_written, vpage):
        list_add(&c.touched.written_virtual, vpage)
    if (m & MAP_KIND) != MAP_MEMORY and not bit_test_and_set(c.touched.seen_devices, pa >> PAGE_BITS):
        list_add(&c.touched.written_devices, pa >> PAGE_BITS)
    if not bit_test_and_set(c.touched.seen_read, vpage):
        list_add(&c.touched.read_virtual, vpage)
    if (m & MAP_KIND) == MAP_NONE:
        return refuse(c, WHY_EXCEPTION, EXC_DBE, False, False, va, pc, access)
    if (m & MAP_KIND) == MAP_PARTIAL:
        return refuse(c, WHY_ACCESS, 0, False, False, va, pc, access)
    if through_window(c, vpage, m, pa >> PAGE_BITS):
        # Loads through the window too: a mapping for loads alone would take its place and come back each time.
        entry.paddr = watch_window(c, vpage, m, pa >> PAGE_BITS)
        entry.perms = UC_PROT_READ
        if access == STORE:
            entry.perms = UC_PROT_READ | UC_PROT_WRITE
            if (m & MAP_KIND) == MAP_MEMORY and m & MAP_WRITE:
                mark_written(c, m >> 8)
    elif (m & MAP_KIND) == MAP_IO:
        entry.paddr = IO_WINDOW + ((m >> 8) << PAGE_BITS)
        entry.perms = UC_PROT_READ | UC_PROT_WRITE
    elif access == LOAD and not m & MAP_READ or access == STORE and not m & MAP_WRITE:
        entry.paddr = io_window(c, pa >> PAGE_BITS)
        entry.perms = UC_PROT_WRITE if access == STORE else UC_PROT_READ
    elif access == STORE and changes_ahead(c, m >> 8, pc):
        return refuse(c, WHY_CUT, 0, False, False, va, pc, access)
    else:
        fill_memory(c, vpage, m >> 8, access, entry)
    if pc & (PAGE_BYTES - 1) and is_branch(c, code_word(c, pc - 4)):
        clear_pending_branch(c)
    return True


cdef bint changes_ahead(const Cpu *c, uint32_t page, uint32_t pc) noexcept nogil:
    """Whether a store at ``pc`` to a backing page may change code behind it in its own block. (On a page that is fetched
    from and written all the time on_instruction sees to that.)"""
    cdef uint8_t *host
    if not c.memory.page_state[page] & PAGE_CODE or pc + 4 >= c.where.start + c.where.size:
        return False
    host = fetch_host(c, c.where.start)
    return host != NULL and (host - c.memory.bytes) >> PAGE_BITS == page and not in_slot(c, pc)


cdef void clear_pending_branch(Cpu *c) noexcept nogil:
    """Undo what a successful fill in a delay slot does to hflags: Unicorn restores 'a branch is pending' for the
    slot, and the rest of the block, translated without it, never clears it."""
    cdef uint32_t *hflags
    uc_context_save(c.uc, c.context.saved)
    hflags = <uint32_t*>(c.context.bytes + c.context.at_hflags)
    if hflags[0] & HFLAGS_BMASK:
        hflags[0] &= ~<uint32_t>HFLAGS_BMASK
        uc_context_restore(c.uc, c.context.saved)
