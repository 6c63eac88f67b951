# A Unicorn engine set up for the guest, and the storage around it.

cdef class Engine:
    """A Unicorn engine set up for the guest, and the storage around it. A part of `Core`."""

    cdef Cpu *c
    cdef object host
    cdef object error
    cdef object buffer
    cdef uint8_t[::1] view
    cdef uint8_t *scratch
    cdef object scratch_buffer
    cdef uint8_t[::1] scratch_view
    cdef set code_hooks                  # addresses that have had a breakpoint with a condition

    def __cinit__(self):
        self.c = <Cpu*>calloc(1, sizeof(Cpu))
        if self.c == NULL:
            raise MemoryError

    def __init__(self, memory, model, bint big_endian, uint32_t shift, uint32_t count_period_ns, int timer_line, host):
        cdef Cpu *c = self.c
        self.host = host
        self.code_hooks = set()
        self.buffer = memory
        self.view = memory
        self.scratch_buffer = numpy.zeros(2 * PAGE_BYTES, dtype=numpy.uint8)
        self.scratch_view = self.scratch_buffer
        self.scratch = <uint8_t*>((<size_t>&self.scratch_view[0] + PAGE_BYTES - 1) & ~<size_t>(PAGE_BYTES - 1))
        c.owner = <void*>self
        c.memory = &self.view[0]
        c.page_count = <uint32_t>(len(memory) >> PAGE_BITS)
        self.describe(model)
        c.big_endian = big_endian
        c.shift = shift
        c.count_period_ns = count_period_ns
        c.timer_line = timer_line
        self.allocate()
        self.open_engine()
        c.limit = FOREVER
        c.pause_at = FOREVER
        look_soon(c)
        c.look_at = FOREVER
        c.hold_event = FOREVER
        c.access_icount = NOWHERE
        c.access_base = NOWHERE
        c.cut_base = NOWHERE
        c.seen_base = NOWHERE

    cdef describe(self, model):
        cdef Model *m = &self.c.model
        m.prid = model.prid
        m.release = model.release
        m.tlb_entries = model.tlb_entries
        m.fir = model.fir
        m.status_writable = model.status_writable
        m.cause_writable = CAUSE_WRITABLE_R1 if m.release == 1 else CAUSE_WRITABLE_R1 | CAUSE_DC
        m.lladdr_shift = model.lladdr_shift
        for i in range(8):
            m.configs[i] = model.configs[i]

    cdef open_engine(self):
        cdef Cpu *c = self.c
        cdef const char *trouble
        cdef uc_hook handle
        cdef int mode = UC_MODE_MIPS32 | (UC_MODE_BIG_ENDIAN if c.big_endian else UC_MODE_LITTLE_ENDIAN)
        self.check(uc_open(UC_ARCH_MIPS, mode, &c.uc), "open")
        self.check(uc_ctl_set_cpu_model(c.uc, UC_CPU_MIPS32_24KF), "CPU model 24Kf")
        self.check(uc_ctl_set_tcg_buffer_size(c.uc, CODE_BUFFER), "room for translated code")
        self.check(uc_ctl_exits_enable(c.uc), "exits")
        self.check(uc_ctl_tlb_mode(c.uc, UC_TLB_VIRTUAL), "virtual TLB")
        self.check(uc_mem_map_ptr(c.uc, 0, <uint64_t>c.page_count << PAGE_BITS, UC_PROT_ALL, c.memory), "memory")
        self.check(uc_mem_map_ptr(c.uc, SCRATCH_PAGE, PAGE_BYTES, UC_PROT_ALL, self.scratch), "scratch page")
        self.check(uc_mmio_map(c.uc, IO_WINDOW, <uint64_t>IO_SLOTS << PAGE_BITS, <void*>on_io_read, c,
                               <void*>on_io_write, c), "device window")
        self.check(uc_mmio_map(c.uc, WATCH_WINDOW, <uint64_t>WATCH_SLOTS << PAGE_BITS, <void*>on_watched_read, c,
                               <void*>on_watched_write, c), "watch window")
        self.check(uc_hook_add(c.uc, &handle, UC_HOOK_TLB_FILL, <void*>fill, c, 1, 0), "TLB hook")
        self.check(uc_hook_add(c.uc, &handle, UC_HOOK_INTR, <void*>on_interrupt, c, 1, 0), "exception hook")
        self.check(uc_context_alloc(c.uc, &c.ctx), "context")
        c.ctx_bytes = <uint8_t*>c.ctx
        c.bring_up = True
        trouble = calibrate(c, self.scratch)
        c.bring_up = False
        if trouble != NULL:
            raise RdbgError(
                f"the installed Unicorn ({self.unicorn_version()}) keeps {trouble.decode()} where it is not looked "
                "for: install unicorn 2.1.4")
        self.check(uc_hook_add(c.uc, &handle, UC_HOOK_BLOCK, <void*>on_block, c, 1, 0), "block hook")

    cdef allocate(self):
        cdef Cpu *c = self.c
        c.page_state = <uint16_t*>calloc(c.page_count, sizeof(uint16_t))
        c.alternated = <Alternations*>calloc(c.page_count, sizeof(Alternations))
        c.code_words = <uint64_t*>calloc(c.page_count, 8 * CODE_BITS)
        c.phys_map = <uint32_t*>calloc(1 << 20, 4)
        c.io_page = <uint32_t*>calloc(IO_SLOTS, 4)
        c.io_slot_of = <uint32_t*>calloc(1 << 20, 4)
        c.bp_filter = <uint64_t*>calloc(BREAKPOINT_BITS // 64, 8)
        c.watched_pages = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.seen_written = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.seen_devices = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.seen_read = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.seen_executed = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.blocks.slots = <uint64_t*>calloc(2 * MOST_BLOCKS, 8)
        c.blocks.used = <uint32_t*>calloc(MOST_BLOCKS, 4)
        c.hooked_pages = <uint64_t*>calloc((1 << 20) // 64, 8)
        # Room for all that can ever be in them: the host gives it when it is used.
        c.dirty.items = <uint32_t*>malloc(4 * <size_t>c.page_count + 4)
        c.stale.items = <uint32_t*>malloc(4 * <size_t>c.page_count + 4)
        c.written_virtual.items = <uint32_t*>malloc(4 << 20)
        c.written_devices.items = <uint32_t*>malloc(4 << 20)
        c.read_virtual.items = <uint32_t*>malloc(4 << 20)
        c.executed_virtual.items = <uint32_t*>malloc(4 << 20)
        c.hooked.items = <AddressRange*>malloc(MOST_HOOKED_RANGES * sizeof(AddressRange))
        if (c.dirty.items == NULL or c.stale.items == NULL or c.written_virtual.items == NULL
                or c.read_virtual.items == NULL or c.executed_virtual.items == NULL or c.hooked.items == NULL
                or c.written_devices.items == NULL or c.seen_devices == NULL or c.io_slot_of == NULL):
            raise MemoryError
        if (c.page_state == NULL or c.alternated == NULL or c.code_words == NULL or c.phys_map == NULL
                or c.io_page == NULL or c.bp_filter == NULL or c.watched_pages == NULL or c.seen_written == NULL or c.seen_read == NULL
                or c.seen_executed == NULL or c.hooked_pages == NULL or c.blocks.slots == NULL or c.blocks.used == NULL):
            raise MemoryError

    def __dealloc__(self):
        cdef Cpu *c = self.c
        if c == NULL:
            return
        if c.ctx != NULL:
            uc_context_free(c.ctx)
        if c.uc != NULL:
            uc_close(c.uc)
        free(c.page_state)
        free(c.alternated)
        free(c.code_words)
        free(c.hooked.items)
        free(c.phys_map)
        free(c.io_page)
        free(c.io_slot_of)
        free(c.bp_filter)
        free(c.bps)
        free(c.conditions)
        free(c.agent_code)
        free(c.expressions)
        free(c.watches)
        free(c.watched_pages)
        free(c.seen_written)
        free(c.seen_devices)
        free(c.seen_read)
        free(c.seen_executed)
        free(c.blocks.slots)
        free(c.blocks.used)
        free(c.hooked_pages)
        free(c.dirty.items)
        free(c.stale.items)
        free(c.written_virtual.items)
        free(c.written_devices.items)
        free(c.read_virtual.items)
        free(c.executed_virtual.items)
        free(c)

    @staticmethod
    def unicorn_version():
        """The version of the Unicorn library in use, as text."""
        cdef unsigned int major = 0
        cdef unsigned int minor = 0
        cdef unsigned int packed = uc_version(&major, &minor)
        return f"{major}.{minor}.{(packed >> 8) & 0xFF}"

    cdef check(self, uc_err code, what):
        if code != UC_ERR_OK:
            raise RdbgError(f"Unicorn refused to set up its {what}: {uc_strerror(code).decode()}; install unicorn 2.1.4")
