# Address translation (MIPS32 PRA vol. III, chapter 4), and what stands at a guest-physical address.

cdef inline bint kernel_mode(const Cpu *c) noexcept nogil:
    return (c.guest.cp0.status & STATUS_KSU) == 0 or (c.guest.cp0.status & (STATUS_EXL | STATUS_ERL)) != 0


cdef int translate(const Cpu *c, uint32_t va, int access, bint kernel, uint32_t *pa) noexcept nogil:
    """Guest-physical address of ``va``; one of TRANSLATED, ADDRESS_ERROR, NO_MATCH, NOT_VALID, NOT_DIRTY."""
    cdef uint32_t i, mask, lo, half
    cdef const TlbEntry *e
    cdef bint supervisor
    if va >= 0x80000000U:
        if not kernel:
            supervisor = (c.guest.cp0.status & STATUS_KSU) == 8
            if not supervisor or (va >> 29) != 6:
                return ADDRESS_ERROR
        if va < 0xC0000000U:
            pa[0] = va & 0x1FFFFFFF
            return TRANSLATED
    elif c.guest.cp0.status & STATUS_ERL:
        pa[0] = va
        return TRANSLATED
    for i in range(c.guest.tlb_count):
        e = &c.guest.tlb[i]
        mask = e.mask | 0x1FFF
        if (va & ~mask) == (e.vpn2 & ~mask) and (e.is_global or e.asid == (c.guest.cp0.entryhi & 0xFF)):
            half = (mask >> 1) + 1
            lo = e.lo1 if va & half else e.lo0
            if not lo & 2 or access == STORE and not lo & 4:
                if i >= c.machine.model.tlb_entries:
                    continue                     # what a handler would look for with tlbp, and not find
                return NOT_DIRTY if lo & 2 else NOT_VALID
            pa[0] = (((lo >> 6) << PAGE_BITS) & ~(mask >> 1)) | (va & (mask >> 1))
            return TRANSLATED
    return NO_MATCH


cdef inline uint32_t guest_word(const Cpu *c, uint32_t raw) noexcept nogil:
    """A word of guest memory, read by the host, in the guest's byte order."""
    if c.machine.big_endian:
        return (raw >> 24) | ((raw >> 8) & 0xFF00) | ((raw << 8) & 0xFF0000) | (raw << 24)
    return raw


cdef inline uint32_t space_of(const Cpu *c, uint32_t pc) noexcept nogil:
    """The address space of code: that of the kernel is in all of them."""
    return <uint32_t>SHARED_SPACE if pc >> 31 else c.guest.cp0.entryhi & 0xFF


cdef uint32_t ask_what_stands_at(const Cpu *c, uint32_t ppage) noexcept with gil:
    """What stands at a guest-physical page, as Memory.phys_map has it but for the slot of a device; Python knows."""
    cdef Core core = <Core>c.owner
    cdef uint32_t kind, page
    try:
        kind, page = core.host.classify(ppage)
        if kind & MAP_KIND == MAP_MEMORY and page >= c.memory.page_count:
            raise IndexError(f"page {page} of a machine with {c.memory.page_count}")
        return kind | page << 8
    except BaseException as error:
        core.keep_error(error)
        return MAP_NONE


cdef inline uint32_t stands_at(const Cpu *c, uint32_t ppage) noexcept nogil:
    """The same, for whoever looks: nothing is remembered of it."""
    return c.memory.phys_map[ppage] if c.memory.phys_map[ppage] != MAP_UNKNOWN else ask_what_stands_at(c, ppage)


cdef uint64_t load_host(const Cpu *c, uint8_t *host, unsigned size) noexcept nogil:
    """A guest value of ``size`` bytes from host memory, in the guest's byte order."""
    cdef uint64_t value = 0
    cdef unsigned i
    for i in range(size):
        value |= <uint64_t>host[i] << (8 * (size - 1 - i) if c.machine.big_endian else 8 * i)
    return value


cdef void store_host(const Cpu *c, uint8_t *host, unsigned size, uint64_t value) noexcept nogil:
    cdef unsigned i
    for i in range(size):
        host[i] = <uint8_t>(value >> (8 * (size - 1 - i) if c.machine.big_endian else 8 * i))
