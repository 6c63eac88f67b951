# Runs as Python asks for them: an engine that goes on after another has broken, what a run has come to, single steps, and a
# run in which each instruction is noted.

cdef uc_err go_on(Core core) except *:
    """Run until c.run.why says why not, with as many engines as that takes."""
    cdef uc_err err
    cdef Cpu *c = core.c
    while True:
        if c.run.broken:
            rebuild(core)
        if c.stops.hooks_wanted:
            hook_conditions(core)
        c.run.inside = True
        with nogil:
            err = execute(c)
        c.run.inside = False
        if c.run.why != WHY_REBUILD:
            return err


cdef finish_run(Core core, uc_err err):
    """A run has ended: why, a value of WHY_NAMES.

    Raises:
        RdbgError: Unicorn gave up.
        Exception: whatever a callback raised.
    """
    cdef Cpu *c = core.c
    c.run.limit = FOREVER
    plan_closer(c)
    if core.error is not None:
        error, core.error = core.error, None
        c.run.why_soon = WHY_NONE
        raise error
    if err != UC_ERR_OK:
        raise RdbgError(f"the CPU core failed near pc {c.where.start:#010x}, icount {position(c)}: "
                        f"{uc_strerror(err).decode()}")
    if c.run.why == WHY_AMBIGUOUS:
        drop_hits_from(c, c.run.again)
        if c.trace.on:                           # else what runs here was noted before
            drop_rows(c, c.run.again)
        if c.counts.on:
            drop_counts(c, c.run.again)
        if c.probes.armed:                       # the same
            drop_notes_behind(c, c.run.again)
            drop_accesses_from(c, c.run.again)
    if c.run.stop_soon and c.run.why != WHY_AMBIGUOUS:
        c.run.why = WHY_WATCH                    # what ended the block, or the run, comes after the access
    return WHY_NAMES[c.run.why]


cdef run_on(Core core, until, pause_at, bint last_hit, bint passes):
    """See Core.run."""
    cdef uc_err err
    begin_run(core.c, FOREVER if until is None else until, FOREVER if pause_at is None else pause_at, last_hit, passes)
    err = go_on(core)
    return finish_run(core, err)


cdef step_once(Core core, bint noting):
    """See Core.step."""
    cdef Cpu *c = core.c
    cdef uc_err err
    cdef uint32_t length
    if noting and c.watch.direct:
        stop_direct(c)
    begin_run(c, FOREVER, FOREVER, True, False)
    c.run.stops = False
    c.run.marked = False
    c.run.probe = False
    c.watch.noting = noting
    length = step_length(c, c.where.next_pc)
    c.run.limit = c.run.start_icount + length
    plan_closer(c)
    c.run.stepping = True
    err = go_on(core)
    c.run.stepping = False
    c.watch.noting = False
    return finish_run(core, err)


cdef uc_err follow(Core core) except *:
    """A run in which each instruction is noted."""
    cdef Cpu *c = core.c
    cdef uint64_t limit = c.run.limit
    cdef uc_err err = UC_ERR_OK
    cdef ComingStep step
    c.run.why = WHY_NONE
    while True:
        with nogil:
            follow_straight(c)
        if c.run.why != WHY_NONE:
            return err
        if position(c) + step_length(c, c.where.next_pc) > limit:
            stop_before(c, c.where.next_pc, position(c), WHY_LIMIT)
            return err
        expect_step(c, &step)
        c.run.limit = position(c) + step_length(c, c.where.next_pc)
        plan_closer(c)
        c.devices.placed.base = NOWHERE
        c.devices.cut_base = NOWHERE
        c.code.seen_base = NOWHERE
        c.run.stepping = True
        err = go_on(core)
        c.run.stepping = False
        c.run.limit = limit
        if err != UC_ERR_OK or c.run.why == WHY_AMBIGUOUS or c.run.why == WHY_ERROR:
            return err
        note_step(c, &step)
        if c.run.why != WHY_LIMIT:
            return err
        c.run.why = WHY_NONE


cdef run_noting_instructions(Core core, until, pause_at):
    """See Core.run_noting_instructions."""
    cdef Cpu *c = core.c
    cdef uc_err err
    begin_instructions(c)
    begin_run(c, FOREVER if until is None else until, FOREVER if pause_at is None else pause_at, True, False)
    c.run.stops = False
    c.run.marked = False
    c.run.probe = False
    err = follow(core)
    return finish_run(core, err)
