# What has to be known of instruction words (MIPS32 vol. II): branches, loads and stores, possible traps.

cdef enum:
    OP_SC = 0x38


cdef inline bint is_likely(uint32_t w) noexcept nogil:
    """Whether ``w`` is a branch-likely, whose slot is nullified when it is not taken."""
    cdef uint32_t op = w >> 26
    if (op & 0x3C) == 0x14:                      # beql bnel blezl bgtzl
        return True
    if op == 1:
        return ((w >> 16) & 0x0E) == 2           # bltzl bgezl bltzall bgezall
    if op == 0x11:
        return ((w >> 21) & 31) == 8 and (w >> 17) & 1   # bc1fl bc1tl
    return False


cdef inline bint never_taken(uint32_t w) noexcept nogil:
    """Whether Unicorn's translator knows that the branch ``w`` is never taken: it compares a register with itself, or
    register 0 with zero. (bltzal is not among them: it links.)"""
    cdef uint32_t op = w >> 26
    cdef uint32_t rs = (w >> 21) & 31
    cdef uint32_t rt = (w >> 16) & 31
    if op == 5 or op == 0x15:                    # bne bnel
        return rs == rt
    if op == 7 or op == 0x17:                    # bgtz bgtzl
        return rs == 0
    return op == 1 and rs == 0 and (rt == 0 or rt == 2 or rt == 18)  # bltz bltzl bltzall


cdef inline bint may_branch(uint32_t w) noexcept nogil:
    """Whether ``w`` has a delay slot, if the floating-point unit is there: a branch or jump as the translator takes them.

    One that is never taken is no branch to it, and neither is a jump with a reserved hint. A branch-likely that is never
    taken has a slot: the two are passed over together.
    """
    cdef uint32_t op = w >> 26
    if op == 0:
        return (w & 0x3E) == 8 and not w & 0x3C0     # jr jalr, hint 0 or 16
    if op == 1:
        return not w & 0xC0000 and not (never_taken(w) and not w & 0x20000)  # bltz bgez, likely, and link
    if op <= 7:                                  # j jal beq bne blez bgtz
        return not never_taken(w)
    if op == 0x11:
        return ((w >> 21) & 31) == 8             # bc1
    return (op & 0x3C) == 0x14                   # beql bnel blezl bgtzl


cdef inline bint is_branch(const Cpu *c, uint32_t w) noexcept nogil:
    """Whether ``w`` has a delay slot here. Nothing stops between the two; whether a branch-likely nullifies the slot or
    not, they count two, as QEMU counts them."""
    return may_branch(w) and (w >> 26 != 0x11 or c.guest.cp0.status & STATUS_CU1 != 0)


cdef bint likely_taken(uint32_t w, uint32_t rs, uint32_t rt, uint32_t fcsr) noexcept nogil:
    """Whether the branch-likely ``w`` is taken with these register values."""
    cdef uint32_t op = w >> 26
    cdef uint32_t cc
    if op == 0x14:
        return rs == rt
    if op == 0x15:
        return rs != rt
    if op == 0x16:
        return <int32_t>rs <= 0
    if op == 0x17:
        return <int32_t>rs > 0
    if op == 1:
        if (w >> 16) & 1:
            return <int32_t>rs >= 0
        return <int32_t>rs < 0
    cc = (w >> 18) & 7
    cc = (fcsr >> (23 if cc == 0 else 24 + cc)) & 1
    return cc == ((w >> 16) & 1)


cdef inline bint uses_fpu(uint32_t w) noexcept nogil:
    """Whether the load or store ``w`` has a register of the floating-point unit: an exception while that is switched off."""
    cdef uint32_t op = w >> 26
    return op == 0x13 or (op & 0x33) == 0x31     # cop1x; lwc1 ldc1 swc1 sdc1


cdef int memory_access(uint32_t w, int *size, bint *store) noexcept nogil:
    """Kind of memory access of ``w``: 0 none, 1 base + offset, 2 base + index, 3 lwl-like, 4 lwr-like.

    ``size``: bytes; for lwl and its like 4, the caller finds which of the word's bytes.
    """
    cdef uint32_t op = w >> 26
    cdef uint32_t function
    store[0] = False
    size[0] = 4
    if op == 0x20 or op == 0x24:                 # lb lbu
        size[0] = 1
        return 1
    if op == 0x21 or op == 0x25:                 # lh lhu
        size[0] = 2
        return 1
    if op == 0x23 or op == 0x30 or op == 0x31:   # lw ll lwc1
        return 1
    if op == 0x35:                               # ldc1
        size[0] = 8
        return 1
    if op == 0x22:                               # lwl
        return 3
    if op == 0x26:                               # lwr
        return 4
    if op == 0x13:                               # cop1x: indexed
        function = w & 0x3F
        if function == 0:                        # lwxc1
            return 2
        if function == 1 or function == 5:       # ldxc1 luxc1
            size[0] = 8
            return 2
        if function == 8:                        # swxc1
            store[0] = True
            return 2
        if function == 9 or function == 13:      # sdxc1 suxc1
            size[0] = 8
            store[0] = True
            return 2
        return 0
    store[0] = True
    if op == 0x28:                               # sb
        size[0] = 1
        return 1
    if op == 0x29:                               # sh
        size[0] = 2
        return 1
    if op == 0x2B or op == OP_SC or op == 0x39:   # sw sc swc1
        return 1
    if op == 0x3D:                               # sdc1
        size[0] = 8
        return 1
    if op == 0x2A:                               # swl
        return 3
    if op == 0x2E:                               # swr
        return 4
    store[0] = False
    return 0


cdef inline bint memory_access_is_indexed(uint32_t w) noexcept nogil:
    """Whether the load or store ``w`` adds two registers."""
    return w >> 26 == 0x13


cdef inline uint32_t bases_of(uint32_t w) noexcept nogil:
    """The registers, as bits, that make the address of the load or store ``w``; register 0 is none."""
    cdef uint32_t bases = <uint32_t>1 << ((w >> 21) & 31)
    if memory_access_is_indexed(w):
        bases |= <uint32_t>1 << ((w >> 16) & 31)
    return bases & ~<uint32_t>1


cdef bint may_overflow(uint32_t w, uint32_t rs, uint32_t rt) noexcept nogil:
    """Whether ``w`` overflows with these operands (add, addi, sub)."""
    cdef uint32_t op = w >> 26
    cdef uint32_t other, result
    if op == 8:
        other = <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    elif op == 0 and (w & 0x7FF) == 0x20:
        other = rt
    elif op == 0 and (w & 0x7FF) == 0x22:
        result = rs - rt
        return ((rs ^ rt) & (rs ^ result)) >> 31
    else:
        return False
    result = rs + other
    return (~(rs ^ other) & (rs ^ result)) >> 31


cdef bint may_trap(uint32_t w, uint32_t rs, uint32_t rt) noexcept nogil:
    """Whether the conditional trap ``w`` traps with these operands."""
    cdef uint32_t op = w >> 26
    cdef uint32_t which
    if op == 0 and (w & 0x30) == 0x30 and (w & 0x3F) <= 0x36 and (w & 0x3F) != 0x35:
        which = w & 7                            # tge tgeu tlt tltu teq tne
    elif op == 1 and ((w >> 16) & 31) >= 8 and ((w >> 16) & 31) <= 14 and ((w >> 16) & 31) != 13:
        which = (w >> 16) & 7
        rt = <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    else:
        return False
    if which == 0:
        return <int32_t>rs >= <int32_t>rt
    if which == 1:
        return rs >= rt
    if which == 2:
        return <int32_t>rs < <int32_t>rt
    if which == 3:
        return rs < rt
    if which == 4:
        return rs == rt
    return rs != rt


cdef bint may_raise_fpe(uint32_t w) noexcept nogil:
    """Whether ``w`` is a floating-point operation that can raise a floating-point exception."""
    cdef uint32_t op = w >> 26
    cdef uint32_t rs = (w >> 21) & 31
    if op == 0x11:
        return rs >= 16 or rs == 6               # s, d, w, l, ps formats; ctc1
    return op == 0x13 and (w & 0x3F) >= 0x20     # madd msub nmadd nmsub


cdef bint is_rdhwr_counter(uint32_t w) noexcept nogil:
    """Whether ``w`` is rdhwr of registers 0 to 3, which raises RI in the middle of a block."""
    return (w & 0xFFE007FFU) == 0x7C00003B and ((w >> 11) & 31) <= 3


cdef inline bint is_paired_single(uint32_t w) noexcept nogil:
    """Whether ``w`` computes with paired singles, which no model has."""
    cdef uint32_t op = w >> 26
    cdef uint32_t form = (w >> 21) & 31
    if op == 0x11:
        return form == 22 or (form == 16 or form == 20) and w & 0x3F == 0x26     # cvt.ps.s cvt.ps.pw
    return op == 0x13 and w & 7 == 6 and w & 0x3F >= 0x1E        # alnv.ps, madd.ps and its like


cdef uint32_t registers_written(uint32_t w) noexcept nogil:
    """A superset of the general registers that an instruction changes, as bits (MIPS32 vol. II, appendix A)."""
    cdef uint32_t op = w >> 26
    cdef uint32_t rt = <uint32_t>1 << ((w >> 16) & 31)
    if op == 0:                                  # SPECIAL: none sets rt
        return <uint32_t>1 << ((w >> 11) & 31)
    if op == 0x1C and w & 0x3F == 0x3F:          # sdbbp: the host answers a call in registers
        return <uint32_t>-1
    if op == 0x10 and 8 <= ((w >> 21) & 31) < 16:    # mftr, rdpgpr, wrpgpr and their like
        return rt | <uint32_t>1 << ((w >> 11) & 31)
    if op == 0x1C or op == 0x1F:                 # SPECIAL2 SPECIAL3
        return rt | <uint32_t>1 << ((w >> 11) & 31)
    if op == 1 or op == 3:                       # bltzal and its like, jal
        return <uint32_t>1 << 31
    if op == 2 or (op >= 4 and op <= 7) or (op & 0x3C) == 0x14:
        return 0
    if (op >= 8 and op <= 0x0F) or (op >= 0x10 and op <= 0x12) or (op >= 0x20 and op <= 0x26) or op == 0x30 or op == OP_SC:
        return rt                                # immediates, moves from coprocessors, loads, ll, sc
    if op == 0x31 or op == 0x35 or op == 0x13 or op == 0x33 or op == 0x2F:
        return 0                                 # lwc1 ldc1 cop1x pref cache
    if (op >= 0x28 and op <= 0x2B) or op == 0x2E or op == 0x39 or op == 0x3D:
        return 0                                 # stores
    return <uint32_t>-1
