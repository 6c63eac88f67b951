# Breakpoints: where they stop, and the hits of a run.

cdef inline bint filter_has(const Cpu *c, uint32_t pc) noexcept nogil:
    cdef uint32_t n = (pc >> 2) & (BREAKPOINT_BITS - 1)
    return (c.stops.filter[n >> 6] >> (n & 63)) & 1


cdef bint filter_has_any(const Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """Whether a breakpoint may sit on one of ``n`` instructions from ``pc``."""
    cdef uint32_t first = (pc >> 2) & (BREAKPOINT_BITS - 1)
    cdef uint32_t word = first >> 6
    cdef uint32_t shift = first & 63
    cdef uint64_t bits
    while n:
        bits = c.stops.filter[word] >> shift
        if n < 64 - shift:
            return (bits & (((<uint64_t>1) << n) - 1)) != 0
        if bits:
            return True
        n -= 64 - shift
        shift = 0
        word = (word + 1) & (BREAKPOINT_BITS // 64 - 1)
    return False


cdef int64_t find_breakpoint(const Cpu *c, uint32_t pc) noexcept nogil:
    """Which breakpoint is at ``pc``; -1: none."""
    cdef size_t low = 0
    cdef size_t high = c.stops.count
    cdef size_t middle
    while low < high:
        middle = (low + high) // 2
        if c.stops.addresses[middle] < pc:
            low = middle + 1
        else:
            high = middle
    return <int64_t>low if low < c.stops.count and c.stops.addresses[low] == pc else -1


cdef bint breakpoint_at(const Cpu *c, uint32_t pc, uint32_t i) noexcept nogil:
    """Whether the ``i``-th instruction of the block at ``pc`` is a place to stop for a breakpoint: on it, or on its
    delay slot, where nothing can stop. One with a condition is asked when its instruction is reached (on_condition)."""
    cdef uint32_t at = pc + 4 * i
    cdef int64_t k = find_breakpoint(c, at) if filter_has(c, at) else -1
    cdef bint found = k >= 0 and c.stops.conditions[k].count == 0
    if not found:
        found = filter_has(c, at + 4) and find_breakpoint(c, at + 4) >= 0 and is_branch(c, code_word(c, at))
    return found and not slot_at(c, pc, False, at)


cdef inline bint passes(const Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Whether a breakpoint at ``pc`` does not count since the run begins there."""
    return c.run.passes_start and icount == c.run.start_icount and pc == c.run.start_pc


cdef bint stops_here(const Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Whether a breakpoint stops before the instruction at ``pc``, where the CPU stands.

    In user mode it waits for the instruction: a debugger reads it to go on, and cannot while its page is not in the TLB. The
    fetch leads to the operating system, which brings the page in and returns here.
    """
    cdef int64_t k = find_breakpoint(c, pc)
    cdef uint32_t pa
    cdef int found = TRANSLATED if kernel_mode(c) else translate(c, pc, FETCH, False, &pa)
    if found == NO_MATCH or found == NOT_VALID:
        return False
    return breakpoint_at(c, pc, 0) or k >= 0 and condition_holds(c, &c.stops.conditions[k], pc, icount)


cdef void note_hit(Cpu *c, uint64_t icount, uint32_t pc, uint64_t block) noexcept nogil:
    """A last_hit run passes a breakpoint at ``icount``, in the block that begins at ``block``."""
    if not c.stops.have_hit or c.stops.hit_icount < block:
        c.stops.have_earlier = c.stops.have_hit
        c.stops.earlier_icount = c.stops.hit_icount
        c.stops.earlier_pc = c.stops.hit_pc
    c.stops.have_before = c.stops.have_hit
    c.stops.before_icount = c.stops.hit_icount
    c.stops.before_pc = c.stops.hit_pc
    c.stops.have_hit = True
    c.stops.hit_icount = icount
    c.stops.hit_pc = pc


cdef inline void drop_counted_behind(Cpu *c, uint64_t icount) noexcept nogil:
    """What was counted of probes behind ``icount`` did not happen, or will be come to again."""
    while c.probes.counted and c.probes.counted_at[(c.probes.counted - 1) % COUNTED_KEPT] > icount:
        c.probes.counted -= 1
        c.probes.last_icount = NOWHERE


cdef void drop_hits_from(Cpu *c, uint64_t icount) noexcept nogil:
    """The run will come to ``icount`` again, where the current block, or the one before it, begins."""
    if not c.stops.have_hit or c.stops.hit_icount < icount:
        return
    if c.stops.have_before and c.stops.before_icount < icount:
        c.stops.hit_icount = c.stops.before_icount
        c.stops.hit_pc = c.stops.before_pc
    else:                                        # the block has that one, too
        c.stops.have_hit = c.stops.have_earlier and c.stops.earlier_icount < icount
        c.stops.hit_icount = c.stops.earlier_icount
        c.stops.hit_pc = c.stops.earlier_pc
    c.stops.have_before = False


cdef void drop_hits_after(Cpu *c, uint64_t icount) noexcept nogil:
    """The current block ended early, with the instruction at ``icount``: later hits in it did not happen."""
    cdef uint32_t i
    drop_counted_behind(c, icount)
    if not (c.run.last_hit and c.stops.have_hit and c.stops.hit_icount > icount):
        return
    c.stops.have_hit = c.stops.have_before
    c.stops.hit_icount = c.stops.before_icount
    c.stops.hit_pc = c.stops.before_pc
    c.stops.have_before = False
    i = <uint32_t>(icount - c.where.base) + 1
    while i > 0:
        i -= 1
        if breakpoint_at(c, c.where.start, i) or c.stops.held_at == c.where.base + i:
            if c.stops.have_hit and c.stops.hit_icount > c.where.base + i:
                return
            c.stops.have_hit = True
            c.stops.hit_icount = c.where.base + i
            c.stops.hit_pc = c.where.start + 4 * i
            return


cdef void on_condition(uc_engine *uc, uint64_t address, uint32_t size, void *user) noexcept nogil:
    """Unicorn is about to run an instruction that has, or had, a breakpoint whose condition no block tells when it is
    entered.

    The registers are those before it. A slot is passed by: a breakpoint there is met at its branch.
    """
    cdef Cpu *c = <Cpu*>user
    cdef uint32_t pc = <uint32_t>address
    cdef uint64_t icount = c.where.base + ((pc - c.where.start) >> 2)
    cdef int64_t k
    if not c.run.stops or c.run.why != WHY_NONE or c.run.stop_soon:
        return
    k = find_breakpoint(c, pc)
    if k < 0 or c.stops.conditions[k].count == 0 or passes(c, pc, icount):
        return
    if in_slot(c, pc):
        return
    if not condition_holds(c, &c.stops.conditions[k], pc, icount):
        return
    if not c.run.last_hit:
        stop_before(c, pc, icount, WHY_BREAKPOINT)
    elif not c.stops.have_hit or icount > c.stops.hit_icount:
        note_hit(c, icount, pc, c.where.base)
    elif icount < c.stops.hit_icount and (not c.stops.have_before or icount > c.stops.before_icount):
        # A later hit of this block is noted already; it may not happen after all.
        c.stops.have_before = True
        c.stops.before_icount = icount
        c.stops.before_pc = pc
