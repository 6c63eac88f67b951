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
        return self.c.s.bias_ns

    @bias_ns.setter
    def bias_ns(self, uint64_t value):
        self.c.s.bias_ns = value

    @property
    def halted(self):
        """Whether the CPU waits."""
        return bool(self.c.s.halted)

    @property
    def calling(self):
        """Whether it waits for the answer to a call of the host."""
        return self.c.s.halted == HALTED_CALLING

    def wait_for_host(self):
        """Run nothing after the call that is being made, until `answered`."""
        self.c.s.halted = HALTED_CALLING

    def answered(self):
        """The call of the host has its answer: the CPU goes on."""
        self.c.s.halted = 0
        look_soon(self.c)

    def reset(self, uint32_t pc, uint32_t status):
        """Registers of reset; icount and virtual time go on. Callable from events().

        Args:
            pc: where the CPU starts.
            status: CP0 Status.
        """
        cdef Cpu *c = self.c
        cdef uint64_t bias = c.s.bias_ns
        cdef uint64_t icount = position(c)
        cdef uint32_t i
        cdef uint64_t zero = 0
        memset(&c.s, 0, sizeof(Owned))
        c.s.bias_ns = bias
        c.s.random = 1
        c.s.cp0.status = status
        c.s.cp0.config0 = c.model.configs[0] | (0x8000 if c.big_endian else 0)
        c.s.cp0.ebase = 0x80000000U
        c.s.cp0.intctl = <uint32_t>0xE0000000U
        c.s.cp0.debug = 0x02008000               # version 1; Count would run in debug mode
        for i in range(7):
            c.s.cp0.watchhi[i] = 0x80000000U     # M: another pair follows
        c.s.tlb_count = c.model.tlb_entries
        for i in range(c.model.tlb_entries):             # entries that nothing matches, as QEMU has them
            c.s.tlb[i].vpn2 = (<uint32_t>0x80000000U) + (i << 13)
        for i in range(1, 32):
            set_gpr(c, i, 0)
        for i in range(32):
            uc_reg_write(c.uc, UC_MIPS_REG_F0 + <int>i, &zero)
        uc_reg_write(c.uc, UC_MIPS_REG_HI, &zero)
        uc_reg_write(c.uc, UC_MIPS_REG_LO, &zero)
        uc_reg_write(c.uc, UC_MIPS_REG_FCSR, &zero)
        sync_status(c)
        forget_branch_and_link(c)
        c.s.cp0.lladdr = 0                       # nor is the link of before seen
        flush_tlb(c)
        c.s.compare_ns = now_ns(c, icount) - now_ns(c, icount) % count_round_ns(c) + count_round_ns(c)
        plan_compare(c)
        c.base = icount
        go_to(c, pc, True)
        plan_hold(c)
        c.was_reset = True

    def settle(self):
        """After a reset outside a run: stand at the reset vector."""
        self.c.was_reset = False

    cdef void hold(self, Held *h):
        cdef Cpu *c = self.c
        cdef int i
        memset(h, 0, sizeof(Held))
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

    cdef void give(self, const Held *h):
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
        """(icount, bytes): all of the CPU's state. The bytes depend on that state alone."""
        cdef Held h
        self.hold(&h)
        return position(self.c), (<uint8_t*>&self.c.s)[:sizeof(Owned)] + (<uint8_t*>&h)[:sizeof(Held)]

    def load(self, uint64_t icount, bytes state):
        """Take back what save() gave.

        Raises:
            RdbgError: the bytes are not of this version, or no CPU can be in that state; nothing has changed then.
        """
        cdef Cpu *c = self.c
        cdef const uint8_t *raw = state
        cdef const char *wrong
        cdef Owned owned
        cdef Held held
        if len(state) != sizeof(Owned) + sizeof(Held):
            raise RdbgError(f"the CPU state of the snapshot at icount {icount} has {len(state)} bytes, not "
                            f"{sizeof(Owned) + sizeof(Held)}: it was made by another version of rdbg; record again")
        memcpy(&owned, raw, sizeof(Owned))
        memcpy(&held, raw + sizeof(Owned), sizeof(Held))
        wrong = impossible_part(c, icount, &owned, &held)
        if wrong != NULL:
            raise RdbgError(f"the CPU state of the snapshot at icount {icount} is damaged: its {wrong.decode()} "
                            "cannot be; delete it, or take a good copy of the recording")
        c.s = owned
        self.give(&held)
        c.why_soon = WHY_NONE
        c.was_reset = False
        stand_at(c, held.pc, icount)
        plan_compare(c)
        plan_hold(c)
        c.python_event = 0
        flush_tlb(c)


cdef const char *impossible_part(Cpu *c, uint64_t icount, const Owned *s, const Held *h) noexcept nogil:
    """What of a saved state no CPU can have: bytes from a file are looked at before anything goes by them; NULL: all
    can be. Whatever else stands there is 32 bits of a register that any guest may have written, and the code that uses
    it masks it."""
    cdef uint64_t now
    cdef const uint8_t *free_slots
    cdef size_t i
    # Virtual time stays below 2^62 ns, so that no sum of two times overflows.
    if icount >> (62 - c.shift) or s.bias_ns >> 62 or s.hold_ns >> 62:
        return "time"
    if s.tlb_count < c.model.tlb_entries or s.tlb_count > TLB_SLOTS:
        return "number of TLB entries"
    free_slots = <const uint8_t*>&s.tlb[s.tlb_count]
    for i in range((TLB_SLOTS - s.tlb_count) * sizeof(TlbEntry)):
        if free_slots[i]:
            return "unused part of the TLB"
    if s.halted > HALTED_CALLING or s.hardware_lines >> 6 or s.unused:
        return "interrupt state"
    if h.gpr[0]:
        return "register 0"
    if not s.cp0.cause & CAUSE_DC:
        # Each match that was missed takes a turn of a loop.
        now = (icount << c.shift) + s.bias_ns
        if s.compare_ns > now + 2 * count_round_ns(c) or s.compare_ns + 16 * count_round_ns(c) < now:
            return "next Compare match"
    return NULL
