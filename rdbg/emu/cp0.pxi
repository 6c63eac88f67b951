# Privileged instructions and CP0 (MIPS32 PRA vol. III, chapter 9), as QEMU 7.2 does them.

cdef enum:
    EMULATED = 0                 # go on behind the instruction
    EMULATED_JUMP = 1            # next_pc says where
    EMULATED_WAIT = 2
    RESERVED = 3                 # reserved instruction

    SYNCI_STEP = 32
    COUNT_RESOLUTION = 2
    CAUSE_WRITABLE_R1 = 0x00C00300
    WATCHHI_WRITABLE = 0x40FF0FF8
    DEBUG_WRITABLE = 0x13300120  # without DM: debug mode is not modelled
    DEBUG_READABLE = 0x8C03FC1FU
    ERRCTL_WRITABLE = 0x30000000


cdef inline uint32_t next_seed(uint32_t seed) noexcept nogil:
    return seed * 1103515245 + 12345


cdef uint32_t random_index(const Cpu *c) noexcept nogil:
    """What Random shows next: a TLB index from Wired up, of a sequence that is part of the machine's state."""
    cdef uint32_t wired = c.guest.cp0.wired
    if wired >= c.model.tlb_entries - 1:
        return c.model.tlb_entries - 1
    return (next_seed(c.guest.random) >> 16) % (c.model.tlb_entries - wired) + wired


cdef uint32_t draw_random(Cpu *c) noexcept nogil:
    """Take what Random shows."""
    cdef uint32_t index = random_index(c)
    c.guest.random = next_seed(c.guest.random)
    return index


cdef uint32_t read_cp0(const Cpu *c, uint32_t reg, uint32_t sel, uint64_t icount) noexcept nogil:
    """What mfc0 gives. Looking changes nothing: not even the debugger's look."""
    cdef const Cp0 *r = &c.guest.cp0
    if sel == 0:
        if reg == 0:
            return r.index
        if reg == 1:
            return random_index(c)
        if reg == 2:
            return r.entrylo0
        if reg == 3:
            return r.entrylo1
        if reg == 4:
            return r.context
        if reg == 5:
            return r.pagemask
        if reg == 6:
            return r.wired
        if reg == 7:
            return r.hwrena
        if reg == 8:
            return r.badvaddr
        if reg == 9:
            return read_count(c, icount)
        if reg == 10:
            return r.entryhi
        if reg == 11:
            return r.compare
        if reg == 12:
            return r.status
        if reg == 13:
            return r.cause
        if reg == 14:
            return r.epc
        if reg == 15:
            return c.model.prid
        if reg == 16:
            return r.config0
        if reg == 17:
            uc_context_save(c.uc, c.ctx)
            return link_address(c)
        if reg == 21:
            return r.framemask
        if reg == 23:
            return r.debug
        if reg == 24:
            return r.depc
        if reg == 25:
            return r.performance
        if reg == 26:
            return r.errctl
        if reg == 27:
            return 0
        if reg == 30:
            return r.errorepc
        if reg == 31:
            return r.desave
    if reg == 5 and sel == 1 or reg == 6 and sel <= 5:
        return 0
    if reg == 12:
        if sel == 1:
            return r.intctl
        if sel == 2:
            return r.srsctl
        if sel == 3:
            return r.srsmap
    if reg == 15 and sel == 1:
        return r.ebase
    if reg == 16:
        return c.model.configs[sel & 7]
    if reg == 18:
        return r.watchlo[sel]
    if reg == 19:
        return r.watchhi[sel]
    if reg == 22:
        return 0
    if reg == 28:
        return r.datalo if sel & 1 else r.taglo
    if reg == 29:
        return r.datahi if sel & 1 else r.taghi
    return <uint32_t>0xFFFFFFFFU


cdef bint cp0_reserved(Cpu *c, uint32_t reg, uint32_t sel, bint write) noexcept nogil:
    """Whether mfc0 or mtc0 of a register is a reserved instruction. Others that are not there read as ones."""
    if (reg == 5 and sel >= 5) or (reg == 6 and sel == 6):   # for a page table walker
        return True
    if c.model.release >= 2:
        return False
    return ((reg == 5 and sel == 1) or (reg == 6 and 1 <= sel <= 5) or (reg == 7 and sel == 0)
            or (reg == 12 and 1 <= sel <= 3) or (reg == 15 and (sel == 1 or (sel == 3 and not write))))


cdef inline bint is_page_mask(uint32_t mask) noexcept nogil:
    """Whether there are pages of the size that PageMask says: 4 KiB times a power of 4."""
    cdef uint32_t ones = mask >> 13
    return not ones & (ones + 1) and (ones + 1) & 0x15555 != 0


cdef void write_cp0(Cpu *c, uint32_t reg, uint32_t sel, uint32_t value, uint64_t icount) noexcept nogil:
    cdef Cp0 *r = &c.guest.cp0
    cdef uint32_t old
    if reg == 18:
        r.watchlo[sel] = value & ~<uint32_t>7
    elif reg == 19:
        r.watchhi[sel] = (r.watchhi[sel] & 0x80000000U) | (value & WATCHHI_WRITABLE)
    elif reg == 28:
        if sel & 1:
            r.datalo = value
        else:
            r.taglo = value & <uint32_t>0xFFFFFCF6U
    elif reg == 29:
        if sel & 1:
            r.datahi = value
        else:
            r.taghi = value
    elif sel == 0:
        if reg == 0:
            if (value & 0x7FFFFFFF) < c.model.tlb_entries:      # others are undefined; QEMU leaves Index alone
                r.index = (r.index & 0x80000000U) | (value & (c.model.tlb_entries - 1))
        elif reg == 2:
            r.entrylo0 = value & 0x03FFFFFF
        elif reg == 3:
            r.entrylo1 = value & 0x03FFFFFF
        elif reg == 4:
            r.context = (r.context & 0x007FFFFF) | (value & <uint32_t>0xFF800000U)
        elif reg == 5:
            value &= 0x1FFFE000
            r.pagemask = value if is_page_mask(value) else 0      # no page size that there is: 4 KiB, as in QEMU
        elif reg == 6:
            r.wired = value % c.model.tlb_entries
        elif reg == 7:
            r.hwrena = value & 0xF
        elif reg == 9:
            if r.cause & CAUSE_DC:
                c.guest.count_base = value
            else:
                c.guest.count_base = value - <uint32_t>(now_ns(c, icount) // c.count_period_ns)
                restart_compare(c, icount)
        elif reg == 10:
            old = r.entryhi
            r.entryhi = value & <uint32_t>0xFFFFE0FFU
            if (old ^ value) & 0xFF:
                forget_replaced(c)
                flush_tlb(c)
        elif reg == 11:
            r.compare = value
            r.cause &= ~<uint32_t>CAUSE_TI
            update_lines(c)
            restart_compare(c, icount)
        elif reg == 12:
            set_status(c, (r.status & ~c.model.status_writable) | (value & c.model.status_writable))
        elif reg == 13:
            old = r.cause
            if (old ^ value) & CAUSE_DC:
                if value & CAUSE_DC:
                    c.guest.count_base = read_count(c, icount)
                else:
                    c.guest.count_base -= <uint32_t>(now_ns(c, icount) // c.count_period_ns)
            r.cause = (old & ~c.model.cause_writable) | (value & c.model.cause_writable)
            if (old ^ value) & CAUSE_DC:
                restart_compare(c, icount)
            look_soon(c)
        elif reg == 14:
            r.epc = value
        elif reg == 16:
            r.config0 = (r.config0 & ~<uint32_t>7) | (value & 7)
        elif reg == 21:
            r.framemask = value
        elif reg == 23:
            r.debug = (r.debug & DEBUG_READABLE) | (value & DEBUG_WRITABLE)
        elif reg == 24:
            r.depc = value
        elif reg == 25:
            r.performance = value & 0x7FF
        elif reg == 26:
            r.errctl = value & ERRCTL_WRITABLE
        elif reg == 30:
            r.errorepc = value
        elif reg == 31:
            r.desave = value
    elif reg == 12 and sel == 1:
        r.intctl = (r.intctl & ~<uint32_t>0x3E0) | (value & 0x3E0)
    elif reg == 12 and sel == 2:
        r.srsctl = (r.srsctl & ~<uint32_t>0xF3C0) | (value & 0xF3C0)
    elif reg == 12 and sel == 3:
        r.srsmap = value
    elif reg == 15 and sel == 1:
        r.ebase = (r.ebase & ~<uint32_t>0x3FFFF000) | (value & 0x3FFFF000)


# An entry that tlbwr replaces goes on to translate, as in QEMU: which one is replaced is a matter of chance, so that
# the guest cannot count on its absence, and a page that is used again soon costs no miss. The guest must not be able
# to tell: whatever it does to find or remove an entry (tlbp, tlbr, tlbwi, a new ASID) removes these first, and they
# never lead to an exception of their own. They are part of the machine's state.
# No two entries in use translate the same address, unless the guest has written such into the TLB itself; so their
# order does not matter, and what Unicorn has cached stays true while one is moved.

cdef void forget_replaced(Cpu *c) noexcept nogil:
    """Drop what tlbwr has replaced. The caller flushes Unicorn's TLB."""
    memset(&c.guest.tlb[c.model.tlb_entries], 0, (TLB_SLOTS - c.model.tlb_entries) * sizeof(TlbEntry))
    c.guest.tlb_count = c.model.tlb_entries


cdef inline bint overlap(const TlbEntry *a, const TlbEntry *b) noexcept nogil:
    """Whether both may translate one address."""
    return not (a.vpn2 ^ b.vpn2) & ~(a.mask | b.mask | 0x1FFF) and (
        a.asid == b.asid or a.is_global != 0 or b.is_global != 0)


cdef bint forget_overlapping(Cpu *c, const TlbEntry *e) noexcept nogil:
    """Drop replaced entries that translate what ``e`` does; whether there were any."""
    cdef uint32_t i = c.guest.tlb_count
    cdef bint found = False
    while i > c.model.tlb_entries:
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
    cdef bint replaced = c.guest.tlb_count > c.model.tlb_entries
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
    for i in range(c.model.tlb_entries):
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


cdef int emulate_cp0(Cpu *c, uint32_t w, uint64_t icount) noexcept nogil:
    """Do the privileged instruction ``w`` (COP0 or cache). ``icount``: position before it.

    What it sees and sets of time is that behind it, as on QEMU with -icount.
    """
    cdef uint32_t rs = (w >> 21) & 31
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t rd = (w >> 11) & 31
    cdef uint32_t function = w & 0x3F
    cdef uint32_t old
    if w >> 26 == 0x2F:                          # cache: memory is coherent
        return EMULATED
    if (rs == 0 or rs == 4) and cp0_reserved(c, rd, w & 7, rs == 4):
        return RESERVED
    if rs == 0:                                  # mfc0
        old = draw_random(c) if rd == 1 and not w & 7 else read_cp0(c, rd, w & 7, icount + 1)
        set_gpr(c, rt, old)
        return EMULATED
    if rs == 4:                                  # mtc0
        write_cp0(c, rd, w & 7, gpr(c, rt), icount + 1)
        return EMULATED
    if not rs & 0x10 and c.model.release == 1:
        return RESERVED
    if rs == 0x0B and rd == 12 and (w & 0x7DF) == 0:   # di, ei
        old = c.guest.cp0.status
        set_status(c, old | STATUS_IE if w & 0x20 else old & ~<uint32_t>STATUS_IE)
        set_gpr(c, rt, old)
        return EMULATED
    if rs == 0x0A:                               # rdpgpr: one register set only
        set_gpr(c, rd, gpr(c, rt))
        return EMULATED
    if rs == 0x0E:                               # wrpgpr
        set_gpr(c, rd, gpr(c, rt))
        return EMULATED
    if not rs & 0x10:
        return RESERVED
    if function == 1:
        read_tlb(c, c.guest.cp0.index & (c.model.tlb_entries - 1))
    elif function == 2:
        write_indexed(c, c.guest.cp0.index & (c.model.tlb_entries - 1))
    elif function == 6:
        write_random(c)
    elif function == 8:
        probe_tlb(c)
    elif function == 0x18:                       # eret
        if c.guest.cp0.status & STATUS_ERL:
            c.next_pc = c.guest.cp0.errorepc
            set_status(c, c.guest.cp0.status & ~<uint32_t>STATUS_ERL)
        else:
            c.next_pc = c.guest.cp0.epc
            set_status(c, c.guest.cp0.status & ~<uint32_t>STATUS_EXL)
        forget_branch_and_link(c)
        c.guest.cp0.lladdr = 1 >> c.model.lladdr_shift   # as QEMU does
        return EMULATED_JUMP
    elif function == 0x20:
        return EMULATED_WAIT
    else:
        return RESERVED
    return EMULATED


cdef bint emulate_rdhwr(Cpu *c, uint32_t w, uint64_t icount) noexcept nogil:
    """rdhwr, as far as HWREna or the mode allows it."""
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t rd = (w >> 11) & 31
    if c.model.release == 1:
        return False
    if not (kernel_mode(c) or c.guest.cp0.status & STATUS_CU0) and not (c.guest.cp0.hwrena >> rd) & 1:
        return False
    if rd == 0:
        set_gpr(c, rt, c.guest.cp0.ebase & 0x3FF)
    elif rd == 1:
        set_gpr(c, rt, SYNCI_STEP)
    elif rd == 2:
        set_gpr(c, rt, read_count(c, icount + 1))
    elif rd == 3:
        set_gpr(c, rt, COUNT_RESOLUTION)
    elif rd == 29:                               # UserLocal: no model has it
        set_gpr(c, rt, 0)
    else:
        return False
    return True
