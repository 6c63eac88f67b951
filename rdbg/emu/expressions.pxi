# Conditions of breakpoints: expressions evaluated where the CPU stands, without leaving it.
# expression.py checks them; the meaning of each operation is that of the GDB manual's appendix
# "The GDB Agent Expression Mechanism".

cdef enum:
    MOST_EXPRESSION_STACK = 1000
    MOST_EXPRESSION_STEPS = 100000   # conditions are a few dozen; a loop in one must not hang the server

    # The debugger's register numbers (GDB manual, 'MIPS Features'); the CP0 registers are told by Python
    REGISTER_LO = 33
    REGISTER_HI = 34
    REGISTER_PC = 37
    REGISTER_F0 = 38
    REGISTER_FCSR = 70
    REGISTER_FIR = 71
    REGISTER_WIDE_F0 = 128


cdef uint32_t register_there(const Cpu *c, const EntryPlan *plan, uint32_t number) noexcept nogil:
    """What a register will hold at the breakpoint of the block that is being entered."""
    return gpr(c, plan.bases[number]) + plan.offsets[number]


cdef bint expression_register(const Cpu *c, uint32_t number, uint32_t pc, uint64_t icount,
                              uint64_t *value) noexcept nogil:
    """A register by the debugger's number; False: there is none."""
    cdef uint32_t word = 0
    cdef uint64_t odd = 0
    value[0] = 0
    if number < 32:
        value[0] = gpr(c, number) if c.stops.entered == NULL else register_there(c, c.stops.entered, number)
    elif number == REGISTER_PC:
        value[0] = pc
    elif number == REGISTER_LO or number == REGISTER_HI:
        uc_reg_read(c.uc, UC_MIPS_REG_LO if number == REGISTER_LO else UC_MIPS_REG_HI, &word)
        value[0] = word
    elif REGISTER_F0 <= number < REGISTER_F0 + 32:
        uc_reg_read(c.uc, UC_MIPS_REG_F0 + <int>(number - REGISTER_F0), value)
        value[0] &= 0xFFFFFFFFU
    elif REGISTER_WIDE_F0 <= number < REGISTER_WIDE_F0 + 32:
        uc_reg_read(c.uc, UC_MIPS_REG_F0 + <int>(number - REGISTER_WIDE_F0), value)
        if not c.guest.cp0.status & STATUS_FR:
            value[0] &= 0xFFFFFFFFU
            if number % 2 == 0:
                uc_reg_read(c.uc, UC_MIPS_REG_F0 + <int>(number + 1 - REGISTER_WIDE_F0), &odd)
                value[0] |= odd << 32
    elif number == REGISTER_FCSR:
        value[0] = fcsr(c)
    elif number == REGISTER_FIR:
        uc_reg_read(c.uc, UC_MIPS_REG_FIR, &word)
        value[0] = word
    elif number < CP0_NUMBERS and c.stops.cp0_of[number]:
        value[0] = read_cp0(c, (c.stops.cp0_of[number] - 1) >> 3, (c.stops.cp0_of[number] - 1) & 7, icount)
    elif number == ACCESS_REGISTERS:
        value[0] = c.accesses.current.address
    elif number == ACCESS_REGISTERS + 1:
        value[0] = c.accesses.current.size
    elif number == ACCESS_REGISTERS + 2:
        value[0] = c.accesses.current.value
    elif number == ACCESS_REGISTERS + 3 and c.accesses.current.has_before:
        value[0] = c.accesses.current.before
    else:
        return False
    return True


cdef bint expression_memory(const Cpu *c, uint32_t va, uint32_t size, uint64_t *value) noexcept nogil:
    """A number in the guest's memory and byte order, as the debugger sees it; False: it is not mapped."""
    cdef uint32_t i
    cdef uint32_t pa = 0
    cdef uint32_t m = 0
    cdef uint64_t byte
    value[0] = 0
    for i in range(size):
        if i == 0 or not (va + i) & (PAGE_BYTES - 1):
            if translate(c, va + i, LOAD, True, &pa) != TRANSLATED:
                return False
            m = stands_at(c, pa >> PAGE_BITS)
        if (m & MAP_KIND) == MAP_IO and m & MAP_READ:
            byte = 0                             # nothing answers there, and it reads as zeros
        elif (m & MAP_KIND) == MAP_MEMORY:
            byte = c.memory.bytes[(<size_t>(m >> 8) << PAGE_BITS) + ((va + i) & (PAGE_BYTES - 1))]
        else:
            return False
        if c.machine.big_endian:
            value[0] = value[0] << 8 | byte
        else:
            value[0] |= byte << (8 * i)
    return True


cdef int64_t divided(int64_t left, int64_t right) noexcept nogil:
    """Quotient towards zero; the one that overflows wraps."""
    return <int64_t>(0 - <uint64_t>left) if right == -1 else left // right


cdef bint expression_binary(int op, uint64_t left, uint64_t right, uint64_t *value) noexcept nogil:
    """An operation of two operands; False: division by zero."""
    cdef int64_t a = <int64_t>left
    cdef int64_t b = <int64_t>right
    if (op == 0x05 or op == 0x06 or op == 0x07 or op == 0x08) and right == 0:
        return False
    if op == 0x02:
        value[0] = left + right
    elif op == 0x03:
        value[0] = left - right
    elif op == 0x04:
        value[0] = left * right
    elif op == 0x05:
        value[0] = <uint64_t>divided(a, b)
    elif op == 0x06:
        value[0] = left // right
    elif op == 0x07:
        value[0] = 0 if b == -1 else <uint64_t>(a % b)
    elif op == 0x08:
        value[0] = left % right
    elif op == 0x09:
        value[0] = left << right if right < 64 else 0
    elif op == 0x0A:
        value[0] = <uint64_t>(a >> (right if right < 63 else 63))
    elif op == 0x0B:
        value[0] = left >> right if right < 64 else 0
    elif op == 0x0F:
        value[0] = left & right
    elif op == 0x10:
        value[0] = left | right
    elif op == 0x11:
        value[0] = left ^ right
    elif op == 0x13:
        value[0] = left == right
    elif op == 0x14:
        value[0] = a < b
    else:
        value[0] = left < right
    return True


cdef int expression_value(const Cpu *c, const ExpressionStep *code, uint32_t count, uint32_t pc, uint64_t icount,
                          uint64_t *value) noexcept nogil:
    """The value of an expression at ``pc``; False: it cannot be evaluated."""
    cdef uint64_t stack[MOST_EXPRESSION_STACK + 4]
    cdef uint32_t depth = 0
    cdef uint32_t at = 0
    cdef uint32_t done, op, needed
    cdef uint64_t operand, top
    for done in range(MOST_EXPRESSION_STEPS):
        if at >= count or depth > MOST_EXPRESSION_STACK:
            return False
        op = code[at].op
        operand = code[at].operand
        at += 1
        if op <= 0x0B or 0x0F <= op <= 0x11 or 0x13 <= op <= 0x15 or op == 0x2B:
            needed = 2
        elif op == 0x33:
            needed = 3
        elif op == 0x32:
            needed = <uint32_t>operand + 1
        elif op == 0x21 or 0x22 <= op <= 0x26:
            needed = 0
        else:
            needed = 1
        if depth < needed:
            return False
        top = stack[depth - 1] if depth else 0
        if op == 0x27:
            value[0] = top
            return True
        if op == 0x21:
            at = <uint32_t>operand
        elif op == 0x20:
            depth -= 1
            if top:
                at = <uint32_t>operand
        elif 0x22 <= op <= 0x25:
            stack[depth] = operand
            depth += 1
        elif op == 0x26:
            if not expression_register(c, <uint32_t>operand, pc, icount, &stack[depth]):
                return False
            depth += 1
        elif 0x17 <= op <= 0x1A:
            if not expression_memory(c, <uint32_t>top, <uint32_t>1 << (op - 0x17), &stack[depth - 1]):
                return False
        elif op == 0x0E:
            stack[depth - 1] = top == 0
        elif op == 0x12:
            stack[depth - 1] = ~top
        elif op == 0x16:
            stack[depth - 1] = <uint64_t>(<int64_t>(top << (64 - operand)) >> (64 - operand))
        elif op == 0x2A:
            if operand < 64:
                stack[depth - 1] = top & (((<uint64_t>1) << operand) - 1)
        elif op == 0x28:
            stack[depth] = top
            depth += 1
        elif op == 0x29:
            depth -= 1
        elif op == 0x2B:
            stack[depth - 1] = stack[depth - 2]
            stack[depth - 2] = top
        elif op == 0x32:
            stack[depth] = stack[depth - 1 - operand]
            depth += 1
        elif op == 0x33:
            stack[depth - 1] = stack[depth - 2]
            stack[depth - 2] = stack[depth - 3]
            stack[depth - 3] = top
        else:
            if not expression_binary(op, stack[depth - 2], top, &stack[depth - 2]):
                return False
            depth -= 1
    return False


cdef bint condition_holds(const Cpu *c, const Condition *condition, uint32_t pc, uint64_t icount) noexcept nogil:
    """Without expressions always; else when any one is not zero. One that cannot be evaluated stops too, so that the
    debugger can say why."""
    cdef uint32_t i, first, count
    cdef uint64_t value = 0
    if condition.count == 0:
        return True
    for i in range(condition.first, condition.first + condition.count):
        first = c.stops.expressions[i]
        count = c.stops.expressions[i + 1] - first
        if not expression_value(c, c.stops.expression_steps + first, count, pc, icount, &value) or value:
            return True
    return False


cdef value_of(const Cpu *c, code):
    """See CoreStops.value_of."""
    cdef uint64_t value = 0
    cdef uint32_t i
    cdef ExpressionStep *steps
    steps = <ExpressionStep*>calloc(len(code) + 1, sizeof(ExpressionStep))
    if steps == NULL:
        raise MemoryError
    for i in range(<uint32_t>len(code)):
        steps[i] = ExpressionStep(code[i].operation, code[i].operand)
    known = expression_value(c, steps, <uint32_t>len(code), c.where.next_pc, position(c), &value)
    free(steps)
    return value if known else None
