# Registers put into Unicorn, and those of reset.

cdef void write_registers(Cpu *c, const Registers *h) noexcept nogil:
    """Put registers into Unicorn; the rest of it follows what is owned here."""
    cdef uint32_t fcsr_now
    cdef int i
    for i in range(32):
        if i:
            uc_reg_write(c.uc, UC_MIPS_REG_0 + i, &h.gpr[i])
        uc_reg_write(c.uc, UC_MIPS_REG_F0 + i, &h.fpr[i])
    uc_reg_write(c.uc, UC_MIPS_REG_HI, &h.hi)
    uc_reg_write(c.uc, UC_MIPS_REG_LO, &h.lo)
    # A FCSR whose cause is enabled, as a floating-point handler sees it, is refused: set the rounding and
    # the rest first, then the bits themselves.
    fcsr_now = h.fcsr & ~<uint32_t>0x3F000
    uc_reg_write(c.uc, UC_MIPS_REG_FCSR, &fcsr_now)
    sync_status(c)
    uc_context_save(c.uc, c.context.saved)
    (<uint32_t*>(c.context.bytes + c.context.at_fcsr))[0] = h.fcsr
    (<uint32_t*>(c.context.bytes + c.context.at_lladdr))[0] = h.lladdr
    (<uint32_t*>(c.context.bytes + c.context.at_llval))[0] = h.llval
    (<uint32_t*>(c.context.bytes + c.context.at_hflags))[0] &= ~<uint32_t>HFLAGS_BMASK
    uc_context_restore(c.uc, c.context.saved)


cdef void reset_cpu(Cpu *c, uint32_t pc, uint32_t status) noexcept nogil:
    """Registers of reset; icount and virtual time go on."""
    cdef uint64_t bias = c.guest.bias_ns
    cdef uint64_t icount = position(c)
    cdef uint32_t i
    cdef uint64_t zero = 0
    memset(&c.guest, 0, sizeof(Guest))
    c.guest.bias_ns = bias
    c.guest.random = 1
    c.guest.cp0.status = status
    c.guest.cp0.config0 = c.machine.model.configs[0] | (0x8000 if c.machine.big_endian else 0)
    c.guest.cp0.ebase = 0x80000000U
    c.guest.cp0.intctl = <uint32_t>0xE0000000U
    c.guest.cp0.debug = 0x02008000               # version 1; Count would run in debug mode
    for i in range(7):
        c.guest.cp0.watchhi[i] = 0x80000000U     # M: another pair follows
    c.guest.tlb_count = c.machine.model.tlb_entries
    for i in range(c.machine.model.tlb_entries):             # entries that nothing matches, as QEMU has them
        c.guest.tlb[i].vpn2 = (<uint32_t>0x80000000U) + (i << 13)
    for i in range(1, 32):
        set_gpr(c, i, 0)
    for i in range(32):
        uc_reg_write(c.uc, UC_MIPS_REG_F0 + <int>i, &zero)
    uc_reg_write(c.uc, UC_MIPS_REG_HI, &zero)
    uc_reg_write(c.uc, UC_MIPS_REG_LO, &zero)
    uc_reg_write(c.uc, UC_MIPS_REG_FCSR, &zero)
    sync_status(c)
    forget_branch_and_link(c)
    c.guest.cp0.lladdr = 0                       # nor is the link of before seen
    flush_tlb(c)
    c.guest.compare_ns = now_ns(c, icount) - now_ns(c, icount) % count_round_ns(c) + count_round_ns(c)
    plan_compare(c)
    c.where.base = icount
    go_to(c, pc, True)
    plan_hold(c)
    c.run.was_reset = True


cdef save_cpu(const Cpu *c):
    """All of the CPU's state but its position; see Core.save."""
    cdef Saved saved
    saved.guest = c.guest
    read_registers(c, &saved.registers)
    return pack_saved(&saved)


cdef load_cpu(Cpu *c, uint64_t icount, bytes record):
    """See Core.load."""
    cdef Saved saved
    wrong = unpack_saved(record, &saved) or impossible_part(c, icount, &saved)
    if wrong:
        raise RdbgError(f"the CPU state of the snapshot at icount {icount} {wrong}")
    c.guest = saved.guest
    write_registers(c, &saved.registers)
    c.run.why_soon = WHY_NONE
    c.run.was_reset = False
    stand_at(c, saved.registers.pc, icount)
    c.where.left = LEFT_UNKNOWN
    plan_compare(c)
    plan_hold(c)
    c.due.host = 0
    flush_tlb(c)
