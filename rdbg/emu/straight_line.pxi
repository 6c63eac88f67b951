# The first instructions of a block, done here one by one (MIPS32 vol. II): up to the place where something is due in the
# middle of it. To have Unicorn end a block there, it must be translated anew, which takes longer than thousands of
# instructions. What is not known here, or may raise an exception, is left to Unicorn; so is each first access to a page.

cdef struct Straight:
    Cpu *cpu
    uint32_t read                # registers that `value` holds, as bits
    uint32_t changed             # and those that are not in Unicorn yet
    uint32_t value[32]


cdef inline uint32_t get(Straight *s, uint32_t n) noexcept nogil:
    if not (s.read >> n) & 1:
        s.value[n] = gpr(s.cpu, n)
        s.read |= <uint32_t>1 << n
    return s.value[n]


cdef inline bint put(Straight *s, uint32_t n, uint32_t value) noexcept nogil:
    """Set a register; True, so that an instruction can end with it."""
    if n:
        s.value[n] = value
        s.read |= <uint32_t>1 << n
        s.changed |= <uint32_t>1 << n
    return True


cdef void put_back(Straight *s) noexcept nogil:
    cdef uint32_t n
    for n in range(1, 32):
        if (s.changed >> n) & 1:
            set_gpr(s.cpu, n, s.value[n])


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


cdef bint special(Straight *s, uint32_t w) noexcept nogil:
    """An instruction of SPECIAL. False: left to Unicorn, and nothing has changed."""
    cdef uint32_t function = w & 0x3F
    cdef uint32_t rd = (w >> 11) & 31
    cdef uint32_t sa = (w >> 6) & 31
    cdef uint32_t rs_field = (w >> 21) & 31
    cdef uint32_t a, b
    if function == 0 or function == 2 or function == 3:
        if rs_field > (1 if function == 2 and s.cpu.model.release > 1 else 0):
            return False
        return put(s, rd, shifted(function, get(s, (w >> 16) & 31), sa, rs_field == 1))
    if function == 0x0F:                         # sync
        return True
    a = get(s, rs_field)
    b = get(s, (w >> 16) & 31)
    if function == 4 or function == 6 or function == 7:
        if sa > (1 if function == 6 and s.cpu.model.release > 1 else 0):
            return False
        return put(s, rd, shifted(function, b, a, sa == 1))
    if sa:
        return False
    if function == 0x0A or function == 0x0B:     # movz movn
        return put(s, rd, a) if (b == 0) == (function == 0x0A) else True
    if function == 0x21:
        return put(s, rd, a + b)
    if function == 0x23:
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


cdef uint8_t *plain_memory(Cpu *c, uint32_t va, uint32_t size, bint store) noexcept nogil:
    """The bytes at ``va`` if Unicorn, too, could access them without asking here; NULL: it would have to ask."""
    cdef uint32_t vpage = va >> PAGE_BITS
    cdef uint32_t pa = 0
    cdef uint32_t m
    cdef uint16_t written = PAGE_DATA | PAGE_DIRTY | PAGE_STALE
    if va & (size - 1) or translate(c, va, STORE if store else LOAD, kernel_mode(c), &pa) != TRANSLATED:
        return NULL
    m = c.phys_map[pa >> PAGE_BITS]
    if m == MAP_UNKNOWN or (m & MAP_KIND) != MAP_MEMORY or through_window(c, vpage, m, pa >> PAGE_BITS):
        return NULL
    if not bit_test(c.seen_read, vpage) or not m & MAP_READ:
        return NULL
    if store and not (m & MAP_WRITE and bit_test(c.seen_written, vpage) and c.page_state[m >> 8] & written == written):
        return NULL
    return c.memory + (<size_t>(m >> 8) << PAGE_BITS) + (va & (PAGE_BYTES - 1))


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
    if store:
        store_host(s.cpu, host, size, get(s, rt))
        return True
    value = <uint32_t>load_host(s.cpu, host, size)
    if op == 0x20:
        value = <uint32_t><int32_t><signed char>value
    elif op == 0x21:
        value = <uint32_t><int32_t><int16_t>value
    return put(s, rt, value)


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
    if op == 0x1C and w & 0x7FF == 2:            # mul
        return put(s, (w >> 11) & 31, get(s, (w >> 21) & 31) * get(s, rt))
    return False


cdef inline bint may_run_straight(Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """Whether nobody waits for one of the ``n`` instructions at ``pc``."""
    return not c.watch_direct and not c.direct_wanted and not (c.bp_count and filter_has_any(c, pc, n + 1))


cdef bint run_straight(Cpu *c, uint32_t pc, uint32_t n, uint64_t icount) noexcept nogil:
    """Do the first ``n`` instructions of the block at ``pc``, or some of them, none of which is a branch. False: none was
    done, since the first is left to Unicorn."""
    cdef Straight s
    cdef uint32_t i = 0
    s.cpu = c
    s.read = 1
    s.changed = 0
    s.value[0] = 0
    while i < n and straight_instruction(&s, code_word(c, pc + 4 * i)):
        i += 1
    if i == 0:
        return False
    put_back(&s)
    remember_block(&c.blocks, <uint64_t>pc << 32 | 4 * i)
    stand_at(c, pc + 4 * i, icount + i)
    c.came_from = icount
    uc_reg_write(c.uc, UC_MIPS_REG_PC, &c.next_pc)
    return True
