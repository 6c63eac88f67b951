# Probes: addresses and exceptions at which the CPU is looked at, and goes on. Nothing stops, and blocks without any cost
# nothing: those that have one are RARE to the block hook.
#
# A probe at a block's start is noted when the block is entered. For one in the middle Unicorn calls on_probe, so that
# the registers are those before its instruction; the hook stays. Who follows returns has each return address looked at
# from the first call on: a return is a jump to it with the stack pointer of the call, in its address space.

cdef inline bint may_be_probed(const Cpu *c, uint32_t pc) noexcept nogil:
    cdef uint32_t n = (pc >> 2) & (BREAKPOINT_BITS - 1)
    return (c.probes.filter[n >> 6] >> (n & 63)) & 1


cdef void probe_filter_add(Cpu *c, uint32_t pc) noexcept nogil:
    cdef uint32_t n = (pc >> 2) & (BREAKPOINT_BITS - 1)
    c.probes.filter[n >> 6] |= (<uint64_t>1) << (n & 63)


cdef ProbedPlace *probed_place(const Cpu *c, uint32_t pc) noexcept nogil:
    """The place at ``pc``; NULL: there is none."""
    cdef size_t low = 0
    cdef size_t high = c.probes.count
    cdef size_t middle
    while low < high:
        middle = (low + high) // 2
        if c.probes.places[middle].first < pc:
            low = middle + 1
        else:
            high = middle
    return &c.probes.places[low] if low < c.probes.count and c.probes.places[low].first == pc else NULL


cdef void fail_probes(Cpu *c) noexcept nogil:
    c.probes.failed = True
    pause_soon(c)


# --- return addresses ------------------------------------------------------------------------

cdef size_t return_slot(const Cpu *c, uint32_t pc) noexcept nogil:
    """Where a return address is kept, or would be."""
    cdef size_t mask = c.probes.returns_room - 1
    cdef size_t at = (pc >> 2) * 0x9E3779B1U & mask
    while c.probes.returns[at] and c.probes.returns[at] != pc:
        at = (at + 1) & mask
    return at


cdef inline bint is_return(const Cpu *c, uint32_t pc) noexcept nogil:
    return c.probes.returns_count != 0 and c.probes.returns[return_slot(c, pc)] == pc


cdef inline bint is_probed(const Cpu *c, uint32_t pc) noexcept nogil:
    return may_be_probed(c, pc) and (probed_place(c, pc) != NULL or is_return(c, pc))


cdef bint is_any_probed(const Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """Whether one of ``n`` instructions from ``pc`` is looked at. Some thousand returns are in a filter with so many
    others that every second block of a kernel would be one that may be, and costs more each time that it runs."""
    cdef uint32_t i
    for i in range(n):
        if is_probed(c, pc + 4 * i):
            return True
    return False


cdef bint widen_returns(Cpu *c) noexcept nogil:
    cdef uint32_t *old = c.probes.returns
    cdef size_t room = c.probes.returns_room
    cdef size_t i
    cdef uint32_t *wider = <uint32_t*>calloc(2 * room, 4)
    if wider == NULL:
        return False
    c.probes.returns = wider
    c.probes.returns_room = 2 * room
    for i in range(room):
        if old[i]:
            wider[return_slot(c, old[i])] = old[i]
    free(old)
    return True


cdef void watch_return(Cpu *c, uint32_t pc) noexcept nogil:
    """Look at a return address from now on: it begins a block, which may have been seen already."""
    cdef size_t at
    if is_return(c, pc) or pc == 0:
        return
    if 2 * c.probes.returns_count >= c.probes.returns_room and not widen_returns(c):
        fail_probes(c)
        return
    at = return_slot(c, pc)
    c.probes.returns[at] = pc
    c.probes.returns_count += 1
    probe_filter_add(c, pc)
    c.touched.recent[recent_slot(pc)] = 0


# --- notes -----------------------------------------------------------------------------------

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


cdef void take_results(const Cpu *c, ProbeNote *note, uint32_t pc, uint64_t icount) noexcept nogil:
    cdef uint64_t value
    cdef uint32_t i
    for i in range(2):
        agent_register(c, c.probes.results[i], pc, icount, &value)
        note.results[i] = <uint32_t>value


cdef void note_return(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """A return of a call that nothing is known of: it began before anything was noted."""
    cdef ProbeNote note
    begin_note(c, &note, NOTED_RETURN, pc, icount)
    note.return_address = pc
    note.ended = ENDED_RETURNED
    take_results(c, &note, pc, icount)
    keep_note(c, &note)


cdef inline void doubt(Cpu *c, uint8_t how, uint64_t icount) noexcept nogil:
    """What is noted now would be another thing if something before had been seen."""
    if how == ARRIVAL_UNKNOWN or how == ARRIVAL_RETURN and c.probes.interrupted_count < INTERRUPTED_KEPT:
        if icount < c.probes.doubt_from:
            c.probes.doubt_from = icount


cdef void watch_after_call(Cpu *c, uint32_t pc) noexcept nogil:
    """A handler returns to ``pc``: behind a system call, this may be its return, whenever it began."""
    if c.probes.tells_returns and c.probes.exceptions and code_word(c, pc - 4) & 0xFC00003FU == 12:
        watch_return(c, pc)


cdef void take_registers(const Cpu *c, ProbeNote *note, uint32_t pc, uint64_t icount) noexcept nogil:
    cdef uint64_t value
    cdef uint32_t i
    for i in range(c.probes.register_count):
        agent_register(c, c.probes.registers[i], pc, icount, &value)
        note.values[i] = <uint32_t>value


cdef void begin_note(const Cpu *c, ProbeNote *note, uint8_t kind, uint32_t pc, uint64_t icount) noexcept nogil:
    memset(note, 0, sizeof(ProbeNote))
    note.kind = kind
    note.icount = icount
    note.end = icount
    note.pc = pc
    note.space = space_of(c, pc)
    note.exception = NO_EXCEPTION
    note.stack = gpr(c, 29)


cdef uint8_t arrival(const Cpu *c, uint32_t pc, uint32_t behind) noexcept nogil:
    """How the instruction at ``pc`` was come to."""
    cdef uint32_t w
    if behind == LEFT_UNKNOWN:
        return ARRIVAL_UNKNOWN
    if behind == LEFT_RETURN:
        return ARRIVAL_RETURN
    if behind == LEFT_EXCEPTION:
        return ARRIVAL_EXCEPTION
    w = code_word(c, behind - 8)
    if w >> 26 == 0 and (w & 0x3F) == 9 or w >> 26 == 3 or w >> 26 == 1 and (w >> 20) & 1:   # jalr, jal, bltzal and its like
        if gpr(c, 31) == behind and (pc != behind or may_branch(w)):
            return ARRIVAL_CALL
    if pc == behind:
        return ARRIVAL_THROUGH
    if w >> 26 == 0 and (w & 0x3E) == 8:         # jr, or jalr that links elsewhere
        return ARRIVAL_REGISTER
    return ARRIVAL_BRANCH


cdef bint condition_of_probes(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    cdef uint64_t value = 0
    if c.probes.condition_length == 0:
        return True
    if agent_value(c, c.probes.condition, c.probes.condition_length, pc, icount, &value):
        return value != 0
    c.probes.unevaluated += 1
    return False


cdef void begin_call(Cpu *c, ProbeNote *note, uint64_t icount) noexcept nogil:
    """Wait for the return of what begins with ``note``. Of each pile it looks at the newest alone, or ends all: a loop
    that enters its function without a return in between costs the same each time."""
    cdef int32_t at = pile_of(c, note)
    cdef int32_t following
    cdef ProbeNote *newest
    if at >= 0 and note.kind == NOTED_PLACE:
        newest = &c.probes.open[at].note
        if newest.exception != NO_EXCEPTION and icount == c.probes.resumed_at and c.probes.resumed_again:
            note.arrival = newest.arrival        # its first instruction raised an exception, and runs again
            note.behind = newest.behind
            end_newest(c, at, ENDED_AGAIN, icount)
        else:
            newest.exception = NO_EXCEPTION      # the handler has gone on behind it
    if note.arrival == ARRIVAL_CALL or note.kind == NOTED_EXCEPTION:
        # Those that wait were left without a return: their frame is another one's now.
        at = c.probes.buckets[probe_bucket(note.return_address, note.stack, note.space)]
        while at >= 0:
            following = c.probes.open[at].next
            if is_open_for(&c.probes.open[at].note, note.return_address, note.stack, note.space, note.kind):
                end_pile(c, at, ENDED_REPLACED, icount)
            at = following
    note.ended = ENDED_NOT
    note.end = NOWHERE
    watch_return(c, note.return_address)
    c.probes.last_open = open_note(c, note)


cdef void note_at(Cpu *c, uint32_t pc, uint64_t icount, uint32_t behind, bint slot) noexcept nogil:
    """The instruction at ``pc`` is about to run, and may be looked at."""
    cdef ProbeNote note
    cdef ProbedPlace *place = probed_place(c, pc)
    cdef uint32_t space = space_of(c, pc)
    cdef uint8_t how
    cdef uint64_t at = icount - 1 if slot else icount
    cdef bint ended = False
    if c.probes.last_icount == icount and c.probes.last_pc == pc:
        return                                   # its block has been begun once more
    how = arrival(c, pc, behind)
    if not slot and is_return(c, pc):
        doubt(c, how, icount)
        if how == ARRIVAL_REGISTER or how == ARRIVAL_RETURN or how == ARRIVAL_UNKNOWN:
            ended = end_open(c, pc, gpr(c, 29), space, NOTED_PLACE, icount)
        if how == ARRIVAL_RETURN or how == ARRIVAL_UNKNOWN:
            ended = end_open(c, pc, gpr(c, 29), space, NOTED_EXCEPTION, icount) or ended
        if c.probes.tells_returns and not ended and (
                how == ARRIVAL_RETURN or how == ARRIVAL_UNKNOWN or how == ARRIVAL_REGISTER and not c.probes.exceptions):
            note_return(c, pc, icount)
    if place == NULL:
        return
    c.probes.last_icount = icount
    c.probes.last_pc = pc
    c.probes.last_behind = behind
    c.probes.last_open = -1
    if c.probes.follows and (slot or how == ARRIVAL_BRANCH and place.first <= behind - 8 <= place.last):
        return                                   # a loop to where its function begins
    if not condition_of_probes(c, pc, icount):
        return
    begin_note(c, &note, NOTED_PLACE, pc, at)
    note.arrival = how
    note.behind = behind
    note.return_address = gpr(c, 31)
    take_registers(c, &note, pc, icount)
    if c.probes.follows:
        doubt(c, how, icount)
        begin_call(c, &note, icount)
    else:
        keep_note(c, &note)


cdef void note_place(Cpu *c, uint32_t pc, uint64_t icount, bint slot) noexcept nogil:
    """A block is about to run, whose first instruction may be looked at."""
    note_at(c, pc, icount, behind(c), slot)


cdef void on_probe(uc_engine *uc, uint64_t address, uint32_t size, void *user) noexcept nogil:
    """Unicorn is about to run an instruction that has, or had, a probe. The registers are those before it."""
    cdef Cpu *c = <Cpu*>user
    cdef uint32_t pc = <uint32_t>address
    cdef uint64_t icount = c.where.base + ((pc - c.where.start) >> 2)
    if not c.probes.armed or c.run.why != WHY_NONE or pc == c.where.start or probed_place(c, pc) == NULL:
        return
    note_at(c, pc, icount, pc, in_slot(c, pc))


cdef bint hook_probes(Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """Have on_probe called for the probes within a block, which is about to run. True: it is to be translated anew."""
    cdef uc_hook handle
    cdef ProbedPlace *place
    cdef uint8_t *host
    cdef bint new = False
    cdef uint32_t i
    for i in range(1, n):
        if not may_be_probed(c, pc + 4 * i):
            continue
        place = probed_place(c, pc + 4 * i)
        if place != NULL and not place.hooked:
            uc_hook_add(c.uc, &handle, UC_HOOK_CODE, <void*>on_probe, c, place.first, place.first)
            place.hooked = True
            new = True
    if new and pc >> 30 == 2:
        host = fetch_host(c, pc)
        if host != NULL:
            purge_code(c, <uint32_t>((host - c.memory.bytes) >> PAGE_BITS))
    elif new:
        uc_ctl_flush_tb(c.uc)                    # other pages may stand at that address at other times
        flush_tlb(c)
    return new


# --- exceptions ------------------------------------------------------------------------------

cdef void note_exception(Cpu *c, uint32_t code, uint32_t pc, uint64_t icount, bint slot, bint before) noexcept nogil:
    """An exception is about to be entered, of the instruction at ``pc``, or before it.

    Args:
        before: nothing of the instruction has been done: an interrupt, or a fetch that failed.
    """
    cdef ProbeNote note
    cdef bint noted = c.probes.last_icount == icount and c.probes.last_pc == pc
    cdef Interrupted *kept
    if not slot:
        kept = &c.probes.interrupted[c.probes.interrupted_next]
        c.probes.interrupted_next = (c.probes.interrupted_next + 1) % INTERRUPTED_KEPT
        if c.probes.interrupted_count < INTERRUPTED_KEPT:
            c.probes.interrupted_count += 1
        kept.pc = pc
        kept.stack = gpr(c, 29)
        kept.raised = not before
        kept.behind = behind(c) if before else c.probes.last_behind if noted else pc
    if noted and not before:
        if c.probes.last_open >= 0:
            c.probes.open[c.probes.last_open].note.exception = <uint8_t>code
        elif c.probes.done_count and c.probes.done[c.probes.done_count - 1].icount == (icount - 1 if slot else icount):
            c.probes.done[c.probes.done_count - 1].exception = <uint8_t>code
    if not (c.probes.exceptions >> code) & 1:
        return
    begin_note(c, &note, NOTED_EXCEPTION, pc, icount - 1 if slot else icount)
    note.exception = <uint8_t>code
    if c.probes.follows:
        if not condition_of_probes(c, pc, icount):
            return
        take_registers(c, &note, pc, icount)
        note.return_address = 0 if slot else pc + 4
        begin_call(c, &note, icount)
        c.probes.last_open = -1
        return
    note.values[0] = c.guest.cp0.badvaddr
    note.values[1] = (c.guest.cp0.cause & c.guest.cp0.status) >> 8 & 0xFF
    note.values[2] = slot
    note.values[3] = (c.guest.cp0.status >> 1) & 1       # it came in a handler
    keep_note(c, &note)


cdef uint32_t left_before_exception(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """A handler returns to ``pc``, and to a position: what had led there before the exception, if that is known."""
    cdef uint32_t i, at
    c.probes.resumed_at = icount
    c.probes.resumed_again = True
    for i in range(INTERRUPTED_KEPT):
        at = (c.probes.interrupted_next + INTERRUPTED_KEPT - 1 - i) % INTERRUPTED_KEPT
        if c.probes.interrupted[at].pc == pc and c.probes.interrupted[at].stack == gpr(c, 29):
            c.probes.resumed_again = c.probes.interrupted[at].raised
            return c.probes.interrupted[at].behind
    return LEFT_RETURN


# --- for Python ------------------------------------------------------------------------------

cdef allocate_probes(Cpu *c):
    c.probes.filter = <uint64_t*>calloc(BREAKPOINT_BITS // 64, 8)
    c.probes.returns_room = 1024
    c.probes.returns = <uint32_t*>calloc(c.probes.returns_room, 4)
    c.probes.done_room = 1024
    c.probes.done = <ProbeNote*>malloc(c.probes.done_room * sizeof(ProbeNote))
    c.probes.open_room = 16
    c.probes.open = <OpenNote*>calloc(c.probes.open_room, sizeof(OpenNote))
    if c.probes.filter == NULL or c.probes.returns == NULL or c.probes.done == NULL or c.probes.open == NULL:
        raise MemoryError
    forget_notes(c)


cdef void free_probes(Cpu *c) noexcept:
    free(c.probes.filter)
    free(c.probes.returns)
    free(c.probes.done)
    free(c.probes.open)
    free(c.probes.places)
    free(c.probes.condition)


cdef void forget_notes(Cpu *c) noexcept nogil:
    """Nothing is noted, and no return is waited for."""
    cdef size_t i
    c.probes.done_count = 0
    c.probes.unevaluated = 0
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



cdef void pause_probes(Cpu *c, bint paused) noexcept nogil:
    """See Core.pause_probes."""
    if c.probes.armed == paused:
        c.probes.armed = not paused
        forget_recent(c)                         # blocks seen meanwhile were not asked whether they have a probe


cdef void drop_notes_behind(Cpu *c, uint64_t icount) noexcept nogil:
    """The machine will be put back to ``icount``, and run from there once more."""
    cdef ProbeNote note
    while c.probes.newest_open >= 0 and c.probes.open[c.probes.newest_open].note.icount > icount:
        forget_open(c, c.probes.newest_open)
    while c.probes.done_count and c.probes.done[c.probes.done_count - 1].end > icount:
        c.probes.done_count -= 1
        note = c.probes.done[c.probes.done_count]
        if note.ended != ENDED_NOT and note.icount <= icount:
            note.ended = ENDED_NOT
            note.end = NOWHERE
            open_note(c, &note)
    if c.probes.last_icount != NOWHERE and c.probes.last_icount > icount:
        c.probes.last_icount = NOWHERE
        c.probes.last_open = -1


cdef take_probe_notes(Cpu *c, bint all):
    """See Core.take_probe_notes."""
    cdef int32_t at = c.probes.oldest_open
    cdef uint64_t first = FOREVER
    cdef uint64_t unevaluated = c.probes.unevaluated
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
    c.probes.unevaluated = 0
    if all:
        forget_notes(c)
    return rows, None if first == FOREVER else first, unevaluated, None if doubtful == FOREVER else doubtful
