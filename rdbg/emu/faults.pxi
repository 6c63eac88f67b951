# Exceptions that the fill callback has found.

cdef void pass_over_slot(Cpu *c, uint32_t pc) noexcept nogil:
    """The block at ``pc`` could not be translated: it ends with a branch-likely that is never taken, whose slot lies in
    the next page, which cannot be fetched. The translator passes over the slot, and the CPU never fetches it.

    What comes before the branch runs as a block of its own; the branch is done by hand.
    """
    cdef uint32_t last = pc | (PAGE_BYTES - 4)
    cdef uint64_t icount = position(c)
    if icount >= c.run.attention:                # what is due comes first
        c.run.why = WHY_NONE
        if at_boundary(c, pc, icount):
            return
    stand_at(c, pc, icount)
    if pc != last:
        c.run.arm_at = last
        c.run.why = WHY_ARM
        return
    remember_block(&c.touched.blocks, <uint64_t>pc << 32 | 4)
    if icount + 1 >= c.run.limit:                    # nothing stops between the two
        c.run.why = WHY_LIMIT
        return
    if c.run.stops and stops_here(c, pc, icount) and not passes(c, pc, icount):
        if not c.run.last_hit:
            c.run.why = WHY_BREAKPOINT
            return
        note_hit(c, icount, pc, icount)
    trace_block(c, pc, 4, icount, False, True)
    if code_word(c, pc) & 0xFC100000U == 0x04100000:  # bltzall
        set_gpr(c, 31, pc + 8)
    if c.probes.armed:
        note_place(c, pc, icount, False)
    stand_at(c, pc + 8, icount + 2)
    c.where.left = pc + 8
    c.where.came_from = icount
    c.run.why = WHY_NONE


cdef void handle_fault(Cpu *c) noexcept nogil:
    """The fill callback found an exception: enter it. A position to stop at may lie right before it."""
    cdef uint32_t pc = c.fault.pc
    cdef uint32_t va = pc
    cdef uint32_t w
    cdef uint64_t icount
    cdef int code = c.fault.code
    cdef bint slot
    if c.fault.access == FETCH and not pc & 3 and c.fault.address >> PAGE_BITS == (pc >> PAGE_BITS) + 1:
        pass_over_slot(c, pc)
        return
    if c.fault.access == FETCH:
        icount = position(c)
        slot = slot_block(c, pc)
        if not slot and icount >= c.run.attention:   # what is due comes first
            c.run.why = WHY_NONE
            if at_boundary(c, pc, icount):
                return
            c.run.why = WHY_EXCEPTION
        if not slot:
            remember_block(&c.touched.blocks, <uint64_t>pc << 32 | 4)  # a breakpoint here counts, though nothing is executed yet
            if icount >= c.run.limit:
                stand_at(c, pc, icount)
                c.run.why = WHY_LIMIT
                return
            if c.run.stops and stops_here(c, pc, icount) and not passes(c, pc, icount):
                if not c.run.last_hit:
                    stand_at(c, pc, icount)
                    c.run.why = WHY_BREAKPOINT
                    return
                note_hit(c, icount, pc, icount)
        trace_block(c, pc, 4, icount, slot, False)
        if pc & 3:
            code = EXC_ADEL
            c.fault.refill = False
            c.fault.has_address = True
    else:
        icount = c.where.base + ((pc - c.where.start) >> 2)
        slot = in_slot(c, pc)
        drop_hits_after(c, icount)
        w = code_word(c, pc)
        va = effective_address(c, w)
        if va >> PAGE_BITS != c.fault.address >> PAGE_BITS:
            va = c.fault.address
    if c.fault.has_address:
        note_bad_address(c, code, va)
    if c.probes.armed:
        note_exception(c, code, pc, icount, slot, c.fault.access == FETCH)
    c.where.base = icount + 1
    c.where.came_from = icount - 1 if slot else icount
    c.run.why = WHY_NONE
    raise_at(c, code, 0 if c.fault.refill else 0x180, pc, slot)
