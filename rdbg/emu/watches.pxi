# Watched ranges: what accesses them, and what is noted of it.

cdef uint32_t watch_window(Cpu *c, uint32_t vpage, uint32_t m, uint32_t ppage) noexcept nogil:
    """Unicorn-physical page that leads a watched page's accesses to the watch callbacks."""
    cdef size_t i
    for i in range(c.watch.slots):
        if c.watch.slot_page[i] == vpage:
            break
    else:
        if c.watch.slots == WATCH_SLOTS:
            c.watch.slots = 0
            flush_tlb(c)
        i = c.watch.slots
        c.watch.slots += 1
    c.watch.slot_page[i] = vpage
    c.watch.slot_map[i] = m
    c.watch.slot_phys[i] = ppage
    return WATCH_WINDOW + (<uint32_t>i << PAGE_BITS)


cdef void note_watch(Cpu *c, uint64_t icount, uint64_t end, uint32_t pc, size_t i, uint32_t address, int kind) noexcept nogil:
    """The block at ``pc``, from ``icount`` to ``end``, makes an access that the ``i``-th watch is for."""
    cdef HitBlock *latest = &c.watch.hits[(c.watch.hit_count - 1) & (MOST_HITS - 1)]
    if c.run.stop_soon or c.marking.on:
        return                                   # what happens at the end of a block comes after its accesses
    c.watch.have_hit = True
    c.watch.hit_icount = icount
    c.watch.hit_pc = pc
    c.watch.hit_address = address if address > c.watch.ranges[i].first else c.watch.ranges[i].first
    c.watch.hit_index = <int>i
    c.watch.hit_kind = kind
    if not c.run.last_hit:
        c.run.stop_soon = True
        look_at_blocks(c)
    elif c.watch.hit_count == 0 or latest.start != icount:
        c.watch.hits[c.watch.hit_count & (MOST_HITS - 1)] = HitBlock(icount, end)
        c.watch.hit_count += 1
    elif latest.end < end:
        latest.end = end


cdef inline bint watched_at(WatchRange *watch, uint32_t va, Place place, unsigned size, int kind, uint32_t *at) noexcept nogil:
    """Whether an access is one that a range is for, and where in the range's own space."""
    at[0] = va if watch.space == SPACE_VIRTUAL else place.address
    return (watch.kinds & kind and (watch.space == SPACE_VIRTUAL or watch.space == place.space)
            and at[0] <= watch.last and at[0] + (size - 1) >= watch.first)


cdef void check_watches(Cpu *c, uint32_t va, Place place, unsigned size, int kind) noexcept nogil:
    """Note a watched access. PC is not known here: only the block."""
    cdef size_t i
    cdef uint32_t at = 0
    cdef int back
    if c.marking.on and kind != ACCESS_READ:
        mark_store(c, va, place, size)
    if c.watch.noting:
        return
    for i in range(c.watch.count):
        if watched_at(&c.watch.ranges[i], va, place, size, kind, &at):
            back = 1 if c.where.in_slot else 0
            note_watch(c, c.where.base - back, position(c), c.where.start - 4 * back, i, at, kind)
            return


cdef void note_write(Cpu *c, uint32_t va, Place place, unsigned size, uint64_t old, uint64_t value) noexcept nogil:
    """Keep a write to a watched range with what it wrote."""
    cdef size_t i
    cdef uint32_t at = 0
    if not c.watch.noting or stores_nothing(c, va):
        return
    for i in range(c.watch.count):
        if watched_at(&c.watch.ranges[i], va, place, size, ACCESS_WRITE, &at) and c.watch.noted_count < MOST_NOTED:
            c.watch.noted[c.watch.noted_count] = NotedWrite(place.space, place.address, va, size, old, value)
            c.watch.noted_count += 1
            return


cdef bint link_holds(const Cpu *c, uint32_t va) noexcept nogil:
    """Whether a `sc` to ``va`` stores: the link stands, and the word is what `ll` read. A device is not asked for it."""
    cdef Place place = place_of(c, va, ACCESS_READ)
    uc_context_save(c.uc, c.context.saved)
    if (<uint32_t*>(c.context.bytes + c.context.at_lladdr))[0] != va:
        return False
    return place.space != SPACE_MEMORY or (
        <uint32_t>load_host(c, c.memory.bytes + place.address, 4) == (<uint32_t*>(c.context.bytes + c.context.at_llval))[0])


cdef bint stores_nothing(const Cpu *c, uint32_t va) noexcept nogil:
    """Whether the step that writes to ``va`` is a `sc` that fails: Unicorn stores back what it found."""
    cdef uint32_t w = code_word(c, c.run.start_pc)
    if is_branch(c, w):
        w = code_word(c, c.run.start_pc + 4)
    return w >> 26 == OP_SC and not link_holds(c, va)


cdef Place place_of(const Cpu *c, uint32_t va, int kind) noexcept nogil:
    """What stands behind a virtual address that is about to be loaded from or stored to."""
    cdef uint32_t pa = 0
    cdef uint32_t m
    if translate(c, va, STORE if kind == ACCESS_WRITE else LOAD, kernel_mode(c), &pa) != TRANSLATED:
        return Place(SPACE_NONE, va)
    m = stands_at(c, pa >> PAGE_BITS)
    if (m & MAP_KIND) != MAP_MEMORY:
        return Place(SPACE_DEVICE, pa)
    if not m & (MAP_WRITE if kind == ACCESS_WRITE else MAP_READ):
        return Place(SPACE_NONE, va)
    return Place(SPACE_MEMORY, ((m >> 8) << PAGE_BITS) | (va & (PAGE_BYTES - 1)))


cdef bint storage_watched(const Cpu *c, uint32_t m, uint32_t ppage) noexcept nogil:
    """Whether a watch that counts no virtual addresses has to do with the page where ``m`` stands."""
    cdef size_t i
    cdef uint32_t space = SPACE_MEMORY if (m & MAP_KIND) == MAP_MEMORY else SPACE_DEVICE
    cdef uint32_t page = m >> 8 if space == SPACE_MEMORY else ppage
    for i in range(c.watch.count):
        if (c.watch.ranges[i].space == space and c.watch.ranges[i].first >> PAGE_BITS <= page
                and page <= c.watch.ranges[i].last >> PAGE_BITS):
            return True
    return False


cdef inline bint through_window(const Cpu *c, uint32_t vpage, uint32_t m, uint32_t ppage) noexcept nogil:
    """Whether accesses to a virtual page, where ``m`` stands, are to be seen one by one."""
    if not c.watch.count or not (
            bit_test(c.watch.pages, vpage) or c.watch.storage and storage_watched(c, m, ppage)):
        return False
    return not (c.watch.direct and (m & MAP_KIND) == MAP_MEMORY and m & MAP_READ and m & MAP_WRITE)


cdef bint part_behind(const Cpu *c, const WatchRange *watch, uint32_t vpage, uint32_t first, uint32_t last,
                      uint32_t *low, uint32_t *high) noexcept nogil:
    """Whether a page of a range of virtual addresses shows some of these bytes of the machine's pages now, and which."""
    cdef uint32_t pa = 0
    cdef uint32_t m, page
    if translate(c, vpage << PAGE_BITS, LOAD, True, &pa) != TRANSLATED:
        return False
    m = stands_at(c, pa >> PAGE_BITS)
    if (m & MAP_KIND) != MAP_MEMORY:
        return False
    page = (m >> 8) << PAGE_BITS
    low[0] = max(first, page | (watch.first & (PAGE_BYTES - 1) if vpage == watch.first >> PAGE_BITS else 0))
    high[0] = min(last, page | (watch.last & (PAGE_BYTES - 1) if vpage == watch.last >> PAGE_BITS else PAGE_BYTES - 1))
    return low[0] <= high[0]


cdef bint seen_behind(const Cpu *c, const WatchRange *watch, uint32_t first, uint32_t last, uint32_t *at,
                      uint32_t *low) noexcept nogil:
    """Whether a range of virtual addresses shows some of these bytes now: where first, and which is the first."""
    cdef uint32_t vpage
    cdef uint32_t high = 0
    for vpage in range(watch.first >> PAGE_BITS, (watch.last >> PAGE_BITS) + 1):
        if part_behind(c, watch, vpage, first, last, low, &high):
            at[0] = vpage << PAGE_BITS | low[0] & (PAGE_BYTES - 1)
            return True
    return False


cdef int note_other(Cpu *c, uint32_t first, uint32_t last, int kind, uint32_t *found, uint32_t *low) noexcept nogil:
    """Bytes of the machine's pages are about to be changed, or have been read, by something else than an instruction: tell
    watches that are for that. Gives the index of the first such watch, where it sees the first such byte, and which that
    is; -1: none is."""
    cdef size_t i
    cdef uint32_t at = 0
    cdef int back = 1 if c.where.in_slot else 0
    cdef HitBlock block = HitBlock(c.where.base - back, position(c))
    if c.watch.events_after.end:
        block = c.watch.events_after
    for i in range(c.watch.count):
        if not c.watch.ranges[i].kinds & kind:
            continue
        if c.watch.ranges[i].space == SPACE_VIRTUAL:
            if not seen_behind(c, &c.watch.ranges[i], first, last, &at, low):
                continue
        elif watched_at(&c.watch.ranges[i], 0, Place(SPACE_MEMORY, first), last - first + 1, kind, &at):
            at = low[0] = max(at, c.watch.ranges[i].first)
        else:
            continue
        note_watch(c, block.start, block.end, c.where.start - 4 * back, i, at, kind)
        found[0] = at
        return <int>i
    return -1
