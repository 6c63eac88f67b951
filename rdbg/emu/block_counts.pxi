# How often each straight piece of code ran, by the place in the tree of calls where the CPU was: what counts.pxi has counted.

cdef void fail_counts(Cpu *c) noexcept nogil:
    c.counts.failed = True
    pause_soon(c)


cdef inline BlockCount *block_slot(BlockCount *blocks, size_t room, uint32_t node, uint32_t pc, uint32_t ran,
                                   uint32_t what) noexcept nogil:
    cdef size_t at = ((pc >> 2) * 0x9E3779B1U ^ node * 0x85EBCA6BU ^ ran) & (room - 1)
    cdef BlockCount *each = &blocks[at]
    while each.ran and (each.pc != pc or each.node != node or each.ran != ran or each.what != what):
        at = (at + 1) & (room - 1)
        each = &blocks[at]
    return each


cdef inline void add_block(Cpu *c, uint32_t pc, uint32_t ran, uint32_t what) noexcept nogil:
    """Instructions have run."""
    cdef BlockCount *slot = block_slot(c.counts.blocks, c.counts.block_room, c.counts.node, pc, ran, what)
    if slot.ran == 0:
        slot.node = c.counts.node
        slot.pc = pc
        slot.ran = ran
        slot.what = what
        slot.times = 0
        c.counts.block_count += 1
        slot.times = 1
        if 2 * c.counts.block_count > c.counts.block_room:
            widen_blocks(c)
        return
    slot.times += 1


cdef void widen_blocks(Cpu *c) noexcept nogil:
    cdef size_t room = 2 * c.counts.block_room
    cdef BlockCount *old = c.counts.blocks
    cdef BlockCount *wider = <BlockCount*>calloc(room, sizeof(BlockCount))
    cdef size_t i
    if wider == NULL:
        fail_counts(c)                           # the next ones still have room: the run pauses soon
        return
    for i in range(c.counts.block_room):
        if old[i].ran:
            block_slot(wider, room, old[i].node, old[i].pc, old[i].ran, old[i].what)[0] = old[i]
    c.counts.blocks = wider
    c.counts.block_room = room
    free(old)
    if c.counts.block_count >= COUNTS_ENOUGH:
        pause_soon(c)
