# How often each straight piece of code ran, in a run that is asked to count; if wanted, by the calls that led there. Such a
# run looks at each block before it runs (`plan_closer`); all others pay nothing.
#
# How much of a block has run is known when the next one begins. So blocks wait in rows, of which the last ones may still be
# dropped, and are counted by the thousand: pieces of code in block_counts.pxi, calls in call_tree.pxi.

cdef inline bint may_only_count(const Cpu *c, uint32_t pc, uint32_t size, uint64_t icount) noexcept nogil:
    """Whether the block hook has nothing to do for this block but to count it."""
    cdef uint64_t end = icount + (size >> 2)
    return (c.touched.recent[recent_slot(pc)] == recent_key(pc, size) and end < c.run.limit and end <= c.run.attention
            and not (c.run.probe or c.trace.on or c.where.splits or c.where.in_slot or c.where.copied))


cdef uint32_t leads(const Cpu *c, uint32_t behind) noexcept nogil:
    """What the branch whose slot ends at ``behind`` does to the call stack if it leads elsewhere."""
    cdef uint32_t w = code_word(c, behind - 8)
    cdef uint32_t op = w >> 26
    if op == 3 or op == 1 and (w >> 20) & 1 and may_branch(w):         # jal, bltzal and its like
        return CAME_CALL
    if op or not may_branch(w):
        return CAME_PLAIN
    if w & 1:                                    # jalr
        return CAME_CALL if (w >> 11) & 31 == 31 else CAME_PLAIN
    return CAME_RETURN if (w >> 21) & 31 == 31 else CAME_PLAIN


cdef uint32_t what_led_to(const Cpu *c, uint32_t pc) noexcept nogil:
    """What has led to ``pc``, which is in no slot."""
    cdef uint32_t from_ = behind(c)
    if from_ == LEFT_RETURN:
        return CAME_BACK
    if from_ == LEFT_UNKNOWN or from_ == LEFT_EXCEPTION or from_ == pc:
        return CAME_PLAIN
    return leads(c, from_)


# --- rows ------------------------------------------------------------------------------------

cdef void note_change_of_stack(Cpu *c, CountRow *row, uint32_t how) noexcept nogil:
    """Fill in what a row says of the call stack."""
    row.stack = gpr(c, 29)
    row.link = 0
    if how == CAME_CALL:
        row.link = behind(c)
        if gpr(c, 31) != row.link:               # its slot has set another
            return
    row.how = how
    row.space = space_of(c, row.link if how == CAME_CALL else row.pc)


cdef inline void note_begin(Cpu *c, uint32_t pc, uint64_t icount, uint32_t how, bint fetched) noexcept nogil:
    cdef CountRow *row = &c.counts.rows[c.counts.row_count]
    if c.counts.row_count and row[-1].icount == icount and row[-1].pc == pc and row[-1].how != CAME_EXCEPTION:
        return                                   # its block has been begun once more
    row.icount = icount
    row.pc = pc
    row.how = CAME_PLAIN
    row.what = COUNTED_RUN if fetched else COUNTED_UNFETCHED
    if how != CAME_PLAIN and icount != c.counts.again:
        note_change_of_stack(c, row, how)
    c.counts.row_count += 1
    if c.counts.row_count == COUNT_ROWS:
        count_rows(c, COUNT_ROWS - COUNT_KEPT, c.counts.rows[COUNT_ROWS - COUNT_KEPT].icount)


cdef inline void count_next(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """A block that was seen lately is entered, behind one that has run to its end or from where the CPU stood."""
    cdef uint32_t how = CAME_PLAIN
    if c.counts.paths:
        if c.where.size == 0:
            how = what_led_to(c, pc)
        elif c.counts.ends and pc != c.where.start + c.where.size:
            how = c.counts.ends
        c.counts.ends = c.counts.ends_of[recent_slot(pc)]
    note_begin(c, pc, icount, how, True)


cdef void count_block(Cpu *c, uint32_t pc, uint32_t size, uint64_t icount, bint slot, bint fetched) noexcept nogil:
    """Any block is entered; see trace_block."""
    cdef uint32_t how = CAME_PLAIN
    if c.counts.paths:
        if not slot:
            how = what_led_to(c, pc)
    note_begin(c, pc, icount, how, fetched)


cdef void note_end(Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """What the block that is entered, and kept in Cpu.touched.recent, does to the call stack at its end."""
    if c.counts.paths:
        c.counts.ends = leads(c, pc + size) if size >= 8 else CAME_PLAIN
        c.counts.ends_of[recent_slot(pc)] = <uint8_t>c.counts.ends


cdef void count_exception(Cpu *c, uint32_t pc, uint64_t icount, uint32_t kind) noexcept nogil:
    """An exception is about to be entered: of the instruction at ``pc``, or an interrupt before it. In a handler that has
    not allowed any yet, it returns to where that one does."""
    cdef CountRow *row
    if not c.counts.paths or c.guest.cp0.status & STATUS_EXL:
        return
    row = &c.counts.rows[c.counts.row_count]
    row.icount = icount
    row.pc = pc
    row.what = COUNTED_RUN
    note_change_of_stack(c, row, CAME_EXCEPTION)
    row.link = kind
    c.counts.row_count += 1
    if c.counts.row_count == COUNT_ROWS:
        count_rows(c, COUNT_ROWS - COUNT_KEPT, c.counts.rows[COUNT_ROWS - COUNT_KEPT].icount)


cdef void count_interrupt(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """An interrupt is about to be taken before the instruction at ``pc``, to which a call or return may have led."""
    if c.counts.paths:
        note_begin(c, pc, icount, what_led_to(c, pc), True)
    count_exception(c, pc, icount, NODE_INTERRUPT)


cdef void count_reset(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    if c.counts.paths:
        note_begin(c, pc, icount, CAME_RESET, True)


cdef void drop_counts(Cpu *c, uint64_t icount) noexcept nogil:
    """The run is given up, and comes again to ``icount``: nothing behind that has happened."""
    while c.counts.row_count and c.counts.rows[c.counts.row_count - 1].icount > icount:
        c.counts.row_count -= 1
    c.counts.again = icount


cdef void count_rows(Cpu *c, size_t n, uint64_t end) noexcept nogil:
    """Count the first rows; ``end``: icount at which the block of the last of them has ended."""
    cdef CountRow *row
    cdef size_t i
    cdef uint64_t start, following
    cdef uint32_t pc
    for i in range(n):
        row = &c.counts.rows[i]
        following = row[1].icount if i + 1 < n else end
        start = row.icount
        if row.how != CAME_PLAIN and start <= c.counts.last and (start > c.counts.first or start == c.counts.began):
            change_stack(c, row)
        pc = row.pc
        if start < c.counts.first or following > c.counts.last:
            following = min(following, c.counts.last)
            if start < c.counts.first:
                pc += 4 * <uint32_t>(min(c.counts.first, following) - start)
                start = c.counts.first
        if start < following:
            add_block(c, pc, <uint32_t>(following - start), row.what)
    c.counts.row_count -= n
    memmove(c.counts.rows, c.counts.rows + n, c.counts.row_count * sizeof(CountRow))


# --- for Python ------------------------------------------------------------------------------

cdef begin_counts(Cpu *c, uint64_t first, uint64_t last, bint paths, borders, bint all_events):
    """See CoreNotes.begin_counts."""
    cdef bytes words = borders
    free_counts(c)
    c.counts.rows = <CountRow*>malloc((COUNT_ROWS + 2) * sizeof(CountRow))
    c.counts.block_room = 1 << 12
    c.counts.blocks = <BlockCount*>calloc(c.counts.block_room, sizeof(BlockCount))
    c.counts.node_room = 64
    c.counts.nodes = <CallNode*>malloc(c.counts.node_room * sizeof(CallNode))
    c.counts.frame_room = 64
    c.counts.frames = <CallFrame*>malloc(c.counts.frame_room * sizeof(CallFrame))
    c.counts.event_room = 64
    c.counts.events = <StackEvent*>malloc(c.counts.event_room * sizeof(StackEvent))
    c.counts.ends_of = <uint8_t*>calloc(MAPPED_BLOCKS + UNMAPPED_BLOCKS, 1)
    c.counts.border_count = len(words) // 4
    c.counts.borders = <uint32_t*>malloc(len(words) + 4)
    if (c.counts.rows == NULL or c.counts.blocks == NULL or c.counts.nodes == NULL or c.counts.frames == NULL
            or c.counts.events == NULL or c.counts.ends_of == NULL or c.counts.borders == NULL
            or not make_children(c, 1 << 10)):
        free_counts(c)
        raise MemoryError
    memcpy(c.counts.borders, <const char*>words, len(words))
    c.counts.first = first
    c.counts.last = last
    c.counts.paths = paths
    c.counts.all_events = all_events
    c.counts.began = position(c)
    c.counts.again = c.counts.began
    c.counts.root = new_node(c, 0, 0, 0, NODE_ROOT)
    c.counts.node = c.counts.root
    forget_recent(c)                             # what they lead to is not known


cdef count_on(Cpu *c, bint wanted):
    """See CoreNotes.count."""
    if wanted and c.counts.rows == NULL:
        raise RuntimeError("nothing has begun to count")
    if wanted and not c.counts.on and c.counts.paths:
        forget_recent(c)                         # blocks seen meanwhile were not asked what they lead to
    c.counts.on = wanted


cdef take_counts(Cpu *c, bint last):
    """See CoreNotes.take_counts."""
    cdef CountRow end
    cdef size_t i
    cdef size_t n = 0
    cdef uint64_t here = position(c)
    if c.counts.rows == NULL:
        raise RuntimeError("nothing has begun to count")
    if c.counts.failed:
        raise MemoryError
    if not last and (c.counts.block_count < COUNTS_ENOUGH and c.counts.event_count < COUNTS_ENOUGH
                     and c.counts.node_next - c.counts.node_first < COUNTS_ENOUGH):
        return None
    if last and c.counts.paths:
        note_begin(c, c.where.next_pc, here, what_led_to(c, c.where.next_pc), True)
        count_rows(c, c.counts.row_count, here)
        memset(&end, 0, sizeof(CountRow))
        end.icount = min(here, c.counts.last)
        end.how = CAME_END
        end_stretch(c, &end)
    else:
        while n < c.counts.row_count and c.counts.rows[n].icount < here:
            n += 1
        count_rows(c, n, here)
    if c.counts.failed:
        raise MemoryError
    packed = bytearray(c.counts.block_count * sizeof(BlockCount))
    n = 0
    for i in range(c.counts.block_room):
        if c.counts.blocks[i].ran:
            (<BlockCount*><char*>packed)[n] = c.counts.blocks[i]
            n += 1
    memset(c.counts.blocks, 0, c.counts.block_room * sizeof(BlockCount))
    c.counts.block_count = 0
    nodes = PyBytes_FromStringAndSize(<char*>c.counts.nodes,
                                      (c.counts.node_next - c.counts.node_first) * sizeof(CallNode))
    c.counts.node_first = c.counts.node_next
    events = PyBytes_FromStringAndSize(<char*>c.counts.events, c.counts.event_count * sizeof(StackEvent))
    c.counts.event_count = 0
    if last:
        free_counts(c)
    return bytes(packed), nodes, events


cdef void free_counts(Cpu *c) noexcept:
    free(c.counts.ends_of)
    free(c.counts.rows)
    free(c.counts.blocks)
    free(c.counts.nodes)
    free(c.counts.children)
    free(c.counts.child_keys)
    free(c.counts.frames)
    free(c.counts.events)
    free(c.counts.borders)
    memset(&c.counts, 0, sizeof(Counts))


cdef inline void trace_block(Cpu *c, uint32_t pc, uint32_t size, uint64_t icount, bint slot, bint fetched) noexcept nogil:
    """The block at ``pc`` is about to run: for the trace and the counts.

    Args:
        slot: it begins in the delay slot of the block before.
        fetched: False: it cannot be fetched, which raises an exception.
    """
    if c.trace.on:
        note_row(c, pc, size, icount)
    if c.counts.on:
        count_block(c, pc, size, icount, slot, fetched)
