# Where things are in a uc_context: found by experiment when a CPU is made, so that another build of Unicorn is
# refused rather than misread.

cdef enum:
    CONTEXT_HEADER = 40          # struct uc_context before the CPU's bytes
    BRING_UP_PC = 0x1000
    STATUS_WRITABLE_24KF = 0x3678FF1F
    FIR_24KF = 0x00739300
    ISA_MIPS32R2 = 0x40          # of insn_flags


cdef uint32_t swap_if(Cpu *c, uint32_t w) noexcept nogil:
    return guest_word(c, w)


cdef int run_words(Cpu *c, uint8_t *scratch, uint32_t *words, int count) noexcept nogil:
    """Run a few instructions from the scratch page, up to a break."""
    cdef int i
    for i in range(count):
        (<uint32_t*>scratch)[i] = swap_if(c, words[i])
    (<uint32_t*>scratch)[count] = swap_if(c, 0x0000000D)
    uc_ctl_flush_tb(c.uc)
    flush_tlb(c)
    return uc_emu_start(c.uc, BRING_UP_PC, 0, 0, 0)


cdef size_t find_difference(uint8_t *a, uint8_t *b, size_t size, int *count) noexcept nogil:
    """Offset of the last differing word; ``count``: how many differ."""
    cdef size_t i
    cdef size_t at = 0
    count[0] = 0
    for i in range(CONTEXT_HEADER, size - 3, 4):
        if (<uint32_t*>(a + i))[0] != (<uint32_t*>(b + i))[0]:
            at = i
            count[0] += 1
    return at


cdef size_t find_word(uint8_t *a, size_t size, uint32_t word, int *count) noexcept nogil:
    cdef size_t i
    cdef size_t at = 0
    count[0] = 0
    for i in range(CONTEXT_HEADER, size - 3, 4):
        if (<uint32_t*>(a + i))[0] == word:
            at = i
            count[0] += 1
    return at


cdef bint runs_past_stop(Cpu *c, uint8_t *scratch) noexcept nogil:
    """Whether a block goes on behind a load whose callback asks to stop."""
    cdef uint32_t words[3]
    cdef uint32_t value = 0
    words[0] = 0x240A0000                        # addiu t2, zero, 0
    words[1] = 0x8C090000U | BRING_UP_IO         # lw t1, BRING_UP_IO(zero)
    words[2] = 0x240A0001                        # addiu t2, zero, 1
    run_words(c, scratch, words, 3)
    uc_reg_read(c.uc, UC_MIPS_REG_0 + 10, &value)
    return value == 1


cdef void find_exit_checks(Cpu *c, uint8_t *scratch) noexcept nogil:
    """Find the switch that leaves out the question after every load and store whether to stop.

    Nothing here asks to stop in the middle of a block but the hook of a condition. The switch is made for Arm's IT blocks
    and has no place in the API. It lies behind what the context mode sets; whether it is the one shows in what it does.
    If it is not found, all works as well, some ten percent slower.
    """
    cdef size_t size = malloc_usable_size(c.uc)
    cdef uint8_t *engine = <uint8_t*>c.uc
    cdef uint8_t *before = <uint8_t*>malloc(size)
    cdef size_t i
    cdef size_t at = 0
    cdef int count = 0
    if before == NULL:
        return
    memcpy(before, engine, size)
    uc_ctl_context_mode(c.uc, UC_CTL_CONTEXT_CPU | UC_CTL_CONTEXT_MEMORY)
    at = find_difference(before, engine, size, &count)
    uc_ctl_context_mode(c.uc, UC_CTL_CONTEXT_CPU)
    free(before)
    # Behind it: the size of a context, a PC, and four flags, of which the third is wanted and the fourth is set.
    if count != 1 or <size_t>(<uint32_t*>(engine + at + 4))[0] + CONTEXT_HEADER != uc_context_size(c.uc):
        return
    at = ((at + 15) & ~<size_t>7) + 10
    if at + 1 >= size or engine[at] != 0 or engine[at + 1] != 1 or runs_past_stop(c, scratch):
        return
    engine[at] = 1
    if runs_past_stop(c, scratch):
        c.code.no_exit_checks = engine + at
    else:
        engine[at] = 0


cdef void become_model(Cpu *c) noexcept nogil:
    """Make of Unicorn's 24Kf what the model is: what a release 1 has not is a reserved instruction."""
    uc_context_save(c.uc, c.context.saved)
    if c.machine.model.release == 1:
        (<uint64_t*>(c.context.bytes + c.context.at_insn_flags))[0] &= ~<uint64_t>ISA_MIPS32R2
    (<uint32_t*>(c.context.bytes + c.context.at_fcr0))[0] = c.machine.model.fir
    uc_context_restore(c.uc, c.context.saved)


cdef const char *calibrate(Cpu *c, uint8_t *scratch) noexcept nogil:
    """Find the offsets; NULL, or what was not as expected."""
    cdef size_t size = uc_context_size(c.uc)
    cdef uint8_t *copy = <uint8_t*>malloc(size)
    cdef uint32_t words[8]
    cdef uint32_t value
    cdef int n = 0
    if copy == NULL:
        return "memory"
    value = 0
    uc_reg_write(c.uc, UC_MIPS_REG_CP0_STATUS, &value)
    uc_context_save(c.uc, c.context.saved)
    memcpy(copy, c.context.bytes, size)
    value = 0x10
    uc_reg_write(c.uc, UC_MIPS_REG_CP0_STATUS, &value)
    uc_context_save(c.uc, c.context.saved)
    c.context.at_hflags = find_difference(copy, c.context.bytes, size, &n)
    free(copy)
    if n != 2:
        return "hflags"
    c.context.at_btarget = c.context.at_hflags + 4
    c.context.at_bcond = c.context.at_hflags + 8
    if (<uint32_t*>(c.context.bytes + c.context.at_hflags + 20))[0] != STATUS_WRITABLE_24KF:
        return "CP0_Status_rw_bitmask"
    # No MIPS16: its instructions could not be counted by a block's size. A jump to an odd address is an
    # address error then, as on a core without it.
    c.context.at_insn_flags = c.context.at_hflags + 28
    (<uint64_t*>(c.context.bytes + c.context.at_insn_flags))[0] &= ~((<uint64_t>1) << 32)
    uc_context_restore(c.uc, c.context.saved)

    # Every segment unmapped for all modes (SegCtl0..2), else ll and sc look into the CPU's own TLB.
    value = 0
    uc_reg_write(c.uc, UC_MIPS_REG_CP0_STATUS, &value)
    uc_reg_read(c.uc, UC_MIPS_REG_CP0_CONFIG3, &value)
    value |= 1 << 25
    uc_reg_write(c.uc, UC_MIPS_REG_CP0_CONFIG3, &value)
    words[0] = 0x3C080070                        # lui t0, 0x70
    words[1] = 0x35080070                        # ori t0, t0, 0x70
    words[2] = 0x40882802                        # mtc0 t0, $5, 2
    words[3] = 0x40882803
    words[4] = 0x40882804
    run_words(c, scratch, words, 5)
    value = 0x08
    uc_reg_write(c.uc, UC_MIPS_REG_CP0_STATUS, &value)
    words[0] = 0x3C0876AB                        # lui t0, 0x76ab
    words[1] = 0xC1090F98U                        # ll t1, 0xf98(t0)
    (<uint32_t*>(scratch + 0xF98))[0] = swap_if(c, 0x5A17C3E9)
    run_words(c, scratch, words, 2)
    uc_context_save(c.uc, c.context.saved)
    c.context.at_lladdr = find_word(c.context.bytes, size, 0x76AB0F98, &n)
    if n == 2:                                   # CP0_LLAddr has it too; lladdr stands before llval
        c.context.at_lladdr = 0
        c.context.at_llval = CONTEXT_HEADER + 4
        while c.context.at_llval < size - 3:
            if (<uint32_t*>(c.context.bytes + c.context.at_llval))[0] == 0x5A17C3E9 and (
                    <uint32_t*>(c.context.bytes + c.context.at_llval - 4))[0] == 0x76AB0F98:
                c.context.at_lladdr = c.context.at_llval - 4
                break
            c.context.at_llval += 4
    else:
        c.context.at_llval = c.context.at_lladdr + 4
    if c.context.at_lladdr == 0 or (<uint32_t*>(c.context.bytes + c.context.at_llval))[0] != 0x5A17C3E9:
        return "lladdr"
    words[0] = 0x3C086BCD                        # lui t0, 0x6bcd
    words[1] = 0x8D090F11U                        # lw t1, 0xf11(t0)
    run_words(c, scratch, words, 2)
    uc_context_save(c.uc, c.context.saved)
    c.context.at_badvaddr = find_word(c.context.bytes, size, 0x6BCD0F11, &n)
    if n != 1:
        return "BadVAddr"
    c.context.at_error = c.context.at_hflags - 4
    n = <int>(<uint32_t*>(c.context.bytes + c.context.at_error))[0]
    words[0] = 0xC8000000U                       # lwc2: coprocessor 2 unusable, and the error code says 2
    run_words(c, scratch, words, 1)
    uc_context_save(c.uc, c.context.saved)
    if n != 0 or (<uint32_t*>(c.context.bytes + c.context.at_error))[0] != 2:
        return "error_code"
    value = 0x01800003
    if uc_reg_write(c.uc, UC_MIPS_REG_FCSR, &value) != UC_ERR_OK:
        return "FCSR"
    uc_context_save(c.uc, c.context.saved)
    c.context.at_fcsr = find_word(c.context.bytes, size, 0x01800003, &n)
    if n != 1:
        return "FCSR"
    value = 0
    uc_reg_write(c.uc, UC_MIPS_REG_FCSR, &value)
    uc_reg_read(c.uc, UC_MIPS_REG_FIR, &value)
    c.context.at_fcr0 = c.context.at_fcsr - 8                    # before the mask of FCSR's writable bits
    if value != FIR_24KF or (<uint32_t*>(c.context.bytes + c.context.at_fcr0))[0] != value:
        return "FIR"
    become_model(c)
    find_exit_checks(c, scratch)
    uc_ctl_flush_tb(c.uc)
    flush_tlb(c)
    return NULL
