# Accesses that are noted: loads and stores of the CPU to ranges that somebody asks about. Nothing stops.
#
# The ranges are watched ones, of kinds of their own, so their pages are led through the window (mmio.pxi), which tells
# the bytes but not the instruction. That is found as for devices (device_place.pxi); what it accesses, its word and the
# registers say. What something else than an instruction accesses Python notes, with numbers from here.

cdef allocate_accesses(Cpu *c):
    c.accesses.room = 1024
    c.accesses.items = <AccessNote*>malloc(c.accesses.room * sizeof(AccessNote))
    if c.accesses.items == NULL:
        raise MemoryError


cdef bint may_be_noted(const Cpu *c, uint32_t va, Place place, bint store) noexcept nogil:
    """Whether the aligned 8 bytes around an access, which an instruction may make in pieces, have to do with a range.
    `sc` loads before it stores, which counts as nothing."""
    cdef size_t i
    cdef uint32_t at
    cdef uint32_t kind = NOTED_WRITE if store else NOTED_READ
    for i in range(c.watch.count):
        if not c.watch.ranges[i].kinds & kind:
            continue
        if c.watch.ranges[i].space != SPACE_VIRTUAL and c.watch.ranges[i].space != place.space:
            continue
        at = (va if c.watch.ranges[i].space == SPACE_VIRTUAL else place.address) & ~<uint32_t>7
        if at <= c.watch.ranges[i].last and at + 7 >= c.watch.ranges[i].first:
            return True
    return False


cdef bint is_noted(const Cpu *c, uint32_t va, Place place, uint32_t size, int kind) noexcept nogil:
    """Whether a range is for an access."""
    cdef size_t i
    cdef uint32_t at = 0
    for i in range(c.watch.count):
        if watched_at(&c.watch.ranges[i], va, place, size, kind, &at):
            return True
    return False


cdef bint room_for_access(Cpu *c) noexcept nogil:
    cdef AccessNote *wider
    if c.accesses.count < c.accesses.room:
        return True
    wider = <AccessNote*>realloc(c.accesses.items, 2 * c.accesses.room * sizeof(AccessNote))
    if wider == NULL:
        fail_probes(c)
        return False
    c.accesses.items = wider
    c.accesses.room *= 2
    return True


cdef bint access_wanted(Cpu *c, uint32_t pc, uint64_t icount, uint64_t counts_at) noexcept nogil:
    """Whether the condition holds for the access in `accesses.current`, which has its number then."""
    if not condition_of_probes(c, pc, icount, counts_at):
        return False
    c.accesses.current.number = c.accesses.number
    c.accesses.number += 1
    return True


cdef inline uint64_t low_bytes(uint64_t value, uint32_t count) noexcept nogil:
    return value if count >= 8 else value & (((<uint64_t>1) << (8 * count)) - 1)


cdef uint64_t stored_value(const Cpu *c, uint32_t w, int form, uint32_t length) noexcept nogil:
    """The number that the store ``w`` writes to its ``length`` bytes."""
    cdef uint32_t op = w >> 26
    cdef uint32_t rt = ((w >> 11) & 31) if form == 2 else ((w >> 16) & 31)
    if op == 0x39 or op == 0x3D or op == 0x13:
        return fpr_value(c, rt, <int>length)
    if form == 3:                                # swl: the upper bytes of the register
        return gpr(c, rt) >> (32 - 8 * length)
    return low_bytes(gpr(c, rt), length)


cdef uint64_t loaded_part(const Cpu *c, uint32_t va, unsigned size, uint64_t value, uint32_t first, uint32_t length) noexcept nogil:
    """What a device's answer of ``size`` bytes at ``va`` says of a load of ``length`` bytes at ``first``; it may be a piece."""
    cdef uint32_t shift
    if va <= first:
        shift = size - length - (first - va) if c.machine.big_endian else first - va
        return low_bytes(value >> (8 * shift), length)
    shift = length - size - (va - first) if c.machine.big_endian else va - first
    return value << (8 * shift)


cdef void take_access(Cpu *c, uint64_t icount, uint32_t pc, uint32_t w, uint32_t first, uint32_t va, Place place, unsigned size,
                      bint store, uint64_t value) noexcept nogil:
    """The instruction ``w`` at ``pc`` makes an access: note it, if it is asked for. Of a store nothing is written yet.

    Args:
        icount: of the instruction itself.
        first: the address that it computes.
        va, place, size: what Unicorn has asked for; size 0: all of it, and ``value`` is what was loaded.
        store: whether that was a store.
        value: what a load has given.
    """
    cdef int length = 4
    cdef bint stores = False
    cdef int form = memory_access(w, &length, &stores)
    cdef AccessNote *note
    if form == 0 or stores != store:             # sc loads first
        return
    if form == 3 or form == 4:
        if (form == 3) != c.machine.big_endian:
            length = <int>(first & 3) + 1
            first &= ~<uint32_t>3
        else:
            length = 4 - <int>(first & 3)
    place.address -= va - first                  # modulo 1 << 32: either may be the lower one
    if in_slot(c, pc):
        icount -= 1
    if c.accesses.last_icount == icount and c.accesses.last_pc == pc:
        if not store and place.space != SPACE_MEMORY and c.accesses.last_kept:
            c.accesses.items[c.accesses.count - 1].value |= loaded_part(c, va, size, value, first, <uint32_t>length)
        return                                   # another piece of it
    if not is_noted(c, first, place, <uint32_t>length, NOTED_WRITE if store else NOTED_READ):
        return
    if w >> 26 == OP_SC and not link_holds(c, first):
        return                                   # Unicorn stores back what it found
    c.accesses.last_icount = icount
    c.accesses.last_pc = pc
    c.accesses.last_kept = False
    note = &c.accesses.current
    memset(note, 0, sizeof(AccessNote))
    note.icount = icount
    note.pc = pc
    note.address = first
    note.space = space_of(c, pc)
    note.size = <uint8_t>length
    note.is_write = store
    if store:
        note.value = stored_value(c, w, form, <uint32_t>length)
        note.has_before = place.space == SPACE_MEMORY
        if note.has_before:
            note.before = load_host(c, c.memory.bytes + place.address, <unsigned>length)
    elif place.space == SPACE_MEMORY:
        note.value = load_host(c, c.memory.bytes + place.address, <unsigned>length)
    elif size == 0:
        note.value = low_bytes(value, <uint32_t>length)
    else:
        note.value = loaded_part(c, va, size, value, first, <uint32_t>length)
    if access_wanted(c, pc, icount, icount) and room_for_access(c):
        c.accesses.items[c.accesses.count] = note[0]
        c.accesses.count += 1
        c.accesses.last_kept = True
        if c.accesses.count >= PROBES_ENOUGH:
            pause_soon(c)


cdef void note_access(Cpu *c, uint32_t va, Place place, unsigned size, bint store, uint64_t value) noexcept nogil:
    """An access has come through the window: a load that has been made, or a store that is about to be."""
    cdef int i
    cdef uint32_t pc, w
    if c.run.why or not may_be_noted(c, va, place, store):
        return
    i = place_access(c, &c.accesses.placed, va, size, store, True)
    if i < 0:
        ambiguous(c)
        return
    c.accesses.placed = Placed(c.where.base, <uint32_t>i, False)
    pc = c.where.start + 4 * <uint32_t>i
    w = code_word(c, pc)
    take_access(c, c.where.base + <uint32_t>i, pc, w, effective_address(c, w), va, place, size, store, value)


cdef void drop_accesses_from(Cpu *c, uint64_t icount) noexcept nogil:
    """The machine will be put back to ``icount``, and run from there once more."""
    while c.accesses.count and c.accesses.items[c.accesses.count - 1].icount >= icount:
        c.accesses.count -= 1
    drop_unevaluated(c, icount, c.watch.notes)
    c.accesses.last_icount = NOWHERE


# --- for Python ------------------------------------------------------------------------------

cdef take_accesses(Cpu *c):
    """See CoreNotes.take_accesses."""
    if c.probes.failed:
        raise MemoryError
    rows = PyBytes_FromStringAndSize(<char*>c.accesses.items, c.accesses.count * sizeof(AccessNote))
    c.accesses.count = 0
    return rows, take_unevaluated(c)


cdef noted_parts(const Cpu *c, uint32_t first, uint32_t last, bint device_reads):
    """See CoreNotes.noted_parts."""
    cdef size_t i
    cdef uint32_t page
    cdef uint32_t low = 0
    cdef uint32_t high = 0
    cdef uint32_t kind = NOTED_DEVICE_READ if device_reads else NOTED_CHANGE
    cdef const WatchRange *each
    parts = []
    for i in range(c.watch.count):
        each = &c.watch.ranges[i]
        if not each.kinds & kind:
            continue
        if each.space == SPACE_MEMORY:
            low, high = max(first, each.first), min(last, each.last)
            if low <= high:
                parts.append((i, low, low - first, high - first))
        elif each.space == SPACE_VIRTUAL:
            for page in range(each.first >> PAGE_BITS, (each.last >> PAGE_BITS) + 1):
                if part_behind(c, each, page, first, last, &low, &high):
                    parts.append((i, page << PAGE_BITS | low & (PAGE_BYTES - 1), low - first, high - first))
    return parts


cdef uint32_t accessing_pc(const Cpu *c) noexcept nogil:
    """The instruction that a device answers."""
    return c.where.start + 4 * <uint32_t>(c.devices.access_icount - c.where.base)


cdef uint64_t access_icount(const Cpu *c) noexcept nogil:
    """Where what a device does now counts: with the step of the instruction that it answers, or between two of them."""
    if c.devices.access_icount == NOWHERE:
        return position(c)
    return c.devices.access_icount - (1 if in_slot(c, accessing_pc(c)) else 0)


cdef next_access(Cpu *c, uint32_t address, uint32_t size, uint64_t value, before):
    """See CoreNotes.next_access."""
    memset(&c.accesses.current, 0, sizeof(AccessNote))
    c.accesses.current.address = address
    c.accesses.current.value = value
    c.accesses.current.size = <uint8_t>min(size, 255)
    if before is not None:
        c.accesses.current.before = before
        c.accesses.current.has_before = True
    c.accesses.between = c.devices.access_icount == NOWHERE
    wanted = access_wanted(c, c.where.next_pc, position(c), access_icount(c))
    c.accesses.between = False
    return c.accesses.current.number if wanted else None


cdef access_place(const Cpu *c):
    """See CoreNotes.access_place."""
    if c.devices.access_icount == NOWHERE:
        return position(c), None
    return access_icount(c), accessing_pc(c)
