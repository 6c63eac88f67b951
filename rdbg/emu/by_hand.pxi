# Loads and stores to pages that devices claim in part: done here, byte-exact.

cdef partial_word(Cpu *c, Core core, uint32_t w, uint32_t va, uint32_t pa, uint32_t rt, bint left, bint store):
    """lwl, lwr, swl, swr on a device: byte by byte. Gives what was loaded, as a number of these bytes."""
    cdef uint32_t register = gpr(c, rt)
    cdef int at = pa & 3
    cdef int i, lane, count, first
    cdef uint32_t byte
    cdef uint32_t loaded = 0
    cdef Place place
    # Bytes of the word in memory order; the register's most significant byte is number 0 for lwl.
    if left != c.machine.big_endian:
        first, count = 0, at + 1             # down to the word's start
    else:
        first, count = at, 4 - at
    for i in range(first, first + count):
        if left:
            lane = 3 - (i - at if c.machine.big_endian else at - i)
        else:
            lane = at - i if c.machine.big_endian else i - at
        if store:
            core.ask_write((pa & ~<uint32_t>3) + i, 1, (register >> (8 * lane)) & 0xFF)
            note_write(c, (va & ~<uint32_t>3) + i, Place(SPACE_DEVICE, (pa & ~<uint32_t>3) + i), 1, 0,
                       (register >> (8 * lane)) & 0xFF)
        else:
            byte = <uint32_t>core.ask_read((pa & ~<uint32_t>3) + i, 1)
            register = (register & ~((<uint32_t>0xFF) << (8 * lane))) | byte << (8 * lane)
            loaded = loaded << 8 | byte if c.machine.big_endian else loaded | byte << (8 * (i - first))
    if c.watch.count:
        place = Place(SPACE_DEVICE, (pa & ~<uint32_t>3) + first)
        check_watches(c, (va & ~<uint32_t>3) + first, place, count, ACCESS_WRITE if store else ACCESS_READ)
    if not store:
        set_gpr(c, rt, register)
    return loaded


cdef load_or_store(Cpu *c, Core core):
    """Do the load or store at which the fill callback ended the run, through the bus."""
    cdef uint32_t pc = c.fault.pc
    cdef uint32_t w = code_word(c, pc)
    cdef uint32_t op = w >> 26
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t va = effective_address(c, w)
    cdef uint32_t pa = 0
    cdef uint32_t target = 0
    cdef int size = 4
    cdef bint store = False
    cdef int form = memory_access(w, &size, &store)
    cdef uint64_t before = c.where.base + ((pc - c.where.start) >> 2)
    cdef uint64_t value
    cdef uint64_t loaded = 0
    cdef bint slot
    cdef size_t noted = c.accesses.count
    c.devices.epoch += 1
    if form == 2:
        rt = ((w >> 11) & 31) if store else ((w >> 6) & 31)
    translate(c, va, STORE if store else LOAD, kernel_mode(c), &pa)
    c.devices.access_icount = before
    try:
        if store and c.watch.notes:
            take_access(c, before, pc, w, va, va, Place(SPACE_DEVICE, pa), 0, True, 0)
        if form in (3, 4):
            loaded = partial_word(c, core, w, va, pa, rt, form == 3, store)
        elif store:
            if op in (0x39, 0x3D, 0x13):
                value = fpr_value(c, rt, size)
            else:
                value = gpr(c, rt)
            core.ask_write(pa, size, value)
            if c.watch.count:
                check_watches(c, va, Place(SPACE_DEVICE, pa), size, ACCESS_WRITE)
                note_write(c, va, Place(SPACE_DEVICE, pa), size, 0, value)
            if op == OP_SC:
                set_gpr(c, rt, 1)
        else:
            value = core.ask_read(pa, size)
            loaded = value
            if c.watch.count:
                check_watches(c, va, Place(SPACE_DEVICE, pa), size, ACCESS_READ)
            if op == 0x20:
                value = <uint64_t><int32_t><signed char>value
            elif op == 0x21:
                value = <uint64_t><int32_t><int16_t>value
            if op in (0x31, 0x35, 0x13):
                set_fpr_value(c, rt, size, value)
            else:
                set_gpr(c, rt, <uint32_t>value)
        if not store and c.watch.notes:
            take_access(c, before, pc, w, va, va, Place(SPACE_DEVICE, pa), 0, False, loaded)
    except BusError:
        c.accesses.count = noted
        c.fault.code = EXC_DBE
        c.fault.refill = False
        c.fault.has_address = False
        handle_fault(c)
        return
    finally:
        c.devices.access_icount = NOWHERE
    drop_hits_after(c, before)
    c.where.base = before + 1
    c.run.why = WHY_NONE
    target = pc + 4
    slot = pending_branch(c, pc, &target)
    c.where.left = pc + 4
    c.where.came_from = before - 1 if slot else before
    go_to(c, target, slot and target != pc + 4)
