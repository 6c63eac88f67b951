# Exceptions that Unicorn raises by itself, and where in the block they happened.

cdef inline bint goes_on_behind_paired_single(const Cpu *c, uint32_t w) noexcept nogil:
    """Whether the reserved instruction ``w`` does not end its block: with registers of 64 bits (Status.FR) Unicorn's translator
    goes on behind an operation on paired singles, after the operation that raises the exception."""
    cdef uint32_t wide = STATUS_CU1 | STATUS_FR
    return c.guest.cp0.status & wide == wide and is_paired_single(w)


cdef int scan_for_trap(Cpu *c, int number, uint32_t *pc) noexcept nogil:
    """Find the instruction that raised a conditional exception: its address in ``pc``; returns how many could have.

    Unicorn loses PC, but not registers, and an instruction that raises an exception writes none: so the culprit is
    among those that raise it with the registers as they stand. Usually it is the only one.
    """
    cdef uint32_t n = c.where.size >> 2
    cdef uint32_t i, at, address
    cdef uint32_t w = 0
    cdef int size = 0
    cdef bint store = False
    cdef bint hit
    cdef int found = 0
    cdef uint32_t bad = 0
    if number == UC_EXCP_ADEL or number == UC_EXCP_ADES:
        uc_context_save(c.uc, c.context.saved)
        bad = (<uint32_t*>(c.context.bytes + c.context.at_badvaddr))[0]
        note_bad_address(c, EXC_ADEL, bad)
    for i in range(n):
        at = c.where.start + 4 * i
        if i and slot_at(c, c.where.start, c.where.in_slot, at) and never_taken(w):
            w = 0                                # passed over together with its branch-likely
            continue
        w = code_word(c, at)
        if number == UC_EXCP_OVERFLOW:
            hit = may_overflow(w, gpr(c, (w >> 21) & 31), gpr(c, (w >> 16) & 31))
        elif number == UC_EXCP_TRAP:
            hit = may_trap(w, gpr(c, (w >> 21) & 31), gpr(c, (w >> 16) & 31))
        elif number == UC_EXCP_FPE:
            hit = may_raise_fpe(w)
        elif number == UC_EXCP_RI:
            hit = is_rdhwr_counter(w) or goes_on_behind_paired_single(c, w)
        else:
            hit = False
            if memory_access(w, &size, &store) in (1, 2) and store == (number == UC_EXCP_ADES):
                address = effective_address(c, w)
                hit = address == bad and (address & (size - 1)) != 0
        if hit:
            if found == 0:
                pc[0] = at
            found += 1
            if number == UC_EXCP_RI:
                return 1         # the first one always traps
    return found


cdef inline bint calls_host(const Cpu *c, uint32_t w) noexcept nogil:
    """Whether ``w``, a debug breakpoint, is a call of the host as MIPS' Unified Hosting Interface has it."""
    if w != CALL_WORD or c.machine.semihosting == 0:
        return False
    return c.machine.semihosting == SEMIHOSTING_ALL or (c.guest.cp0.status & (STATUS_KSU | STATUS_EXL | STATUS_ERL)) != STATUS_USER


cdef void call_host(Cpu *c, uint32_t pc) noexcept with gil:
    """Let the host do what the instruction at ``pc`` asks for; the answer may come later."""
    cdef Core core = <Core>c.owner
    c.devices.epoch += 1
    c.devices.access_icount = c.where.base + ((pc - c.where.start) >> 2)
    try:
        core.host.semihosting()
    except BaseException as error:
        core.keep_error(error)
    c.devices.access_icount = NOWHERE


cdef void take_trap(Cpu *c, int number) noexcept nogil:
    """An exception in the current block: emulate the instruction or enter the handler."""
    cdef uint32_t pc = c.where.start + c.where.size - 4
    cdef uint32_t w, op, target = 0
    cdef uint64_t before
    cdef int candidates = 1
    cdef int code = EXC_RI
    cdef int done = RESERVED
    cdef bint slot
    if number == UC_EXCP_ADEL:
        uc_context_save(c.uc, c.context.saved)
        if (<uint32_t*>(c.context.bytes + c.context.at_error))[0] & ERROR_IN_FETCH:
            # A jump to an address that is no multiple of 4: the block hook has not seen it.
            c.run.broken = True
            refuse(c, WHY_EXCEPTION, EXC_ADEL, False, True, 0, (<uint32_t*>(c.context.bytes + c.context.at_badvaddr))[0], FETCH)
            uc_emu_stop(c.uc)
            return
    if number == UC_EXCP_RI:
        if scan_for_trap(c, number, &target):
            pc = target
    elif number != UC_EXCP_CPU and number != UC_EXCP_SYSCALL and number != UC_EXCP_BREAK and (
            number != UC_EXCP_DEBUG_BREAK):
        candidates = scan_for_trap(c, number, &pc)
    if candidates > 1:
        if c.code.seen_base != c.where.base or not is_hooked(c, c.where.start, c.where.start + c.where.size - 1):
            ambiguous(c)
            return
        pc = c.code.seen_pc
    before = c.where.base + ((pc - c.where.start) >> 2)
    drop_hits_after(c, before)
    slot = in_slot(c, pc)
    w = code_word(c, pc)
    op = w >> 26
    if number == UC_EXCP_DEBUG_BREAK and calls_host(c, w):
        call_host(c, pc)
        done = EMULATED_WAIT if c.guest.halted else EMULATED
    c.where.base = before + 1
    c.where.came_from = before - 1 if slot else before

    if number == UC_EXCP_CPU:
        if op == 0x10 or op == 0x2F:
            if kernel_mode(c) or c.guest.cp0.status & STATUS_CU0:
                done = emulate_cp0(c, w, before)
            else:
                code = EXC_CPU
                c.guest.cp0.cause &= ~<uint32_t>0x30000000
        else:
            code = EXC_CPU
            target = 2 if op == 0x12 or op == 0x32 or op == 0x36 or op == 0x3A or op == 0x3E else 1
            c.guest.cp0.cause = (c.guest.cp0.cause & ~<uint32_t>0x30000000) | (target << 28)
    elif number == UC_EXCP_RI:
        if (w & 0xFFE007FFU) == 0x7C00003B and emulate_rdhwr(c, w, before):
            done = EMULATED
    elif number == UC_EXCP_SYSCALL:
        code = EXC_SYS
    elif number == UC_EXCP_BREAK:
        code = EXC_BP
    elif number == UC_EXCP_OVERFLOW:
        code = EXC_OV
    elif number == UC_EXCP_TRAP:
        code = EXC_TR
    elif number == UC_EXCP_FPE:
        code = EXC_FPE
    elif number == UC_EXCP_ADEL:
        code = EXC_ADEL
    elif number == UC_EXCP_ADES:
        code = EXC_ADES

    if done == RESERVED:
        if c.probes.armed:
            note_exception(c, code, pc, before, slot, False)
        raise_at(c, code, 0x180, pc, slot)
        return
    if done == EMULATED_JUMP:
        c.where.left = LEFT_RETURN
        if c.probes.armed:
            c.where.left = left_before_exception(c, c.where.next_pc, before + 1)
            watch_after_call(c, c.where.next_pc)
        go_to(c, c.where.next_pc, True)
        finish_block(c)
        return
    target = pc + 4
    c.where.left = target
    if slot:
        pending_branch(c, pc, &target)
    if done == EMULATED_WAIT:
        if not c.guest.halted:
            c.guest.halted = HALTED_WAITING
        look_soon(c)
        go_to(c, target, True)
    elif c.run.why_soon:                             # the call ended the run: nothing comes after it
        go_to(c, target, True)
    elif slot and target != pc + 4:
        go_to(c, target, True)
    else:
        go_to(c, target, False)


cdef void on_interrupt(uc_engine *uc, uint32_t number, void *user) noexcept nogil:
    """Unicorn's INTR hook: an exception. PC is garbage here."""
    cdef Cpu *c = <Cpu*>user
    if c.machine.bring_up or c.run.why:
        uc_emu_stop(uc)
        return
    if c.run.armed:
        c.run.dirty_exit = True
    take_trap(c, <int>number)
    if c.run.armed and not c.run.why:
        # The exit set for the interrupted stretch must not be met in the handler.
        c.run.why = WHY_RESTART
        uc_emu_stop(uc)
