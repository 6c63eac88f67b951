# Where the CPU stands, and the flags that the block hook reads: all that wants something done asks for it here.

cdef inline void no_block(Cpu *c, uint32_t start) noexcept nogil:
    """Nothing of a block at ``start`` has run."""
    c.where.start = start
    c.where.size = 0
    c.where.in_slot = False
    c.where.splits = False
    c.where.copied = 0


cdef inline uint32_t behind(const Cpu *c) noexcept nogil:
    """The address behind the instruction that ran last, or LEFT_*, where the current block has run to its end."""
    return c.where.start + c.where.size if c.where.size else c.where.left


cdef inline void stand_at(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """All before ``pc`` is counted; what is due at this position is done."""
    if c.where.size:
        if icount - c.where.base >= c.where.size >> 2:
            c.where.left = c.where.start + c.where.size
        elif icount != c.where.base:
            c.where.left = pc
    c.where.base = icount
    c.where.came_from = icount
    no_block(c, pc)
    c.where.next_pc = pc


cdef inline uint64_t block_start(const Cpu *c) noexcept nogil:
    """The position at which the current block began, or what led to where the CPU stands; with the branch before, if that
    was in a slot."""
    return c.where.came_from if c.where.size == 0 else c.where.base - 1 if c.where.in_slot else c.where.base


cdef void stop_before(Cpu *c, uint32_t pc, uint64_t icount, int why) noexcept nogil:
    """End emu_start before the block at ``pc`` runs."""
    stand_at(c, pc, icount)
    c.run.why = why
    uc_emu_stop(c.uc)


cdef inline uint64_t position(const Cpu *c) noexcept nogil:
    return c.where.base + (c.where.size >> 2)


cdef inline void plan_closer(Cpu *c) noexcept nogil:
    """Blocks that end at this icount or later are looked at before they run: at ``limit``, or behind what is due."""
    c.run.closer = c.run.limit if c.run.limit <= c.run.attention else c.run.attention + 1
    if c.run.probe or c.trace.on or c.counts.on or c.where.splits or c.where.in_slot or c.where.copied:
        c.run.closer = 0


cdef inline void look_soon(Cpu *c) noexcept nogil:
    """Something may have to be done before the next instruction that a block begins with."""
    c.run.attention = 0
    c.run.closer = 0


cdef inline void pause_soon(Cpu *c) noexcept nogil:
    """Let the run pause at the next block that it enters."""
    c.run.kicked = 1
    look_soon(c)


cdef inline uint64_t host_time_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t>now.tv_sec * 1_000_000_000 + <uint64_t>now.tv_nsec


cdef inline void look_at_clock(Cpu *c) noexcept nogil:
    """Called where something slow is done: code that falls through new pages, or asks devices all the time, may take
    seconds for what is otherwise a slice of milliseconds."""
    if host_time_ns() >= c.run.look_at_ns:
        c.run.look_at_ns = FOREVER
        pause_soon(c)


cdef inline void look_at_blocks(Cpu *c) noexcept nogil:
    """From the next block on, look at each before it runs."""
    c.run.probe = True
    c.run.closer = 0


cdef void plan_attention(Cpu *c) noexcept nogil:
    """The first icount at which something may have to be done."""
    c.run.attention = next_event(c)
    if c.due.outside < c.run.attention:
        c.run.attention = c.due.outside
    if c.run.pause_at < c.run.attention:
        c.run.attention = c.run.pause_at
    if c.run.kicked or c.guest.halted or c.run.why_soon:
        c.run.attention = 0


cdef inline uint64_t next_event(const Cpu *c) noexcept nogil:
    """The icount of what is known to happen next: no instruction at or behind it runs before that."""
    cdef uint64_t first = c.due.compare
    if c.due.host < first:
        first = c.due.host
    if c.due.release < first:
        first = c.due.release
    return first


cdef inline bint slot_block(const Cpu *c, uint32_t pc) noexcept nogil:
    """Whether the block about to run at ``pc`` starts in a delay slot (the block before ended with its branch)."""
    return c.where.splits and c.where.start + c.where.size == pc


cdef inline uint32_t recent_slot(uint32_t pc) noexcept nogil:
    """Where Cpu.touched.recent keeps the block at ``pc``."""
    if pc >> 30 == 2:
        return MAPPED_BLOCKS + ((pc >> 2) & (UNMAPPED_BLOCKS - 1))
    return (pc >> 2) & (MAPPED_BLOCKS - 1)


cdef inline uint32_t recent_key(uint32_t pc, uint32_t size) noexcept nogil:
    return (pc & <uint32_t>BLOCK_TAG) | size     # a block is no longer than a page


cdef inline void enter_block(Cpu *c, uint32_t pc, uint32_t size, uint64_t icount) noexcept nogil:
    c.where.base = icount
    c.where.start = pc
    c.where.size = size
