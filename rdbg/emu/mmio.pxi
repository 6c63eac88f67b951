# Loads and stores that reach devices, and those that reach watched pages.

cdef bint begin_access(Cpu *c, uint32_t pa, unsigned size, bint store) noexcept nogil:
    """A device is about to be asked: find out when. False: the run comes here again, in single steps."""
    cdef int i = place_access(c, pa, size, store)
    if i < 0:
        ambiguous(c)
        return False
    c.access_base = c.base
    c.access_index = <uint32_t>i
    c.access_unplaced = False
    c.access_icount = c.base + <uint32_t>i
    return True


cdef inline void leave_unplaced(Cpu *c) noexcept nogil:
    """An access is answered without asking a device: which instruction makes it is not looked for."""
    if c.access_base != c.base:
        c.access_index = 0
    c.access_base = c.base
    c.access_unplaced = True


cdef void end_access(Cpu *c, Core core) noexcept with gil:
    """A device has been asked, and may want something before the next instruction: end the block there."""
    cdef uint64_t after = c.access_icount + 1
    cdef uint64_t end = position(c)
    cdef uint64_t due
    c.access_icount = NOWHERE
    if after >= end or in_slot(c, c.start + 4 * c.access_index):
        return                                   # nothing of the block comes behind it
    if c.python_event == 0:
        try:
            c.python_event, c.look_at = core.host.plan(end)
        except BaseException as error:
            core.keep_error(error)
    due = next_event(c)
    if c.why_soon or takes_interrupt(c):
        due = after
    if due >= end:
        return
    if cuts_here(c):
        c.cut_base = c.base
        c.cut_from = due


cdef uint64_t ask_device(Cpu *c, uint32_t pa, unsigned size, StableLoad *slot) noexcept with gil:
    cdef Core core = <Core>c.owner
    cdef uint64_t value
    cdef uint64_t until
    look_at_clock(c)
    if not begin_access(c, pa, size, False):
        return 0
    try:
        until = core.host.io_stable(pa, size)
        value = core.ask_read(pa, size)
    except BaseException as error:
        core.keep_error(error)
        c.access_icount = NOWHERE
        return 0
    if until:
        slot.address = pa
        slot.size = size
        slot.value = value
        slot.until = until
        slot.epoch = c.io_epoch
        c.access_icount = NOWHERE
    else:
        c.io_epoch += 1
        end_access(c, core)
    return value


cdef inline uint64_t device_read(Cpu *c, uint32_t pa, unsigned size) noexcept nogil:
    """A load from a device. One that has no side effect is not asked again before something can have changed."""
    cdef StableLoad *slot = &c.loads[(pa ^ pa >> 6) & (STABLE_LOADS - 1)]
    if c.why:
        return 0                                 # what runs now does not count
    if slot.epoch == c.io_epoch and slot.address == pa and slot.size == size and position(c) < slot.until:
        leave_unplaced(c)
        return slot.value
    return ask_device(c, pa, size, slot)


cdef void tell_device(Cpu *c, uint32_t pa, unsigned size, uint64_t value, IdleStore *slot) noexcept with gil:
    cdef Core core = <Core>c.owner
    cdef uint8_t *code = fetch_host(c, c.start)
    cdef uint32_t epoch = c.direct_epoch
    look_at_clock(c)
    if not begin_access(c, pa, size, True):
        return
    try:
        if core.host.io_idle_store(pa, size, value):
            slot.address = pa
            slot.size = size
            slot.value = value
            slot.epoch = c.io_epoch
            c.access_icount = NOWHERE
            return
        c.io_epoch += 1
        core.ask_write(pa, size, value)
    except BaseException as error:
        core.keep_error(error)
    if (fetch_host(c, c.start) != code or c.direct_epoch != epoch) and not is_one_step(c):
        c.access_icount = NOWHERE
        come_again(c)                            # other code stands here now, perhaps: that holds for the next instruction
        return
    end_access(c, core)


cdef inline void device_write(Cpu *c, uint32_t pa, unsigned size, uint64_t value) noexcept nogil:
    """A store to a device; one that is known to change nothing does not reach it."""
    cdef IdleStore *slot = &c.stores[(pa ^ pa >> 6) & (STABLE_LOADS - 1)]
    if c.why:
        return
    if slot.epoch != c.io_epoch or slot.address != pa or slot.size != size or slot.value != value:
        tell_device(c, pa, size, value, slot)
        return
    leave_unplaced(c)


cdef uint64_t on_io_read(uc_engine *uc, uint64_t offset, unsigned size, void *user) noexcept nogil:
    cdef Cpu *c = <Cpu*>user
    if c.bring_up:
        uc_emu_stop(uc)
        return 0
    return device_read(c, (c.io_page[offset >> PAGE_BITS] << PAGE_BITS) | <uint32_t>(offset & (PAGE_BYTES - 1)), size)


cdef void on_io_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) noexcept nogil:
    cdef Cpu *c = <Cpu*>user
    device_write(c, (c.io_page[offset >> PAGE_BITS] << PAGE_BITS) | <uint32_t>(offset & (PAGE_BYTES - 1)), size, value)


cdef uint64_t load_host(Cpu *c, uint8_t *host, unsigned size) noexcept nogil:
    """A guest value of ``size`` bytes from host memory, in the guest's byte order."""
    cdef uint64_t value = 0
    cdef unsigned i
    for i in range(size):
        value |= <uint64_t>host[i] << (8 * (size - 1 - i) if c.big_endian else 8 * i)
    return value


cdef void store_host(Cpu *c, uint8_t *host, unsigned size, uint64_t value) noexcept nogil:
    cdef unsigned i
    for i in range(size):
        host[i] = <uint8_t>(value >> (8 * (size - 1 - i) if c.big_endian else 8 * i))


cdef void note_watch(Cpu *c, uint64_t icount, uint64_t end, uint32_t pc, size_t i, uint32_t address, int kind) noexcept nogil:
    """The block at ``pc``, from ``icount`` to ``end``, makes an access that the ``i``-th watch is for."""
    cdef HitBlock *latest = &c.hits[(c.hit_count - 1) & (MOST_HITS - 1)]
    c.have_watch_hit = True
    c.watch_hit_icount = icount
    c.watch_hit_pc = pc
    c.watch_hit_address = address if address > c.watches[i].first else c.watches[i].first
    c.watch_hit_index = <int>i
    c.watch_hit_kind = kind
    if not c.last_hit:
        c.stop_soon = True
        look_at_blocks(c)
    elif c.hit_count == 0 or latest.start != icount:
        c.hits[c.hit_count & (MOST_HITS - 1)] = HitBlock(icount, end)
        c.hit_count += 1
    elif latest.end < end:
        latest.end = end


cdef inline bint watched_at(WatchRange *watch, uint32_t va, Place place, unsigned size, int kind, uint32_t *at) noexcept nogil:
    """Whether an access is one that a range is for, and where in the range's own space."""
    at[0] = va if watch.space == SPACE_VIRTUAL else place.address
    return (watch.kinds & kind and (watch.space == SPACE_VIRTUAL or watch.space == place.space)
            and at[0] <= watch.last and at[0] + (size - 1) >= watch.first)


cdef void check_watches(Cpu *c, uint32_t va, Place place, unsigned size, int kind) noexcept nogil:
    """Note a watched access. PC is not known here: only the block."""
    cdef size_t i
    cdef uint32_t at = 0
    cdef int back
    if c.noting:
        return
    for i in range(c.watch_count):
        if watched_at(&c.watches[i], va, place, size, kind, &at):
            back = 1 if c.in_slot else 0
            note_watch(c, c.base - back, position(c), c.start - 4 * back, i, at, kind)
            return


cdef void note_write(Cpu *c, uint32_t va, Place place, unsigned size, uint64_t old, uint64_t value) noexcept nogil:
    """Keep a write to a watched range with what it wrote."""
    cdef size_t i
    cdef uint32_t at = 0
    if not c.noting or stores_nothing(c, va):
        return
    for i in range(c.watch_count):
        if watched_at(&c.watches[i], va, place, size, ACCESS_WRITE, &at) and c.noted_count < MOST_NOTED:
            c.noted[c.noted_count] = NotedWrite(place.space, place.address, va, size, old, value)
            c.noted_count += 1
            return


cdef bint link_holds(Cpu *c, uint32_t va) noexcept nogil:
    """Whether a `sc` to ``va`` stores: the link stands, and the word is what `ll` read. A device is not asked for it."""
    cdef Place place = place_of(c, va, ACCESS_READ)
    uc_context_save(c.uc, c.ctx)
    if (<uint32_t*>(c.ctx_bytes + c.at_lladdr))[0] != va:
        return False
    return place.space != SPACE_MEMORY or (
        <uint32_t>load_host(c, c.memory + place.address, 4) == (<uint32_t*>(c.ctx_bytes + c.at_llval))[0])


cdef bint stores_nothing(Cpu *c, uint32_t va) noexcept nogil:
    """Whether the step that writes to ``va`` is a `sc` that fails: Unicorn stores back what it found."""
    cdef uint32_t w = code_word(c, c.start_pc)
    if is_branch(c, w):
        w = code_word(c, c.start_pc + 4)
    return w >> 26 == OP_SC and not link_holds(c, va)


cdef inline Place window_place(Cpu *c, size_t slot, uint32_t low, uint32_t needed) noexcept nogil:
    """What stands behind an access through a watch window. Without the permission that it needs memory does not take
    part: a store goes to a flash chip, as a command, or nowhere."""
    cdef uint32_t m = c.watch_slot_map[slot]
    if (m & MAP_KIND) != MAP_MEMORY:
        return Place(SPACE_DEVICE, (c.watch_slot_phys[slot] << PAGE_BITS) | low)
    return Place(SPACE_MEMORY if m & needed else SPACE_NONE, ((m >> 8) << PAGE_BITS) | low)


cdef uint64_t on_watched_read(uc_engine *uc, uint64_t offset, unsigned size, void *user) noexcept nogil:
    cdef Cpu *c = <Cpu*>user
    cdef size_t slot = offset >> PAGE_BITS
    cdef uint32_t low = <uint32_t>(offset & (PAGE_BYTES - 1))
    cdef uint32_t m = c.watch_slot_map[slot]
    check_watches(c, (c.watch_slot_page[slot] << PAGE_BITS) | low, window_place(c, slot, low, MAP_READ), size, ACCESS_READ)
    seen_in_window(c)
    if (m & MAP_KIND) == MAP_MEMORY and m & MAP_READ:
        return load_host(c, c.memory + (<size_t>(m >> 8) << PAGE_BITS) + low, size)
    return device_read(c, (c.watch_slot_phys[slot] << PAGE_BITS) | low, size)


cdef void on_watched_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user) noexcept nogil:
    cdef Cpu *c = <Cpu*>user
    cdef size_t slot = offset >> PAGE_BITS
    cdef uint32_t low = <uint32_t>(offset & (PAGE_BYTES - 1))
    cdef uint32_t m = c.watch_slot_map[slot]
    cdef uint32_t va = (c.watch_slot_page[slot] << PAGE_BITS) | low
    cdef Place place = window_place(c, slot, low, MAP_WRITE)
    check_watches(c, va, place, size, ACCESS_WRITE)
    note_write(c, va, place, size, load_host(c, c.memory + place.address, size) if place.space == SPACE_MEMORY else 0, value)
    seen_in_window(c)
    if (m & MAP_KIND) == MAP_MEMORY and m & MAP_WRITE:
        mark_written(c, m >> 8)
        if c.page_state[m >> 8] & (PAGE_CODE | PAGE_MIXED):
            store_beside_code(c, m >> 8, low, size, value)
        else:
            store_host(c, c.memory + (<size_t>(m >> 8) << PAGE_BITS) + low, size, value)
    else:
        device_write(c, (c.watch_slot_phys[slot] << PAGE_BITS) | low, size, value)
