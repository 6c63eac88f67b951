# The guest's registers that Unicorn holds.

cdef inline uint32_t gpr(const Cpu *c, uint32_t n) noexcept nogil:
    cdef uint32_t value = 0
    if n:
        uc_reg_read(c.uc, UC_MIPS_REG_0 + <int>n, &value)
    return value


cdef uint32_t gpr_or_product(const Cpu *c, uint32_t n) noexcept nogil:
    """General register ``n``, or one of those of multiplications."""
    cdef uint32_t value = 0
    if n < 32:
        return gpr(c, n)
    uc_reg_read(c.uc, UC_MIPS_REG_LO if n == REG_LO else UC_MIPS_REG_HI, &value)
    return value


cdef inline void set_gpr(Cpu *c, uint32_t n, uint32_t value) noexcept nogil:
    if n:
        uc_reg_write(c.uc, UC_MIPS_REG_0 + <int>n, &value)


cdef uint32_t effective_address(const Cpu *c, uint32_t w) noexcept nogil:
    """Address that the load or store ``w`` computes from the registers as they stand."""
    cdef int size = 0
    cdef bint store = False
    if memory_access(w, &size, &store) == 2:
        return gpr(c, (w >> 21) & 31) + gpr(c, (w >> 16) & 31)
    return gpr(c, (w >> 21) & 31) + <uint32_t><int32_t><int16_t>(w & 0xFFFF)


cdef inline uint32_t fcsr(const Cpu *c) noexcept nogil:
    cdef uint32_t value = 0
    uc_reg_read(c.uc, UC_MIPS_REG_FCSR, &value)
    return value


cdef void read_registers(const Cpu *c, Registers *h) noexcept nogil:
    """What Unicorn holds."""
    cdef int i
    memset(h, 0, sizeof(Registers))
    h.pc = c.where.next_pc
    uc_reg_read(c.uc, UC_MIPS_REG_HI, &h.hi)
    uc_reg_read(c.uc, UC_MIPS_REG_LO, &h.lo)
    for i in range(32):
        uc_reg_read(c.uc, UC_MIPS_REG_0 + i, &h.gpr[i])
        uc_reg_read(c.uc, UC_MIPS_REG_F0 + i, &h.fpr[i])
    uc_context_save(c.uc, c.context.saved)
    h.fcsr = (<uint32_t*>(c.context.bytes + c.context.at_fcsr))[0]
    h.lladdr = (<uint32_t*>(c.context.bytes + c.context.at_lladdr))[0]
    h.llval = (<uint32_t*>(c.context.bytes + c.context.at_llval))[0]


cdef uint64_t fpr_value(const Cpu *c, uint32_t n, int size) noexcept nogil:
    """4 or 8 bytes of a floating-point register, or of a pair."""
    cdef uint64_t low = 0
    cdef uint64_t high = 0
    if size == 4 or c.guest.cp0.status & STATUS_FR:
        uc_reg_read(c.uc, UC_MIPS_REG_F0 + <int>n, &low)
        return low & 0xFFFFFFFFU if size == 4 else low
    uc_reg_read(c.uc, UC_MIPS_REG_F0 + <int>(n & ~1), &low)
    uc_reg_read(c.uc, UC_MIPS_REG_F0 + <int>(n | 1), &high)
    return (low & 0xFFFFFFFFU) | high << 32


cdef void set_fpr_value(Cpu *c, uint32_t n, int size, uint64_t value) noexcept nogil:
    cdef uint64_t old = 0
    if size == 4:
        uc_reg_read(c.uc, UC_MIPS_REG_F0 + <int>n, &old)
        old = (old & ~<uint64_t>0xFFFFFFFFU) | (value & 0xFFFFFFFFU)
        uc_reg_write(c.uc, UC_MIPS_REG_F0 + <int>n, &old)
    elif c.guest.cp0.status & STATUS_FR:
        uc_reg_write(c.uc, UC_MIPS_REG_F0 + <int>n, &value)
    else:
        set_fpr_value(c, n & ~1, 4, value)
        set_fpr_value(c, n | 1, 4, value >> 32)
