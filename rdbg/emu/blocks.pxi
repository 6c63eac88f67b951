# The block hook: it counts instructions, lets what is due happen, and stops where it was asked to.
# Called once a block, about a hundred million times a second: everything rare is in functions of its own.

cdef enum:
    RARE = 1                     # Cpu.recent: the block is to be looked at whenever it runs


cdef inline void no_block(Cpu *c, uint32_t start) noexcept nogil:
    """Nothing of a block at ``start`` has run."""
    c.start = start
    c.size = 0
    c.in_slot = False
    c.splits = False
    c.copied = 0


cdef inline void stand_at(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """All before ``pc`` is counted; what is due at this position is done."""
    c.base = icount
    c.came_from = icount
    no_block(c, pc)
    c.next_pc = pc


cdef inline uint64_t block_start(const Cpu *c) noexcept nogil:
    """The position at which the current block began, or what led to where the CPU stands; with the branch before, if that
    was in a slot."""
    return c.came_from if c.size == 0 else c.base - 1 if c.in_slot else c.base


cdef void stop_before(Cpu *c, uint32_t pc, uint64_t icount, int why) noexcept nogil:
    """End emu_start before the block at ``pc`` runs."""
    stand_at(c, pc, icount)
    c.why = why
    uc_emu_stop(c.uc)


cdef inline uint64_t position(Cpu *c) noexcept nogil:
    return c.base + (c.size >> 2)


cdef inline void plan_closer(Cpu *c) noexcept nogil:
    """Blocks that end at this icount or later are looked at before they run: at ``limit``, or behind what is due."""
    c.closer = c.limit if c.limit <= c.attention else c.attention + 1
    if c.probe or c.splits or c.in_slot or c.copied:
        c.closer = 0


cdef inline void look_soon(Cpu *c) noexcept nogil:
    """Something may have to be done before the next instruction that a block begins with."""
    c.attention = 0
    c.closer = 0


cdef inline void pause_soon(Cpu *c) noexcept nogil:
    """Let the run pause at the next block that it enters."""
    c.kicked = 1
    look_soon(c)


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


cdef void come_again(Cpu *c) noexcept nogil:
    """The current block cannot be run as a whole: the run must come here again, in single steps."""
    cdef uint32_t back = 1 if c.in_slot else 0
    c.why = WHY_AMBIGUOUS
    c.place = c.base - back
    c.place_pc = c.start - 4 * back
    look_at_blocks(c)
    uc_emu_stop(c.uc)


cdef inline bint is_one_step(Cpu *c) noexcept nogil:
    """Whether the current block is one instruction, or a branch and its slot."""
    return c.size == 4 or c.size == 8 and is_branch(c, code_word(c, c.start))


cdef void plan_attention(Cpu *c) noexcept nogil:
    """The first icount at which something may have to be done."""
    c.attention = next_event(c)
    if c.look_at < c.attention:
        c.attention = c.look_at
    if c.pause_at < c.attention:
        c.attention = c.pause_at
    if c.kicked or c.guest.halted or c.why_soon:
        c.attention = 0


cdef inline uint64_t next_event(const Cpu *c) noexcept nogil:
    """The icount of what is known to happen next: no instruction at or behind it runs before that."""
    cdef uint64_t first = c.compare_event
    if c.python_event < first:
        first = c.python_event
    if c.hold_event < first:
        first = c.hold_event
    return first


cdef int python_events(Cpu *c, uint64_t icount) noexcept with gil:
    """Let timers and inputs that are due at this position happen."""
    cdef Core core = <Core>c.owner
    c.io_epoch += 1
    c.events_after = HitBlock(block_start(c), icount)
    try:
        c.python_event, c.look_at = core.host.events(icount)
    except BaseException as error:
        core.keep_error(error)
        return False
    finally:
        c.events_after.end = 0
    return True


cdef int python_idle(Cpu *c, uint64_t icount) noexcept with gil:
    """The CPU waits: let time pass up to the next event. False: nothing to wait for."""
    cdef Core core = <Core>c.owner
    cdef uint64_t cpu_ns = FOREVER
    c.io_epoch += 1
    if not c.guest.cp0.cause & CAUSE_DC:
        cpu_ns = c.guest.compare_ns
    if c.hold_event != FOREVER and c.guest.hold_ns < cpu_ns:
        cpu_ns = c.guest.hold_ns
    if c.guest.halted == HALTED_CALLING:             # what the answer changes is the call's doing
        c.events_after = HitBlock(icount - 1, icount)
    try:
        return core.host.idle(icount, cpu_ns)
    except BaseException as error:
        core.keep_error(error)
        return False
    finally:
        c.events_after.end = 0


cdef bint asks_to_hold(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Whether an interrupt that could be taken now is held back. Only a live run is asked, and once for each."""
    if not c.asks_to_hold or c.guest.hold_ns:
        return False
    c.next_pc = pc                               # who is asked looks at the code that would be interrupted
    return python_hold(c, icount)


cdef bint python_hold(Cpu *c, uint64_t icount) noexcept with gil:
    cdef Core core = <Core>c.owner
    try:
        core.host.hold(icount)
    except BaseException as error:
        core.keep_error(error)
    return c.hold_event != FOREVER


cdef void end_hold(Cpu *c, uint64_t icount) noexcept nogil:
    """Interrupts that were held back may be taken."""
    if icount >= c.hold_event:
        c.hold_event = FOREVER


cdef bint at_boundary(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Before the instruction at ``pc``, which is in no delay slot, something may be due. True: do not run it now."""
    cdef uint32_t vector
    while True:
        if (icount >= c.python_event or icount >= c.look_at) and not python_events(c, icount):
            stop_before(c, pc, icount, WHY_ERROR)
            return True
        if c.was_reset:
            c.was_reset = False
            c.base = icount
            go_to(c, c.next_pc, True)
            return True
        while icount >= c.compare_event:
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
        if c.why_soon:
            break
        if c.kicked or not python_idle(c, icount):
            look_soon(c)
            stand_at(c, pc, icount)
            c.why = WHY_ERROR if c.why == WHY_ERROR else WHY_PAUSE if c.kicked else WHY_IDLE
            c.kicked = 0
            uc_emu_stop(c.uc)
            return True
        plan_compare(c)
        plan_hold(c)
    if c.why_soon:
        c.why = c.why_soon
        c.why_soon = WHY_NONE
        stop_before(c, pc, icount, c.why)
        return True
    if takes_interrupt(c) and not asks_to_hold(c, pc, icount):
        c.guest.hold_ns = 0
        vector = enter_exception(c, EXC_INT, interrupt_offset(c), pc, False)
        c.base = icount
        c.came_from = icount
        forget_branch_and_link(c)
        no_block(c, vector)
        c.next_pc = vector
        uc_reg_write(c.uc, UC_MIPS_REG_PC, &vector)
        return True
    if icount >= c.pause_at or c.kicked and icount != c.start_icount:
        c.kicked = 0
        look_soon(c)
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
    cdef bint found = k >= 0 and c.conditions[k].count == 0
    if not found:
        found = filter_has(c, at + 4) and find_breakpoint(c, at + 4) >= 0 and is_branch(c, code_word(c, at))
    return found and not slot_at(c, pc, False, at)


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


cdef uint32_t run_before_limit(Cpu *c, uint32_t pc, uint32_t n, uint64_t icount, bint slot) noexcept nogil:
    """How many instructions of a block run before the limit, which is never between a branch and its slot."""
    cdef uint32_t i
    if c.limit - icount > n:
        return n
    i = <uint32_t>(c.limit - icount)
    if is_branch(c, code_word(c, pc + 4 * (i - 1))) and not slot_at(c, pc, slot, pc + 4 * (i - 1)):
        i -= 1
    return i


cdef uint32_t run_before_event(Cpu *c, uint32_t pc, uint32_t n, uint64_t icount, bint slot) noexcept nogil:
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
    if c.stop_soon:
        c.stop_soon = False
        stop_before(c, pc, icount, WHY_WATCH)
        return True
    if icount >= c.limit:
        stop_before(c, pc, icount, WHY_LIMIT)
        return True
    before_limit = run_before_limit(c, pc, n, icount, slot)
    stop = run_before_event(c, pc, n, icount, slot)
    if stop < before_limit and not slot and run_to_event(c, pc, stop, icount):
        return True
    stop = min(before_limit, stop)
    truncate = stop < n
    if c.bp_count and filter_has_any(c, pc, n + 1):
        while i < n and (i < stop or not truncate):
            if not passes(c, pc + 4 * i, icount + i) and breakpoint_at(c, pc, i) and not (i == 0 and slot):
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
    return c.splits and c.start + c.size == pc


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


cdef bint ends_with_branch(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """Whether the slot of a block's last instruction is not in the block."""
    return may_branch(code_word(c, pc + size - 4)) and not slot_at(c, pc, False, pc + size - 4)


cdef inline bint on_mixed_page(Cpu *c, uint32_t pc) noexcept nogil:
    """Whether the code at ``pc`` may change without notice."""
    cdef uint8_t *host = fetch_host(c, pc)
    return host != NULL and c.page_state[(host - c.memory) >> PAGE_BITS] & PAGE_MIXED != 0


cdef uint32_t copy_code(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """Keep a block's code as it is when the block is entered; returns how much, in bytes."""
    cdef uint32_t left = PAGE_BYTES - (pc & (PAGE_BYTES - 1))
    if size > left:
        size = left                              # a slot on the next page that is passed over
    memcpy(c.code, fetch_host(c, pc), size)
    return size


cdef bint was_changed(Cpu *c, uint32_t pc) noexcept nogil:
    """Whether the current block has changed its instruction at ``pc``, or the slot of the branch there."""
    cdef uint32_t at = pc - c.start
    cdef uint32_t size = 8 if is_branch(c, guest_word(c, (<uint32_t*>(c.code + at))[0])) else 4
    if at + size > c.copied:
        size = c.copied - at
    return memcmp(c.code + at, fetch_host(c, pc), size) != 0


cdef bint must_end_before(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """Whether the current block cannot go on with its instruction at ``pc``: that has changed, or something is due."""
    if in_slot(c, pc):
        return False
    return pc - c.start < c.copied and was_changed(c, pc) or c.base == c.cut_base and icount >= c.cut_from


cdef void on_instruction(uc_engine *uc, uint64_t address, uint32_t size, void *user) noexcept nogil:
    """Called before each instruction of ranges where that is needed: where PC would be lost, or code changes itself."""
    cdef Cpu *c = <Cpu*>user
    cdef uint32_t pc = <uint32_t>address
    cdef uint64_t icount = c.base + ((pc - c.start) >> 2)
    cdef uint64_t came_from
    c.seen_pc = pc
    c.seen_base = c.base
    if c.why == WHY_RESTART:
        come_again(c)                            # the block should have ended before this instruction
    elif c.why == WHY_NONE and (c.copied or c.base == c.cut_base) and must_end_before(c, pc, icount):
        came_from = c.base
        if icount > c.base:
            came_from = icount - 1
            drop_hits_after(c, came_from)
        c.cut_base = NOWHERE
        stop_before(c, pc, icount, WHY_RESTART)
        c.came_from = came_from


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


cdef void note_block(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """A block runs that may not be among those seen lately."""
    cdef uint32_t *recent = &c.recent[recent_slot(pc)]
    cdef uint32_t key = recent_key(pc, size)
    if (recent[0] ^ key) > RARE:
        remember_block(&c.blocks, <uint64_t>pc << 32 | size)
        recent[0] = key | (RARE if on_mixed_page(c, pc) or ends_with_branch(c, pc, size) else 0)


cdef inline void enter_block(Cpu *c, uint32_t pc, uint32_t size, uint64_t icount) noexcept nogil:
    c.base = icount
    c.start = pc
    c.size = size


cdef void enter_rarely(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """What the block hook does where something may be due."""
    cdef uint64_t icount = c.base + (c.size >> 2)
    cdef bint slot = slot_block(c, pc)
    if (c.recent[recent_slot(pc)] ^ recent_key(pc, size)) > RARE:
        note_code(c, pc, size)                   # also of a block that is not to run now: it is translated
    if c.why:
        stop_before(c, pc, icount, c.why)
        return
    if icount >= c.attention and not slot and at_boundary(c, pc, icount):
        return
    if icount + (size >> 2) >= c.limit or icount + (size >> 2) > c.attention or c.probe:
        if look_closer(c, pc, size >> 2, icount, slot):
            return
    note_block(c, pc, size)
    enter_block(c, pc, size, icount)
    c.in_slot = slot
    if c.recent[recent_slot(pc)] & RARE:
        c.splits = ends_with_branch(c, pc, size) and not (slot and size == 4)
        c.copied = copy_code(c, pc, size) if on_mixed_page(c, pc) else 0
    else:
        c.splits = False
        c.copied = 0
    plan_closer(c)


cdef void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user) noexcept nogil:
    """Unicorn enters a block of ``size`` bytes: the common case, a block that was seen lately."""
    cdef Cpu *c = <Cpu*>user
    cdef uint32_t pc = <uint32_t>address
    cdef uint64_t icount = c.base + (c.size >> 2)
    cdef uint32_t known = c.recent[recent_slot(pc)] ^ recent_key(pc, size)
    if known or icount + (size >> 2) >= c.closer:
        enter_rarely(c, pc, size)
        return
    enter_block(c, pc, size, icount)
