# Probes: addresses and exceptions at which the CPU is looked at, and goes on. Nothing stops, and blocks without any cost
# nothing: those that have one are RARE to the block hook.
#
# A probe at a block's start is noted when the block is entered. For one in the middle Unicorn calls on_probe, so that
# the registers are those before its instruction; the hook stays. Where it is only counted how often the instruction runs,
# whatever the registers are, that is done when its block is entered. Who follows returns has each return address looked at
# from the first call on: a return is a jump to it with the stack pointer of the call, in its address space.

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
        expression_register(c, c.probes.registers[i], pc, icount, &value)
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


cdef bint condition_of_probes(Cpu *c, uint32_t pc, uint64_t icount, uint64_t counts_at) noexcept nogil:
    """Whether the condition holds before the instruction at ``pc``, for what counts at ``counts_at``."""
    cdef uint64_t value = 0
    if c.probes.condition_length == 0:
        return True
    if expression_value(c, c.probes.condition, c.probes.condition_length, pc, icount, &value):
        return value != 0
    note_unevaluated(c, counts_at, c.accesses.between)
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


cdef inline void count_place(Cpu *c, uint32_t pc, uint64_t icount, uint64_t at) noexcept nogil:
    """The instruction at ``pc`` is about to run, which is counted if the condition holds.

    Args:
        at: the position that it counts at.
    """
    if c.probes.last_icount == icount and c.probes.last_pc == pc:
        return                                   # its block has been begun once more
    c.probes.last_icount = icount
    c.probes.last_pc = pc
    if c.probes.count_from <= at < c.probes.count_to and condition_of_probes(c, pc, icount, at):
        c.probes.counted_at[c.probes.counted % COUNTED_KEPT] = icount
        c.probes.counted += 1


cdef bint counts_at_entry(const Cpu *c, uint32_t pc, bint slot) noexcept nogil:
    """Whether it is enough to count the probe in the block at ``pc`` when that is entered: what does not come to it is
    taken back where a block ends early. A slot may be passed over.

    Args:
        slot: the block begins in a slot.
    """
    return c.probes.counts and c.probes.condition_length == 0 and not slot_at(c, pc, slot, c.probes.places[0].first)


cdef inline void count_entry(Cpu *c, uint32_t pc, uint64_t icount) noexcept nogil:
    """The block at ``pc`` with the probe is about to run."""
    cdef uint32_t place = c.probes.places[0].first
    count_place(c, place, icount + ((place - pc) >> 2), icount + ((place - pc) >> 2))


cdef uint32_t probe_mark(const Cpu *c, uint32_t pc, uint32_t n) noexcept nogil:
    """What Cpu.touched.recent says of a block of ``n`` instructions that probes may be in."""
    if not is_any_probed(c, pc, n):
        return 0
    return COUNTED if counts_at_entry(c, pc, False) else RARE


cdef void note_at(Cpu *c, uint32_t pc, uint64_t icount, uint32_t behind, bint slot) noexcept nogil:
    """The instruction at ``pc`` is about to run, and may be looked at."""
    cdef ProbeNote note
    cdef ProbedPlace *place = probed_place(c, pc)
    cdef uint32_t space = space_of(c, pc)
    cdef uint8_t how
    cdef uint64_t at = icount - 1 if slot else icount
    cdef bint ended = False
    if c.probes.counts:
        if place != NULL:
            count_place(c, pc, icount, at)
        return
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
    if not condition_of_probes(c, pc, icount, at):
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
        if not condition_of_probes(c, pc, icount, note.icount):
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


cdef void pause_probes(Cpu *c, bint paused) noexcept nogil:
    """See CoreNotes.pause_probes."""
    if c.probes.armed == paused:
        c.probes.armed = not paused
        forget_recent(c)                         # blocks seen meanwhile were not asked whether they have a probe
