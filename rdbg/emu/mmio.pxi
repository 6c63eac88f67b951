# Loads and stores that reach devices, and those that reach watched pages.

cdef bint begin_access(Cpu *c, uint32_t pa, unsigned size, bint store) noexcept nogil:
    """A device is about to be asked: find out when. False: the run comes here again, in single steps."""
    cdef int i = place_access(c, &c.devices.placed, pa, size, store, False)
    if i < 0:
        ambiguous(c)
        return False
    c.devices.placed = Placed(c.where.base, <uint32_t>i, False)
    c.devices.access_icount = c.where.base + <uint32_t>i
    return True


cdef inline void leave_unplaced(Cpu *c) noexcept nogil:
    """An access is answered without asking a device: which instruction makes it is not looked for."""
    if c.devices.placed.base != c.where.base:
        c.devices.placed.index = 0
    c.devices.placed.base = c.where.base
    c.devices.placed.unplaced = True


cdef void end_access(Cpu *c, Core core) noexcept with gil:
    """A device has been asked, and may want something before the next instruction: end the block there."""
    cdef uint64_t after = c.devices.access_icount + 1
    cdef uint64_t end = position(c)
    cdef uint64_t due
    c.devices.access_icount = NOWHERE
    if after >= end or in_slot(c, c.where.start + 4 * c.devices.placed.index):
        return                                   # nothing of the block comes behind it
    if c.due.host == 0:
        try:
            c.due.host, c.due.outside = core.host.plan(end)
        except BaseException as error:
            core.keep_error(error)
    due = next_event(c)
    if c.run.why_soon or takes_interrupt(c):
        due = after
    if due >= end:
        return
    if cuts_here(c):
        c.devices.cut_base = c.where.base
        c.devices.cut_from = due


cdef inline bint code_changed(Cpu *c, uint8_t *code, uint32_t epoch) noexcept nogil:
    """Whether a device that was asked has changed what the current block runs on, perhaps: that holds for the next
    instruction, so the block cannot go on."""
    return (fetch_host(c, c.where.start) != code or c.watch.direct_epoch != epoch) and not is_one_step(c)


cdef uint64_t ask_device(Cpu *c, uint32_t pa, unsigned size, StableLoad *slot) noexcept with gil:
    cdef Core core = <Core>c.owner
    cdef uint64_t value
    cdef uint64_t until
    cdef uint8_t *code = fetch_host(c, c.where.start)
    cdef uint32_t epoch = c.watch.direct_epoch
    look_at_clock(c)
    if not begin_access(c, pa, size, False):
        return 0
    try:
        until = core.host.io_stable(pa, size)
        value = core.ask_read(pa, size)
    except BaseException as error:
        core.keep_error(error)
        c.devices.access_icount = NOWHERE
        return 0
    if until:
        slot.address = pa
        slot.size = size
        slot.value = value
        slot.until = until
        slot.epoch = c.devices.epoch
        c.devices.access_icount = NOWHERE
    else:
        c.devices.epoch += 1
        if code_changed(c, code, epoch):
            c.devices.access_icount = NOWHERE
            come_again(c)
            return value
        end_access(c, core)
    return value


cdef inline uint64_t device_read(Cpu *c, uint32_t pa, unsigned size) noexcept nogil:
    """A load from a device. One that has no side effect is not asked again before something can have changed."""
    cdef StableLoad *slot = &c.devices.loads[(pa ^ pa >> 6) & (STABLE_LOADS - 1)]
    if c.run.why:
        return 0                                 # what runs now does not count
    if slot.epoch == c.devices.epoch and slot.address == pa and slot.size == size and position(c) < slot.until:
        leave_unplaced(c)
        return slot.value
    return ask_device(c, pa, size, slot)


cdef void tell_device(Cpu *c, uint32_t pa, unsigned size, uint64_t value, IdleStore *slot) noexcept with gil:
    cdef Core core = <Core>c.owner
    cdef uint8_t *code = fetch_host(c, c.where.start)
    cdef uint32_t epoch = c.watch.direct_epoch
    look_at_clock(c)
    if not begin_access(c, pa, size, True):
        return
    try:
        if core.host.io_idle_store(pa, size, value):
            slot.address = pa
            slot.size = size
            slot.value = value
            slot.epoch = c.devices.epoch
            c.devices.access_icount = NOWHERE
            return
        c.devices.epoch += 1
        core.ask_write(pa, size, value)
    except BaseException as error:
        core.keep_error(error)
    if code_changed(c, code, epoch):
        c.devices.access_icount = NOWHERE
        come_again(c)
        return
    end_access(c, core)


cdef inline void device_write(Cpu *c, uint32_t pa, unsigned size, uint64_t value) noexcept nogil:
    """A store to a device; one that is known to change nothing does not reach it."""
    cdef IdleStore *slot = &c.devices.stores[(pa ^ pa >> 6) & (STABLE_LOADS - 1)]
    if c.run.why:
        return
    if slot.epoch != c.devices.epoch or slot.address != pa or slot.size != size or slot.value != value:
        tell_device(c, pa, size, value, slot)
        return
    leave_unplaced(c)


cdef uint64_t on_io_read(uc_engine *uc, uint64_t offset, unsigned size, void *user) noexcept nogil:
    cdef Cpu *c = <Cpu*>user
    if c.machine.bring_up:
        uc_emu_stop(uc)
        return 0
    return device_read(c, (c.devices.page_of_slot[offset >> PAGE_BITS] << PAGE_BITS) | <uint32_t>(offset & (PAGE_BYTES - 1)), size)


cdef void on_io_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) noexcept nogil:
    cdef Cpu *c = <Cpu*>user
    device_write(c, (c.devices.page_of_slot[offset >> PAGE_BITS] << PAGE_BITS) | <uint32_t>(offset & (PAGE_BYTES - 1)), size, value)


cdef inline Place window_place(const Cpu *c, size_t slot, uint32_t low, uint32_t needed) noexcept nogil:
    """What stands behind an access through a watch window. Without the permission that it needs memory does not take
    part: a store goes to a flash chip, as a command, or nowhere."""
    cdef uint32_t m = c.watch.slot_map[slot]
    if (m & MAP_KIND) != MAP_MEMORY:
        return Place(SPACE_DEVICE, (c.watch.slot_phys[slot] << PAGE_BITS) | low)
    return Place(SPACE_MEMORY if m & needed else SPACE_NONE, ((m >> 8) << PAGE_BITS) | low)


cdef uint64_t on_watched_read(uc_engine *uc, uint64_t offset, unsigned size, void *user) noexcept nogil:
    cdef Cpu *c = <Cpu*>user
    cdef size_t slot = offset >> PAGE_BITS
    cdef uint32_t low = <uint32_t>(offset & (PAGE_BYTES - 1))
    cdef uint32_t m = c.watch.slot_map[slot]
    cdef uint32_t va = (c.watch.slot_page[slot] << PAGE_BITS) | low
    cdef Place place = window_place(c, slot, low, MAP_READ)
    cdef uint64_t value
    check_watches(c, va, place, size, ACCESS_READ)
    seen_in_window(c)
    if (m & MAP_KIND) == MAP_MEMORY and m & MAP_READ:
        value = load_host(c, c.memory.bytes + (<size_t>(m >> 8) << PAGE_BITS) + low, size)
    else:
        value = device_read(c, (c.watch.slot_phys[slot] << PAGE_BITS) | low, size)
    if c.watch.notes:
        note_access(c, va, place, size, False, value)
    return value


cdef void on_watched_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) noexcept nogil:
    cdef Cpu *c = <Cpu*>user
    cdef size_t slot = offset >> PAGE_BITS
    cdef uint32_t low = <uint32_t>(offset & (PAGE_BYTES - 1))
    cdef uint32_t m = c.watch.slot_map[slot]
    cdef uint32_t va = (c.watch.slot_page[slot] << PAGE_BITS) | low
    cdef Place place = window_place(c, slot, low, MAP_WRITE)
    check_watches(c, va, place, size, ACCESS_WRITE)
    note_write(c, va, place, size, load_host(c, c.memory.bytes + place.address, size) if place.space == SPACE_MEMORY else 0, value)
    seen_in_window(c)
    if c.watch.notes:
        note_access(c, va, place, size, True, value)
    if (m & MAP_KIND) == MAP_MEMORY and m & MAP_WRITE:
        mark_written(c, m >> 8)
        if c.memory.page_state[m >> 8] & (PAGE_CODE | PAGE_MIXED):
            store_beside_code(c, m >> 8, low, size, value)
        else:
            store_host(c, c.memory.bytes + (<size_t>(m >> 8) << PAGE_BITS) + low, size, value)
    else:
        device_write(c, (c.watch.slot_phys[slot] << PAGE_BITS) | low, size, value)
