# Where the CPU stands, looked at: the place, and what the next step would do.

cdef uint32_t first_accessed(const Cpu *c, uint32_t w, uint32_t branch, uint32_t pc) noexcept nogil:
    """The address that a load or store computes: ``w`` at ``pc``, or in the slot of ``branch`` there."""
    cdef uint32_t first = effective_address(c, w)
    if branch and (branch >> 26 == 3 or branch >> 26 == 1 and branch & 0x100000) and ((w >> 21) & 31) == 31:
        first += pc + 8 - gpr(c, 31)         # the branch sets ra before its slot runs
    return first


cdef watched_by(const Cpu *c, uint32_t w, uint32_t branch, uint32_t pc):
    cdef int size = 4
    cdef bint store = False
    cdef int form = memory_access(w, &size, &store)
    cdef uint32_t first, last, pa
    cdef uint32_t at = 0
    cdef size_t i
    cdef int kind
    cdef Place place
    if form == 0 or uses_fpu(w) and not c.guest.cp0.status & STATUS_CU1:
        return None
    first = first_accessed(c, w, branch, pc)
    last = first + size - 1
    if translate(c, first, STORE if store else LOAD, kernel_mode(c), &pa) != TRANSLATED:
        return None
    if form < 3 and first & (size - 1):
        return None
    if w >> 26 == OP_SC and not link_holds(c, first):
        return None
    if form in (3, 4):
        if (form == 3) != c.machine.big_endian:
            last = first
            first &= ~<uint32_t>3
        else:
            last = first | 3
    kind = ACCESS_WRITE if store else ACCESS_READ
    place = place_of(c, first, kind) if c.watch.storage else Place(SPACE_NONE, 0)
    for i in range(c.watch.count):
        if watched_at(&c.watch.ranges[i], first, place, last - first + 1, kind, &at):
            return (<int>i, max(at, c.watch.ranges[i].first), kind)
    return None


cdef watched_access(const Cpu *c):
    """The watched access that the next step makes; see CoreStops.watched_access."""
    cdef uint32_t pc = c.where.next_pc
    cdef uint32_t w = code_word(c, pc)
    cdef uint32_t i
    for i in range(2 if slot_runs(c, pc) else 1):
        hit = watched_by(c, code_word(c, pc + 4 * i), w if i else 0, pc)
        if hit is not None:
            return hit
    return None


cdef bint reaches_outside(const Cpu *c, uint32_t w, uint32_t branch, uint32_t pc) noexcept nogil:
    """Whether an instruction may have to do with something else than the CPU and its memory: it accesses what is none,
    waits, or calls the host."""
    cdef int size = 4
    cdef bint store = False
    if memory_access(w, &size, &store) == 0:
        return w == CALL_WORD or w >> 26 == 0x10 and w & 0x200003F == 0x2000020   # wait
    return place_of(c, first_accessed(c, w, branch, pc), ACCESS_WRITE if store else ACCESS_READ).space != SPACE_MEMORY


cdef bint step_reaches_outside(const Cpu *c) noexcept nogil:
    """See CoreStops.step_reaches_outside."""
    cdef uint32_t pc = c.where.next_pc
    cdef uint32_t w = code_word(c, pc)
    if c.guest.halted or reaches_outside(c, w, 0, pc):
        return True
    return slot_runs(c, pc) and reaches_outside(c, code_word(c, pc + 4), w, pc)


cdef current_place(const Cpu *c):
    """See Core.place."""
    cdef int back
    if c.devices.access_icount != NOWHERE:
        return (c.devices.access_icount, c.where.start + 4 * <uint32_t>(c.devices.access_icount - c.where.base), True)
    if not c.run.inside:
        return (position(c), c.where.next_pc, True)
    back = 1 if c.where.in_slot else 0
    return (c.where.base - back, c.where.start - 4 * back, False)
