# What the next runs stop at: breakpoints with their conditions, watched ranges.

cdef take_conditions(Cpu *c, conditions):
    """Keep the conditions of all breakpoints, in their order: a tuple of expressions each."""
    cdef size_t i = 0
    cdef size_t at = 0
    cdef size_t expression = 0
    decoded = list(conditions)
    lengths = [len(code) for each in decoded for code in each]
    free(c.stops.conditions)
    free(c.stops.expression_steps)
    free(c.stops.expressions)
    c.stops.conditions = <Condition*>calloc(len(decoded) + 1, sizeof(Condition))
    c.stops.expression_steps = <ExpressionStep*>calloc(sum(lengths) + 1, sizeof(ExpressionStep))
    c.stops.expressions = <uint32_t*>calloc(len(lengths) + 1, sizeof(uint32_t))
    if c.stops.conditions == NULL or c.stops.expression_steps == NULL or c.stops.expressions == NULL:
        raise MemoryError
    for i in range(<size_t>len(decoded)):
        c.stops.conditions[i] = Condition(<uint32_t>expression, <uint32_t>len(decoded[i]), False, False)
        for code in decoded[i]:
            c.stops.expressions[expression] = <uint32_t>at
            expression += 1
            for step in code:
                c.stops.expression_steps[at] = ExpressionStep(step.operation, step.operand)
                at += 1
    c.stops.expressions[expression] = <uint32_t>at


cdef hook_code(Core core, uint32_t address):
    """Call on_condition before the instruction at ``address``, in code that is translated already too."""
    cdef Cpu *c = core.c
    cdef uc_hook handle
    cdef uint8_t *host
    check_unicorn(uc_hook_add(c.uc, &handle, UC_HOOK_CODE, <void*>on_condition, c, address, address), "condition hook")
    core.code_hooks.add(address)
    c.code.want_exit_checks = True
    set_exit_checks(c, True)
    if 0x80000000U <= address < 0xC0000000U:
        host = fetch_host(c, address)
        if host != NULL:
            purge_code(c, <uint32_t>((host - c.memory.bytes) >> PAGE_BITS))
    else:
        uc_ctl_flush_tb(c.uc)                # other pages may stand at that address at other times


cdef hook_conditions(Core core):
    """Have Unicorn call on_condition for the conditions that want it. Hooks stay: debuggers take breakpoints out and put
    them back whenever the guest stops."""
    cdef Cpu *c = core.c
    cdef size_t i
    c.stops.hooks_wanted = False
    if len(core.code_hooks) >= MOST_CODE_HOOKS:
        rebuild(core)
    for i in range(c.stops.count):
        if c.stops.conditions[i].wants_hook and not c.stops.conditions[i].hooked:
            hook_code(core, c.stops.addresses[i])
            c.stops.conditions[i].hooked = True


cdef rebuild(Core core):
    """Go on with a new engine: a fetch from a misaligned address leaves Unicorn's translator in pieces.

    The exception unwinds it in the middle of a block, and the next block it translates crashes.
    """
    cdef Cpu *c = core.c
    cdef Registers h
    cdef uint32_t i
    read_registers(c, &h)
    uc_context_free(c.context.saved)
    c.context.saved = NULL
    uc_close(c.uc)
    c.uc = NULL
    c.code.no_exit_checks = NULL
    c.code.want_exit_checks = False
    open_engine(c, core.scratch)
    memset(c.code.hooked_pages, 0, (1 << 20) // 8)
    c.code.hooked.count = 0
    c.code.seen_base = NOWHERE
    for i in range(c.memory.page_count):
        c.memory.page_state[i] &= PAGE_DIRTY | PAGE_STALE | PAGE_USED
    write_registers(c, &h)
    flush_tlb(c)
    c.run.broken = False
    for i in range(<uint32_t>c.probes.count):
        c.probes.places[i].hooked = False
    core.code_hooks = set()
    core.probe_hooks = set()
    for i in range(<uint32_t>c.stops.count):
        c.stops.conditions[i].hooked = False
        if c.stops.conditions[i].wants_hook:
            hook_code(core, c.stops.addresses[i])
            c.stops.conditions[i].hooked = True


cdef arm_stops(Core core, breakpoints, conditions, watches):
    """Set what the next runs look for; see CoreStops.arm_stops."""
    cdef Cpu *c = core.c
    cdef size_t i
    cdef uint32_t page
    cdef uint32_t n
    addresses = sorted(breakpoints)
    for i in range(c.stops.count):
        n = (c.stops.addresses[i] >> 2) & (BREAKPOINT_BITS - 1)
        c.stops.filter[n >> 6] = 0
    free(c.stops.addresses)
    c.stops.count = 0
    c.stops.addresses = <uint32_t*>malloc(4 * len(addresses) + 4)
    if c.stops.addresses == NULL:
        raise MemoryError
    take_conditions(c, [conditions.get(address, ()) for address in addresses])
    for address in addresses:
        c.stops.addresses[c.stops.count] = address
        c.stops.count += 1
        n = (<uint32_t>address >> 2) & (BREAKPOINT_BITS - 1)
        c.stops.filter[n >> 6] |= (<uint64_t>1) << (n & 63)
    c.stops.generation += 1
    c.stops.hooks_wanted = False
    c.stops.all_conditional = True
    for i in range(c.stops.count):
        c.stops.conditions[i].hooked = c.stops.addresses[i] in core.code_hooks
        c.stops.all_conditional = c.stops.all_conditional and c.stops.conditions[i].count != 0
    if not watches and not c.watch.count:
        return
    for i in range(c.watch.count):
        if c.watch.ranges[i].space == SPACE_VIRTUAL:
            for n in range(c.watch.ranges[i].first >> PAGE_BITS, (c.watch.ranges[i].last >> PAGE_BITS) + 1):
                c.watch.pages[n >> 6] = 0
    free(c.watch.ranges)
    c.watch.count = 0
    c.watch.ranges = <WatchRange*>malloc(sizeof(WatchRange) * len(watches) + 1)
    if c.watch.ranges == NULL:
        raise MemoryError
    c.watch.storage = False
    c.watch.notes = False
    for first, last, kinds, space in watches:
        c.watch.ranges[c.watch.count] = WatchRange(first, last, kinds, space)
        c.watch.count += 1
        c.watch.notes = c.watch.notes or kinds & (NOTED_READ | NOTED_WRITE | NOTED_CHANGE | NOTED_DEVICE_READ) != 0
        if space != SPACE_VIRTUAL:
            c.watch.storage = True
            continue
        for n in range(<uint32_t>first >> PAGE_BITS, (<uint32_t>last >> PAGE_BITS) + 1):
            bit_test_and_set(c.watch.pages, n)
    c.watch.slots = 0
    c.watch.direct = False
    c.watch.direct_wanted = False
    c.watch.window_accesses = 0
    flush_tlb(c)
