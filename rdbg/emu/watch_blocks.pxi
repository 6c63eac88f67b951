# Watched pages that are accessed all the time: instead of leading each access through a window (50 ns), the blocks that
# make them are looked at when they are entered, where all their addresses can be told from the registers.
#
# While that holds, the page is mapped as it is ("direct"); the first block that is not so simple brings the window back.
# A block is taken for a hit if one of its accesses would be: an exception may end it before, so whoever is told of a
# hit looks closely, as with those that the window sees.

cdef bint add_access(Cpu *c, DirectBlock *block, uint32_t w, uint8_t *bases, uint32_t *offsets) noexcept nogil:
    """Take an instruction's access into the list. False: its address cannot be told."""
    cdef int size = 4
    cdef bint store = False
    cdef int how = memory_access(w, &size, &store)
    cdef uint32_t rs = (w >> 21) & 31
    cdef DirectAccess *access
    if how == 0:
        return True
    if how == 2 or block.count == MOST_DIRECT or bases[rs] == UNKNOWN_BASE:
        return False
    access = &block.accesses[block.count]
    access.base = bases[rs]
    access.kind = 2 if store else 1
    access.offset = offsets[rs] + <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    access.size = <uint8_t>size
    # lwl and its like reach from their byte to an end of its word: which end, the byte order says.
    access.to_start = how > 2 and (how == 3) != c.machine.big_endian
    access.to_end = how > 2 and not access.to_start
    block.count += 1
    return True


cdef void follow_registers(uint32_t w, uint8_t *bases, uint32_t *offsets) noexcept nogil:
    """What the registers hold after an instruction, as a register on entry plus an offset; register 0: a constant."""
    cdef uint32_t op = w >> 26
    cdef uint32_t rs = (w >> 21) & 31
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t written = registers_written(w)
    cdef uint8_t base = UNKNOWN_BASE
    cdef uint32_t offset = 0
    cdef uint32_t r
    if op == 0x0F:                               # lui
        base, offset = 0, w << 16
    elif op == 9:                                # addiu
        base, offset = bases[rs], offsets[rs] + <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    elif op == 0x0D and bases[rs] == 0:          # ori to a constant
        base, offset = 0, offsets[rs] | (w & 0xFFFF)
    for r in range(1, 32):
        if (written >> r) & 1:
            bases[r] = base if r == rt else UNKNOWN_BASE
            offsets[r] = offset if r == rt else 0


cdef void study_block(Cpu *c, DirectBlock *block) noexcept nogil:
    """Find out where a block's accesses go. Only code in kseg0 and kseg1 counts: nothing else can stand there."""
    cdef uint8_t bases[32]
    cdef uint32_t offsets[32]
    cdef uint32_t i, w
    cdef uint32_t changed = 0
    cdef uint8_t *host = fetch_host(c, block.pc)
    block.epoch = c.watch.direct_epoch
    block.count = 0
    block.clear = False
    block.simple = block.pc >> 30 == 2 and host != NULL
    block.mixed = host != NULL and c.memory.page_state[(host - c.memory.bytes) >> PAGE_BITS] & PAGE_MIXED
    if block.mixed:
        block.simple = block.simple and block.n <= MOST_MIXED
        memcpy(block.words, host, 4 * min(block.n, MOST_MIXED))
    for i in range(32):
        bases[i] = <uint8_t>i
        offsets[i] = 0
    for i in range(block.n):
        if not block.simple:
            return
        w = code_word(c, block.pc + 4 * i)
        block.simple = add_access(c, block, w, bases, offsets)
        follow_registers(w, bases, offsets)
        changed |= registers_written(w)
    block.steady = True
    for i in range(block.count):
        if block.accesses[i].base and (changed >> block.accesses[i].base) & 1:
            block.steady = False


cdef inline bint block_changed(const Cpu *c, DirectBlock *block) noexcept nogil:
    """Whether a block is not what it was when it was studied."""
    cdef uint8_t *host
    if not block.mixed or not block.simple:
        return False
    host = fetch_host(c, block.pc)
    return host == NULL or memcmp(host, block.words, 4 * block.n) != 0


cdef bint block_is_clear(Cpu *c, DirectBlock *block, uint64_t icount) noexcept nogil:
    """Whether none of a block's accesses is watched; the last that is, is noted."""
    cdef bint clear = True
    cdef uint32_t i, first, size
    cdef uint32_t at = 0
    cdef size_t k
    cdef DirectAccess *access
    cdef Place place = Place(SPACE_NONE, 0)
    for i in range(block.count):
        access = &block.accesses[i]
        first = gpr(c, access.base) + access.offset
        size = access.size
        if access.to_start:
            size = (first & 3) + 1
            first &= <uint32_t>~3
        elif access.to_end:
            size = 4 - (first & 3)
        if c.watch.storage:
            place = place_of(c, first, access.kind)
        if c.marking.on:
            if access.kind != ACCESS_READ:
                mark_store(c, first, place, size)
            continue
        for k in range(c.watch.count):
            if watched_at(&c.watch.ranges[k], first, place, size, access.kind, &at):
                note_watch(c, icount, icount + block.n, block.pc, k, at, access.kind)
                clear = False
                break
    return clear


cdef void watch_block(Cpu *c, uint32_t pc, uint32_t n, uint64_t icount) noexcept nogil:
    """A block is about to run while watched pages are mapped as they are, or shall be."""
    cdef DirectBlock *block = &c.watch.direct_blocks[(pc >> 2) & (DIRECT_BLOCKS - 1)]
    if block.epoch != c.watch.direct_epoch or block.pc != pc or block.n != n or block_changed(c, block):
        block.pc = pc
        block.n = n
        study_block(c, block)
    c.watch.direct_wanted = False
    if not block.simple or slot_block(c, pc):
        stop_direct(c)
        return
    if not c.watch.direct:
        c.watch.direct = True
        flush_tlb(c)
    if not (block.clear and block.steady and c.where.start == pc and c.where.size == 4 * n):
        block.clear = block_is_clear(c, block, icount)


cdef void stop_direct(Cpu *c) noexcept nogil:
    """Lead accesses to watched pages through the window."""
    c.watch.direct_wanted = False
    c.watch.window_accesses = 0
    c.run.probe = c.run.stops and not c.run.marked or c.run.stop_soon
    if c.watch.direct:
        c.watch.direct = False
        flush_tlb(c)


cdef inline void seen_in_window(Cpu *c) noexcept nogil:
    """Another access has come through the window."""
    c.watch.window_accesses += 1
    if c.watch.window_accesses >= DIRECT_AFTER and not c.run.stepping and not c.watch.notes:
        c.watch.window_accesses = 0
        c.watch.direct_wanted = True
        look_at_blocks(c)
