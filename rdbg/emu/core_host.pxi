# What the callbacks ask of the host, and loads and stores done by hand.

cdef class HostAccess(StateAccess):
    """What the callbacks ask of the host, and loads and stores done by hand. A part of `Core`."""

    cdef uint32_t ask_classify(self, uint32_t ppage) except? 0xFFFFFFFFU:
        cdef uint32_t kind, page
        kind, page = self.host.classify(ppage)
        if kind & MAP_KIND == MAP_IO:
            page = (io_window(self.c, ppage) - IO_WINDOW) >> PAGE_BITS
        elif kind & MAP_KIND == MAP_MEMORY and page >= self.c.page_count:
            raise IndexError(f"page {page} of a machine with {self.c.page_count}")
        return kind | page << 8

    cdef uint64_t ask_read(self, uint32_t pa, unsigned size) except? 0xFFFFFFFFU:
        return <uint64_t>self.host.io_read(pa, size)

    cdef int ask_write(self, uint32_t pa, unsigned size, uint64_t value) except -1:
        self.host.io_write(pa, size, value)
        return 0

    def allow_semihosting(self, bint in_user_mode):
        """Let `sdbbp 1` call the host.

        Args:
            in_user_mode: in user mode too.
        """
        self.c.semihosting = SEMIHOSTING_ALL if in_user_mode else SEMIHOSTING_KERNEL

    cdef keep_error(self, error):
        """An exception in a callback ends the run before the next block; the first one counts."""
        if self.error is None:
            self.error = error
        self.c.why_soon = WHY_ERROR
        look_soon(self.c)

    cdef access_by_hand(self):
        cdef Cpu *c = self.c
        cdef uint32_t pc = c.exc_pc
        cdef uint32_t w = code_word(c, pc)
        cdef uint32_t op = w >> 26
        cdef uint32_t rt = (w >> 16) & 31
        cdef uint32_t va = effective_address(c, w)
        cdef uint32_t pa = 0
        cdef uint32_t target = 0
        cdef int size = 4
        cdef bint store = False
        cdef int form = memory_access(w, &size, &store)
        cdef uint64_t before = c.base + ((pc - c.start) >> 2)
        cdef uint64_t value
        cdef bint slot
        c.io_epoch += 1
        if form == 2:
            rt = ((w >> 11) & 31) if store else ((w >> 6) & 31)
        translate(c, va, STORE if store else LOAD, kernel_mode(c), &pa)
        c.access_icount = before
        try:
            if form in (3, 4):
                self.partial_word(w, va, pa, rt, form == 3, store)
            elif store:
                if op in (0x39, 0x3D, 0x13):
                    value = self.fpr_value(rt, size)
                else:
                    value = gpr(c, rt)
                self.ask_write(pa, size, value)
                if c.watch_count:
                    check_watches(c, va, Place(SPACE_DEVICE, pa), size, ACCESS_WRITE)
                    note_write(c, va, Place(SPACE_DEVICE, pa), size, 0, value)
                if op == OP_SC:
                    set_gpr(c, rt, 1)
            else:
                value = self.ask_read(pa, size)
                if c.watch_count:
                    check_watches(c, va, Place(SPACE_DEVICE, pa), size, ACCESS_READ)
                if op == 0x20:
                    value = <uint64_t><int32_t><signed char>value
                elif op == 0x21:
                    value = <uint64_t><int32_t><int16_t>value
                if op in (0x31, 0x35, 0x13):
                    self.set_fpr_value(rt, size, value)
                else:
                    set_gpr(c, rt, <uint32_t>value)
        except BusError:
            c.exc_code = EXC_DBE
            c.exc_refill = False
            c.exc_has_address = False
            handle_fault(c)
            return
        finally:
            c.access_icount = NOWHERE
        drop_hits_after(c, before)
        c.base = before + 1
        c.why = WHY_NONE
        target = pc + 4
        slot = pending_branch(c, pc, &target)
        c.came_from = before - 1 if slot else before
        go_to(c, target, slot and target != pc + 4)

    cdef partial_word(self, uint32_t w, uint32_t va, uint32_t pa, uint32_t rt, bint left, bint store):
        """lwl, lwr, swl, swr on a device: byte by byte."""
        cdef Cpu *c = self.c
        cdef uint32_t register = gpr(c, rt)
        cdef int at = pa & 3
        cdef int i, lane, count, first
        cdef Place place
        # Bytes of the word in memory order; the register's most significant byte is number 0 for lwl.
        if left != c.big_endian:
            first, count = 0, at + 1             # down to the word's start
        else:
            first, count = at, 4 - at
        for i in range(first, first + count):
            if left:
                lane = 3 - (i - at if c.big_endian else at - i)
            else:
                lane = at - i if c.big_endian else i - at
            if store:
                self.ask_write((pa & ~<uint32_t>3) + i, 1, (register >> (8 * lane)) & 0xFF)
                note_write(c, (va & ~<uint32_t>3) + i, Place(SPACE_DEVICE, (pa & ~<uint32_t>3) + i), 1, 0,
                           (register >> (8 * lane)) & 0xFF)
            else:
                register = (register & ~((<uint32_t>0xFF) << (8 * lane))) | (
                    <uint32_t>self.ask_read((pa & ~<uint32_t>3) + i, 1) << (8 * lane))
        if c.watch_count:
            place = Place(SPACE_DEVICE, (pa & ~<uint32_t>3) + first)
            check_watches(c, (va & ~<uint32_t>3) + first, place, count, ACCESS_WRITE if store else ACCESS_READ)
        if not store:
            set_gpr(c, rt, register)

    cdef uint64_t fpr_value(self, uint32_t n, int size):
        cdef uint64_t low = 0
        cdef uint64_t high = 0
        if size == 4 or self.c.guest.cp0.status & STATUS_FR:
            uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>n, &low)
            return low & 0xFFFFFFFFU if size == 4 else low
        uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>(n & ~1), &low)
        uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>(n | 1), &high)
        return (low & 0xFFFFFFFFU) | high << 32

    cdef set_fpr_value(self, uint32_t n, int size, uint64_t value):
        cdef uint64_t old = 0
        if size == 4:
            uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>n, &old)
            old = (old & ~<uint64_t>0xFFFFFFFFU) | (value & 0xFFFFFFFFU)
            uc_reg_write(self.c.uc, UC_MIPS_REG_F0 + <int>n, &old)
        elif self.c.guest.cp0.status & STATUS_FR:
            uc_reg_write(self.c.uc, UC_MIPS_REG_F0 + <int>n, &value)
        else:
            self.set_fpr_value(n & ~1, 4, value)
            self.set_fpr_value(n | 1, 4, value >> 32)
