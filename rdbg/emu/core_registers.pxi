# Registers one by one, for the debugger and the machine.

cdef class RegisterAccess(Engine):
    """Registers one by one, for the debugger and the machine. A part of `Core`."""

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
        uc_context_save(self.c.uc, self.c.ctx)
        return (<uint32_t*>(self.c.ctx_bytes + self.c.at_fcsr))[0]

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
        for i in range(self.c.model.tlb_entries):
            e = &self.c.guest.tlb[i]
            result.append((e.vpn2 | e.asid, e.mask, e.lo0 | e.is_global, e.lo1 | e.is_global))
        return result

    def set_lines(self, uint32_t lines):
        """Levels of the hardware interrupt inputs, bit 0 = line 0 (Cause.IP2)."""
        self.c.guest.hardware_lines = lines & 0x3F
        update_lines(self.c)

    @property
    def lines(self):
        """Levels of the hardware interrupt inputs."""
        return self.c.guest.hardware_lines

    def translate(self, uint32_t va):
        """Guest-physical address of a virtual one for a load in kernel mode, or None."""
        cdef uint32_t pa = 0
        if translate(self.c, va, LOAD, True, &pa) != TRANSLATED:
            return None
        return pa


cdef check_pages(Cpu *c, uint32_t[::1] pages):
    """Whoever names pages may have the numbers from a file.

    Raises:
        IndexError: the machine has no page of such a number.
    """
    cdef Py_ssize_t i
    for i in range(pages.shape[0]):
        if pages[i] >= c.page_count:
            raise IndexError(f"page {pages[i]} of a machine with {c.page_count}")


cdef check_rows(Py_ssize_t count, Py_ssize_t length, uint32_t[::1] pages, uint32_t[::1] rows):
    cdef Py_ssize_t i
    if length != PAGE_BYTES or pages.shape[0] != rows.shape[0]:
        raise ValueError("pages, their rows and the array do not fit together")
    for i in range(rows.shape[0]):
        if rows[i] >= count:
            raise ValueError("a row is outside the array")


cdef void put_page(Cpu *c, uint32_t page, const uint8_t *data) noexcept nogil:
    cdef uint8_t *host = c.memory + (<size_t>page << PAGE_BITS)
    if memcmp(host, data, PAGE_BYTES) == 0:
        return
    if c.page_state[page] & (PAGE_CODE | PAGE_MIXED):
        purge_code(c, page)
        c.page_state[page] &= ~(PAGE_CODE | PAGE_MIXED)
    memcpy(host, data, PAGE_BYTES)
    c.page_state[page] |= PAGE_USED
    if not c.page_state[page] & PAGE_STALE:
        c.page_state[page] |= PAGE_STALE
        list_add(&c.stale, page)
