# What probes have noted: notes that wait for a return, and those that are complete, until Python takes them.
#
# Calls of one place with the same frame wait in a pile, of which the newest is in its bucket.

cdef inline uint32_t probe_bucket(uint32_t return_address, uint32_t stack, uint32_t space) noexcept nogil:
    return ((return_address >> 2) * 0x9E3779B1U + stack * 0x85EBCA6BU + space) >> 7 & (PROBE_BUCKETS - 1)


cdef void keep_note(Cpu *c, const ProbeNote *note) noexcept nogil:
    """A note is complete."""
    cdef ProbeNote *wider
    if c.probes.done_count == c.probes.done_room:
        wider = <ProbeNote*>realloc(c.probes.done, 2 * c.probes.done_room * sizeof(ProbeNote))
        if wider == NULL:
            fail_probes(c)
            return
        c.probes.done = wider
        c.probes.done_room *= 2
    c.probes.done[c.probes.done_count] = note[0]
    c.probes.done_count += 1
    if c.probes.done_count >= PROBES_ENOUGH:
        pause_soon(c)


cdef void note_unevaluated(Cpu *c, uint64_t icount, bint between) noexcept nogil:
    """The condition could not be evaluated for what would count at ``icount``."""
    cdef Unevaluated *wider
    if c.probes.unevaluated_count == c.probes.unevaluated_room:
        wider = <Unevaluated*>realloc(c.probes.unevaluated, 2 * c.probes.unevaluated_room * sizeof(Unevaluated))
        if wider == NULL:
            fail_probes(c)
            return
        c.probes.unevaluated = wider
        c.probes.unevaluated_room *= 2
    c.probes.unevaluated[c.probes.unevaluated_count] = Unevaluated(icount, between)
    c.probes.unevaluated_count += 1
    if c.probes.unevaluated_count >= PROBES_ENOUGH:
        pause_soon(c)


cdef void drop_unevaluated(Cpu *c, uint64_t icount, bint accesses) noexcept nogil:
    """The machine will be put back to ``icount``, and run from there once more. What was noted of the instruction there
    has been, unless that are its accesses.

    Args:
        accesses: they are what is noted; those between two instructions have been.
    """
    cdef Unevaluated *last
    while c.probes.unevaluated_count:
        last = &c.probes.unevaluated[c.probes.unevaluated_count - 1]
        if last.icount < icount or last.icount == icount and (not accesses or last.between):
            return
        c.probes.unevaluated_count -= 1


cdef take_unevaluated(Cpu *c):
    """The icounts noted so since the last call, as bytes."""
    cdef size_t i
    cdef bytes taken = PyBytes_FromStringAndSize(NULL, c.probes.unevaluated_count * 8)
    cdef uint64_t *icounts = <uint64_t*>PyBytes_AS_STRING(taken)
    for i in range(c.probes.unevaluated_count):
        icounts[i] = c.probes.unevaluated[i].icount
    c.probes.unevaluated_count = 0
    return taken


cdef bint widen_open(Cpu *c) noexcept nogil:
    cdef size_t room = c.probes.open_room
    cdef size_t i
    cdef OpenNote *wider = <OpenNote*>realloc(c.probes.open, 2 * room * sizeof(OpenNote))
    if wider == NULL:
        fail_probes(c)
        return False
    c.probes.open = wider
    c.probes.open_room = 2 * room
    for i in range(room, 2 * room):
        wider[i].next = <int32_t>(i + 1) if i + 1 < 2 * room else -1
    c.probes.free_open = <int32_t>room
    return True


cdef int32_t pile_of(const Cpu *c, const ProbeNote *note) noexcept nogil:
    """The newest of those that wait with the frame of a note, of its place; -1: none does."""
    cdef int32_t at = c.probes.buckets[probe_bucket(note.return_address, note.stack, note.space)]
    while at >= 0 and not belongs_to(&c.probes.open[at].note, note):
        at = c.probes.open[at].next
    return at


cdef int32_t *link_to(Cpu *c, int32_t pile) noexcept nogil:
    """What leads to a pile."""
    cdef ProbeNote *note = &c.probes.open[pile].note
    cdef int32_t *link = &c.probes.buckets[probe_bucket(note.return_address, note.stack, note.space)]
    while link[0] != pile:
        link = &c.probes.open[link[0]].next
    return link


cdef int32_t open_note(Cpu *c, const ProbeNote *note) noexcept nogil:
    """Wait for the return of a note, the newest of its pile; where it is kept, or -1: nowhere."""
    cdef uint32_t bucket = probe_bucket(note.return_address, note.stack, note.space)
    cdef int32_t at
    cdef int32_t pile
    cdef int32_t newer = -1
    cdef int32_t older
    cdef OpenNote *each
    if c.probes.free_open < 0 and not widen_open(c):
        return -1
    at = c.probes.free_open
    each = &c.probes.open[at]
    c.probes.free_open = each.next
    each.note = note[0]
    pile = pile_of(c, note)
    each.under = pile
    if pile >= 0:
        link_to(c, pile)[0] = at
        each.next = c.probes.open[pile].next
    else:
        each.next = c.probes.buckets[bucket]
        c.probes.buckets[bucket] = at
    older = c.probes.newest_open
    while older >= 0 and c.probes.open[older].note.icount > note.icount:   # it waits again
        newer = older
        older = c.probes.open[older].older
    join_open(c, older, at)
    join_open(c, at, newer)
    return at


cdef void join_open(Cpu *c, int32_t older, int32_t newer) noexcept nogil:
    """Let two stand next to each other in the order of icounts; -1: there is none."""
    if older >= 0:
        c.probes.open[older].newer = newer
    else:
        c.probes.oldest_open = newer
    if newer >= 0:
        c.probes.open[newer].older = older
    else:
        c.probes.newest_open = older


cdef void forget_open(Cpu *c, int32_t at) noexcept nogil:
    """A note, the newest of its pile, is no longer waited for."""
    cdef OpenNote *each = &c.probes.open[at]
    cdef int32_t *link = link_to(c, at)
    if each.under >= 0:
        link[0] = each.under
        c.probes.open[each.under].next = each.next
    else:
        link[0] = each.next
    join_open(c, each.older, each.newer)
    each.next = c.probes.free_open
    c.probes.free_open = at
    if c.probes.last_open == at:
        c.probes.last_open = -1


cdef inline bint is_open_for(const ProbeNote *note, uint32_t return_address, uint32_t stack, uint32_t space,
                             uint32_t kind) noexcept nogil:
    return note.return_address == return_address and note.stack == stack and note.space == space and note.kind == kind


cdef inline bint belongs_to(const ProbeNote *waiting, const ProbeNote *note) noexcept nogil:
    """Whether they are of one pile."""
    return waiting.pc == note.pc and is_open_for(waiting, note.return_address, note.stack, note.space, note.kind)


cdef void end_newest(Cpu *c, int32_t at, uint8_t how, uint64_t icount) noexcept nogil:
    """The newest of a pile has ended."""
    cdef ProbeNote *note = &c.probes.open[at].note
    note.ended = how
    note.end = icount
    keep_note(c, note)
    forget_open(c, at)


cdef void end_pile(Cpu *c, int32_t at, uint8_t how, uint64_t icount) noexcept nogil:
    """All of a pile have ended."""
    cdef int32_t under
    while at >= 0:
        under = c.probes.open[at].under
        end_newest(c, at, how, icount)
        at = under


cdef void take_results(const Cpu *c, ProbeNote *note, uint32_t pc, uint64_t icount) noexcept nogil:
    cdef uint64_t value
    cdef uint32_t i
    for i in range(2):
        expression_register(c, c.probes.results[i], pc, icount, &value)
        note.results[i] = <uint32_t>value


cdef bint end_open(Cpu *c, uint32_t return_address, uint32_t stack, uint32_t space, uint32_t kind,
                   uint64_t icount) noexcept nogil:
    """Whatever waits for a return there with this stack pointer has returned. False: nothing has."""
    cdef bint found = False
    cdef int32_t at = c.probes.buckets[probe_bucket(return_address, stack, space)]
    cdef int32_t following
    cdef int32_t each
    while at >= 0:
        following = c.probes.open[at].next
        if is_open_for(&c.probes.open[at].note, return_address, stack, space, kind):
            each = at
            while each >= 0:
                take_results(c, &c.probes.open[each].note, return_address, icount)
                each = c.probes.open[each].under
            end_pile(c, at, ENDED_RETURNED, icount)
            found = True
        at = following
    return found


cdef void forget_notes(Cpu *c) noexcept nogil:
    """Nothing is noted, and no return is waited for."""
    cdef size_t i
    c.probes.done_count = 0
    c.probes.counted = 0
    c.probes.unevaluated_count = 0
    c.probes.interrupted_count = 0
    c.probes.resumed_at = NOWHERE
    c.probes.doubt_from = FOREVER
    c.probes.failed = False
    c.probes.last_icount = NOWHERE
    c.probes.last_open = -1
    c.probes.free_open = 0
    c.probes.oldest_open = -1
    c.probes.newest_open = -1
    for i in range(c.probes.open_room):
        c.probes.open[i].next = <int32_t>(i + 1) if i + 1 < c.probes.open_room else -1
    for i in range(PROBE_BUCKETS):
        c.probes.buckets[i] = -1
    memset(c.probes.interrupted, 0, sizeof(c.probes.interrupted))
    if not c.run.inside:
        c.where.left = LEFT_UNKNOWN if c.where.size == 0 else c.where.left


cdef void drop_notes_behind(Cpu *c, uint64_t icount) noexcept nogil:
    """The machine will be put back to ``icount``, and run from there once more."""
    cdef ProbeNote note
    drop_unevaluated(c, icount, False)
    while c.probes.newest_open >= 0 and c.probes.open[c.probes.newest_open].note.icount > icount:
        forget_open(c, c.probes.newest_open)
    while c.probes.done_count and c.probes.done[c.probes.done_count - 1].end > icount:
        c.probes.done_count -= 1
        note = c.probes.done[c.probes.done_count]
        if note.ended != ENDED_NOT and note.icount <= icount:
            note.ended = ENDED_NOT
            note.end = NOWHERE
            open_note(c, &note)
    drop_counted_behind(c, icount)
    if c.probes.last_icount != NOWHERE and c.probes.last_icount > icount:
        c.probes.last_icount = NOWHERE
        c.probes.last_open = -1


cdef allocate_probes(Cpu *c):
    c.probes.filter = <uint64_t*>calloc(BREAKPOINT_BITS // 64, 8)
    c.probes.returns_room = 1024
    c.probes.returns = <uint32_t*>calloc(c.probes.returns_room, 4)
    c.probes.done_room = 1024
    c.probes.done = <ProbeNote*>malloc(c.probes.done_room * sizeof(ProbeNote))
    c.probes.unevaluated_room = 1024
    c.probes.unevaluated = <Unevaluated*>malloc(c.probes.unevaluated_room * sizeof(Unevaluated))
    c.probes.open_room = 16
    c.probes.open = <OpenNote*>calloc(c.probes.open_room, sizeof(OpenNote))
    if (c.probes.filter == NULL or c.probes.returns == NULL or c.probes.done == NULL or c.probes.open == NULL
            or c.probes.unevaluated == NULL):
        raise MemoryError
    forget_notes(c)


cdef void free_probes(Cpu *c) noexcept:
    free(c.probes.filter)
    free(c.probes.returns)
    free(c.probes.done)
    free(c.probes.unevaluated)
    free(c.probes.open)
    free(c.probes.places)
    free(c.probes.condition)


cdef take_probe_notes(Cpu *c, bint all):
    """See CoreNotes.take_probe_notes."""
    cdef int32_t at = c.probes.oldest_open
    cdef uint64_t first = FOREVER
    cdef uint64_t doubtful = c.probes.doubt_from
    if c.probes.failed:
        raise MemoryError
    if all:
        while at >= 0:
            keep_note(c, &c.probes.open[at].note)
            at = c.probes.open[at].newer
    elif at >= 0:
        first = c.probes.open[at].note.icount
    if c.probes.failed:
        raise MemoryError
    rows = PyBytes_FromStringAndSize(<char*>c.probes.done, c.probes.done_count * sizeof(ProbeNote))
    c.probes.done_count = 0
    unevaluated = take_unevaluated(c)
    if all:
        forget_notes(c)
    return rows, None if first == FOREVER else first, unevaluated, None if doubtful == FOREVER else doubtful


cdef take_probe_count(Cpu *c):
    """See CoreNotes.take_probe_count."""
    cdef uint64_t counted = c.probes.counted
    if c.probes.failed:
        raise MemoryError
    c.probes.counted = 0
    return counted, take_unevaluated(c)
