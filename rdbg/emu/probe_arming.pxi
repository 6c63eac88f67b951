# Probes put in place: a new engine when Unicorn has more hooks than it should.

cdef arm_probes(Core core, places, follows, exceptions, registers, results, condition, returns, counts):
    """See CoreNotes.arm_probes."""
    cdef Cpu *c = core.c
    cdef size_t i
    hooked = {c.probes.places[i].first for i in range(c.probes.count) if c.probes.places[i].hooked}
    core.probe_hooks |= hooked
    if len(core.probe_hooks) > MOST_CODE_HOOKS:
        rebuild(core)
        core.probe_hooks = set()
    memset(c.probes.filter, 0, BREAKPOINT_BITS // 8)
    memset(c.probes.returns, 0, 4 * c.probes.returns_room)
    c.probes.returns_count = 0
    free(c.probes.places)
    free(c.probes.condition)
    c.probes.count = 0
    c.probes.condition = NULL
    c.probes.condition_length = 0
    c.probes.places = <ProbedPlace*>malloc((len(places) + 1) * sizeof(ProbedPlace))
    c.probes.condition = <ExpressionStep*>calloc(len(condition) + 1, sizeof(ExpressionStep))
    if c.probes.places == NULL or c.probes.condition == NULL:
        raise MemoryError
    for first in sorted(places):
        c.probes.places[c.probes.count] = ProbedPlace(first, places[first], first in core.probe_hooks)
        c.probes.count += 1
        probe_filter_add(c, first)
    for step in condition:
        c.probes.condition[c.probes.condition_length] = ExpressionStep(step.operation, step.operand)
        c.probes.condition_length += 1
    c.probes.follows = follows
    c.probes.tells_returns = returns is not None
    c.probes.counts = counts is not None
    c.probes.count_from, c.probes.count_to = counts or (0, 0)
    c.probes.exceptions = 0
    for code in exceptions:
        c.probes.exceptions |= <uint32_t>1 << <uint32_t>code
    c.probes.register_count = <uint32_t>len(registers)
    for i in range(c.probes.register_count):
        c.probes.registers[i] = registers[i]
    for i in range(2):
        c.probes.results[i] = results[i]
    forget_notes(c)
    for address in returns or ():
        watch_return(c, address)
    c.accesses.count = 0
    c.probes.armed = True
    forget_recent(c)
