# The block hook: it counts instructions, finds interrupt windows, and stops where it was asked to.
# Called once a block, about a hundred million times a second: everything rare is in functions of its own.

cdef enum:
    ENDS_LIKELY = 1
    ENDS_UNKNOWN = 2
    ENDS = 3


cdef bint slot_was_nullified(Cpu *c) noexcept nogil:
    """Whether the block that just fell through ended in a branch-likely that was not taken: its slot did not run."""
    cdef uint32_t end = c.start + c.size
    cdef uint32_t w
    if c.size >= 8:
        w = code_word(c, end - 8)
    elif c.prev_size != 0 and c.prev_start + c.prev_size == c.start:
        w = code_word(c, end - 8)                # the slot was a block of its own
    else:
        return False
    if not is_likely(w):
        return False
    if (w & 0xFFFF) == 1:
        # The target is the fall-through: only the condition itself tells.
        uc_context_save(c.uc, c.ctx)
        return (<uint32_t*>(c.ctx_bytes + c.at_bcond))[0] == 0
    return True


cdef inline void no_block(Cpu *c, uint32_t start) noexcept nogil:
    """Nothing of a block at ``start`` has run; NO_BLOCK: what follows is a window."""
    c.start = start
    c.size = 0
    c.prev_size = 0
    c.ends_likely = 0
    c.ends_unknown = False


cdef inline void stand_at(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """All before ``pc`` is counted; what is due at this position is done."""
    c.base = icount
    no_block(c, pc)
    c.next_pc = pc


cdef void stop_before(Cpu *c, uint32_t pc, uint64_t icount, int why) noexcept nogil:
    """End emu_start before the block at ``pc`` runs."""
    stand_at(c, pc, icount)
    c.why = why
    uc_emu_stop(c.uc)


cdef inline uint64_t position(Cpu *c) noexcept nogil:
    return c.base + (c.size >> 2)


cdef inline void plan_closer(Cpu *c) noexcept nogil:
    """Blocks that end at this icount or later are looked at before they run."""
    c.closer = 0 if c.probe or c.ends_unknown or c.kicked else c.limit


cdef inline void pause_soon(Cpu *c) noexcept nogil:
    """Let the run pause at the next block that it enters."""
    c.kicked = 1
    c.attention = 0
    c.closer = 0


cdef inline uint64_t host_time_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t>now.tv_sec * 1_000_000_000 + <uint64_t>now.tv_nsec


cdef inline void look_at_clock(Cpu *c) noexcept nogil:
    """Called where something slow is done: code that falls through new pages, or asks devices all the time, may take
    seconds for what is otherwise a slice of milliseconds."""
    if host_time_ns() >= c.look_at_ns:
        c.look_at_ns = FOREVER
        pause_soon(c)


cdef inline void look_at_blocks(Cpu *c) noexcept nogil:
    """From the next block on, look at each before it runs."""
    c.probe = True
    c.closer = 0


cdef void plan_attention(Cpu *c) noexcept nogil:
    """The first icount at which a window has something to do."""
    c.attention = c.compare_event
    if c.python_event < c.attention:
        c.attention = c.python_event
    if c.pause_at < c.attention:
        c.attention = c.pause_at
    if c.kicked or c.s.halted or c.why_soon:
        c.attention = 0


cdef int python_events(Cpu *c, uint64_t icount) noexcept with gil:
    """Let timers and inputs that are due at this window happen."""
    cdef Core core = <Core>c.owner
    cdef int back = 1 if block_starts_in_slot(c) else 0
    c.io_epoch += 1
    c.events_after = HitBlock(c.base - back, icount)
    try:
        c.python_event = core.ask_events(icount)
    except BaseException as error:
        core.keep_error(error)
        return False
    finally:
        c.events_after.end = 0
    return True


cdef int python_idle(Cpu *c, uint64_t icount) noexcept with gil:
    """The CPU waits: let time pass up to the next event. False: nothing to wait for."""
    cdef Core core = <Core>c.owner
    cdef uint64_t compare_ns = FOREVER
    c.io_epoch += 1
    if not c.s.cp0.cause & CAUSE_DC:
        compare_ns = c.s.compare_tick * c.count_period_ns
    try:
        return core.ask_idle(icount, compare_ns)
    except BaseException as error:
        core.keep_error(error)
        return False


cdef bint at_window(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Something is due at this window. True: do not run the block at ``pc``."""
    cdef uint32_t vector
    while True:
        c.s.window = icount
        if icount >= c.python_event and not python_events(c, icount):
            stop_before(c, pc, icount, WHY_ERROR)
            return True
        if c.was_reset:
            c.was_reset = False
            c.base = icount
            go_to(c, c.next_pc, True)
            return True
        while icount >= c.compare_event:
            c.s.cp0.cause |= CAUSE_TI
            update_lines(c)
            c.s.compare_tick += <uint64_t>1 << 32
            plan_compare(c)
        if not c.s.halted:
            break
        if interrupt_pending(c):
            c.s.halted = 0
            break
        if c.why_soon:
            break
        if c.kicked or not python_idle(c, icount):
            c.attention = 0
            stand_at(c, pc, icount)
            c.start = NO_BLOCK                   # still to be left: the wait has not ended
            c.why = WHY_ERROR if c.why == WHY_ERROR else WHY_PAUSE if c.kicked else WHY_IDLE
            c.kicked = 0
            uc_emu_stop(c.uc)
            return True
        plan_compare(c)
    if c.why_soon:
        c.why = c.why_soon
        c.why_soon = WHY_NONE
        stop_before(c, pc, icount, c.why)
        return True
    if interrupt_pending(c) and interrupts_enabled(c):
        vector = enter_exception(c, EXC_INT, interrupt_offset(c), pc, False)
        c.base = icount
        forget_branch_and_link(c)
        c.next_pc = vector
        no_block(c, NO_BLOCK)
        uc_reg_write(c.uc, UC_MIPS_REG_PC, &vector)
        return True
    if icount >= c.pause_at or c.kicked:
        c.kicked = 0
        c.attention = 0
        stop_before(c, pc, icount, WHY_PAUSE)
        return True
    plan_attention(c)
    return False


cdef inline bint filter_has(Cpu *c, uint32_t pc) noexcept nogil:
    cdef uint32_t n = (pc >> 2) & (BREAKPOINT_BITS - 1)
    return (c.bp_filter[n >> 6] >> (n & 63)) & 1


cdef bint filter_has_any(Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """Whether a breakpoint may sit on one of ``n`` instructions from ``pc``."""
    cdef uint32_t first = (pc >> 2) & (BREAKPOINT_BITS - 1)
    cdef uint32_t word = first >> 6
    cdef uint32_t shift = first & 63
    cdef uint64_t bits
    while n:
        bits = c.bp_filter[word] >> shift
        if n < 64 - shift:
            return (bits & (((<uint64_t>1) << n) - 1)) != 0
        if bits:
            return True
        n -= 64 - shift
        shift = 0
        word = (word + 1) & (BREAKPOINT_BITS // 64 - 1)
    return False


cdef int64_t find_breakpoint(Cpu *c, uint32_t pc) noexcept nogil:
    """Which breakpoint is at ``pc``; -1: none."""
    cdef size_t low = 0
    cdef size_t high = c.bp_count
    cdef size_t middle
    while low < high:
        middle = (low + high) // 2
        if c.bps[middle] < pc:
            low = middle + 1
        else:
            high = middle
    return <int64_t>low if low < c.bp_count and c.bps[low] == pc else -1


cdef bint breakpoint_at(Cpu *c, uint32_t pc, uint32_t i) noexcept nogil:
    """Whether the ``i``-th instruction of the block at ``pc`` is a place to stop for a breakpoint: on it, or on its
    delay slot, where nothing can stop. One with a condition is asked when its instruction is reached (on_condition)."""
    cdef uint32_t at = pc + 4 * i
    cdef int64_t k = find_breakpoint(c, at) if filter_has(c, at) else -1
    if k >= 0 and c.conditions[k].count == 0:
        return not (i > 0 and is_branch(code_word(c, at - 4)))
    return filter_has(c, at + 4) and find_breakpoint(c, at + 4) >= 0 and is_branch(code_word(c, at))


cdef inline bint passes(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Whether a breakpoint at ``pc`` does not count since the run begins there."""
    return c.passes_start and icount == c.start_icount and pc == c.start_pc


cdef bint stops_here(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Whether a breakpoint stops before the instruction at ``pc``, where the CPU stands.

    In user mode it waits for the instruction: GDB reads it to go on, and cannot while its page is not in the TLB. The
    fetch leads to the operating system, which brings the page in and returns here.
    """
    cdef int64_t k = find_breakpoint(c, pc)
    cdef uint32_t pa
    cdef int found = TRANSLATED if kernel_mode(c) else translate(c, pc, FETCH, False, &pa)
    if found == NO_MATCH or found == NOT_VALID:
        return False
    return breakpoint_at(c, pc, 0) or k >= 0 and condition_holds(c, &c.conditions[k], pc, icount)


cdef void note_hit(Cpu *c, uint64_t icount, uint32_t pc) noexcept nogil:
    c.have_bp_before = c.have_bp_hit
    c.bp_before_icount = c.bp_hit_icount
    c.bp_before_pc = c.bp_hit_pc
    c.have_bp_hit = True
    c.bp_hit_icount = icount
    c.bp_hit_pc = pc


cdef void drop_hits_after(Cpu *c, uint64_t icount) noexcept nogil:
    """The current block ended early, with the instruction at ``icount``: later hits in it did not happen."""
    cdef uint32_t i
    if not (c.last_hit and c.have_bp_hit and c.bp_hit_icount > icount):
        return
    c.have_bp_hit = c.have_bp_before
    c.bp_hit_icount = c.bp_before_icount
    c.bp_hit_pc = c.bp_before_pc
    c.have_bp_before = False
    i = <uint32_t>(icount - c.base) + 1
    while i > 0:
        i -= 1
        if breakpoint_at(c, c.start, i):
            if c.have_bp_hit and c.bp_hit_icount > c.base + i:
                return
            c.have_bp_hit = True
            c.bp_hit_icount = c.base + i
            c.bp_hit_pc = c.start + 4 * i
            return


cdef bint look_closer(Cpu *c, uint32_t pc, uint32_t n, uint64_t icount) noexcept nogil:
    """The limit is near or breakpoints are armed. True: do not run this block as it is."""
    cdef uint64_t left
    cdef uint32_t i, w
    cdef uint32_t stop = n                       # run that many instructions of the block
    cdef bint truncate = False
    if c.why:
        stop_before(c, pc, icount, c.why)
        return True
    if c.stop_soon:
        c.stop_soon = False
        stop_before(c, pc, icount, WHY_WATCH)
        return True
    if icount >= c.limit:
        stop_before(c, pc, icount, WHY_LIMIT)
        return True
    left = c.limit - icount
    if left <= n:
        i = <uint32_t>left
        w = code_word(c, pc + 4 * (i - 1))
        if is_branch(w) and not (i == 1 and slot_block(c, pc)) and not (
                i >= 2 and is_branch(code_word(c, pc + 4 * (i - 2)))):
            # The limit lies between a branch and its slot: stop before the branch, unless it is a branch-likely
            # that nullifies the slot, so that the limit is behind both.
            if i == 1 and is_likely(w) and not likely_taken(
                    w, gpr(c, (w >> 21) & 31), gpr(c, (w >> 16) & 31), fcsr(c)):
                i = n
            else:
                i -= 1
                truncate = True
        elif i < n:
            truncate = True
        if truncate:
            stop = i
    if c.bp_count and filter_has_any(c, pc, n + 1):
        i = 0
        while i < n and (i < stop or not truncate):
            if not passes(c, pc + 4 * i, icount + i) and breakpoint_at(c, pc, i) and not (i == 0 and slot_block(c, pc)):
                if c.last_hit:
                    if c.have_bp_hit and c.bp_hit_icount >= icount:
                        c.bp_hit_icount = icount + i     # the last one in this block counts
                        c.bp_hit_pc = pc + 4 * i
                    else:
                        note_hit(c, icount + i, pc + 4 * i)
                elif i == 0:
                    stop_before(c, pc, icount, WHY_BREAKPOINT)
                    return True
                else:
                    stop = i
                    truncate = True
                    break
            i += 1
    if not truncate:
        if c.watch_direct or c.direct_wanted:
            watch_block(c, pc, n, icount)
        return False
    if stop == 0:
        stop_before(c, pc, icount, WHY_LIMIT)
        return True
    c.arm_at = pc + 4 * stop
    stop_before(c, pc, icount, WHY_ARM)
    return True


cdef inline bint slot_block(Cpu *c, uint32_t pc) noexcept nogil:
    """Whether the block about to run at ``pc`` starts in a delay slot (the block before ended with its branch)."""
    return (c.size != 0 and c.start + c.size == pc and is_branch(code_word(c, pc - 4))
            and not (c.size >= 8 and is_branch(code_word(c, pc - 8))))


cdef inline uint32_t fcsr(Cpu *c) noexcept nogil:
    cdef uint32_t value = 0
    uc_reg_read(c.uc, UC_MIPS_REG_FCSR, &value)
    return value


cdef inline uint32_t recent_slot(uint32_t pc) noexcept nogil:
    """Where Cpu.recent keeps the block at ``pc``."""
    if pc >> 30 == 2:
        return MAPPED_BLOCKS + ((pc >> 2) & (UNMAPPED_BLOCKS - 1))
    return (pc >> 2) & (MAPPED_BLOCKS - 1)


cdef inline uint32_t recent_key(uint32_t pc, uint32_t size) noexcept nogil:
    return (pc & <uint32_t>BLOCK_TAG) | size     # a block is no longer than a page


cdef uint32_t block_end(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """How a block ends: whether with a branch-likely and its slot."""
    cdef uint8_t *host = fetch_host(c, pc)
    cdef uint32_t w
    if size == 4:
        # The slot of a branch in the block before, where the translator has split the two.
        return ENDS_UNKNOWN if not pc & (PAGE_BYTES - 1) or is_likely(code_word(c, pc - 4)) else 0
    if host == NULL or c.page_state[(host - c.memory) >> PAGE_BITS] & PAGE_MIXED:
        return ENDS_UNKNOWN                      # its code may change without notice
    w = code_word(c, pc + size - 8)
    if not is_likely(w):
        return 0
    return ENDS_UNKNOWN if (w & 0xFFFF) == 1 else ENDS_LIKELY


cdef void remember_block(BlockSet *blocks, uint64_t block) noexcept nogil:
    """Add a block, address << 32 | bytes, to those executed in this interval."""
    cdef uint32_t at = <uint32_t>((block * 0x9E3779B97F4A7C15ULL) >> 47) & (2 * MOST_BLOCKS - 1)
    if blocks.count == MOST_BLOCKS:
        return
    while blocks.slots[at]:
        if blocks.slots[at] == block:
            return
        at = (at + 1) & (2 * MOST_BLOCKS - 1)
    blocks.slots[at] = block
    blocks.used[blocks.count] = at
    blocks.count += 1


cdef uint32_t note_block(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """A block runs that may not be among those seen lately. Returns how it ends."""
    cdef uint32_t *recent = &c.recent[recent_slot(pc)]
    cdef uint32_t key = recent_key(pc, size)
    if (recent[0] ^ key) > ENDS:
        remember_block(&c.blocks, <uint64_t>pc << 32 | size)
        recent[0] = key | block_end(c, pc, size)
    return recent[0] & ENDS


cdef inline void enter_block(Cpu *c, uint32_t pc, uint32_t size, uint64_t icount, uint32_t ends_likely) noexcept nogil:
    c.prev_start = c.start
    c.prev_size = c.size
    c.base = icount
    c.start = pc
    c.size = size
    c.ends_likely = ends_likely


cdef void enter_rarely(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """What the block hook does where something may be due."""
    cdef uint64_t icount = c.base + (c.size >> 2)
    cdef uint32_t end
    if (c.recent[recent_slot(pc)] ^ recent_key(pc, size)) > ENDS:
        note_code(c, pc, size)                   # also of a block that is not to run now: it is translated
    if pc == c.start + c.size:
        if c.ends_likely or c.ends_unknown and slot_was_nullified(c):
            icount -= 1
        if c.kicked and icount != c.start_icount and not slot_block(c, pc):
            c.kicked = 0
            stop_before(c, pc, icount, WHY_PAUSE)
            return
    else:
        c.s.window = icount
        if icount >= c.attention and at_window(c, pc, icount):
            return
    if icount + (size >> 2) >= c.limit or c.probe:
        if look_closer(c, pc, size >> 2, icount):
            return
    end = note_block(c, pc, size)
    enter_block(c, pc, size, icount, end & ENDS_LIKELY)
    c.ends_unknown = end == ENDS_UNKNOWN
    plan_closer(c)


cdef void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user) noexcept nogil:
    """Unicorn enters a block of ``size`` bytes. The common case has no branch that is hard to foresee."""
    cdef Cpu *c = <Cpu*>user
    cdef uint32_t pc = <uint32_t>address
    cdef uint32_t end = c.recent[recent_slot(pc)] ^ recent_key(pc, size)
    cdef uint64_t fell_through = pc == c.start + c.size
    cdef uint64_t icount = c.base + (c.size >> 2) - (c.ends_likely & fell_through)
    if end > ENDS_LIKELY or icount + (size >> 2) >= c.closer or icount >= c.attention:
        enter_rarely(c, pc, size)
        return
    c.s.window = icount ^ ((c.s.window ^ icount) & (0 - fell_through))
    enter_block(c, pc, size, icount, end)
