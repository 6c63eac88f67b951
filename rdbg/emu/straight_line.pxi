# The first instructions of a block, done here one by one (straight_instructions.pxi): up to the place where something is due
# in the middle of it. To have Unicorn end a block there, it must be translated anew, which takes longer than thousands of
# instructions.

cdef uint32_t *straight_code(const Cpu *c, uint32_t pc) noexcept nogil:
    """The code at ``pc``, to the end of its page; NULL: Unicorn has to ask for it."""
    cdef uint32_t pa = 0
    cdef uint32_t m
    if pc & 3 or translate(c, pc, FETCH, kernel_mode(c), &pa) != TRANSLATED:
        return NULL
    m = c.memory.phys_map[pa >> PAGE_BITS]
    if m == MAP_UNKNOWN or (m & MAP_KIND) != MAP_MEMORY or not m & MAP_READ:
        return NULL
    if not bit_test(c.touched.seen_executed, pc >> PAGE_BITS):
        return NULL
    return <uint32_t*>(c.memory.bytes + (<size_t>(m >> 8) << PAGE_BITS) + (pc & (PAGE_BYTES - 1)))


cdef uint32_t run_straight(Cpu *c, uint32_t most, bint to_block_end) noexcept nogil:
    """Do instructions from where the CPU stands, at most ``most`` of them: up to one that is left to Unicorn, or that
    somebody waits for. Returns how many.

    Args:
        to_block_end: up to the end of the block, with the branch there; else only instructions that are none.
    """
    cdef Straight s
    cdef uint32_t pc = c.where.next_pc
    cdef uint64_t icount = position(c)
    cdef uint32_t left = (PAGE_BYTES - (pc & (PAGE_BYTES - 1))) >> 2
    cdef uint32_t *code = straight_code(c, pc)
    cdef uint32_t w
    cdef uint32_t target = 1                     # where the branch at the block's end leads
    cdef uint32_t i = 0
    if code == NULL or c.watch.direct or c.watch.direct_wanted or c.watch.noting or c.run.stop_soon:
        return 0
    begin_straight(c, &s)
    while i < most and i < left and target == 1:
        if c.stops.count and (filter_has(c, pc + 4 * i) or filter_has(c, pc + 4 * i + 4)):
            break
        if c.probes.armed and (is_probed(c, pc + 4 * i) or is_probed(c, pc + 4 * i + 4)):
            break
        w = guest_word(c, code[i])
        if may_branch(w):
            if not to_block_end or i + 2 > most or i + 2 > left:
                break
            target = branch_with_slot(&s, w, guest_word(c, code[i + 1]), pc + 4 * i)
            if target == 1:
                break
            i += 2
        elif straight_instruction(&s, w):
            i += 1
        else:
            break
    if i == 0:
        return 0
    trace_block(c, pc, 4 * i, icount, False, True)
    put_back(&s)
    remember_block(&c.touched.blocks, <uint64_t>pc << 32 | 4 * i)
    stand_at(c, pc + 4 * i if target == 1 else target, icount + i)
    c.where.left = pc + 4 * i
    c.where.came_from = icount
    uc_reg_write(c.uc, UC_MIPS_REG_PC, &c.where.next_pc)
    return i


cdef inline uint32_t before_next_event(const Cpu *c, uint64_t icount) noexcept nogil:
    """Instructions that can run before something is due, or the limit is reached: as many as a page has, or fewer."""
    cdef uint64_t due = min(c.run.limit, next_event(c))
    if due <= icount:
        return 0
    return <uint32_t>min(due - icount, <uint64_t>PAGE_BYTES // 4)


cdef void finish_block(Cpu *c) noexcept nogil:
    """Go on in the middle of a block, where an interrupt has returned to, or an event has come in between. Were it left to
    Unicorn, the rest of the block would be translated, for this one time: 10 us and more. Where that comes again and again,
    it is."""
    cdef uint32_t known
    cdef Finished *finished = &c.code.finished[(c.where.next_pc >> 2) & (FINISHED - 1)]
    if c.run.why or c.where.size or c.where.next_pc & 3:
        return
    if position(c) >= c.run.attention and at_boundary(c, c.where.next_pc, position(c)):
        return
    known = c.touched.recent[recent_slot(c.where.next_pc)]
    if known and not (known ^ c.where.next_pc) & <uint32_t>BLOCK_TAG:
        return                                   # it is translated
    if finished.pc != c.where.next_pc:
        finished.pc = c.where.next_pc
        finished.times = 0
    finished.times += 1
    if finished.times > FINISHED_OFTEN:
        return                                   # it will be
    run_straight(c, before_next_event(c, position(c)), True)


cdef bint run_to_event(Cpu *c, uint32_t pc, uint32_t n, uint64_t icount) noexcept nogil:
    """Do the first ``n`` instructions of the block at ``pc``, up to what is due there, let that happen, and go on to the
    end of the block. False: none was done, since the first is left to Unicorn."""
    stand_at(c, pc, icount)
    if run_straight(c, n, False) == 0:
        return False
    if position(c) == icount + n:
        finish_block(c)
    return True
