# Which instruction of the current block makes an access. Unicorn's callbacks know no PC.
#
# An access to a device is known by its guest-physical address, one that is noted by its virtual address.

cdef bint reaches(const Cpu *c, uint32_t w, uint32_t at, unsigned size, bint store, bint by_va) noexcept nogil:
    """Whether the load or store ``w``, with the registers as they stand, accesses ``size`` bytes at ``at``."""
    cdef int length = 0
    cdef bint stores = False
    cdef int form = memory_access(w, &length, &stores)
    cdef uint32_t va
    cdef uint32_t first = 0
    if form == 0 or stores != store and w >> 26 != OP_SC:
        return False
    va = effective_address(c, w)
    if form >= 3:
        va &= ~<uint32_t>3                       # some bytes of the word around
    first = va
    if not by_va and translate(c, va, STORE if stores else LOAD, kernel_mode(c), &first) != TRANSLATED:
        return False
    return first <= at and at + (size - 1) <= first + (<uint32_t>length - 1)


cdef bint comes_twice(uint32_t w) noexcept nogil:
    """Whether one instruction may make several accesses to a device: swl and its like, 8 bytes, sc."""
    cdef int length = 0
    cdef bint stores = False
    return memory_access(w, &length, &stores) >= 3 or length == 8 or w >> 26 == OP_SC


# What registers hold, where it follows from the code of a block, the registers that it leaves alone, and memory that it
# does not write.
cdef enum:
    MOST_LOADED = 16


cdef struct Known:
    uint32_t registers           # those that are known, as bits
    uint32_t value[32]
    uint32_t *loaded[MOST_LOADED]   # words of memory that values come from
    uint32_t loads
    bint doubtful                # a store may have changed one of them meanwhile


cdef void know_at_entry(const Cpu *c, uint32_t pc, uint32_t n, Known *known) noexcept nogil:
    """What is known where the block at ``pc`` begins: registers that it does not write hold now what they held."""
    cdef uint32_t i
    cdef uint32_t written = 0
    for i in range(n):
        written |= registers_written(code_word(c, pc + 4 * i))
    known.registers = ~written | 1
    known.loads = 0
    known.doubtful = False
    for i in range(32):
        known.value[i] = gpr(c, i) if (known.registers >> i) & 1 else 0


cdef inline bint knows(const Known *known, uint32_t register) noexcept nogil:
    return (known.registers >> register) & 1


cdef bint known_address(const Known *known, uint32_t w, uint32_t *va) noexcept nogil:
    """The address that the load or store ``w`` computes, if it is known."""
    va[0] = known.value[(w >> 21) & 31] + <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    return knows(known, (w >> 21) & 31) and not memory_access_is_indexed(w)


cdef uint32_t *ram_word(const Cpu *c, uint32_t va, int access) noexcept nogil:
    """Where the word at ``va`` is stored; NULL: not in memory, or not to be accessed."""
    cdef uint32_t pa = 0
    cdef uint32_t m
    if translate(c, va, access, kernel_mode(c), &pa) != TRANSLATED:
        return NULL
    m = c.memory.phys_map[pa >> PAGE_BITS]
    if m == MAP_UNKNOWN or (m & MAP_KIND) != MAP_MEMORY or not m & (MAP_WRITE if access == STORE else MAP_READ):
        return NULL
    return <uint32_t*>(c.memory.bytes + (<size_t>(m >> 8) << PAGE_BITS) + (va & (PAGE_BYTES - 4)))


cdef void note_store(const Cpu *c, Known *known, uint32_t w) noexcept nogil:
    """A store: it may change what was loaded before."""
    cdef uint32_t va = 0
    cdef uint32_t i
    cdef uint32_t *word
    if not known_address(known, w, &va):
        known.doubtful = True
        return
    word = ram_word(c, va, STORE)
    for i in range(known.loads):
        if word != NULL and <size_t>known.loaded[i] - <size_t>word < 8:  # of up to 8 bytes
            known.doubtful = True


cdef void learn(const Cpu *c, Known *known, uint32_t w, bint loads) noexcept nogil:
    """What is known behind ``w``. ``loads``: memory is as it was."""
    cdef uint32_t op = w >> 26
    cdef uint32_t rs = (w >> 21) & 31
    cdef uint32_t rt = (w >> 16) & 31
    cdef uint32_t rd = rt
    cdef uint32_t immediate = <uint32_t><int32_t><int16_t>(w & 0xFFFF)
    cdef uint32_t value = 0
    cdef uint32_t va = 0
    cdef uint32_t *word
    cdef int size = 0
    cdef bint store = False
    cdef bint is_known = False
    if memory_access(w, &size, &store) and store:
        note_store(c, known, w)
    if op == 0x0F:                               # lui
        value, is_known = w << 16, True
    elif op == 9:                                # addiu
        value, is_known = known.value[rs] + immediate, knows(known, rs)
    elif op == 0x0D:                             # ori
        value, is_known = known.value[rs] | (w & 0xFFFF), knows(known, rs)
    elif op == 0 and ((w & 0x7FF) == 0x21 or (w & 0x7FF) == 0x25):   # addu or
        rd = (w >> 11) & 31
        value = known.value[rs] + known.value[rt] if w & 0x3F == 0x21 else known.value[rs] | known.value[rt]
        is_known = knows(known, rs) and knows(known, rt)
    elif op == 0x23 and loads and known_address(known, w, &va):      # lw
        word = ram_word(c, va, LOAD)
        if word != NULL and known.loads < MOST_LOADED:
            known.loaded[known.loads] = word
            known.loads += 1
            value, is_known = guest_word(c, word[0]), True
    known.registers &= ~registers_written(w) | 1
    if is_known and rd:
        known.registers |= <uint32_t>1 << rd
        known.value[rd] = value


cdef int place_of_several(const Cpu *c, uint32_t at, unsigned size, bint store, bint by_va, uint32_t first, bint unplaced,
                          bint loads, bint *again) noexcept nogil:
    """place_access, when more than one instruction could be the one.

    Args:
        loads: take it that no memory that is loaded from was changed meanwhile.
        again: set if that may be wrong.
    """
    cdef Known known
    cdef uint32_t n = c.where.size >> 2
    cdef uint32_t i, w
    cdef uint32_t va = 0
    cdef uint32_t since = 0                      # registers written from the one that was found on
    cdef int found = -1
    cdef bint sure
    know_at_entry(c, c.where.start, n, &known)
    for i in range(n):
        w = code_word(c, c.where.start + 4 * i)
        if i >= first and reaches(c, w, at, size, store, by_va):
            sure = known_address(&known, w, &va)
            if not sure or va == effective_address(c, w):
                if found < 0:
                    found = <int>i
                    since = 0
                elif unplaced or since & bases_of(code_word(c, c.where.start + 4 * found)):
                    return -1
                if sure and not unplaced:
                    break                        # it has still to make its access
        since |= registers_written(w)
        learn(c, &known, w, loads)
    again[0] = known.doubtful
    return found


cdef int place_access(const Cpu *c, const Placed *placed, uint32_t at, unsigned size, bint store, bint by_va) noexcept nogil:
    """Which instruction of the current block makes an access at ``at``, a guest-physical or virtual address; -1: it cannot
    be told.

    Registers are exact, so it is one of those whose address is the right one. Mostly there is one. Of several, those go
    whose base register is known to have held something else. Of two that are left, the first has made an access like this
    before the second comes, if its base register is known to have been the same then; so as long as all accesses of the
    block have been placed, the first that has made none is the one.
    """
    cdef uint32_t n = c.where.size >> 2
    cdef uint32_t i
    cdef int found = -1
    cdef int count = 0
    cdef bint again = False
    cdef bint known = placed.base == c.where.base    # something about the block's accesses so far
    cdef uint32_t first = placed.index if known else 0
    if is_one_step(c):
        return <int>n - 1
    if c.code.seen_base == c.where.base and is_hooked(c, c.where.start, c.where.start + c.where.size - 1):
        return <int>((c.code.seen_pc - c.where.start) >> 2)
    if known and not placed.unplaced and not comes_twice(code_word(c, c.where.start + 4 * first)):
        first += 1
    for i in range(first, n):
        if reaches(c, code_word(c, c.where.start + 4 * i), at, size, store, by_va):
            found = <int>i
            count += 1
    if count <= 1:
        return found
    found = place_of_several(c, at, size, store, by_va, first, known and placed.unplaced, True, &again)
    if again:
        found = place_of_several(c, at, size, store, by_va, first, known and placed.unplaced, False, &again)
    return found


cdef bint cuts_here(Cpu *c) noexcept nogil:
    """Whether the current block can end at any of its instructions. False: the run comes here again, in single steps,
    and from then on it can."""
    cdef uint8_t *host = fetch_host(c, c.where.start)
    cdef size_t page
    if host != NULL:
        page = (host - c.memory.bytes) >> PAGE_BITS
        if c.memory.page_state[page] & (PAGE_EXIT_CHECKS | PAGE_MIXED) and is_hooked(c, c.where.start, c.where.start + c.where.size - 1):
            return True
        c.memory.page_state[page] |= PAGE_EXIT_CHECKS
    ambiguous(c)
    return False
