# Instructions that are done here, one by one (MIPS32 vol. II). What is not known here, or may raise an exception, is left to
# Unicorn; so is each first access to a page.

# Registers have the debugger's numbers: the general ones, then REG_LO and REG_HI.
cdef struct Straight:
    Cpu *cpu
    uint64_t read                # registers that `value` holds, as bits
    uint64_t changed             # and those that are not in Unicorn yet
    uint64_t written             # since somebody has looked
    uint32_t value[REGISTERS]
    uint8_t *host                # where the latest load or store was made,
    uint32_t address             # its first byte,
    uint32_t size                # how many they were: 0, there was none,
    bint store


cdef inline uint32_t get(Straight *s, uint32_t n) noexcept nogil:
    if not (s.read >> n) & 1:
        s.value[n] = gpr_or_product(s.cpu, n)
        s.read |= <uint64_t>1 << n
    return s.value[n]


cdef inline bint put(Straight *s, uint32_t n, uint32_t value) noexcept nogil:
    """Set a register; True, so that an instruction can end with it."""
    if n:
        s.value[n] = value
        s.read |= <uint64_t>1 << n
        s.changed |= <uint64_t>1 << n
        s.written |= <uint64_t>1 << n
    return True


cdef void begin_straight(Cpu *c, Straight *s) noexcept nogil:
    """Nothing is known of registers but what Unicorn holds."""
    s.cpu = c
    s.read = 1
    s.changed = 0
    s.written = 0
    s.value[0] = 0
    s.size = 0


cdef void put_back(Straight *s) noexcept nogil:
    cdef uint32_t n
    for n in range(1, 32):
        if (s.changed >> n) & 1:
            set_gpr(s.cpu, n, s.value[n])
    if (s.changed >> REG_LO) & 1:
        uc_reg_write(s.cpu.uc, UC_MIPS_REG_LO, &s.value[REG_LO])
    if (s.changed >> REG_HI) & 1:
        uc_reg_write(s.cpu.uc, UC_MIPS_REG_HI, &s.value[REG_HI])
    s.changed = 0


cdef inline uint32_t shifted(uint32_t function, uint32_t value, uint32_t by, bint rotates) noexcept nogil:
    """sll, srl or rotr, sra."""
    by &= 31
    if function & 3 == 0:
        return value << by
    if function & 3 == 3:
        return <uint32_t>(<int32_t>value >> by)
    if rotates and by:
        return value >> by | value << (32 - by)
    return value >> by


cdef bint multiply(Straight *s, uint32_t function, uint32_t a, uint32_t b) noexcept nogil:
    """mult, multu, div, divu. False: a quotient that is not defined."""
    cdef uint64_t product
    cdef uint32_t hi, lo
    if function == 0x18:
        product = <uint64_t>(<int64_t><int32_t>a * <int64_t><int32_t>b)
        hi, lo = <uint32_t>(product >> 32), <uint32_t>product
    elif function == 0x19:
        product = <uint64_t>a * b
        hi, lo = <uint32_t>(product >> 32), <uint32_t>product
    elif b == 0 or function == 0x1A and b == 0xFFFFFFFFU:
        return False
    elif function == 0x1A:
        hi, lo = <uint32_t>(<int32_t>a % <int32_t>b), <uint32_t>(<int32_t>a // <int32_t>b)
    else:
        hi, lo = a % b, a // b
    put(s, REG_HI, hi)
    return put(s, REG_LO, lo)


cdef bint accumulate(Straight *s, uint32_t w) noexcept nogil:
    """madd, maddu, msub, msubu, clz, clo, mul: SPECIAL2."""
    cdef uint32_t function = w & 0x3F
    cdef uint32_t a = get(s, (w >> 21) & 31)
    cdef uint32_t b = get(s, (w >> 16) & 31)
    cdef uint64_t product
    if w & 0x7C0:
        return False
    if function == 2:
        return put(s, (w >> 11) & 31, a * b)
    if function == 0x20 or function == 0x21:
        if function == 0x21:
            a = ~a
        return put(s, (w >> 11) & 31, <uint32_t>highest_zeros(a) if a else 32)
    if w & 0xF800 or function > 5 or function & 2:
        return False
    product = <uint64_t>a * b if function & 1 else <uint64_t>(<int64_t><int32_t>a * <int64_t><int32_t>b)
    if function & 4:
        product = -product
    product += <uint64_t>get(s, REG_HI) << 32 | get(s, REG_LO)
    put(s, REG_HI, <uint32_t>(product >> 32))
    return put(s, REG_LO, <uint32_t>product)


cdef bint bit_field(Straight *s, uint32_t w) noexcept nogil:
    """An instruction of SPECIAL3: ext, ins, wsbh, seb, seh."""
    cdef uint32_t rs = (w >> 21) & 31
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t msb = (w >> 11) & 31
    cdef uint32_t low = (w >> 6) & 31
    cdef uint32_t function = w & 0x3F
    cdef uint32_t mask, value
    if s.cpu.machine.model.release < 2:
        return False
    if function == 0:                            # ext: msb is the size - 1
        if low + msb > 31:
            return False
        return put(s, rt, get(s, rs) >> low & 0xFFFFFFFFU >> (31 - msb))
    if function == 4:
        if msb < low:
            return False
        mask = 0xFFFFFFFFU >> (31 - (msb - low)) << low
        return put(s, rt, get(s, rt) & ~mask | get(s, rs) << low & mask)
    if function != 0x20 or rs:
        return False
    value = get(s, rt)
    if low == 2:
        return put(s, msb, (value & 0x00FF00FF) << 8 | (value >> 8) & 0x00FF00FF)
    if low == 0x10:
        return put(s, msb, <uint32_t><int32_t><signed char>value)
    if low == 0x18:
        return put(s, msb, <uint32_t><int32_t><int16_t>value)
    return False


cdef bint special(Straight *s, uint32_t w) noexcept nogil:
    """An instruction of SPECIAL. False: left to Unicorn, and nothing has changed."""
    cdef uint32_t function = w & 0x3F
    cdef uint32_t rd = (w >> 11) & 31
    cdef uint32_t sa = (w >> 6) & 31
    cdef uint32_t rs_field = (w >> 21) & 31
    cdef uint32_t a, b
    if function == 0 or function == 2 or function == 3:
        if rs_field > (1 if function == 2 and s.cpu.machine.model.release > 1 else 0):
            return False
        return put(s, rd, shifted(function, get(s, (w >> 16) & 31), sa, rs_field == 1))
    if function == 0x0F:                         # sync
        return True
    a = get(s, rs_field)
    b = get(s, (w >> 16) & 31)
    if 0x30 <= function <= 0x36 and function != 0x35:
        return not may_trap(w, a, b)
    if function == 4 or function == 6 or function == 7:
        if sa > (1 if function == 6 and s.cpu.machine.model.release > 1 else 0):
            return False
        return put(s, rd, shifted(function, b, a, sa == 1))
    if sa:
        return False
    if 0x18 <= function <= 0x1B:
        return multiply(s, function, a, b) if rd == 0 else False
    if function == 0x10 or function == 0x12:     # mfhi mflo
        return put(s, rd, get(s, REG_HI if function == 0x10 else REG_LO))
    if function == 0x0A or function == 0x0B:     # movz movn
        return put(s, rd, a) if (b == 0) == (function == 0x0A) else True
    if function == 0x11 or function == 0x13:     # mthi mtlo
        return put(s, REG_HI if function == 0x11 else REG_LO, a) if not w & 0x1FF800 else False
    if (function == 0x20 or function == 0x22) and may_overflow(w, a, b):
        return False
    if function == 0x20 or function == 0x21:
        return put(s, rd, a + b)
    if function == 0x22 or function == 0x23:
        return put(s, rd, a - b)
    if function == 0x24:
        return put(s, rd, a & b)
    if function == 0x25:
        return put(s, rd, a | b)
    if function == 0x26:
        return put(s, rd, a ^ b)
    if function == 0x27:
        return put(s, rd, ~(a | b))
    if function == 0x2A:
        return put(s, rd, <int32_t>a < <int32_t>b)
    if function == 0x2B:
        return put(s, rd, a < b)
    return False


cdef uint8_t *plain_memory(const Cpu *c, uint32_t va, uint32_t size, bint store) noexcept nogil:
    """The bytes at ``va`` if Unicorn, too, could access them without asking here; NULL: it would have to ask."""
    cdef uint32_t vpage = va >> PAGE_BITS
    cdef uint32_t pa = 0
    cdef uint32_t m
    cdef uint16_t written = PAGE_DATA | PAGE_DIRTY | PAGE_STALE
    if va & (size - 1) or translate(c, va, STORE if store else LOAD, kernel_mode(c), &pa) != TRANSLATED:
        return NULL
    m = c.memory.phys_map[pa >> PAGE_BITS]
    if m == MAP_UNKNOWN or (m & MAP_KIND) != MAP_MEMORY or through_window(c, vpage, m, pa >> PAGE_BITS):
        return NULL
    if not bit_test(c.touched.seen_read, vpage) or not m & MAP_READ:
        return NULL
    if store and not (m & MAP_WRITE and bit_test(c.touched.seen_written, vpage) and c.memory.page_state[m >> 8] & written == written):
        return NULL
    return c.memory.bytes + (<size_t>(m >> 8) << PAGE_BITS) + (va & (PAGE_BYTES - 1))


cdef bint access_memory(Straight *s, uint32_t w) noexcept nogil:
    """A load or store of one aligned byte, halfword or word."""
    cdef uint32_t op = w >> 26
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t size = 1 << (op & 3)
    cdef uint32_t value
    cdef uint8_t *host
    cdef bint store = op & 8 != 0
    if size == 8:
        size = 4
    host = plain_memory(s.cpu, get(s, (w >> 21) & 31) + <uint32_t><int32_t><int16_t>(w & 0xFFFF), size, store)
    if host == NULL:
        return False
    s.host = host
    s.address = get(s, (w >> 21) & 31) + <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    s.size = size
    s.store = store
    if store:
        store_host(s.cpu, host, size, get(s, rt))
        return True
    value = <uint32_t>load_host(s.cpu, host, size)
    if op == 0x20:
        value = <uint32_t><int32_t><signed char>value
    elif op == 0x21:
        value = <uint32_t><int32_t><int16_t>value
    return put(s, rt, value)


cdef bint access_part(Straight *s, uint32_t w) noexcept nogil:
    """lwl, lwr, swl, swr."""
    cdef uint32_t op = w >> 26
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t va = get(s, (w >> 21) & 31) + <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    cdef uint32_t value = get(s, rt)
    cdef bint left = op & 4 == 0
    cdef bint store = op & 8 != 0
    cdef int at = <int>(va & 3)
    cdef int first = 0 if left != s.cpu.machine.big_endian else at
    cdef int last = at if left != s.cpu.machine.big_endian else 3
    cdef int i, lane
    cdef uint8_t *host = plain_memory(s.cpu, va & ~<uint32_t>3, 4, store)
    if host == NULL:
        return False
    for i in range(first, last + 1):
        lane = i - at if s.cpu.machine.big_endian == left else at - i   # of the register's bytes, from that of the address
        lane = 3 - lane if left else lane
        if store:
            host[i] = <uint8_t>(value >> (8 * lane))
        else:
            value = value & ~(<uint32_t>0xFF << (8 * lane)) | <uint32_t>host[i] << (8 * lane)
    s.host = host + first
    s.address = (va & ~<uint32_t>3) + <uint32_t>first
    s.size = <uint32_t>(last - first + 1)
    s.store = store
    return True if store else put(s, rt, value)


cdef bint straight_instruction(Straight *s, uint32_t w) noexcept nogil:
    """Do the instruction ``w``. False: it is left to Unicorn, and nothing has changed."""
    cdef uint32_t op = w >> 26
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t zeros = w & 0xFFFF
    cdef uint32_t signs = <uint32_t><int32_t><int16_t>zeros
    if op == 0:
        return special(s, w)
    if op == 0x0F:
        return put(s, rt, zeros << 16) if not w & 0x03E00000 else False
    if op in (0x20, 0x21, 0x23, 0x24, 0x25, 0x28, 0x29, 0x2B):
        return access_memory(s, w)
    if op == 9:
        return put(s, rt, get(s, (w >> 21) & 31) + signs)
    if op == 0x0A:
        return put(s, rt, <int32_t>get(s, (w >> 21) & 31) < <int32_t>signs)
    if op == 0x0B:
        return put(s, rt, get(s, (w >> 21) & 31) < signs)
    if op == 0x0C:
        return put(s, rt, get(s, (w >> 21) & 31) & zeros)
    if op == 0x0D:
        return put(s, rt, get(s, (w >> 21) & 31) | zeros)
    if op == 0x0E:
        return put(s, rt, get(s, (w >> 21) & 31) ^ zeros)
    if op == 8:                                  # addi
        return not may_overflow(w, get(s, (w >> 21) & 31), 0) and put(s, rt, get(s, (w >> 21) & 31) + signs)
    if op == 1:                                  # a trap: tgei and its like
        return 8 <= rt <= 14 and rt != 13 and not may_trap(w, get(s, (w >> 21) & 31), 0)
    if op in (0x22, 0x26, 0x2A, 0x2E):
        return access_part(s, w)
    if op == 0x1C:
        return accumulate(s, w)
    if op == 0x1F:
        return bit_field(s, w)
    if op == 0x33:                               # pref
        return True
    return False


cdef void straight_branch(Straight *s, uint32_t w, uint32_t pc, uint32_t *target, bint *nullifies) noexcept nogil:
    """The branch or jump ``w`` at ``pc``: where it leads, and whether its slot is passed over; it links."""
    cdef uint32_t op = w >> 26
    cdef uint32_t a = get(s, (w >> 21) & 31)
    cdef uint32_t b = get(s, (w >> 16) & 31)
    cdef bint taken
    nullifies[0] = False
    if op == 0:                                  # jr jalr
        target[0] = a
        if w & 1:
            put(s, (w >> 11) & 31, pc + 8)
        return
    if op == 2 or op == 3:                       # j jal
        target[0] = (pc + 4) & 0xF0000000U | (w & 0x03FFFFFF) << 2
        if op == 3:
            put(s, 31, pc + 8)
        return
    if op == 1:                                  # bltz bgez, likely, and link
        taken = (<int32_t>a >= 0) == ((w >> 16) & 1)
        if (w >> 20) & 1:
            put(s, 31, pc + 8)
    elif op & 3 == 0:                            # beq
        taken = a == b
    elif op & 3 == 1:                            # bne
        taken = a != b
    elif op & 3 == 2:                            # blez
        taken = <int32_t>a <= 0
    else:                                        # bgtz
        taken = <int32_t>a > 0
    target[0] = pc + 4 + (<uint32_t><int32_t><int16_t>(w & 0xFFFF) << 2) if taken else pc + 8
    nullifies[0] = not taken and is_likely(w)


cdef uint32_t branch_with_slot(Straight *s, uint32_t w, uint32_t slot, uint32_t pc) noexcept nogil:
    """Do the branch ``w`` at ``pc`` and its slot; where that leads. 1: it is left to Unicorn, and nothing has changed."""
    cdef Straight before = s[0]
    cdef uint32_t target = 0
    cdef bint nullifies = False
    if w >> 26 == 0x11 or may_branch(slot):
        return 1
    straight_branch(s, w, pc, &target, &nullifies)
    if target & 3 or not nullifies and not straight_instruction(s, slot):
        s[0] = before
        return 1
    return target
