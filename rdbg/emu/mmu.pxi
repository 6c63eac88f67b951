# Address translation (MIPS32 PRA vol. III, chapter 4) and the soft-TLB fill callback.

cdef enum:
    TRANSLATED = 0
    ADDRESS_ERROR = 1
    NO_MATCH = 2
    NOT_VALID = 3
    NOT_DIRTY = 4

    LOAD = 0
    STORE = 1
    FETCH = 2

    LONG_RUN = 32                # page_state: has a straight run that would crash Unicorn's translator
    LONG_RUN_WORDS = 340         # Unicorn 2.1.4 crashes at 376
    LONG_NOPS = 128              # page_state: such a run consists of nops for a good part
    # Unicorn ends a block at 4000 operations: the hook and what else it emits for every instruction are 10, so that
    # 376 instructions do not come together unless more than a hundred of them are translated to nothing.
    MOST_EMPTY = 32
    MOST_HOOKED_RUNS = 4         # hooks on one page before all of it is hooked
    MOST_HOOKED_RANGES = 1 << 14 # hooks before everything is


cdef inline bint kernel_mode(const Cpu *c) noexcept nogil:
    return (c.guest.cp0.status & STATUS_KSU) == 0 or (c.guest.cp0.status & (STATUS_EXL | STATUS_ERL)) != 0


cdef int translate(const Cpu *c, uint32_t va, int access, bint kernel, uint32_t *pa) noexcept nogil:
    """Guest-physical address of ``va``; one of TRANSLATED, ADDRESS_ERROR, NO_MATCH, NOT_VALID, NOT_DIRTY."""
    cdef uint32_t i, mask, lo, half
    cdef const TlbEntry *e
    cdef bint supervisor
    if va >= 0x80000000U:
        if not kernel:
            supervisor = (c.guest.cp0.status & STATUS_KSU) == 8
            if not supervisor or (va >> 29) != 6:
                return ADDRESS_ERROR
        if va < 0xC0000000U:
            pa[0] = va & 0x1FFFFFFF
            return TRANSLATED
    elif c.guest.cp0.status & STATUS_ERL:
        pa[0] = va
        return TRANSLATED
    for i in range(c.guest.tlb_count):
        e = &c.guest.tlb[i]
        mask = e.mask | 0x1FFF
        if (va & ~mask) == (e.vpn2 & ~mask) and (e.is_global or e.asid == (c.guest.cp0.entryhi & 0xFF)):
            half = (mask >> 1) + 1
            lo = e.lo1 if va & half else e.lo0
            if not lo & 2 or access == STORE and not lo & 4:
                if i >= c.model.tlb_entries:
                    continue                     # what a handler would look for with tlbp, and not find
                return NOT_DIRTY if lo & 2 else NOT_VALID
            pa[0] = (((lo >> 6) << PAGE_BITS) & ~(mask >> 1)) | (va & (mask >> 1))
            return TRANSLATED
    return NO_MATCH


cdef inline void set_exit_checks(Cpu *c, bint wanted) noexcept nogil:
    """Whether code that is translated from now on asks after each load and store if it shall stop."""
    if c.no_exit_checks != NULL:
        c.no_exit_checks[0] = not wanted


cdef inline void flush_tlb(Cpu *c) noexcept nogil:
    """Forget all of Unicorn's cached translations (not its translated code)."""
    uc_ctl_flush_tlb(c.uc)
    c.generation += 1
    memset(c.recent, 0, 4 * MAPPED_BLOCKS)
    set_exit_checks(c, c.want_exit_checks)


cdef inline void forget_recent(Cpu *c) noexcept nogil:
    """Code may have changed, or an interval begins: note each block again when it runs."""
    memset(c.recent, 0, 4 * (MAPPED_BLOCKS + UNMAPPED_BLOCKS))


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
    if not c.page_state[page] & PAGE_DIRTY:
        c.page_state[page] |= PAGE_DIRTY | PAGE_USED
        list_add(&c.dirty, page)
    if not c.page_state[page] & PAGE_STALE:
        c.page_state[page] |= PAGE_STALE
        list_add(&c.stale, page)


cdef void purge_code(Cpu *c, uint32_t page) noexcept nogil:
    """Throw away all code translated from a backing page. Safe inside callbacks."""
    # remove_cache takes a virtual address and looks it up as a fetch: while purge_page is set every fetch
    # finds that page, and no cached translation may stand in the way or stay behind.
    flush_tlb(c)
    c.direct_epoch += 1
    c.purge_page = page + 1
    uc_ctl_remove_cache(c.uc, 0x10000, 0x10000 + PAGE_BYTES)
    c.purge_page = 0
    memset(c.code_words + <size_t>page * CODE_BITS, 0, 8 * CODE_BITS)
    flush_tlb(c)
    forget_recent(c)


cdef bint is_hooked(Cpu *c, uint32_t first, uint32_t last) noexcept nogil:
    """Whether on_instruction is called for all of these addresses."""
    cdef size_t i
    for i in range(c.hooked.count):
        if c.hooked.items[i].first <= first and last <= c.hooked.items[i].last:
            return True
    return False


cdef void hook_range(Cpu *c, uint32_t first, uint32_t last) noexcept nogil:
    """Have on_instruction called for each instruction at these virtual addresses, all on one page, when it is translated
    the next time. Code elsewhere on the page keeps its speed.

    It also makes Unicorn's translator split long blocks: the hook's operations fill its buffer before LONG_RUN_WORDS
    instructions do. Hooks stay, so a page that needs them at ever other places gets one hook for all of it in the end.
    """
    cdef RangeList *hooked = &c.hooked
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
    cdef uint32_t *words = <uint32_t*>(c.memory + (<size_t>page << PAGE_BITS))
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
    memset(c.hooked_pages, 0, (1 << 20) // 8)    # at other addresses it may have been hooked as it was
    bit_test_and_set(c.hooked_pages, vpage)
    return state


cdef void hook_elsewhere(Cpu *c, uint32_t page, uint32_t vpage, uint16_t state) noexcept nogil:
    """A page that needs the hook is fetched from at another virtual address, or has become mixed."""
    if state & PAGE_MIXED:
        hook_range(c, vpage << PAGE_BITS, (vpage << PAGE_BITS) + PAGE_BYTES - 1)
    else:
        hook_long_runs(c, page, vpage)
    bit_test_and_set(c.hooked_pages, vpage)


cdef inline uint32_t guest_word(Cpu *c, uint32_t raw) noexcept nogil:
    """A word of guest memory, read by the host, in the guest's byte order."""
    if c.big_endian:
        return (raw >> 24) | ((raw >> 8) & 0xFF00) | ((raw << 8) & 0xFF0000) | (raw << 24)
    return raw


cdef uint8_t *fetch_host(Cpu *c, uint32_t va) noexcept nogil:
    """Host address of the code at ``va`` as the CPU would fetch it now; NULL if it cannot."""
    cdef uint32_t vpage = va >> PAGE_BITS
    cdef FetchEntry *f = &c.fetch[vpage & (FETCH_CACHE - 1)]
    cdef uint32_t pa, m
    if f.vpage != vpage or f.generation != c.generation:
        if translate(c, va, FETCH, kernel_mode(c), &pa) != TRANSLATED:
            return NULL
        m = c.phys_map[pa >> PAGE_BITS]
        if m == MAP_UNKNOWN:
            m = classify(c, pa >> PAGE_BITS)
        if (m & MAP_KIND) != MAP_MEMORY:
            return NULL
        f.vpage = vpage
        f.generation = c.generation
        f.host = c.memory + (<size_t>(m >> 8) << PAGE_BITS)
    return f.host + (va & (PAGE_BYTES - 1))


cdef inline uint32_t code_word(Cpu *c, uint32_t va) noexcept nogil:
    """The instruction at ``va``, or in the word that ``va`` points into; 0 (nop) where nothing can be fetched."""
    cdef uint8_t *host = fetch_host(c, va & ~<uint32_t>3)
    if host == NULL:
        return 0
    return guest_word(c, (<uint32_t*>host)[0])


cdef bint slot_at(Cpu *c, uint32_t start, bint starts_in_slot, uint32_t pc) noexcept nogil:
    """Whether the instruction at ``pc`` sits in a delay slot, in a straight run from ``start``.

    A branch in a slot has none of its own: it is reserved, or passed over.
    """
    cdef bint odd = False
    while pc != start and is_branch(c, code_word(c, pc - 4)):
        pc -= 4
        odd = not odd
    return odd != (pc == start and starts_in_slot)


cdef uint32_t classify(Cpu *c, uint32_t ppage) noexcept with gil:
    """Ask Python what stands at a guest-physical page, and remember it."""
    cdef Core core = <Core>c.owner
    cdef uint32_t m
    try:
        m = core.ask_classify(ppage)
    except BaseException as error:
        core.keep_error(error)
        m = MAP_NONE
    c.phys_map[ppage] = m
    return m


cdef uint32_t watch_window(Cpu *c, uint32_t vpage, uint32_t m, uint32_t ppage) noexcept nogil:
    """Unicorn-physical page that leads a watched page's accesses to the watch callbacks."""
    cdef size_t i
    for i in range(c.watch_slots):
        if c.watch_slot_page[i] == vpage:
            break
    else:
        if c.watch_slots == WATCH_SLOTS:
            c.watch_slots = 0
            flush_tlb(c)
        i = c.watch_slots
        c.watch_slots += 1
    c.watch_slot_page[i] = vpage
    c.watch_slot_map[i] = m
    c.watch_slot_phys[i] = ppage
    return WATCH_WINDOW + (<uint32_t>i << PAGE_BITS)


cdef bint alternates_fast(Cpu *c, uint32_t page) noexcept nogil:
    """Note a store to a page of code; whether there were MIXED_AFTER of them within a while, the page fetched from in
    between. (A kernel that patches itself now and then keeps the page as code.)"""
    cdef uint16_t now = <uint16_t>(c.base >> MIXED_PERIOD)
    if c.alternated[page].period != now:
        c.alternated[page].period = now
        c.alternated[page].times = 0
    c.alternated[page].times += 1
    return c.alternated[page].times >= MIXED_AFTER


cdef bint fill_memory(Cpu *c, uint32_t vpage, uint32_t page, int access, uc_tlb_entry *entry) noexcept nogil:
    """Grant an access to a backing page. WRITE and EXEC are never granted together, but to mixed pages:
    stores stay inline, and translated code never goes stale."""
    cdef uint16_t state = c.page_state[page]
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
        elif state & PAGE_MIXED or state & LONG_RUN and not bit_test(c.hooked_pages, vpage):
            hook_elsewhere(c, page, vpage, state)
        c.page_state[page] = state
        if state & (PAGE_MIXED | LONG_NOPS | PAGE_EXIT_CHECKS):
            set_exit_checks(c, True)             # nothing is translated from a page that was not asked for here
        entry.perms = UC_PROT_READ | UC_PROT_EXEC
        f = &c.fetch[vpage & (FETCH_CACHE - 1)]
        f.vpage = vpage
        f.generation = c.generation
        f.host = c.memory + (<size_t>page << PAGE_BITS)
    else:
        if state & PAGE_CODE:
            purge_code(c, page)
            state &= ~PAGE_CODE
            if alternates_fast(c, page):
                state |= PAGE_MIXED
        if state & PAGE_MIXED:
            entry.perms = UC_PROT_ALL            # fetches will not come here
            if not bit_test_and_set(c.seen_executed, vpage):
                list_add(&c.executed_virtual, vpage)
            hook_elsewhere(c, page, vpage, state)
            set_exit_checks(c, True)
        else:
            state |= PAGE_DATA
            entry.perms = UC_PROT_READ | UC_PROT_WRITE
        c.page_state[page] = state
        mark_written(c, page)
    return True


cdef bint refuse(Cpu *c, int why, int code, bint refill, bint has_address, uint32_t va, uint32_t pc,
                 int access) noexcept nogil:
    if c.why == WHY_AMBIGUOUS:
        return False                             # all that comes is to be run again
    c.why = why
    c.exc_code = code
    c.exc_refill = refill
    c.exc_has_address = has_address
    c.exc_address = va
    c.exc_pc = pc
    c.exc_access = access
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
    if c.purge_page:
        entry.paddr = <uint64_t>(c.purge_page - 1) << PAGE_BITS
        entry.perms = UC_PROT_READ | UC_PROT_EXEC
        return True
    if c.bring_up:
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
    m = c.phys_map[pa >> PAGE_BITS]
    if m == MAP_UNKNOWN:
        m = classify(c, pa >> PAGE_BITS)
    if access == FETCH:
        if (m & MAP_KIND) != MAP_MEMORY or not m & MAP_READ:
            return refuse(c, WHY_EXCEPTION, EXC_IBE, False, False, va, pc, access)
        if not bit_test_and_set(c.seen_executed, vpage):
            list_add(&c.executed_virtual, vpage)
        fill_memory(c, vpage, m >> 8, access, entry)
        if through_window(c, vpage, m, pa >> PAGE_BITS):
            entry.perms = UC_PROT_EXEC  # its loads must come here, and go through the window
        elif not bit_test_and_set(c.seen_read, vpage):
            list_add(&c.read_virtual, vpage)  # loads from a page that may be fetched are not seen
        return True

    # What is granted along with this access will not come here: stores bring loads with them, devices both.
    if (access == STORE or (m & MAP_KIND) == MAP_IO) and not bit_test_and_set(c.seen_written, vpage):
        list_add(&c.written_virtual, vpage)
    if (m & MAP_KIND) != MAP_MEMORY and not bit_test_and_set(c.seen_devices, pa >> PAGE_BITS):
        list_add(&c.written_devices, pa >> PAGE_BITS)
    if not bit_test_and_set(c.seen_read, vpage):
        list_add(&c.read_virtual, vpage)
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


cdef bint changes_ahead(Cpu *c, uint32_t page, uint32_t pc) noexcept nogil:
    """Whether a store at ``pc`` to a backing page may change code behind it in its own block. (On a page that is fetched
    from and written all the time on_instruction sees to that.)"""
    cdef uint8_t *host
    if not c.page_state[page] & PAGE_CODE or pc + 4 >= c.start + c.size:
        return False
    host = fetch_host(c, c.start)
    return host != NULL and (host - c.memory) >> PAGE_BITS == page and not in_slot(c, pc)


cdef void note_code(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """A block is translated; it lies on one page."""
    cdef uint8_t *host = fetch_host(c, pc)
    cdef uint64_t *bits
    cdef uint32_t i
    if host == NULL:
        return
    bits = c.code_words + <size_t>((host - c.memory) >> PAGE_BITS) * CODE_BITS
    for i in range((pc & (PAGE_BYTES - 1)) >> 2, min((pc & (PAGE_BYTES - 1)) + size + 3, PAGE_BYTES) >> 2):
        bits[i >> 6] |= <uint64_t>1 << (i & 63)


cdef bint in_long_run(Cpu *c, uint32_t page, uint32_t word) noexcept nogil:
    """Whether one of a page's words is part of a straight run that needs the hook."""
    cdef uint32_t *words = <uint32_t*>(c.memory + (<size_t>page << PAGE_BITS))
    cdef uint32_t first = word
    cdef uint32_t last = word
    while first > 0 and not ends_run(guest_word(c, words[first - 1])):
        first -= 1
    while last < PAGE_BYTES // 4 and not ends_run(guest_word(c, words[last])):
        last += 1
    return last - first >= LONG_RUN_WORDS


cdef bint in_own_block(Cpu *c, uint32_t page, uint32_t first, uint32_t last) noexcept nogil:
    """Whether words of a backing page belong to the current block, which may have run them or not."""
    cdef uint8_t *host = fetch_host(c, c.start)
    cdef uint32_t start = (c.start & (PAGE_BYTES - 1)) >> 2
    return (host != NULL and (host - c.memory) >> PAGE_BITS == page and first < start + (c.size >> 2) and last >= start
            and not c.copied and not is_one_step(c))


cdef void store_beside_code(Cpu *c, uint32_t page, uint32_t offset, unsigned size, uint64_t value) noexcept nogil:
    """A store that reaches a page of code behind Unicorn's back. What is translated from the words that it changes must
    go, and nothing else: data on such a page may be stored to all the time."""
    cdef uint8_t *host = c.memory + (<size_t>page << PAGE_BITS)
    cdef uint32_t *words = <uint32_t*>host
    cdef uint32_t word = offset >> 2
    cdef uint32_t last = (offset + size - 1) >> 2
    cdef bint ended = False                      # whether code around here may be straighter than it was
    cdef bint is_code = False
    while word <= last:
        ended |= ends_run(guest_word(c, words[word]))
        is_code |= bit_test(c.code_words + <size_t>page * CODE_BITS, word)
        word += 1
    store_host(c, host + offset, size, value)
    if is_code:
        if in_own_block(c, page, offset >> 2, last):
            come_again(c)
        purge_code(c, page)
        c.page_state[page] &= ~(PAGE_CODE | PAGE_MIXED)
    elif ended and (in_long_run(c, page, offset >> 2) or in_long_run(c, page, last)):
        # The next fetch finds the page changed, and hooks it.
        c.page_state[page] |= LONG_RUN | LONG_NOPS
        memset(c.hooked_pages, 0, (1 << 20) // 8)
        flush_tlb(c)


cdef uint32_t io_window(Cpu *c, uint32_t ppage) noexcept nogil:
    """Unicorn-physical page that leads to the devices' callbacks for a guest-physical page."""
    if c.io_slot_of[ppage] == 0:
        if c.io_slots == IO_SLOTS:
            # All are given away: take them back. Nothing may go on knowing them.
            memset(c.io_slot_of, 0, 4 << 20)
            memset(c.phys_map, 0, 4 << 20)
            c.io_slots = 0
            flush_tlb(c)
        c.io_page[c.io_slots] = ppage
        c.io_slots += 1
        c.io_slot_of[ppage] = <uint32_t>c.io_slots
    return IO_WINDOW + ((c.io_slot_of[ppage] - 1) << PAGE_BITS)


cdef void clear_pending_branch(Cpu *c) noexcept nogil:
    """Undo what a successful fill in a delay slot does to hflags: Unicorn restores 'a branch is pending' for the
    slot, and the rest of the block, translated without it, never clears it."""
    cdef uint32_t *hflags
    uc_context_save(c.uc, c.ctx)
    hflags = <uint32_t*>(c.ctx_bytes + c.at_hflags)
    if hflags[0] & HFLAGS_BMASK:
        hflags[0] &= ~<uint32_t>HFLAGS_BMASK
        uc_context_restore(c.uc, c.ctx)
