# The loop around emu_start: exact stops, faults, and everything else that ends it.

cdef void cut_block(Cpu *c) noexcept nogil:
    """A store may change the code behind it: run it as the last instruction of its block, what follows is translated
    then."""
    cdef uint64_t icount = c.where.base + ((c.fault.pc - c.where.start) >> 2)
    drop_hits_after(c, icount)
    stand_at(c, c.fault.pc, icount)
    c.run.arm_at = c.fault.pc + 4
    c.run.why = WHY_ARM


cdef void disarm(Cpu *c) noexcept nogil:
    uc_ctl_set_exits(c.uc, NULL, 0)
    c.run.armed = False


cdef void arm(Cpu *c) noexcept nogil:
    """Have the stretch from next_pc translated anew so that it ends before arm_at."""
    cdef uint64_t where = c.run.arm_at
    uc_ctl_remove_cache(c.uc, where, where + 4)
    uc_ctl_set_exits(c.uc, &where, 1)
    c.run.armed = True
    c.run.dirty_exit = False


cdef void after_exit(Cpu *c) noexcept nogil:
    """emu_start ended at arm_at."""
    cdef uint64_t began
    cdef uint32_t pc = 0
    uc_reg_read(c.uc, UC_MIPS_REG_PC, &pc)
    if pc == c.run.arm_at:
        # A block of no instructions at arm_at: the block hook has not been asked about it.
        c.where.next_pc = pc
        c.run.dirty_exit = True
        return
    began = block_start(c)
    stand_at(c, c.where.start + c.where.size, position(c))
    c.where.came_from = began


cdef uc_err execute(Cpu *c) noexcept nogil:
    """Run until c.run.why says why not."""
    cdef uc_err err
    cdef bint was_armed
    cdef uint8_t *host
    while True:
        c.run.why = WHY_NONE
        err = UC_ERR_OK
        if c.where.next_pc & 3:
            refuse(c, WHY_EXCEPTION, EXC_ADEL, False, True, 0, c.where.next_pc, FETCH)
        else:
            err = uc_emu_start(c.uc, c.where.next_pc, 0, 0, 0)
        was_armed = c.run.armed
        if was_armed:
            disarm(c)
        if c.run.why == WHY_EXCEPTION:
            err = UC_ERR_OK
            handle_fault(c)
        elif c.run.why == WHY_CUT:
            err = UC_ERR_OK
            cut_block(c)
        elif c.run.why == WHY_ACCESS:
            err = UC_ERR_OK
            access_by_hand(c)
        elif c.run.why == WHY_NONE and err == UC_ERR_OK and was_armed:
            after_exit(c)
        elif err == ERR_READ_UNALIGNED or err == ERR_WRITE_UNALIGNED:
            err = UC_ERR_OK
            if c.run.why == WHY_RESTART:
                c.run.why = WHY_NONE
        if c.run.broken:
            c.run.dirty_exit = False
            if c.run.why == WHY_NONE or c.run.why == WHY_RESTART:
                c.run.why = WHY_REBUILD
            return UC_ERR_OK
        if was_armed and c.run.dirty_exit:
            c.run.dirty_exit = False
            host = fetch_host(c, c.run.arm_at)
            if host != NULL:
                purge_code(c, <uint32_t>((host - c.memory.bytes) >> PAGE_BITS))
        if c.run.why == WHY_ARM:
            arm(c)
        elif c.run.why == WHY_NONE and err != UC_ERR_OK:
            return err
        elif c.run.why != WHY_NONE and c.run.why != WHY_RESTART:
            return UC_ERR_OK


cdef void access_by_hand(Cpu *c) noexcept with gil:
    """A load or store to a page that devices claim in part: done through the bus, byte-exact."""
    cdef Core core = <Core>c.owner
    try:
        load_or_store(c, core)
    except BaseException as error:
        core.keep_error(error)


cdef void begin_run(Cpu *c, uint64_t until, uint64_t pause_at, bint last_hit, bint passes) noexcept nogil:
    """A run begins. FOREVER: no limit, no pause."""
    c.run.limit = until
    c.run.pause_at = pause_at
    c.run.start_icount = position(c)
    c.where.came_from = c.run.start_icount
    c.run.start_pc = c.where.next_pc
    c.run.look_at_ns = FOREVER if pause_at == FOREVER else host_time_ns() + LONGEST_SLICE_NS
    c.run.last_hit = last_hit
    c.run.passes_start = passes
    c.run.kicked = 0
    c.stops.have_hit = False
    c.stops.have_before = False
    c.stops.have_earlier = False
    c.stops.held_at = NOWHERE
    c.watch.have_hit = False
    c.watch.hit_count = 0
    c.run.stop_soon = False
    ask_conditions(c)
    c.run.probe = c.run.stops and not c.run.marked or c.watch.direct
    c.watch.direct_wanted = False
    c.watch.direct_epoch += 1                      # memory may have been written behind our back
    plan_closer(c)
    c.due.host = 0                       # inputs may have come, or the history been wound
    look_soon(c)
    c.devices.epoch += 1                          # whoever called may have changed a device
    c.accesses.placed.base = NOWHERE
    c.accesses.last_icount = NOWHERE
    c.devices.placed.base = NOWHERE                  # a block that begins here may have run before
    c.devices.cut_base = NOWHERE
    c.code.seen_base = NOWHERE
