# Conditions of breakpoints, asked when the block is entered that their instruction is in.
#
# Where all breakpoints have conditions, a run is `marked`: blocks without one run at full speed, and those with one are
# marked in Cpu.touched.recent. If the breakpoint is on a block's first instruction, or the registers that its condition asks
# for can be told there from those on entry, the condition is asked when the block is entered: with no call of Unicorn's
# before the instruction, and no look at the block. Else on_condition is called before the instruction.
#
# What a block that ends early has not come to is taken back, as breakpoints without conditions are (drop_hits_after).

cdef void ask_conditions(Cpu *c) noexcept nogil:
    """A run begins, and may stop at breakpoints: how their conditions are asked."""
    cdef size_t i
    cdef uint32_t marked_as
    c.stops.entered = NULL
    c.stops.expected = NOWHERE                   # registers may have been written
    c.run.stops = c.stops.count != 0
    c.run.marked = c.run.stops and c.stops.all_conditional and not (c.probes.armed or c.trace.on or c.counts.on)
    marked_as = c.stops.generation if c.run.marked else 0
    if marked_as != c.stops.marked_as:
        c.stops.marked_as = marked_as
        forget_recent(c)
    if not c.run.stops or c.run.marked:
        return
    for i in range(c.stops.count):
        if c.stops.conditions[i].count:
            want_hook(c, i)


cdef inline void want_hook(Cpu *c, size_t which) noexcept nogil:
    """Have on_condition called before the instruction of a breakpoint, as soon as Python has a turn."""
    c.stops.conditions[which].wants_hook = True
    if not c.stops.conditions[which].hooked:
        c.stops.hooks_wanted = True


# --- plans -----------------------------------------------------------------------------------

cdef bint asks_registers_alone(const Cpu *c, const EntryPlan *plan) noexcept nogil:
    """Whether a condition asks for nothing but registers that can be told when the block is entered."""
    cdef Condition *condition = &c.stops.conditions[plan.which]
    cdef ExpressionStep *step
    cdef uint32_t i
    for i in range(c.stops.expressions[condition.first], c.stops.expressions[condition.first + condition.count]):
        step = &c.stops.expression_steps[i]
        if 0x17 <= step.op <= 0x1A:
            return False                         # memory
        if step.op == 0x26 and step.operand != REGISTER_PC and (
                step.operand >= 32 or plan.bases[step.operand] == UNKNOWN_BASE):
            return False
    return True


cdef void simplify_condition(const Cpu *c, EntryPlan *plan) noexcept nogil:
    """Recognise a condition that is a general register, or some of its bits, beside a number."""
    cdef Condition *condition = &c.stops.conditions[plan.which]
    cdef ExpressionStep *step = &c.stops.expression_steps[c.stops.expressions[condition.first]]
    plan.simple = False
    plan.bits = 0
    plan.mask = <uint64_t>-1
    plan.op = 0
    plan.swapped = False
    plan.inverted = False
    plan.value = 0
    if condition.count != 1 or step.op != 0x26 or step.operand >= 32:
        return
    if c.stops.expression_steps[c.stops.expressions[condition.first + 1] - 1].op != 0x27:
        return                                   # nothing below looks behind an END
    plan.number = <uint32_t>step.operand
    step += 1
    if step.op == 0x16:
        plan.bits = <uint32_t>step.operand
        step += 1
    if step.op == 0x25 and step[1].op == 0x0F:
        plan.mask = step.operand
        step += 2
    if step.op == 0x25:
        plan.value = step.operand
        step += 1
        if step.op == 0x16:                      # GDB extends numbers, too
            plan.value = <uint64_t>(<int64_t>(plan.value << (64 - step.operand)) >> (64 - step.operand))
            step += 1
        elif step.op == 0x2A:
            if step.operand < 64:
                plan.value &= ((<uint64_t>1) << step.operand) - 1
            step += 1
        if step.op == 0x2B:
            plan.swapped = True
            step += 1
        if not 0x13 <= step.op <= 0x15:
            return
        plan.op = step.op
        step += 1
    while step.op == 0x0E and (plan.op or plan.inverted):
        plan.inverted = not plan.inverted
        step += 1
    plan.simple = step.op == 0x27


cdef void follow_turns(const Cpu *c, EntryPlan *plan) noexcept nogil:
    """Find out what a turn of a loop of the block alone adds to the register that a simple condition asks for."""
    cdef uint8_t bases[32]
    cdef uint32_t offsets[32]
    cdef uint32_t base = plan.bases[plan.number]
    cdef uint32_t i
    for i in range(32):
        bases[i] = <uint8_t>i
        offsets[i] = 0
    for i in range(plan.n):
        follow_registers(code_word(c, plan.pc + 4 * i), bases, offsets)
    plan.stride = <int32_t>offsets[base]
    plan.strides = (bases[base] == base and plan.op == 0x13 and not plan.inverted and plan.mask == <uint64_t>-1
                    and (plan.bits == 0 or plan.bits == 32))


cdef const EntryPlan *plan_entry(Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """The plan of a block: a new one unless the block was seen since that was made, and all that can change it has not."""
    cdef EntryPlan *plan = &c.stops.plans[(pc >> 2) & (ENTRY_PLANS - 1)]
    cdef uint32_t known = c.touched.recent[recent_slot(pc)]
    cdef int64_t which
    cdef uint32_t i
    cdef bint mixed = on_mixed_page(c, pc)       # its code may change without notice
    if plan.pc == pc and plan.n == n and (known ^ recent_key(pc, 4 * n)) <= MARKS and not mixed:
        return plan
    plan.pc = pc
    plan.n = n
    plan.found = False
    plan.rare = find_breakpoint(c, pc + 4 * n) >= 0  # on the slot of its last instruction, perhaps
    plan.decided = not mixed
    plan.strides = False
    plan.skip_until = 0
    for i in range(n):
        which = find_breakpoint(c, pc + 4 * i) if filter_has(c, pc + 4 * i) else -1
        if which < 0:
            continue
        if slot_at(c, pc, False, pc + 4 * i):
            plan.rare = True                     # it is met at its branch
            continue
        if plan.found:
            plan.decided = False
        plan.found = True
        plan.which = <uint32_t>which
        plan.at = i
    if not plan.found or not plan.decided:
        plan.decided = False
        return plan
    for i in range(32):
        plan.bases[i] = <uint8_t>i
        plan.offsets[i] = 0
    for i in range(plan.at):
        follow_registers(code_word(c, pc + 4 * i), plan.bases, plan.offsets)
    plan.decided = plan.at == 0 or asks_registers_alone(c, plan)
    if plan.decided:
        simplify_condition(c, plan)
        if plan.simple:
            follow_turns(c, plan)
    return plan


cdef bint hooks_are_missing(Cpu *c, const EntryPlan *plan) noexcept nogil:
    """Whether a condition in a block can only be asked before its instruction, and nobody does that yet."""
    cdef uint32_t i
    cdef int64_t which
    if not plan.found or plan.decided:
        return False
    for i in range(plan.n):
        which = find_breakpoint(c, plan.pc + 4 * i) if filter_has(c, plan.pc + 4 * i) else -1
        if which >= 0:
            want_hook(c, which)
    return c.stops.hooks_wanted


# --- asking ----------------------------------------------------------------------------------

cdef bint simple_holds(const Cpu *c, const EntryPlan *plan) noexcept nogil:
    """Whether a condition that is a register beside a number holds at the breakpoint of the block that is being entered."""
    cdef uint64_t left = register_there(c, plan, plan.number)
    cdef uint64_t right = plan.value
    cdef bint holds
    if plan.bits:
        left = <uint64_t>(<int64_t>(left << (64 - plan.bits)) >> (64 - plan.bits))
    left &= plan.mask
    if plan.op == 0x13:
        return (left == right) != plan.inverted
    if plan.op == 0:
        return (left != 0) != plan.inverted
    if plan.swapped:
        left, right = right, left
    holds = <int64_t>left < <int64_t>right if plan.op == 0x14 else left < right
    return holds != plan.inverted


cdef bint holds_on_entry(Cpu *c, const EntryPlan *plan, uint64_t icount) noexcept nogil:
    """Whether the condition of a plan's breakpoint holds there, as far as its block, which is being entered at ``icount``,
    comes to it."""
    cdef bint holds
    if plan.simple:
        return simple_holds(c, plan)
    c.stops.entered = plan
    holds = condition_holds(c, &c.stops.conditions[plan.which], plan.pc + 4 * plan.at, icount + plan.at)
    c.stops.entered = NULL
    return holds


cdef uint64_t turns_without(const Cpu *c, const EntryPlan *plan) noexcept nogil:
    """How many turns of a loop of the block, with this one, its condition cannot hold in: it does not in this one."""
    cdef uint32_t there = register_there(c, plan, plan.number)
    cdef uint32_t sought = <uint32_t>plan.value
    cdef uint64_t as_read = <uint64_t><int64_t><int32_t>sought if plan.bits else sought
    if plan.stride == 0 or as_read != plan.value:
        return MOST_TURNS
    if plan.stride > 0:
        return <uint32_t>(sought - there) // <uint32_t>plan.stride
    return <uint32_t>(there - sought) // <uint32_t>-<int64_t>plan.stride


cdef bint passes_on_entry(Cpu *c, uint32_t pc, uint32_t n, uint64_t icount) noexcept nogil:
    """Whether nothing is to be done for the marked block at ``pc``: the condition of its breakpoint does not hold."""
    cdef EntryPlan *plan = &c.stops.plans[(pc >> 2) & (ENTRY_PLANS - 1)]
    if plan.pc != pc or plan.n != n:
        return False
    if icount != c.stops.expected or c.where.start != pc or icount >= plan.skip_until:
        if holds_on_entry(c, plan, icount):
            return False
        plan.skip_until = icount + n * turns_without(c, plan) if plan.strides else 0
    c.stops.expected = icount + n
    return True


cdef uint32_t condition_mark(Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """What Cpu.touched.recent says of a block of ``n`` instructions in a marked run."""
    cdef const EntryPlan *plan
    if not filter_has_any(c, pc, n + 1):
        return 0
    plan = plan_entry(c, pc, n)
    if plan.rare or plan.found and not plan.decided:
        return RARE
    return COUNTED if plan.found else 0
