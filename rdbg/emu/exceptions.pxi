# Exceptions, interrupts, and time (MIPS32 PRA vol. III, chapter 6).

cdef void sync_status(Cpu *c) noexcept nogil:
    """Give Unicorn the part of Status that it shall know: never kernel mode, never CP0.

    The guest's kernel mode is Unicorn's supervisor mode and its user mode is user mode: two soft TLBs, so that a
    change of mode flushes nothing.
    """
    cdef uint32_t status = c.guest.cp0.status & (STATUS_CU1 | STATUS_FR)
    cdef uint32_t old = 0
    status |= 0x08 if kernel_mode(c) else 0x10
    uc_reg_read(c.uc, UC_MIPS_REG_CP0_STATUS, &old)
    if status != old:
        uc_reg_write(c.uc, UC_MIPS_REG_CP0_STATUS, &status)


cdef void set_status(Cpu *c, uint32_t status) noexcept nogil:
    cdef uint32_t changed = c.guest.cp0.status ^ status
    c.guest.cp0.status = status
    if changed & STATUS_ERL or (changed & STATUS_KSU and ((status | (status ^ changed)) & STATUS_KSU) != 0x10):
        flush_tlb(c)             # kuseg changes its meaning, or supervisor mode shares user mode's soft TLB
    if changed & (STATUS_CU1 | STATUS_FR | STATUS_KSU | STATUS_EXL | STATUS_ERL):
        sync_status(c)
    look_soon(c)


cdef inline uint64_t now_ns(const Cpu *c, uint64_t icount) noexcept nogil:
    return (icount << c.machine.shift) + c.guest.bias_ns


cdef uint32_t read_count(const Cpu *c, uint64_t icount) noexcept nogil:
    if c.guest.cp0.cause & CAUSE_DC:
        return c.guest.count_base
    return c.guest.count_base + <uint32_t>(now_ns(c, icount) // c.machine.count_period_ns)


cdef inline uint64_t icount_of(const Cpu *c, uint64_t ns) noexcept nogil:
    """The first icount whose virtual time is ``ns`` or later."""
    if ns <= c.guest.bias_ns:
        return 0
    return (ns - c.guest.bias_ns + ((<uint64_t>1) << c.machine.shift) - 1) >> c.machine.shift


cdef void plan_compare(Cpu *c) noexcept nogil:
    """Find the icount of compare_ns."""
    if c.guest.cp0.cause & CAUSE_DC:
        c.due.compare = FOREVER
        return
    c.due.compare = icount_of(c, c.guest.compare_ns)
    look_soon(c)


cdef void plan_hold(Cpu *c) noexcept nogil:
    """Find the icount at which interrupts are no longer held back."""
    c.due.release = FOREVER
    if c.guest.hold_ns > now_ns(c, position(c)):
        c.due.release = icount_of(c, c.guest.hold_ns)
    look_soon(c)


cdef inline uint64_t count_round_ns(const Cpu *c) noexcept nogil:
    """How long Count takes for all its values."""
    return (<uint64_t>1 << 32) * c.machine.count_period_ns


cdef void restart_compare(Cpu *c, uint64_t icount) noexcept nogil:
    """After a write to Count, Compare or Cause.DC: so many whole ticks from now as Count lacks, at once if it lacks none,
    as QEMU has it (target/mips/cp0_timer.c, cpu_mips_timer_update)."""
    cdef uint32_t ticks = c.guest.cp0.compare - read_count(c, icount)
    c.guest.compare_ns = now_ns(c, icount) + <uint64_t>ticks * c.machine.count_period_ns
    plan_compare(c)


cdef void update_lines(Cpu *c) noexcept nogil:
    """Cause.IP7..2 from the interrupt inputs and the timer."""
    cdef uint32_t lines = c.guest.hardware_lines
    if c.guest.cp0.cause & CAUSE_TI:
        lines |= (<uint32_t>1) << c.machine.timer_line
    c.guest.cp0.cause = (c.guest.cp0.cause & ~<uint32_t>0xFC00) | ((lines & 0x3F) << 10)
    look_soon(c)


cdef inline bint interrupt_pending(const Cpu *c) noexcept nogil:
    return (c.guest.cp0.cause & c.guest.cp0.status & 0xFF00) != 0


cdef inline bint interrupts_enabled(const Cpu *c) noexcept nogil:
    return (c.guest.cp0.status & (STATUS_IE | STATUS_EXL | STATUS_ERL)) == STATUS_IE


cdef inline bint takes_interrupt(const Cpu *c) noexcept nogil:
    """Whether an interrupt is taken before the next instruction, if that is in no delay slot."""
    return interrupt_pending(c) and interrupts_enabled(c) and c.due.release == FOREVER


cdef uint32_t enter_exception(Cpu *c, int code, uint32_t offset, uint32_t pc, bint in_slot) noexcept nogil:
    """Registers of exception entry; returns the vector. Section 6.2."""
    cdef Cp0 *r = &c.guest.cp0
    if not r.status & STATUS_EXL:
        r.epc = pc
        r.cause &= ~<uint32_t>CAUSE_BD
        if in_slot:
            r.epc = pc - 4
            r.cause |= <uint32_t>CAUSE_BD
    elif code != EXC_INT:
        offset = 0x180
    r.cause = (r.cause & ~<uint32_t>0x7C) | (<uint32_t>code << 2)
    set_status(c, r.status | STATUS_EXL)
    if r.status & STATUS_BEV:
        return <uint32_t>0xBFC00200U + offset
    return (r.ebase & <uint32_t>0xFFFFF000U) + offset


cdef uint32_t interrupt_offset(const Cpu *c) noexcept nogil:
    cdef uint32_t spacing, pending, vector
    if not c.guest.cp0.cause & CAUSE_IV:
        return 0x180
    spacing = c.guest.cp0.intctl & 0x3E0
    if c.guest.cp0.status & STATUS_BEV or spacing == 0:
        return 0x200
    pending = (c.guest.cp0.cause & c.guest.cp0.status) >> 8 & 0xFF
    vector = 0
    while pending > 1:
        pending >>= 1
        vector += 1
    return 0x200 + vector * spacing


cdef uint32_t link_address(const Cpu *c) noexcept nogil:
    """LLAddr: of the link that stands, or of the last one that an exception ended. Needs the context saved."""
    cdef uint32_t va = (<uint32_t*>(c.context.bytes + c.context.at_lladdr))[0]
    cdef uint32_t pa = 0
    if va != 1 and translate(c, va, LOAD, True, &pa) == TRANSLATED:
        return pa >> c.machine.model.lladdr_shift
    return c.guest.cp0.lladdr


cdef void forget_branch_and_link(Cpu *c) noexcept nogil:
    """What every exception entry and eret do inside Unicorn: no branch is pending, the LL bit is clear."""
    cdef uint32_t *hflags
    uc_context_save(c.uc, c.context.saved)
    hflags = <uint32_t*>(c.context.bytes + c.context.at_hflags)
    if hflags[0] & HFLAGS_BMASK or (<uint32_t*>(c.context.bytes + c.context.at_lladdr))[0] != 1:
        hflags[0] &= ~<uint32_t>HFLAGS_BMASK
        c.guest.cp0.lladdr = link_address(c)
        (<uint32_t*>(c.context.bytes + c.context.at_lladdr))[0] = 1
        uc_context_restore(c.uc, c.context.saved)


cdef void raise_at(Cpu *c, int code, uint32_t offset, uint32_t pc, bint in_slot) noexcept nogil:
    """Take an exception of the instruction at ``pc``, inside or outside emu_start. c.where.base counts that instruction."""
    cdef uint32_t vector
    forget_branch_and_link(c)
    if c.counts.on:
        count_exception(c, pc, c.where.base, NODE_EXCEPTION)
    vector = enter_exception(c, code, offset, pc, in_slot)
    note_entry(c, c.where.base, vector, ENTRY_EXCEPTION)
    c.where.left = LEFT_EXCEPTION
    go_to(c, vector, True)


cdef inline void go_to(Cpu *c, uint32_t pc, bint transfer) noexcept nogil:
    """Go on at ``pc``; ``transfer``: that is not simply the next instruction, so it ends a step."""
    c.where.next_pc = pc
    no_block(c, pc)
    if c.run.stepping and transfer:
        c.run.limit = c.where.base
        plan_closer(c)
    if pc & 3:                                   # an exception of its own, at the next position
        c.run.why = WHY_RESTART
        uc_emu_stop(c.uc)
        return
    uc_reg_write(c.uc, UC_MIPS_REG_PC, &pc)


cdef bint pending_branch(Cpu *c, uint32_t slot_pc, uint32_t *target) noexcept nogil:
    """Whether Unicorn stands in a delay slot, and where it goes from there. Clears that, if so."""
    cdef uint32_t *hflags
    cdef uint32_t kind
    uc_context_save(c.uc, c.context.saved)
    hflags = <uint32_t*>(c.context.bytes + c.context.at_hflags)
    kind = hflags[0] & 0x803800
    if kind == 0:
        target[0] = slot_pc + 4
        return False
    target[0] = (<uint32_t*>(c.context.bytes + c.context.at_btarget))[0]
    if kind == 0x1000 and (<uint32_t*>(c.context.bytes + c.context.at_bcond))[0] == 0:
        target[0] = slot_pc + 4
    hflags[0] &= ~<uint32_t>HFLAGS_BMASK
    uc_context_restore(c.uc, c.context.saved)
    return True


cdef void note_bad_address(Cpu *c, int code, uint32_t va) noexcept nogil:
    c.guest.cp0.badvaddr = va
    if code == EXC_TLBL or code == EXC_TLBS or code == EXC_MOD:
        c.guest.cp0.context = (c.guest.cp0.context & ~<uint32_t>0x7FFFFF) | ((va >> 9) & 0x7FFFF0)
        c.guest.cp0.entryhi = (c.guest.cp0.entryhi & 0xFF) | (va & <uint32_t>0xFFFFE000U)
