# Which blocks ran, in order, in a run that is asked to note it. Such a run looks at each block before it runs
# (`plan_closer`); all others pay nothing.

cdef inline void note_entry(Cpu *c, uint64_t icount, uint32_t pc, int kind) noexcept nogil:
    """Something else than the code itself leads to ``pc``."""
    c.trace.entry_icount = icount
    c.trace.entry_pc = pc
    c.trace.entry = kind


cdef inline int entry_at(const Cpu *c, uint64_t icount, uint32_t pc) noexcept nogil:
    """How the CPU came to ``pc``."""
    return c.trace.entry if c.trace.entry_icount == icount and c.trace.entry_pc == pc else ENTRY_CODE


cdef uint64_t code_place(const Cpu *c, uint32_t pc) noexcept nogil:
    """Where the code at ``pc`` lies in memory."""
    cdef uint8_t *host = NULL if pc & 3 else fetch_host(c, pc)
    return NOWHERE if host == NULL else <uint64_t>(host - c.memory.bytes)


cdef uint64_t code_sum(const Cpu *c, uint32_t pc, uint32_t size) noexcept nogil:
    """Bytes of a block on its first page << 32 | a sum of its words as they are now."""
    cdef uint8_t *host = NULL if pc & 3 else fetch_host(c, pc)
    cdef uint32_t total = 0
    cdef uint32_t at
    if host == NULL:
        return 0
    size = min(size, PAGE_BYTES - (pc & (PAGE_BYTES - 1)))
    for at in range(0, size, 4):
        total = total * 31 + guest_word(c, (<uint32_t*>(host + at))[0])
    return <uint64_t>size << 32 | total


cdef void note_row(Cpu *c, uint32_t pc, uint32_t size, uint64_t icount) noexcept nogil:
    """The block at ``pc`` is about to run."""
    cdef TraceRow *row
    if c.trace.count and c.trace.rows[c.trace.count - 1].icount == icount:
        c.trace.count -= 1                       # of that one nothing has run
    row = &c.trace.rows[c.trace.count]
    row.icount = icount
    row.pc = pc
    row.value = gpr(c, c.trace.register) if c.trace.register >= 0 else 0
    row.entry = entry_at(c, icount, pc)
    row.sum = code_sum(c, pc, size)
    row.code = code_place(c, pc)
    c.trace.count += 1
    if c.trace.count >= TRACE_FULL:
        pause_soon(c)
        if c.trace.count == TRACE_ROOM:
            c.trace.count -= 1                   # begin_trace leaves room for all that can come before the pause


cdef void drop_rows(Cpu *c, uint64_t icount) noexcept nogil:
    """The run is given up, and comes again to ``icount``: nothing from there on has happened."""
    while c.trace.count and c.trace.rows[c.trace.count - 1].icount >= icount:
        c.trace.count -= 1


cdef begin_trace(Cpu *c, bint wanted, int register):
    """What the next run is to note; see CoreNotes.trace."""
    if wanted and c.trace.rows == NULL:
        c.trace.rows = <TraceRow*>malloc(TRACE_ROOM * sizeof(TraceRow))
        if c.trace.rows == NULL:
            raise MemoryError
    if wanted and c.trace.count >= TRACE_ROOM - TRACE_SPARE:
        raise RuntimeError("the block trace is full: take it before the next run")
    c.trace.on = wanted
    if wanted:
        c.trace.register = register              # take_trace says what it holds where the run has come to


cdef take_trace(Cpu *c):
    """What was noted since the last call, with where the CPU stands as the last row; see CoreNotes.take_trace."""
    cdef uint64_t[:, ::1] out
    cdef size_t count = c.trace.count
    cdef uint64_t icount = position(c)
    if count and c.trace.rows[count - 1].icount == icount:
        count -= 1                               # nothing of it has run
    rows = numpy.empty((count + 1, 6), dtype=numpy.uint64)
    out = rows
    if count:
        memcpy(&out[0, 0], c.trace.rows, count * sizeof(TraceRow))
    out[count, 0] = icount
    out[count, 1] = c.where.next_pc
    out[count, 2] = gpr(c, c.trace.register) if c.trace.register >= 0 else 0
    out[count, 3] = entry_at(c, icount, c.where.next_pc)
    out[count, 4] = 0
    out[count, 5] = code_place(c, c.where.next_pc)
    c.trace.count = 0
    return rows
