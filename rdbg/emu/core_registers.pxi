# What Python calls: registers, and the TLB.

cdef class CoreRegisters:
    """The registers of a core as a debugger sees them, and its TLB: `Core.registers`."""

    cdef Core core
    cdef Cpu *c

    def __cinit__(self, Core core not None):
        self.core = core
        self.c = core.c

    def read_gpr(self, uint32_t n):
        """General register ``n``."""
        return gpr(self.c, n)

    def write_gpr(self, uint32_t n, uint32_t value):
        """Set general register ``n``."""
        set_gpr(self.c, n, value)

    def read_hi_lo(self):
        """(HI, LO)."""
        cdef uint32_t hi = 0
        cdef uint32_t lo = 0
        uc_reg_read(self.c.uc, UC_MIPS_REG_HI, &hi)
        uc_reg_read(self.c.uc, UC_MIPS_REG_LO, &lo)
        return hi, lo

    def write_hi(self, uint32_t value):
        """Set HI."""
        uc_reg_write(self.c.uc, UC_MIPS_REG_HI, &value)

    def write_lo(self, uint32_t value):
        """Set LO."""
        uc_reg_write(self.c.uc, UC_MIPS_REG_LO, &value)

    def write_pc(self, uint32_t pc):
        """Set PC: the debugger moves it."""
        stand_at(self.c, pc, position(self.c))
        self.c.where.left = LEFT_UNKNOWN
        if self.c.guest.halted:
            self.c.guest.halted = 0

    def read_fpr(self, uint32_t n):
        """The 64 bits of floating-point register ``n`` as the core holds them."""
        cdef uint64_t value = 0
        uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>n, &value)
        return value

    def write_fpr(self, uint32_t n, uint64_t value):
        """Set floating-point register ``n``."""
        uc_reg_write(self.c.uc, UC_MIPS_REG_F0 + <int>n, &value)

    def read_fcsr(self):
        """Floating-point control and status."""
        uc_context_save(self.c.uc, self.c.context.saved)
        return (<uint32_t*>(self.c.context.bytes + self.c.context.at_fcsr))[0]

    def write_fcsr(self, uint32_t value):
        """Set floating-point control and status, but for causes that would raise an exception."""
        value &= ~(<uint32_t>0x20000 | ((value << 5) & 0x1F000))
        uc_reg_write(self.c.uc, UC_MIPS_REG_FCSR, &value)

    def read_fir(self):
        """Floating-point implementation register."""
        cdef uint32_t value = 0
        uc_reg_read(self.c.uc, UC_MIPS_REG_FIR, &value)
        return value

    def read_cp0(self, uint32_t register, uint32_t select):
        """A CP0 register as mfc0 reads it, without side effects."""
        return read_cp0(self.c, register, select, position(self.c))

    def write_cp0(self, uint32_t register, uint32_t select, uint32_t value):
        """Write a CP0 register as mtc0 does."""
        write_cp0(self.c, register, select, value, position(self.c))

    def tlb(self):
        """The TLB: a list of (EntryHi, PageMask, EntryLo0, EntryLo1)."""
        cdef TlbEntry *e
        result = []
        for i in range(self.c.machine.model.tlb_entries):
            e = &self.c.guest.tlb[i]
            result.append((e.vpn2 | e.asid, e.mask, e.lo0 | e.is_global, e.lo1 | e.is_global))
        return result

    def name_cp0(self, uint32_t number, uint32_t register, uint32_t select):
        """Give a CP0 register its number in expressions."""
        self.c.stops.cp0_of[number] = <uint16_t>((register << 3 | select) + 1)
