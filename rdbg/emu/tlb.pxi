# The TLB (MIPS32 PRA vol. III, chapter 4), as QEMU 7.2 has it.

cdef inline uint32_t next_seed(uint32_t seed) noexcept nogil:
    return seed * 1103515245 + 12345


cdef uint32_t random_index(const Cpu *c) noexcept nogil:
    """What Random shows next: a TLB index from Wired up, of a sequence that is part of the machine's state."""
    cdef uint32_t wired = c.guest.cp0.wired
    if wired >= c.machine.model.tlb_entries - 1:
        return c.machine.model.tlb_entries - 1
    return (next_seed(c.guest.random) >> 16) % (c.machine.model.tlb_entries - wired) + wired


cdef uint32_t draw_random(Cpu *c) noexcept nogil:
    """Take what Random shows."""
    cdef uint32_t index = random_index(c)
    c.guest.random = next_seed(c.guest.random)
    return index


cdef inline bint is_page_mask(uint32_t mask) noexcept nogil:
    """Whether there are pages of the size that PageMask says: 4 KiB times a power of 4."""
    cdef uint32_t ones = mask >> 13
    return not ones & (ones + 1) and (ones + 1) & 0x15555 != 0


# An entry that tlbwr replaces goes on to translate, as in QEMU: which one is replaced is a matter of chance, so that
# the guest cannot count on its absence, and a page that is used again soon costs no miss. The guest must not be able
# to tell: whatever it does to find or remove an entry (tlbp, tlbr, tlbwi, a new ASID) removes these first, and they
# never lead to an exception of their own. They are part of the machine's state.
# No two entries in use translate the same address, unless the guest has written such into the TLB itself; so their
# order does not matter, and what Unicorn has cached stays true while one is moved.

cdef void forget_replaced(Cpu *c) noexcept nogil:
    """Drop what tlbwr has replaced. The caller flushes Unicorn's TLB."""
    memset(&c.guest.tlb[c.machine.model.tlb_entries], 0, (TLB_SLOTS - c.machine.model.tlb_entries) * sizeof(TlbEntry))
    c.guest.tlb_count = c.machine.model.tlb_entries


cdef inline bint overlap(const TlbEntry *a, const TlbEntry *b) noexcept nogil:
    """Whether both may translate one address."""
    return not (a.vpn2 ^ b.vpn2) & ~(a.mask | b.mask | 0x1FFF) and (
        a.asid == b.asid or a.is_global != 0 or b.is_global != 0)


cdef bint forget_overlapping(Cpu *c, const TlbEntry *e) noexcept nogil:
    """Drop replaced entries that translate what ``e`` does; whether there were any."""
    cdef uint32_t i = c.guest.tlb_count
    cdef bint found = False
    while i > c.machine.model.tlb_entries:
        i -= 1
        if overlap(&c.guest.tlb[i], e):
            found = True
            c.guest.tlb_count -= 1
            c.guest.tlb[i] = c.guest.tlb[c.guest.tlb_count]
            memset(&c.guest.tlb[c.guest.tlb_count], 0, sizeof(TlbEntry))
    return found


cdef TlbEntry entry_to_write(Cpu *c) noexcept nogil:
    """What tlbwi and tlbwr write."""
    cdef TlbEntry e
    # Frame bits below the page size are not stored.
    cdef uint32_t kept = ~((c.guest.cp0.pagemask >> 13) << 6) & ~<uint32_t>1
    e.vpn2 = c.guest.cp0.entryhi & <uint32_t>0xFFFFE000U
    e.mask = c.guest.cp0.pagemask
    e.asid = c.guest.cp0.entryhi & 0xFF
    e.is_global = c.guest.cp0.entrylo0 & c.guest.cp0.entrylo1 & 1
    e.lo0 = c.guest.cp0.entrylo0 & kept
    e.lo1 = c.guest.cp0.entrylo1 & kept
    return e


cdef inline bint permits_more(uint32_t old, uint32_t new) noexcept nogil:
    """Whether half an entry goes on to translate all that it did, to the same frame."""
    return not old & 2 or (new & 2 and (old ^ new) >> 6 == 0 and not old & ~new & 4)


cdef void write_indexed(Cpu *c, uint32_t index) noexcept nogil:
    """tlbwi."""
    cdef TlbEntry new = entry_to_write(c)
    cdef TlbEntry *old = &c.guest.tlb[index]
    cdef bint upgrade = (
        old.vpn2 == new.vpn2 and old.mask == new.mask and old.asid == new.asid and old.is_global == new.is_global
        and permits_more(old.lo0, new.lo0) and permits_more(old.lo1, new.lo1))
    old[0] = new
    if not upgrade:
        forget_replaced(c)
        flush_tlb(c)


cdef void write_random(Cpu *c) noexcept nogil:
    """tlbwr."""
    cdef uint32_t index = draw_random(c)
    cdef TlbEntry new = entry_to_write(c)
    cdef TlbEntry *old = &c.guest.tlb[index]
    cdef bint flush = forget_overlapping(c, &new)
    cdef bint keep = c.guest.tlb_count < TLB_SLOTS and not overlap(old, &new)
    cdef uint32_t i
    for i in range(c.guest.tlb_count):
        if i != index and (overlap(&c.guest.tlb[i], old) or overlap(&c.guest.tlb[i], &new)):
            keep = False
            break
    if keep:
        c.guest.tlb[c.guest.tlb_count] = old[0]
        c.guest.tlb_count += 1
    else:
        forget_replaced(c)
        flush = True
    old[0] = new
    if flush:
        flush_tlb(c)


cdef void read_tlb(Cpu *c, uint32_t index) noexcept nogil:
    """tlbr."""
    cdef TlbEntry *e = &c.guest.tlb[index]
    cdef uint32_t asid = c.guest.cp0.entryhi & 0xFF
    cdef bint replaced = c.guest.tlb_count > c.machine.model.tlb_entries
    forget_replaced(c)
    c.guest.cp0.entryhi = e.vpn2 | e.asid
    c.guest.cp0.pagemask = e.mask
    c.guest.cp0.entrylo0 = e.lo0 | e.is_global
    c.guest.cp0.entrylo1 = e.lo1 | e.is_global
    if replaced or e.asid != asid:
        flush_tlb(c)


cdef void probe_tlb(Cpu *c) noexcept nogil:
    """tlbp."""
    cdef uint32_t i, mask
    cdef TlbEntry *e
    cdef TlbEntry wanted
    for i in range(c.machine.model.tlb_entries):
        e = &c.guest.tlb[i]
        mask = e.mask | 0x1FFF
        if (c.guest.cp0.entryhi & ~mask) == (e.vpn2 & ~mask) and (
                e.is_global or e.asid == (c.guest.cp0.entryhi & 0xFF)):
            c.guest.cp0.index = i
            return
    c.guest.cp0.index |= <uint32_t>0x80000000U
    memset(&wanted, 0, sizeof(TlbEntry))
    wanted.vpn2 = c.guest.cp0.entryhi & <uint32_t>0xFFFFE000U
    wanted.asid = c.guest.cp0.entryhi & 0xFF
    if forget_overlapping(c, &wanted):
        flush_tlb(c)
