# The loop around emu_start: exact stops, faults, and everything else that ends it.

cdef uint32_t step_length(Cpu *c, uint32_t pc) noexcept nogil:
    """Instructions that one step from ``pc`` counts: a branch and its slot are one step."""
    return 2 if is_branch(c, code_word(c, pc)) else 1


cdef bint slot_runs(Cpu *c, uint32_t pc) noexcept nogil:
    """Whether a step from ``pc``, where the CPU stands, runs a slot."""
    cdef uint32_t w = code_word(c, pc)
    return is_branch(c, w) and not (
        is_likely(w) and not likely_taken(w, gpr(c, (w >> 21) & 31), gpr(c, (w >> 16) & 31), fcsr(c)))


cdef void pass_over_slot(Cpu *c, uint32_t pc) noexcept nogil:
    """The block at ``pc`` could not be translated: it ends with a branch-likely that is never taken, whose slot lies in
    the next page, which cannot be fetched. The translator passes over the slot, and the CPU never fetches it.

    What comes before the branch runs as a block of its own; the branch is done by hand.
    """
    cdef uint32_t last = pc | (PAGE_BYTES - 4)
    cdef uint64_t icount = position(c)
    stand_at(c, pc, icount)
    if pc != last:
        c.arm_at = last
        c.why = WHY_ARM
        return
    remember_block(&c.blocks, <uint64_t>pc << 32 | 4)
    if icount + 1 >= c.limit:                    # nothing stops between the two
        c.why = WHY_LIMIT
        return
    if c.probe and stops_here(c, pc, icount) and not passes(c, pc, icount):
        if not c.last_hit:
            c.why = WHY_BREAKPOINT
            return
        note_hit(c, icount, pc)
    if code_word(c, pc) & 0xFC100000U == 0x04100000:  # bltzall
        set_gpr(c, 31, pc + 8)
    stand_at(c, pc + 8, icount + 2)
    c.came_from = icount
    c.why = WHY_NONE


cdef void handle_fault(Cpu *c) noexcept nogil:
    """The fill callback found an exception: enter it. A position to stop at may lie right before it."""
    cdef uint32_t pc = c.exc_pc
    cdef uint32_t va = pc
    cdef uint32_t w
    cdef uint64_t icount
    cdef int code = c.exc_code
    cdef bint slot
    if c.exc_access == FETCH and not pc & 3 and c.exc_address >> PAGE_BITS == (pc >> PAGE_BITS) + 1:
        pass_over_slot(c, pc)
        return
    if c.exc_access == FETCH:
        icount = position(c)
        slot = slot_block(c, pc)
        if not slot and icount >= c.attention:   # what is due comes first
            c.why = WHY_NONE
            if at_boundary(c, pc, icount):
                return
            c.why = WHY_EXCEPTION
        if not slot:
            remember_block(&c.blocks, <uint64_t>pc << 32 | 4)  # a breakpoint here counts, though nothing is executed yet
            if icount >= c.limit:
                stand_at(c, pc, icount)
                c.why = WHY_LIMIT
                return
            if c.probe and stops_here(c, pc, icount) and not passes(c, pc, icount):
                if not c.last_hit:
                    stand_at(c, pc, icount)
                    c.why = WHY_BREAKPOINT
                    return
                note_hit(c, icount, pc)
        if pc & 3:
            code = EXC_ADEL
            c.exc_refill = False
            c.exc_has_address = True
    else:
        icount = c.base + ((pc - c.start) >> 2)
        slot = in_slot(c, pc)
        drop_hits_after(c, icount)
        w = code_word(c, pc)
        va = effective_address(c, w)
        if va >> PAGE_BITS != c.exc_address >> PAGE_BITS:
            va = c.exc_address
    c.base = icount + 1
    c.came_from = icount - 1 if slot else icount
    c.why = WHY_NONE
    if c.exc_has_address:
        note_bad_address(c, code, va)
    raise_at(c, code, 0 if c.exc_refill else 0x180, pc, slot)


cdef void cut_block(Cpu *c) noexcept nogil:
    """A store may change the code behind it: run it as the last instruction of its block, what follows is translated
    then."""
    cdef uint64_t icount = c.base + ((c.exc_pc - c.start) >> 2)
    drop_hits_after(c, icount)
    stand_at(c, c.exc_pc, icount)
    c.arm_at = c.exc_pc + 4
    c.why = WHY_ARM


cdef void disarm(Cpu *c) noexcept nogil:
    uc_ctl_set_exits(c.uc, NULL, 0)
    c.armed = False


cdef void arm(Cpu *c) noexcept nogil:
    """Have the stretch from next_pc translated anew so that it ends before arm_at."""
    cdef uint64_t where = c.arm_at
    uc_ctl_remove_cache(c.uc, where, where + 4)
    uc_ctl_set_exits(c.uc, &where, 1)
    c.armed = True
    c.dirty_exit = False


cdef void after_exit(Cpu *c) noexcept nogil:
    """emu_start ended at arm_at."""
    cdef uint64_t began
    cdef uint32_t pc = 0
    uc_reg_read(c.uc, UC_MIPS_REG_PC, &pc)
    if pc == c.arm_at:
        # A block of no instructions at arm_at: the block hook has not been asked about it.
        c.next_pc = pc
        c.dirty_exit = True
        return
    began = block_start(c)
    stand_at(c, c.start + c.size, position(c))
    c.came_from = began


cdef uc_err execute(Cpu *c) noexcept nogil:
    """Run until c.why says why not."""
    cdef uc_err err
    cdef bint was_armed
    cdef uint8_t *host
    while True:
        c.why = WHY_NONE
        err = UC_ERR_OK
        if c.next_pc & 3:
            refuse(c, WHY_EXCEPTION, EXC_ADEL, False, True, 0, c.next_pc, FETCH)
        else:
            err = uc_emu_start(c.uc, c.next_pc, 0, 0, 0)
        was_armed = c.armed
        if was_armed:
            disarm(c)
        if c.why == WHY_EXCEPTION:
            err = UC_ERR_OK
            handle_fault(c)
        elif c.why == WHY_CUT:
            err = UC_ERR_OK
            cut_block(c)
        elif c.why == WHY_ACCESS:
            err = UC_ERR_OK
            access_by_hand(c)
        elif c.why == WHY_NONE and err == UC_ERR_OK and was_armed:
            after_exit(c)
        elif err == ERR_READ_UNALIGNED or err == ERR_WRITE_UNALIGNED:
            err = UC_ERR_OK
            if c.why == WHY_RESTART:
                c.why = WHY_NONE
        if c.broken:
            c.dirty_exit = False
            if c.why == WHY_NONE or c.why == WHY_RESTART:
                c.why = WHY_REBUILD
            return UC_ERR_OK
        if was_armed and c.dirty_exit:
            c.dirty_exit = False
            host = fetch_host(c, c.arm_at)
            if host != NULL:
                purge_code(c, <uint32_t>((host - c.memory) >> PAGE_BITS))
        if c.why == WHY_ARM:
            arm(c)
        elif c.why == WHY_NONE and err != UC_ERR_OK:
            return err
        elif c.why != WHY_NONE and c.why != WHY_RESTART:
            return UC_ERR_OK


cdef void access_by_hand(Cpu *c) noexcept with gil:
    """A load or store to a page that devices claim in part: done through the bus, byte-exact."""
    cdef Core core = <Core>c.owner
    try:
        core.access_by_hand()
    except BaseException as error:
        core.keep_error(error)
