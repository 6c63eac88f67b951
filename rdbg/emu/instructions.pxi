# Every instruction that runs, noted: the registers that differ before it, and what it loads or stores.
#
# Such a run does not let Unicorn run blocks: it does instructions by hand (straight_line.pxi), where each can be looked at,
# and leaves to Unicorn, in single steps, those that are not known there. So nothing is translated in another way than in
# other runs, which pay nothing.

# A load or store that is about to be made.
cdef struct Expected:
    uint32_t word                # the instruction
    int form
    uint32_t address
    uint32_t size                # bytes; 0: none
    bint store
    bint loaded                  # `data` has what a load will give
    bint fails                   # a `sc` that sets no register, and stores nothing
    uint8_t data[8]


# A step that is left to Unicorn.
cdef struct ComingStep:
    uint64_t icount
    uint32_t pc
    uint32_t count               # instructions that it runs
    uint32_t link                # the register in which the first of two leaves `link_value`; 0: none
    uint32_t link_value
    Expected accesses[2]


cdef inline void see_register(Cpu *c, uint32_t n, uint32_t value) noexcept nogil:
    """What a register holds before the next instruction."""
    if c.instructions.held[n] != value:
        c.instructions.held[n] = value
        c.instructions.changed |= <uint64_t>1 << n


cdef void see_registers(Cpu *c) noexcept nogil:
    """The same for all of them."""
    cdef uint32_t n
    for n in range(1, REGISTERS):
        if n != 32:
            see_register(c, n, gpr_or_product(c, n))
    if not c.instructions.known:
        c.instructions.known = True
        c.instructions.changed = ((<uint64_t>1 << REGISTERS) - 2) & ~(<uint64_t>1 << 32)


cdef inline void see_written(Cpu *c, Straight *s) noexcept nogil:
    """The same for those that were set by hand."""
    cdef uint64_t written = s.written
    cdef uint32_t n = 0
    s.written = 0
    while written:
        n = <uint32_t>lowest_bit(written)
        written &= written - 1
        see_register(c, n, s.value[n])


cdef inline InstructionRow *note_instruction(Cpu *c, uint64_t icount, uint32_t pc) noexcept nogil:
    """An instruction has run, before which registers were as they were seen last."""
    cdef InstructionRow *row = &c.instructions.rows[c.instructions.count]
    cdef uint64_t changed = c.instructions.changed
    row.icount = icount
    row.pc = pc
    row.changed = changed
    row.size = 0
    while changed:
        c.instructions.values[c.instructions.value_count] = c.instructions.held[lowest_bit(changed)]
        c.instructions.value_count += 1
        changed &= changed - 1
    c.instructions.changed = 0
    c.instructions.count += 1
    return row


cdef inline void note_memory(InstructionRow *row, const Straight *s) noexcept nogil:
    """What the instruction that was done by hand has loaded or stored."""
    row.address = s.address
    row.size = s.size
    row.store = s.store
    memcpy(row.data, s.host, s.size)


cdef uint32_t follow_branch(Cpu *c, Straight *s, uint32_t w, uint32_t slot, uint32_t pc, uint64_t icount) noexcept nogil:
    """Do the branch ``w`` and its slot, and note them; see branch_with_slot."""
    cdef Straight before = s[0]
    cdef uint32_t target = 0
    cdef bint nullifies = False
    cdef uint32_t link = 0
    cdef uint32_t linked = 0
    cdef InstructionRow *row
    if w >> 26 == 0x11 or may_branch(slot):
        return 1
    straight_branch(s, w, pc, &target, &nullifies)
    if s.written:
        link = <uint32_t>lowest_bit(s.written)
        linked = s.value[link]
    s.size = 0
    if target & 3 or not nullifies and not straight_instruction(s, slot):
        s[0] = before
        return 1
    note_instruction(c, icount, pc)
    if not nullifies:
        if link:
            see_register(c, link, linked)
        row = note_instruction(c, icount + 1, pc + 4)
        if s.size:
            note_memory(row, s)
    see_written(c, s)
    return target


cdef void stand_behind(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """One instruction at ``pc``, which is in no slot, has run."""
    remember_block(&c.touched.blocks, <uint64_t>pc << 32 | 4)
    stand_at(c, pc + 4, icount + 1)
    c.where.left = pc + 4
    c.where.came_from = icount


cdef bint follow_system(Cpu *c, Straight *s, uint32_t w, uint32_t pc, uint64_t icount) noexcept nogil:
    """Do and note a privileged instruction, as take_trap does. False: it is left to Unicorn, and nothing has changed."""
    cdef int done
    cdef uint32_t target
    if not kernel_mode(c) and not c.guest.cp0.status & STATUS_CU0 or w & 0xFE00003FU == 0x42000020U:   # wait
        return False
    put_back(s)
    no_block(c, pc)
    c.where.next_pc = pc
    c.where.base = icount
    done = emulate_cp0(c, w, icount)
    if done != EMULATED and done != EMULATED_JUMP:
        return False
    target = c.where.next_pc
    note_instruction(c, icount, pc)
    stand_behind(c, pc, icount)
    if done == EMULATED_JUMP:
        stand_at(c, target, icount + 1)
        c.where.left = LEFT_RETURN
        c.where.came_from = icount
    begin_straight(c, s)
    see_register(c, (w >> 16) & 31, gpr(c, (w >> 16) & 31))
    see_register(c, (w >> 11) & 31, gpr(c, (w >> 11) & 31))
    return True


cdef bint follow_device(Cpu *c, Straight *s, uint32_t w, uint32_t pc, uint64_t icount) noexcept nogil:
    """Do and note a load or store of a device's register, as Unicorn would ask for it. False: it is left to Unicorn, and
    nothing has changed."""
    cdef int size = 0
    cdef bint store = False
    cdef uint32_t op = w >> 26
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t va = get(s, (w >> 21) & 31) + <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    cdef uint32_t pa = 0
    cdef uint32_t m
    cdef uint64_t value
    cdef InstructionRow *row
    if op not in (0x20, 0x21, 0x23, 0x24, 0x25, 0x28, 0x29, 0x2B):
        return False
    memory_access(w, &size, &store)
    if va & (<uint32_t>size - 1) or translate(c, va, STORE if store else LOAD, kernel_mode(c), &pa) != TRANSLATED:
        return False
    m = c.memory.phys_map[pa >> PAGE_BITS]
    if m == MAP_UNKNOWN or (m & MAP_KIND) != MAP_IO or c.watch.count:
        return False
    if not (bit_test(c.touched.seen_read, va >> PAGE_BITS) and bit_test(c.touched.seen_written, va >> PAGE_BITS)
            and bit_test(c.touched.seen_devices, pa >> PAGE_BITS)):
        return False                             # see fill
    value = low_bytes(get(s, rt), <uint32_t>size)
    put_back(s)
    no_block(c, pc)
    enter_block(c, pc, 4, icount)
    c.devices.placed.base = NOWHERE
    if store:
        device_write(c, pa, <unsigned>size, value)
    else:
        value = low_bytes(device_read(c, pa, <unsigned>size), <uint32_t>size)
    row = note_instruction(c, icount, pc)
    row.address = va
    row.size = <uint32_t>size
    row.store = store
    store_host(c, row.data, <unsigned>size, value)
    if op == 0x20:
        value = <uint64_t><int32_t><signed char>value
    elif op == 0x21:
        value = <uint64_t><int32_t><int16_t>value
    if not store:
        put(s, rt, <uint32_t>value)
        see_written(c, s)
    stand_behind(c, pc, icount)
    return True


cdef uint32_t follow_block(Cpu *c, Straight *s, uint32_t pc, uint64_t icount) noexcept nogil:
    """Do and note instructions from where the CPU stands, up to the end of the block or what is due, or one that is left
    to Unicorn. Returns how many they were."""
    cdef uint32_t left = (PAGE_BYTES - (pc & (PAGE_BYTES - 1))) >> 2
    cdef uint32_t before_limit = <uint32_t>min(c.run.limit - icount, <uint64_t>PAGE_BYTES)
    cdef uint32_t before_event = <uint32_t>min(next_event(c) - icount, <uint64_t>PAGE_BYTES)
    cdef uint32_t *code = straight_code(c, pc)
    cdef uint32_t target = 1
    cdef uint32_t i = 0
    cdef uint32_t w
    cdef InstructionRow *row
    if code == NULL or c.run.stop_soon or c.marking.on:
        return 0
    left = min(left, before_limit)
    while i < left and i < before_event and target == 1:
        w = guest_word(c, code[i])
        if may_branch(w):                        # what is due in its slot comes behind that
            if i + 2 > left:
                break
            target = follow_branch(c, s, w, guest_word(c, code[i + 1]), pc + 4 * i, icount + i)
            if target == 1:
                break
            i += 2
            continue
        s.size = 0
        if not straight_instruction(s, w):
            if i == 0 and (w >> 26 == 0x10 or w >> 26 == 0x2F):
                return follow_system(c, s, w, pc, icount)
            if i == 0:
                return follow_device(c, s, w, pc, icount)
            break
        row = note_instruction(c, icount + i, pc + 4 * i)
        if s.size:
            note_memory(row, s)
        see_written(c, s)
        i += 1
    if i == 0:
        return 0
    remember_block(&c.touched.blocks, <uint64_t>pc << 32 | 4 * i)
    stand_at(c, pc + 4 * i if target == 1 else target, icount + i)
    c.where.left = pc + 4 * i
    c.where.came_from = icount
    return i


cdef inline bint rows_full(const Cpu *c) noexcept nogil:
    return c.instructions.count >= ROWS_FULL or c.instructions.value_count >= VALUES_FULL


cdef void follow_straight(Cpu *c) noexcept nogil:
    """Do and note what comes, up to the end of the run or an instruction that is left to Unicorn: then c.run.why is not
    set."""
    cdef Straight s
    cdef uint32_t pc
    cdef uint64_t icount
    cdef bint happened
    begin_straight(c, &s)
    see_registers(c)
    while c.run.why == WHY_NONE:
        pc = c.where.next_pc
        icount = position(c)
        if icount >= c.run.attention:
            put_back(&s)
            happened = at_boundary(c, pc, icount)
            begin_straight(c, &s)
            see_registers(c)
            if happened:
                continue
        if icount >= c.run.limit:
            stop_before(c, pc, icount, WHY_LIMIT)
        elif rows_full(c):
            stop_before(c, pc, icount, WHY_PAUSE)
        elif pc & 3 or follow_block(c, &s, pc, icount) == 0:
            break
    put_back(&s)


cdef void expect_access(const Cpu *c, uint32_t w, const uint32_t *value, Expected *e) noexcept nogil:
    """What the instruction ``w`` is about to load or store, with these values of registers."""
    cdef int length = 4
    cdef uint32_t op = w >> 26
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t va = value[(w >> 21) & 31]
    cdef Place place
    e.word = w
    e.size = 0
    e.store = False
    e.loaded = False
    e.fails = False
    e.form = memory_access(w, &length, &e.store)
    if e.form == 0:
        return
    va += value[rt] if e.form == 2 else <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    if e.form == 2 and (w & 7) == 5:             # luxc1 suxc1
        va &= ~<uint32_t>7
    if e.form >= 3:
        if (e.form == 3) != c.machine.big_endian:
            length = <int>(va & 3) + 1
            va &= ~<uint32_t>3
        else:
            length = 4 - <int>(va & 3)
    elif va & (<uint32_t>length - 1):
        return                                   # an exception
    e.address = va
    e.size = <uint32_t>length
    e.fails = op == OP_SC and rt == 0 and not link_holds(c, va)
    if not e.store:
        place = place_of(c, va, ACCESS_READ)
        if place.space == SPACE_MEMORY:
            e.loaded = True
            memcpy(e.data, c.memory.bytes + place.address, e.size)
    elif op == 0x39 or op == 0x3D or op == 0x13:
        store_host(c, e.data, e.size, fpr_value(c, (w >> 11) & 31 if e.form == 2 else rt, length))
    else:
        store_host(c, e.data, e.size, value[rt] >> (32 - 8 * e.size) if e.form == 3 else low_bytes(value[rt], e.size))


cdef void expect_step(const Cpu *c, ComingStep *step) noexcept nogil:
    """What the next step, which is left to Unicorn, is about to do. Registers have been seen."""
    cdef uint32_t value[REGISTERS]
    cdef uint32_t w = 0 if c.where.next_pc & 3 else code_word(c, c.where.next_pc)
    cdef uint32_t op = w >> 26
    memcpy(value, c.instructions.held, sizeof(value))
    value[0] = 0
    step.icount = position(c)
    step.pc = c.where.next_pc
    step.count = 1
    step.link = 0
    expect_access(c, w, value, &step.accesses[0])
    if step.pc & 3 or not slot_runs(c, step.pc) or fetch_host(c, step.pc + 4) == NULL:
        return
    step.count = 2
    if op == 3 or op == 1 and (w >> 20) & 1:
        step.link = 31
    elif op == 0 and w & 1:
        step.link = (w >> 11) & 31
    step.link_value = step.pc + 8
    if step.link:
        value[step.link] = step.link_value
    expect_access(c, code_word(c, step.pc + 4), value, &step.accesses[1])


cdef void note_expected(Cpu *c, InstructionRow *row, const Expected *e) noexcept nogil:
    """An access has been made as it was expected. A device's register has no bytes to look at: the CPU's, which was
    loaded, tells them."""
    cdef uint32_t op = e.word >> 26
    cdef uint32_t rt = (e.word >> 16) & 31
    cdef uint64_t value
    if e.size == 0 or e.fails or op == OP_SC and rt and gpr(c, rt) == 0:
        return
    row.address = e.address
    row.size = e.size
    row.store = e.store
    if e.store or e.loaded:
        memcpy(row.data, e.data, e.size)
        return
    if op == 0x31 or op == 0x35 or op == 0x13:
        value = fpr_value(c, (e.word >> 6) & 31 if e.form == 2 else rt, <int>e.size)
    else:
        value = gpr(c, rt) >> (32 - 8 * e.size) if e.form == 3 else low_bytes(gpr(c, rt), e.size)
    store_host(c, row.data, e.size, value)


cdef void note_step(Cpu *c, const ComingStep *step) noexcept nogil:
    """A step that was left to Unicorn has come to its end, or to nothing. The instruction that raised an exception has done
    nothing else."""
    cdef uint64_t retired = position(c) - step.icount
    cdef bint raised = entry_at(c, position(c), c.where.next_pc) == ENTRY_EXCEPTION
    cdef uint32_t i
    cdef InstructionRow *row
    for i in range(<uint32_t>min(retired, <uint64_t>step.count)):
        if i and step.link:
            see_register(c, step.link, step.link_value)
        row = note_instruction(c, step.icount + i, step.pc + 4 * i)
        if not (raised and i + 1 == retired):
            note_expected(c, row, &step.accesses[i])


cdef begin_instructions(Cpu *c):
    """A run is about to note its instructions."""
    if c.instructions.rows == NULL:
        c.instructions.rows = <InstructionRow*>malloc((ROWS_FULL + PAGE_BYTES) * sizeof(InstructionRow))
        c.instructions.values = <uint32_t*>malloc((VALUES_FULL + REGISTERS * PAGE_BYTES) * sizeof(uint32_t))
        if c.instructions.rows == NULL or c.instructions.values == NULL:
            raise MemoryError


cdef take_instructions(Cpu *c):
    """See CoreNotes.take_instructions."""
    rows = PyBytes_FromStringAndSize(<char*>c.instructions.rows, c.instructions.count * sizeof(InstructionRow))
    values = PyBytes_FromStringAndSize(<char*>c.instructions.values, c.instructions.value_count * sizeof(uint32_t))
    c.instructions.count = 0
    c.instructions.value_count = 0
    return rows, values


cdef void free_instructions(Cpu *c) noexcept:
    free(c.instructions.rows)
    free(c.instructions.values)
