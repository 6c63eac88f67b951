# A Unicorn engine set up for the guest, and the storage around it.

cdef check_unicorn(uc_err code, what):
    if code != UC_ERR_OK:
        raise RdbgError(f"Unicorn refused to set up its {what}: {uc_strerror(code).decode()}; install unicorn 2.1.4")


cdef str unicorn_version():
    cdef unsigned int major = 0
    cdef unsigned int minor = 0
    cdef unsigned int packed = uc_version(&major, &minor)
    return f"{major}.{minor}.{(packed >> 8) & 0xFF}"


cdef describe(Cpu *c, model):
    """Take over what the CPU is, a `CpuModel`."""
    cdef Model *m = &c.machine.model
    m.prid = model.prid
    m.release = model.release
    m.tlb_entries = model.tlb_entries
    m.fir = model.fir
    m.status_writable = model.status_writable
    m.cause_writable = CAUSE_WRITABLE_R1 if m.release == 1 else CAUSE_WRITABLE_R1 | CAUSE_DC
    m.lladdr_shift = model.lladdr_shift
    for i in range(8):
        m.configs[i] = model.configs[i]


cdef allocate(Cpu *c):
    """The storage around the engine."""
    c.memory.page_state = <uint16_t*>calloc(c.memory.page_count, sizeof(uint16_t))
    c.memory.alternated = <Alternations*>calloc(c.memory.page_count, sizeof(Alternations))
    c.memory.code_words = <uint64_t*>calloc(c.memory.page_count, 8 * CODE_BITS)
    c.memory.phys_map = <uint32_t*>calloc(1 << 20, 4)
    c.touched.taken_at = NOWHERE
    c.devices.page_of_slot = <uint32_t*>calloc(IO_SLOTS, 4)
    c.devices.slot_of_page = <uint32_t*>calloc(1 << 20, 4)
    c.stops.filter = <uint64_t*>calloc(BREAKPOINT_BITS // 64, 8)
    c.watch.pages = <uint64_t*>calloc((1 << 20) // 64, 8)
    c.touched.seen_written = <uint64_t*>calloc((1 << 20) // 64, 8)
    c.touched.seen_devices = <uint64_t*>calloc((1 << 20) // 64, 8)
    c.touched.seen_read = <uint64_t*>calloc((1 << 20) // 64, 8)
    c.touched.seen_executed = <uint64_t*>calloc((1 << 20) // 64, 8)
    c.touched.blocks.slots = <uint64_t*>calloc(2 * MOST_BLOCKS, 8)
    c.touched.blocks.used = <uint32_t*>calloc(MOST_BLOCKS, 4)
    c.code.hooked_pages = <uint64_t*>calloc((1 << 20) // 64, 8)
    allocate_probes(c)
    allocate_accesses(c)
    # Room for all that can ever be in them: the host gives it when it is used.
    c.touched.dirty.items = <uint32_t*>malloc(4 * <size_t>c.memory.page_count + 4)
    c.touched.stale.items = <uint32_t*>malloc(4 * <size_t>c.memory.page_count + 4)
    c.touched.written_virtual.items = <uint32_t*>malloc(4 << 20)
    c.touched.written_devices.items = <uint32_t*>malloc(4 << 20)
    c.touched.read_virtual.items = <uint32_t*>malloc(4 << 20)
    c.touched.executed_virtual.items = <uint32_t*>malloc(4 << 20)
    c.code.hooked.items = <AddressRange*>malloc(MOST_HOOKED_RANGES * sizeof(AddressRange))
    if (c.touched.dirty.items == NULL or c.touched.stale.items == NULL or c.touched.written_virtual.items == NULL
            or c.touched.read_virtual.items == NULL or c.touched.executed_virtual.items == NULL or c.code.hooked.items == NULL
            or c.touched.written_devices.items == NULL or c.touched.seen_devices == NULL or c.devices.slot_of_page == NULL):
        raise MemoryError
    if (c.memory.page_state == NULL or c.memory.alternated == NULL or c.memory.code_words == NULL or c.memory.phys_map == NULL
            or c.devices.page_of_slot == NULL or c.stops.filter == NULL or c.watch.pages == NULL or c.touched.seen_written == NULL or c.touched.seen_read == NULL
            or c.touched.seen_executed == NULL or c.code.hooked_pages == NULL or c.touched.blocks.slots == NULL or c.touched.blocks.used == NULL):
        raise MemoryError


cdef open_engine(Cpu *c, uint8_t *scratch):
    """Make a Unicorn engine for the guest.

    Args:
        c: the CPU.
        scratch: a page to calibrate on.
    """
    cdef const char *trouble
    cdef uc_hook handle
    cdef int mode = UC_MODE_MIPS32 | (UC_MODE_BIG_ENDIAN if c.machine.big_endian else UC_MODE_LITTLE_ENDIAN)
    check_unicorn(uc_open(UC_ARCH_MIPS, mode, &c.uc), "open")
    check_unicorn(uc_ctl_set_cpu_model(c.uc, UC_CPU_MIPS32_24KF), "CPU model 24Kf")
    check_unicorn(uc_ctl_set_tcg_buffer_size(c.uc, CODE_BUFFER), "room for translated code")
    check_unicorn(uc_ctl_exits_enable(c.uc), "exits")
    check_unicorn(uc_ctl_tlb_mode(c.uc, UC_TLB_VIRTUAL), "virtual TLB")
    check_unicorn(uc_mem_map_ptr(c.uc, 0, <uint64_t>c.memory.page_count << PAGE_BITS, UC_PROT_ALL, c.memory.bytes), "memory")
    check_unicorn(uc_mem_map_ptr(c.uc, SCRATCH_PAGE, PAGE_BYTES, UC_PROT_ALL, scratch), "scratch page")
    check_unicorn(uc_mmio_map(c.uc, IO_WINDOW, <uint64_t>IO_SLOTS << PAGE_BITS, <void*>on_io_read, c,
                           <void*>on_io_write, c), "device window")
    check_unicorn(uc_mmio_map(c.uc, WATCH_WINDOW, <uint64_t>WATCH_SLOTS << PAGE_BITS, <void*>on_watched_read, c,
                           <void*>on_watched_write, c), "watch window")
    check_unicorn(uc_hook_add(c.uc, &handle, UC_HOOK_TLB_FILL, <void*>fill, c, 1, 0), "TLB hook")
    check_unicorn(uc_hook_add(c.uc, &handle, UC_HOOK_INTR, <void*>on_interrupt, c, 1, 0), "exception hook")
    check_unicorn(uc_context_alloc(c.uc, &c.context.saved), "context")
    c.context.bytes = <uint8_t*>c.context.saved
    c.machine.bring_up = True
    trouble = calibrate(c, scratch)
    c.machine.bring_up = False
    if trouble != NULL:
        raise RdbgError(
            f"the installed Unicorn ({unicorn_version()}) keeps {trouble.decode()} where it is not looked "
            "for: install unicorn 2.1.4")
    check_unicorn(uc_hook_add(c.uc, &handle, UC_HOOK_BLOCK, <void*>on_block, c, 1, 0), "block hook")


cdef void release(Cpu *c) noexcept:
    """Give back the engine and all storage."""
    if c == NULL:
        return
    if c.context.saved != NULL:
        uc_context_free(c.context.saved)
    if c.uc != NULL:
        uc_close(c.uc)
    free(c.memory.page_state)
    free(c.memory.shown)
    free(c.memory.showing)
    free(c.memory.alternated)
    free(c.memory.code_words)
    free(c.code.hooked.items)
    free(c.memory.phys_map)
    free(c.devices.page_of_slot)
    free(c.devices.slot_of_page)
    free(c.stops.filter)
    free(c.stops.addresses)
    free(c.stops.conditions)
    free(c.stops.expression_steps)
    free(c.stops.expressions)
    free(c.watch.ranges)
    end_marking(c)
    free(c.watch.pages)
    free(c.touched.seen_written)
    free(c.touched.seen_devices)
    free(c.touched.seen_read)
    free(c.touched.seen_executed)
    free(c.touched.blocks.slots)
    free(c.touched.blocks.used)
    free(c.code.hooked_pages)
    free(c.trace.rows)
    free_instructions(c)
    free(c.touched.dirty.items)
    free(c.touched.stale.items)
    free(c.touched.written_virtual.items)
    free(c.touched.written_devices.items)
    free(c.touched.read_virtual.items)
    free(c.touched.executed_virtual.items)
    free_probes(c)
    free(c.accesses.items)
    free_counts(c)
    free(c)


cdef void plan_nothing(Cpu *c) noexcept nogil:
    """No run has begun."""
    c.run.limit = FOREVER
    c.run.pause_at = FOREVER
    look_soon(c)
    c.due.outside = FOREVER
    c.due.release = FOREVER
    c.devices.access_icount = NOWHERE
    c.devices.placed.base = NOWHERE
    c.devices.cut_base = NOWHERE
    c.code.seen_base = NOWHERE
