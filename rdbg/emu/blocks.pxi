# The block hook: it counts instructions, lets what is due happen, and stops where it was asked to.
# Called once a block, about a hundred million times a second: everything rare is in functions of its own.

cdef enum:
    # Cpu.touched.recent: the block is to be looked at whenever it runs,
    RARE = 1
    # or it is only to be counted that it runs; or, of a run that is `marked`, the condition of its breakpoint to be asked.
    COUNTED = 2
    MARKS = RARE | COUNTED


cdef uint32_t run_before_limit(const Cpu *c, uint32_t pc, uint32_t n, uint64_t icount, bint slot) noexcept nogil:
    """How many instructions of a block run before the limit, which is never between a branch and its slot."""
    cdef uint32_t i
    if c.run.limit - icount > n:
        return n
    i = <uint32_t>(c.run.limit - icount)
    if is_branch(c, code_word(c, pc + 4 * (i - 1))) and not slot_at(c, pc, slot, pc + 4 * (i - 1)):
        i -= 1
    return i


cdef uint32_t run_before_event(const Cpu *c, uint32_t pc, uint32_t n, uint64_t icount, bint slot) noexcept nogil:
    """How many instructions of a block run before what is due next: not between a branch and its slot, but behind it."""
    cdef uint64_t due = next_event(c)
    cdef uint32_t i = 1                          # what is overdue could not happen in a slot
    if due >= icount + n:
        return n
    if due > icount:
        i = <uint32_t>(due - icount)
    return i + 1 if slot_at(c, pc, slot, pc + 4 * i) else i


cdef bint look_closer(Cpu *c, uint32_t pc, uint32_t n, uint64_t icount, bint slot) noexcept nogil:
    """The limit or an event is near, or breakpoints are armed. True: do not run this block as it is."""
    cdef uint32_t i = 0
    cdef uint32_t before_limit
    cdef uint32_t stop                           # run that many instructions of the block
    cdef bint truncate
    cdef const EntryPlan *plan = NULL
    cdef bint holds
    if c.run.stop_soon:
        c.run.stop_soon = False
        stop_before(c, pc, icount, WHY_WATCH)
        return True
    if icount >= c.run.limit:
        stop_before(c, pc, icount, WHY_LIMIT)
        return True
    before_limit = run_before_limit(c, pc, n, icount, slot)
    stop = run_before_event(c, pc, n, icount, slot)
    if stop < before_limit and not slot and run_to_event(c, pc, stop, icount):
        return True
    stop = min(before_limit, stop)
    truncate = stop < n
    if c.stops.count and filter_has_any(c, pc, n + 1):
        if c.run.marked:
            plan = plan_entry(c, pc, n)
            if hooks_are_missing(c, plan):
                stop_before(c, pc, icount, WHY_REBUILD)
                return True
        while i < n and (i < stop or not truncate):
            if passes(c, pc + 4 * i, icount + i) or i == 0 and slot:
                i += 1
                continue
            holds = plan != NULL and plan.decided and plan.at == i and holds_on_entry(c, plan, icount)
            if holds or breakpoint_at(c, pc, i):
                if c.run.last_hit:
                    if holds:
                        c.stops.held_at = icount + i
                    if c.stops.have_hit and c.stops.hit_icount >= icount:
                        c.stops.hit_icount = icount + i     # the last one in this block counts
                        c.stops.hit_pc = pc + 4 * i
                    else:
                        note_hit(c, icount + i, pc + 4 * i, icount)
                elif i == 0:
                    stop_before(c, pc, icount, WHY_BREAKPOINT)
                    return True
                else:
                    stop = i
                    truncate = True
                    break
            i += 1
    if not truncate:
        if c.watch.direct or c.watch.direct_wanted:
            watch_block(c, pc, n, icount)
        return False
    if stop == 0:
        stop_before(c, pc, icount, WHY_LIMIT)
        return True
    c.run.arm_at = pc + 4 * stop
    stop_before(c, pc, icount, WHY_ARM)
    return True


cdef bint ends_with_branch(const Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """Whether the slot of a block's last instruction is not in the block."""
    return may_branch(code_word(c, pc + size - 4)) and not slot_at(c, pc, False, pc + size - 4)


cdef uint32_t copy_code(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """Keep a block's code as it is when the block is entered; returns how much, in bytes."""
    cdef uint32_t left = PAGE_BYTES - (pc & (PAGE_BYTES - 1))
    if size > left:
        size = left                              # a slot on the next page that is passed over
    memcpy(c.code.copy, fetch_host(c, pc), size)
    return size


cdef bint was_changed(const Cpu *c, uint32_t pc) noexcept nogil:
    """Whether the current block has changed its instruction at ``pc``, or the slot of the branch there."""
    cdef uint32_t at = pc - c.where.start
    cdef uint32_t size = 8 if is_branch(c, guest_word(c, (<uint32_t*>(c.code.copy + at))[0])) else 4
    if at + size > c.where.copied:
        size = c.where.copied - at
    return memcmp(c.code.copy + at, fetch_host(c, pc), size) != 0


cdef bint must_end_before(const Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Whether the current block cannot go on with its instruction at ``pc``: that has changed, or something is due."""
    if in_slot(c, pc):
        return False
    return pc - c.where.start < c.where.copied and was_changed(c, pc) or c.where.base == c.devices.cut_base and icount >= c.devices.cut_from


cdef void on_instruction(uc_engine *uc, uint64_t address, uint32_t size, void *user) noexcept nogil:
    """Called before each instruction of ranges where that is needed: where PC would be lost, or code changes itself."""
    cdef Cpu *c = <Cpu*>user
    cdef uint32_t pc = <uint32_t>address
    cdef uint64_t icount = c.where.base + ((pc - c.where.start) >> 2)
    cdef uint64_t came_from
    c.code.seen_pc = pc
    c.code.seen_base = c.where.base
    if c.run.why == WHY_RESTART:
        come_again(c)                            # the block should have ended before this instruction
    elif c.run.why == WHY_NONE and (c.where.copied or c.where.base == c.devices.cut_base) and must_end_before(c, pc, icount):
        came_from = c.where.base
        if icount > c.where.base:
            came_from = icount - 1
            drop_hits_after(c, came_from)
        c.devices.cut_base = NOWHERE
        stop_before(c, pc, icount, WHY_RESTART)
        c.where.came_from = came_from


cdef void note_block(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """A block runs that may not be among those seen lately."""
    cdef uint32_t *recent = &c.touched.recent[recent_slot(pc)]
    cdef uint32_t key = recent_key(pc, size)
    if (recent[0] ^ key) > MARKS:
        remember_block(&c.touched.blocks, <uint64_t>pc << 32 | size)
        recent[0] = key | (RARE if on_mixed_page(c, pc) or ends_with_branch(c, pc, size)
                           else probe_mark(c, pc, size >> 2) if c.probes.armed
                           else condition_mark(c, pc, size >> 2) if c.run.marked else 0)


cdef void enter_looking(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """What the block hook does where something may be due."""
    cdef uint64_t icount = c.where.base + (c.where.size >> 2)
    cdef bint slot
    if c.counts.on and may_only_count(c, pc, size, icount):
        count_next(c, pc, icount)
        enter_block(c, pc, size, icount)
        return
    slot = slot_block(c, pc)
    if (c.touched.recent[recent_slot(pc)] ^ recent_key(pc, size)) > MARKS:
        note_code(c, pc, size)                   # also of a block that is not to run now: it is translated
    if c.run.why:
        stop_before(c, pc, icount, c.run.why)
        return
    if icount >= c.run.attention and not slot and at_boundary(c, pc, icount):
        return
    if (icount + (size >> 2) >= c.run.limit or icount + (size >> 2) > c.run.attention or c.run.probe
            or c.run.marked and filter_has_any(c, pc, (size >> 2) + 1)):
        if look_closer(c, pc, size >> 2, icount, slot):
            return
    if c.probes.armed and is_any_probed(c, pc, size >> 2):
        if counts_at_entry(c, pc, slot):
            count_entry(c, pc, icount)
        elif hook_probes(c, pc, size >> 2):
            stop_before(c, pc, icount, WHY_RESTART)
            return
        elif is_probed(c, pc):
            note_place(c, pc, icount, slot)
    note_block(c, pc, size)
    trace_block(c, pc, size, icount, slot, True)
    if c.counts.on:
        note_end(c, pc, size)
    enter_block(c, pc, size, icount)
    c.where.in_slot = slot
    if c.touched.recent[recent_slot(pc)] & RARE:
        c.where.splits = ends_with_branch(c, pc, size) and not (slot and size == 4)
        c.where.copied = copy_code(c, pc, size) if on_mixed_page(c, pc) else 0
    else:
        c.where.splits = False
        c.where.copied = 0
    plan_closer(c)


cdef void enter_rarely(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """A block is entered that is to be looked at, or only to be counted. Were the latter done in the hook, it would save
    registers for it at each block."""
    cdef uint64_t icount = c.where.base + (c.where.size >> 2)
    if c.touched.recent[recent_slot(pc)] ^ recent_key(pc, size) == COUNTED and icount + (size >> 2) < c.run.closer:
        if not c.run.marked:
            count_entry(c, pc, icount)
            enter_block(c, pc, size, icount)
            return
        if passes_on_entry(c, pc, size >> 2, icount):
            enter_block(c, pc, size, icount)
            return
    enter_looking(c, pc, size)


cdef void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user) noexcept nogil:
    """Unicorn enters a block of ``size`` bytes: the common case, a block that was seen lately."""
    cdef Cpu *c = <Cpu*>user
    cdef uint32_t pc = <uint32_t>address
    cdef uint64_t icount = c.where.base + (c.where.size >> 2)
    if c.touched.recent[recent_slot(pc)] != recent_key(pc, size) or icount + (size >> 2) >= c.run.closer:
        enter_rarely(c, pc, size)
        return
    enter_block(c, pc, size, icount)
