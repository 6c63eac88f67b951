# What happens between two instructions: timers, inputs, interrupts.

cdef HitBlock led_to(const Cpu *c, uint64_t icount) noexcept nogil:
    """What led to where events happen. Where the CPU stood already, that is at least the instruction before."""
    cdef uint64_t start = block_start(c)
    return HitBlock(start if start < icount else icount - 1 if icount else 0, icount)


cdef int python_events(Cpu *c, uint64_t icount) noexcept with gil:
    """Let timers and inputs that are due at this position happen."""
    cdef Core core = <Core>c.owner
    c.devices.epoch += 1
    c.watch.events_after = led_to(c, icount)
    try:
        c.due.host, c.due.outside = core.host.events(icount)
    except BaseException as error:
        core.keep_error(error)
        return False
    finally:
        c.watch.events_after.end = 0
    return True


cdef int python_idle(Cpu *c, uint64_t icount) noexcept with gil:
    """The CPU waits: let time pass up to the next event. False: nothing to wait for."""
    cdef Core core = <Core>c.owner
    cdef uint64_t cpu_ns = FOREVER
    c.devices.epoch += 1
    if not c.guest.cp0.cause & CAUSE_DC:
        cpu_ns = c.guest.compare_ns
    if c.due.release != FOREVER and c.guest.hold_ns < cpu_ns:
        cpu_ns = c.guest.hold_ns
    c.watch.events_after = led_to(c, icount)
    try:
        return core.host.idle(icount, cpu_ns)
    except BaseException as error:
        core.keep_error(error)
        return False
    finally:
        c.watch.events_after.end = 0


cdef bint asks_to_hold(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Whether an interrupt that could be taken now is held back. Only a live run is asked, and once for each."""
    if not c.run.asks_to_hold or c.guest.hold_ns:
        return False
    c.where.next_pc = pc                               # who is asked looks at the code that would be interrupted
    return python_hold(c, icount)


cdef bint python_hold(Cpu *c, uint64_t icount) noexcept with gil:
    cdef Core core = <Core>c.owner
    try:
        core.host.before_interrupt(icount)
    except BaseException as error:
        core.keep_error(error)
    return c.due.release != FOREVER


cdef void end_hold(Cpu *c, uint64_t icount) noexcept nogil:
    """Interrupts that were held back may be taken."""
    if icount >= c.due.release:
        c.due.release = FOREVER


cdef bint at_boundary(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Before the instruction at ``pc``, which is in no delay slot, something may be due. True: do not run it now."""
    cdef uint32_t vector
    cdef uint32_t epoch = c.watch.direct_epoch
    cdef uint64_t came_from
    while True:
        if (icount >= c.due.host or icount >= c.due.outside) and not python_events(c, icount):
            stop_before(c, pc, icount, WHY_ERROR)
            return True
        if c.run.was_reset:
            c.run.was_reset = False
            if c.counts.on:
                count_reset(c, pc, icount)
            c.where.left = LEFT_UNKNOWN
            c.where.base = icount
            note_entry(c, icount, c.where.next_pc, ENTRY_RESET)
            go_to(c, c.where.next_pc, True)
            return True
        while icount >= c.due.compare:
            c.guest.cp0.cause |= CAUSE_TI
            update_lines(c)
            c.guest.compare_ns += count_round_ns(c)
            plan_compare(c)
        end_hold(c, icount)
        if not c.guest.halted:
            break
        if c.guest.halted == HALTED_WAITING and takes_interrupt(c) and not asks_to_hold(c, pc, icount):
            c.guest.halted = 0                       # one that is held off ends no wait; Release 1 and 2 leave it open
            break
        if c.run.why_soon:
            break
        if c.run.kicked or not python_idle(c, icount):
            look_soon(c)
            stand_at(c, pc, icount)
            c.run.why = WHY_ERROR if c.run.why == WHY_ERROR else WHY_PAUSE if c.run.kicked else WHY_IDLE
            c.run.kicked = 0
            uc_emu_stop(c.uc)
            return True
        plan_compare(c)
        plan_hold(c)
    if c.run.why_soon:
        c.run.why = c.run.why_soon
        c.run.why_soon = WHY_NONE
        stop_before(c, pc, icount, c.run.why)
        return True
    if takes_interrupt(c) and not asks_to_hold(c, pc, icount):
        c.guest.hold_ns = 0
        if c.probes.armed:
            note_exception(c, EXC_INT, pc, icount, False, True)
        if c.counts.on:
            count_interrupt(c, pc, icount)
        vector = enter_exception(c, EXC_INT, interrupt_offset(c), pc, False)
        note_entry(c, icount, vector, ENTRY_INTERRUPT)
        c.where.base = icount
        c.where.came_from = icount
        forget_branch_and_link(c)
        c.where.left = LEFT_EXCEPTION
        no_block(c, vector)
        c.where.next_pc = vector
        uc_reg_write(c.uc, UC_MIPS_REG_PC, &vector)
        return True
    if icount >= c.run.pause_at or c.run.kicked and icount != c.run.start_icount:
        c.run.kicked = 0
        look_soon(c)
        stop_before(c, pc, icount, WHY_PAUSE)
        return True
    plan_attention(c)
    if c.watch.direct_epoch == epoch:
        return False
    c.where.left = behind(c)
    came_from = block_start(c)                   # a device has written to code: the block that is to run may be another
    c.where.base = icount
    c.where.came_from = came_from
    go_to(c, pc, False)
    return True
