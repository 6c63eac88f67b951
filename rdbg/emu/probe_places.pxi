# Where the CPU is looked at: addresses of probes, and of returns that somebody waits for.

cdef inline bint may_be_probed(const Cpu *c, uint32_t pc) noexcept nogil:
    cdef uint32_t n = (pc >> 2) & (BREAKPOINT_BITS - 1)
    return (c.probes.filter[n >> 6] >> (n & 63)) & 1


cdef void probe_filter_add(Cpu *c, uint32_t pc) noexcept nogil:
    cdef uint32_t n = (pc >> 2) & (BREAKPOINT_BITS - 1)
    c.probes.filter[n >> 6] |= (<uint64_t>1) << (n & 63)


cdef ProbedPlace *probed_place(const Cpu *c, uint32_t pc) noexcept nogil:
    """The place at ``pc``; NULL: there is none."""
    cdef size_t low = 0
    cdef size_t high = c.probes.count
    cdef size_t middle
    while low < high:
        middle = (low + high) // 2
        if c.probes.places[middle].first < pc:
            low = middle + 1
        else:
            high = middle
    return &c.probes.places[low] if low < c.probes.count and c.probes.places[low].first == pc else NULL


cdef void fail_probes(Cpu *c) noexcept nogil:
    c.probes.failed = True
    pause_soon(c)


cdef size_t return_slot(const Cpu *c, uint32_t pc) noexcept nogil:
    """Where a return address is kept, or would be."""
    cdef size_t mask = c.probes.returns_room - 1
    cdef size_t at = (pc >> 2) * 0x9E3779B1U & mask
    while c.probes.returns[at] and c.probes.returns[at] != pc:
        at = (at + 1) & mask
    return at


cdef inline bint is_return(const Cpu *c, uint32_t pc) noexcept nogil:
    return c.probes.returns_count != 0 and c.probes.returns[return_slot(c, pc)] == pc


cdef inline bint is_probed(const Cpu *c, uint32_t pc) noexcept nogil:
    return may_be_probed(c, pc) and (probed_place(c, pc) != NULL or is_return(c, pc))


cdef bint is_any_probed(const Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """Whether one of ``n`` instructions from ``pc`` is looked at. Some thousand returns are in a filter with so many
    others that every second block of a kernel would be one that may be, and costs more each time that it runs."""
    cdef uint32_t i
    for i in range(n):
        if is_probed(c, pc + 4 * i):
            return True
    return False


cdef bint widen_returns(Cpu *c) noexcept nogil:
    cdef uint32_t *old = c.probes.returns
    cdef size_t room = c.probes.returns_room
    cdef size_t i
    cdef uint32_t *wider = <uint32_t*>calloc(2 * room, 4)
    if wider == NULL:
        return False
    c.probes.returns = wider
    c.probes.returns_room = 2 * room
    for i in range(room):
        if old[i]:
            wider[return_slot(c, old[i])] = old[i]
    free(old)
    return True


cdef void watch_return(Cpu *c, uint32_t pc) noexcept nogil:
    """Look at a return address from now on: it begins a block, which may have been seen already."""
    cdef size_t at
    if is_return(c, pc) or pc == 0:
        return
    if 2 * c.probes.returns_count >= c.probes.returns_room and not widen_returns(c):
        fail_probes(c)
        return
    at = return_slot(c, pc)
    c.probes.returns[at] = pc
    c.probes.returns_count += 1
    probe_filter_add(c, pc)
    c.touched.recent[recent_slot(pc)] = 0
