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
            return c.machine.model.prid
        if reg == 16:
            return r.config0
        if reg == 17:
            uc_context_save(c.uc, c.context.saved)
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
        return c.machine.model.configs[sel & 7]
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


cdef bint cp0_reserved(const Cpu *c, uint32_t reg, uint32_t sel, bint write) noexcept nogil:
    """Whether mfc0 or mtc0 of a register is a reserved instruction. Others that are not there read as ones."""
    if (reg == 5 and sel >= 5) or (reg == 6 and sel == 6):   # for a page table walker
        return True
    if c.machine.model.release >= 2:
        return False
    return ((reg == 5 and sel == 1) or (reg == 6 and 1 <= sel <= 5) or (reg == 7 and sel == 0)
            or (reg == 12 and 1 <= sel <= 3) or (reg == 15 and (sel == 1 or (sel == 3 and not write))))


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
            if (value & 0x7FFFFFFF) < c.machine.model.tlb_entries:      # others are undefined; QEMU leaves Index alone
                r.index = (r.index & 0x80000000U) | (value & (c.machine.model.tlb_entries - 1))
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
            r.wired = value % c.machine.model.tlb_entries
        elif reg == 7:
            r.hwrena = value & 0xF
        elif reg == 9:
            if r.cause & CAUSE_DC:
                c.guest.count_base = value
            else:
                c.guest.count_base = value - <uint32_t>(now_ns(c, icount) // c.machine.count_period_ns)
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
            set_status(c, (r.status & ~c.machine.model.status_writable) | (value & c.machine.model.status_writable))
        elif reg == 13:
            old = r.cause
            if (old ^ value) & CAUSE_DC:
                if value & CAUSE_DC:
                    c.guest.count_base = read_count(c, icount)
                else:
                    c.guest.count_base -= <uint32_t>(now_ns(c, icount) // c.machine.count_period_ns)
            r.cause = (old & ~c.machine.model.cause_writable) | (value & c.machine.model.cause_writable)
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
    if not rs & 0x10 and c.machine.model.release == 1:
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
        read_tlb(c, c.guest.cp0.index & (c.machine.model.tlb_entries - 1))
    elif function == 2:
        write_indexed(c, c.guest.cp0.index & (c.machine.model.tlb_entries - 1))
    elif function == 6:
        write_random(c)
    elif function == 8:
        probe_tlb(c)
    elif function == 0x18:                       # eret
        if c.guest.cp0.status & STATUS_ERL:
            c.where.next_pc = c.guest.cp0.errorepc
            set_status(c, c.guest.cp0.status & ~<uint32_t>STATUS_ERL)
        else:
            c.where.next_pc = c.guest.cp0.epc
            set_status(c, c.guest.cp0.status & ~<uint32_t>STATUS_EXL)
        forget_branch_and_link(c)
        c.guest.cp0.lladdr = 1 >> c.machine.model.lladdr_shift   # as QEMU does
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
    if c.machine.model.release == 1:
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
