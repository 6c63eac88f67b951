# Reset, saving and loading the CPU's state.

cdef class StateAccess(PageAccess):
    """Reset, saving and loading the CPU's state. A part of `Core`."""

    @property
    def icount(self):
        """The position."""
        return position(self.c)

    @property
    def pc(self):
        """Virtual address of the next instruction."""
        return self.c.next_pc

    @property
    def device_icount(self):
        """The position of the access that a device is asked for; else the position."""
        return position(self.c) if self.c.access_icount == NOWHERE else self.c.access_icount

    @property
    def clock_icount(self):
        """The position whose time devices see: that behind the access that one is asked for; else the position."""
        return position(self.c) if self.c.access_icount == NOWHERE else self.c.access_icount + 1

    @property
    def bias_ns(self):
        """Idle virtual time skipped so far, in nanoseconds."""
        return self.c.guest.bias_ns

    @bias_ns.setter
    def bias_ns(self, uint64_t value):
        self.c.guest.bias_ns = value

    @property
    def halted(self):
        """Whether the CPU waits."""
        return bool(self.c.guest.halted)

    @property
    def calling(self):
        """Whether it waits for the answer to a call of the host."""
        return self.c.guest.halted == HALTED_CALLING

    def wait_for_host(self):
        """Run nothing after the call that is being made, until `answered`."""
        self.c.guest.halted = HALTED_CALLING

    def answered(self):
        """The call of the host has its answer: the CPU goes on."""
        self.c.guest.halted = 0
        look_soon(self.c)

    def reset(self, uint32_t pc, uint32_t status):
        """Registers of reset; icount and virtual time go on. Callable from events().

        Args:
            pc: where the CPU starts.
            status: CP0 Status.
        """
        cdef Cpu *c = self.c
        cdef uint64_t bias = c.guest.bias_ns
        cdef uint64_t icount = position(c)
        cdef uint32_t i
        cdef uint64_t zero = 0
        memset(&c.guest, 0, sizeof(Guest))
        c.guest.bias_ns = bias
        c.guest.random = 1
        c.guest.cp0.status = status
        c.guest.cp0.config0 = c.model.configs[0] | (0x8000 if c.big_endian else 0)
        c.guest.cp0.ebase = 0x80000000U
        c.guest.cp0.intctl = <uint32_t>0xE0000000U
        c.guest.cp0.debug = 0x02008000               # version 1; Count would run in debug mode
        for i in range(7):
            c.guest.cp0.watchhi[i] = 0x80000000U     # M: another pair follows
        c.guest.tlb_count = c.model.tlb_entries
        for i in range(c.model.tlb_entries):             # entries that nothing matches, as QEMU has them
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
        c.base = icount
        go_to(c, pc, True)
        plan_hold(c)
        c.was_reset = True

    def settle(self):
        """After a reset outside a run: stand at the reset vector."""
        self.c.was_reset = False

    cdef void hold(self, Registers *h):
        cdef Cpu *c = self.c
        cdef int i
        memset(h, 0, sizeof(Registers))
        h.pc = c.next_pc
        uc_reg_read(c.uc, UC_MIPS_REG_HI, &h.hi)
        uc_reg_read(c.uc, UC_MIPS_REG_LO, &h.lo)
        for i in range(32):
            uc_reg_read(c.uc, UC_MIPS_REG_0 + i, &h.gpr[i])
            uc_reg_read(c.uc, UC_MIPS_REG_F0 + i, &h.fpr[i])
        uc_context_save(c.uc, c.ctx)
        h.fcsr = (<uint32_t*>(c.ctx_bytes + c.at_fcsr))[0]
        h.lladdr = (<uint32_t*>(c.ctx_bytes + c.at_lladdr))[0]
        h.llval = (<uint32_t*>(c.ctx_bytes + c.at_llval))[0]

    cdef void give(self, const Registers *h):
        """Put registers into Unicorn; the rest of it follows what is owned here."""
        cdef Cpu *c = self.c
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
        uc_context_save(c.uc, c.ctx)
        (<uint32_t*>(c.ctx_bytes + c.at_fcsr))[0] = h.fcsr
        (<uint32_t*>(c.ctx_bytes + c.at_lladdr))[0] = h.lladdr
        (<uint32_t*>(c.ctx_bytes + c.at_llval))[0] = h.llval
        (<uint32_t*>(c.ctx_bytes + c.at_hflags))[0] &= ~<uint32_t>HFLAGS_BMASK
        uc_context_restore(c.uc, c.ctx)

    def save(self):
        """(icount, record): all of the CPU's state, as `rdbg.emu.cpu_record` describes it."""
        cdef Saved saved
        saved.guest = self.c.guest
        self.hold(&saved.registers)
        return position(self.c), pack_saved(&saved)

    def load(self, uint64_t icount, bytes record):
        """Take back what save() gave.

        Raises:
            RdbgError: the record is of another version, or no CPU can be in that state; nothing has changed then.
        """
        cdef Cpu *c = self.c
        cdef Saved saved
        wrong = unpack_saved(record, &saved) or impossible_part(c, icount, &saved)
        if wrong:
            raise RdbgError(f"the CPU state of the snapshot at icount {icount} {wrong}")
        c.guest = saved.guest
        self.give(&saved.registers)
        c.why_soon = WHY_NONE
        c.was_reset = False
        stand_at(c, saved.registers.pc, icount)
        plan_compare(c)
        plan_hold(c)
        c.python_event = 0
        flush_tlb(c)
