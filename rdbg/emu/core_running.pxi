# Running, and what to stop at.

cdef class Running(HostAccess):
    """Running, and what to stop at. A part of `Core`."""

    cdef rebuild(self):
        """Go on with a new engine: a fetch from a misaligned address leaves Unicorn's translator in pieces.

        The exception unwinds it in the middle of a block, and the next block it translates crashes.
        """
        cdef Cpu *c = self.c
        cdef Registers h
        cdef uint32_t i
        self.hold(&h)
        uc_context_free(c.ctx)
        c.ctx = NULL
        uc_close(c.uc)
        c.uc = NULL
        c.no_exit_checks = NULL
        c.want_exit_checks = False
        self.open_engine()
        memset(c.hooked_pages, 0, (1 << 20) // 8)
        c.hooked.count = 0
        c.seen_base = NOWHERE
        for i in range(c.page_count):
            c.page_state[i] &= PAGE_DIRTY | PAGE_STALE | PAGE_USED
        self.give(&h)
        flush_tlb(c)
        c.broken = False
        self.code_hooks = set()
        for i in range(<uint32_t>c.bp_count):
            if c.conditions[i].count:
                self.hook_code(c.bps[i])

    def arm_stops(self, breakpoints, conditions, watches):
        """Set what the next runs look for.

        Args:
            breakpoints: virtual addresses.
            conditions: address -> expressions, for those that stop only if one of them is not zero.
            watches: (first, last, kinds, space), with kinds and spaces as in state.pxi.
        """
        cdef Cpu *c = self.c
        cdef size_t i
        cdef uint32_t page
        cdef uint32_t n
        addresses = sorted(breakpoints)
        for i in range(c.bp_count):
            n = (c.bps[i] >> 2) & (BREAKPOINT_BITS - 1)
            c.bp_filter[n >> 6] = 0
        free(c.bps)
        c.bp_count = 0
        c.bps = <uint32_t*>malloc(4 * len(addresses) + 4)
        if c.bps == NULL:
            raise MemoryError
        self.take_conditions([conditions.get(address, ()) for address in addresses])
        for address in addresses:
            c.bps[c.bp_count] = address
            c.bp_count += 1
            n = (<uint32_t>address >> 2) & (BREAKPOINT_BITS - 1)
            c.bp_filter[n >> 6] |= (<uint64_t>1) << (n & 63)
        c.probe = c.bp_count != 0
        self.hook_conditions()
        if not watches and not c.watch_count:
            return
        for i in range(c.watch_count):
            if c.watches[i].space == SPACE_VIRTUAL:
                for n in range(c.watches[i].first >> PAGE_BITS, (c.watches[i].last >> PAGE_BITS) + 1):
                    c.watched_pages[n >> 6] = 0
        free(c.watches)
        c.watch_count = 0
        c.watches = <WatchRange*>malloc(sizeof(WatchRange) * len(watches) + 1)
        if c.watches == NULL:
            raise MemoryError
        c.watch_storage = False
        for first, last, kinds, space in watches:
            c.watches[c.watch_count] = WatchRange(first, last, kinds, space)
            c.watch_count += 1
            if space != SPACE_VIRTUAL:
                c.watch_storage = True
                continue
            for n in range(<uint32_t>first >> PAGE_BITS, (<uint32_t>last >> PAGE_BITS) + 1):
                bit_test_and_set(c.watched_pages, n)
        c.watch_slots = 0
        c.watch_direct = False
        c.direct_wanted = False
        c.window_accesses = 0
        flush_tlb(c)

    cdef take_conditions(self, conditions):
        """Keep the conditions of all breakpoints, in their order: a tuple of expressions each."""
        cdef Cpu *c = self.c
        cdef size_t i = 0
        cdef size_t at = 0
        cdef size_t expression = 0
        decoded = list(conditions)
        lengths = [len(code) for each in decoded for code in each]
        free(c.conditions)
        free(c.agent_code)
        free(c.expressions)
        c.conditions = <Condition*>calloc(len(decoded) + 1, sizeof(Condition))
        c.agent_code = <AgentStep*>calloc(sum(lengths) + 1, sizeof(AgentStep))
        c.expressions = <uint32_t*>calloc(len(lengths) + 1, sizeof(uint32_t))
        if c.conditions == NULL or c.agent_code == NULL or c.expressions == NULL:
            raise MemoryError
        for i in range(<size_t>len(decoded)):
            c.conditions[i] = Condition(<uint32_t>expression, <uint32_t>len(decoded[i]))
            for code in decoded[i]:
                c.expressions[expression] = <uint32_t>at
                expression += 1
                for step in code:
                    c.agent_code[at] = AgentStep(step.operation, step.operand)
                    at += 1
        c.expressions[expression] = <uint32_t>at

    cdef hook_conditions(self):
        """Have Unicorn call on_condition wherever a breakpoint has a condition. Hooks stay: they cost next to nothing,
        and GDB takes breakpoints out and puts them back whenever the guest stops."""
        cdef Cpu *c = self.c
        cdef size_t i
        new = [c.bps[i] for i in range(c.bp_count) if c.conditions[i].count and c.bps[i] not in self.code_hooks]
        if len(self.code_hooks) + len(new) > MOST_CODE_HOOKS and self.code_hooks:
            self.rebuild()
            return
        for address in new:
            self.hook_code(address)

    cdef hook_code(self, uint32_t address):
        """Call on_condition before the instruction at ``address``, in code that is translated already too."""
        cdef Cpu *c = self.c
        cdef uc_hook handle
        cdef uint8_t *host
        self.check(uc_hook_add(c.uc, &handle, UC_HOOK_CODE, <void*>on_condition, c, address, address), "condition hook")
        self.code_hooks.add(address)
        c.want_exit_checks = True
        set_exit_checks(c, True)
        if 0x80000000U <= address < 0xC0000000U:
            host = fetch_host(c, address)
            if host != NULL:
                purge_code(c, <uint32_t>((host - c.memory) >> PAGE_BITS))
        else:
            uc_ctl_flush_tb(c.uc)                # other pages may stand at that address at other times

    cdef begin(self, until, pause_at, bint last_hit, bint passes):
        cdef Cpu *c = self.c
        c.limit = FOREVER if until is None else until
        c.pause_at = FOREVER if pause_at is None else pause_at
        c.start_icount = position(c)
        c.came_from = c.start_icount
        c.start_pc = c.next_pc
        c.look_at_ns = FOREVER if pause_at is None else host_time_ns() + LONGEST_SLICE_NS
        c.last_hit = last_hit
        c.passes_start = passes
        c.kicked = 0
        c.have_bp_hit = False
        c.have_bp_before = False
        c.have_watch_hit = False
        c.hit_count = 0
        c.stop_soon = False
        c.probe = c.bp_count != 0 or c.watch_direct
        c.direct_wanted = False
        c.direct_epoch += 1                      # memory may have been written behind our back
        plan_closer(c)
        c.python_event = 0                       # inputs may have come, or the history been wound
        look_soon(c)
        c.io_epoch += 1                          # whoever called may have changed a device
        c.access_base = NOWHERE                  # a block that begins here may have run before
        c.cut_base = NOWHERE
        c.seen_base = NOWHERE

    cdef uc_err go(self) except *:
        cdef uc_err err
        cdef Cpu *c = self.c
        while True:
            if c.broken:
                self.rebuild()
            c.runs = True
            with nogil:
                err = execute(c)
            c.runs = False
            if c.why != WHY_REBUILD:
                return err

    cdef finish(self, uc_err err):
        cdef Cpu *c = self.c
        c.limit = FOREVER
        plan_closer(c)
        if self.error is not None:
            error, self.error = self.error, None
            c.why_soon = WHY_NONE
            raise error
        if err != UC_ERR_OK:
            raise RdbgError(f"the CPU core failed near pc {c.start:#010x}, icount {position(c)}: "
                            f"{uc_strerror(err).decode()}")
        if c.stop_soon and c.why != WHY_AMBIGUOUS:
            c.why = WHY_WATCH                    # what ended the block, or the run, comes after the access

    def run(self, until, pause_at, bint last_hit, bint passes):
        """Run from here; see RunRequest.

        Args:
            until: position not to run past, or None.
            pause_at: position from which the run ends before a block; when that takes long, it ends sooner. None: it does
                not.
            last_hit: note hits, do not stop at them.
            passes: a breakpoint here does not count.

        Returns:
            Why it ended: a value of WHY_NAMES.
        """
        cdef Cpu *c = self.c
        cdef uc_err err
        self.begin(until, pause_at, last_hit, passes)
        err = self.go()
        self.finish(err)
        return WHY_NAMES[c.why]

    def step(self, bint noting=False):
        """Retire one instruction, a branch with its slot, or take one exception. Nothing stops it. Returns like run().

        Args:
            noting: keep the writes to watched ranges for take_noted().
        """
        cdef Cpu *c = self.c
        cdef uc_err err
        cdef uint32_t length
        if noting and c.watch_direct:
            stop_direct(c)
        self.begin(None, None, True, False)
        c.probe = False
        c.noting = noting
        length = step_length(c, c.next_pc)
        c.limit = c.start_icount + length
        plan_closer(c)
        c.stepping = True
        err = self.go()
        c.stepping = False
        c.noting = False
        self.finish(err)
        return WHY_NAMES[c.why]

    def take_noted(self):
        """The writes kept since the last call: (space, address in it, virtual address, bytes before, bytes written), as
        the guest's stores made them."""
        cdef Cpu *c = self.c
        cdef NotedWrite *made
        cdef uint32_t i
        taken = []
        for i in range(c.noted_count):
            made = &c.noted[i]
            taken.append((made.space, made.address, made.va, self.in_memory(made.old, made.size),
                          self.in_memory(made.value, made.size)))
        c.noted_count = 0
        return taken

    cdef bytes in_memory(self, uint64_t value, uint32_t size):
        """The bytes in memory of a guest value."""
        cdef uint8_t raw[8]
        store_host(self.c, raw, size, value)
        return raw[:size]

    def note_change(self, uint32_t first, uint32_t last):
        """Bytes of the machine's pages are about to change by something else than a store of the CPU: tell watches that
        are for that."""
        cdef Cpu *c = self.c
        cdef size_t i
        cdef uint32_t at = 0
        cdef int back = 1 if c.in_slot else 0
        cdef HitBlock block = HitBlock(c.base - back, position(c))
        if c.events_after.end:
            block = c.events_after
        for i in range(c.watch_count):
            if watched_at(&c.watches[i], 0, Place(SPACE_MEMORY, first), last - first + 1, ACCESS_CHANGE, &at):
                note_watch(c, block.start, block.end, c.start - 4 * back, i, at, ACCESS_CHANGE)
                return

    def stops_here(self):
        """Whether a breakpoint stops before the next instruction."""
        return bool(stops_here(self.c, self.c.next_pc, position(self.c)))

    def value_of(self, code):
        """The value of an expression here, unsigned 64 bits; None: it cannot be evaluated."""
        cdef Cpu *c = self.c
        cdef uint64_t value = 0
        cdef uint32_t i
        cdef AgentStep *steps
        steps = <AgentStep*>calloc(len(code) + 1, sizeof(AgentStep))
        if steps == NULL:
            raise MemoryError
        for i in range(<uint32_t>len(code)):
            steps[i] = AgentStep(code[i].operation, code[i].operand)
        known = agent_value(c, steps, <uint32_t>len(code), c.next_pc, position(c), &value)
        free(steps)
        return value if known else None

    def name_cp0(self, uint32_t number, uint32_t register, uint32_t select):
        """Give a CP0 register its number in expressions."""
        self.c.cp0_of[number] = <uint16_t>((register << 3 | select) + 1)

    def next_length(self):
        """Instructions that the next step would retire if nothing goes wrong: 2 for a branch with its slot."""
        return step_length(self.c, self.c.next_pc)

    def watched_access(self):
        """The watched access that the next step makes: (index of the watch, first address, 1 read or 2 write), or None.
        One that faults is none: it is made when the instruction runs again."""
        cdef Cpu *c = self.c
        cdef uint32_t pc = c.next_pc
        cdef uint32_t w = code_word(c, pc)
        cdef uint32_t i
        for i in range(2 if slot_runs(c, pc) else 1):
            hit = self.watched_by(code_word(c, pc + 4 * i), w if i else 0, pc)
            if hit is not None:
                return hit
        return None

    cdef watched_by(self, uint32_t w, uint32_t branch, uint32_t pc):
        cdef Cpu *c = self.c
        cdef int size = 4
        cdef bint store = False
        cdef int form = memory_access(w, &size, &store)
        cdef uint32_t first, last, pa
        cdef uint32_t at = 0
        cdef size_t i
        cdef int kind
        cdef Place place
        if form == 0 or uses_fpu(w) and not c.guest.cp0.status & STATUS_CU1:
            return None
        first = effective_address(c, w)
        if branch and (branch >> 26 == 3 or branch >> 26 == 1 and branch & 0x100000) and ((w >> 21) & 31) == 31:
            first += pc + 8 - gpr(c, 31)         # the branch sets ra before its slot runs
        last = first + size - 1
        if translate(c, first, STORE if store else LOAD, kernel_mode(c), &pa) != TRANSLATED:
            return None
        if form < 3 and first & (size - 1):
            return None
        if w >> 26 == OP_SC and not link_holds(c, first):
            return None
        if form in (3, 4):
            if (form == 3) != c.big_endian:
                last = first
                first &= ~<uint32_t>3
            else:
                last = first | 3
        kind = ACCESS_WRITE if store else ACCESS_READ
        place = place_of(c, first, kind) if c.watch_storage else Place(SPACE_NONE, 0)
        for i in range(c.watch_count):
            if watched_at(&c.watches[i], first, place, last - first + 1, kind, &at):
                return (<int>i, max(at, c.watches[i].first), kind)
        return None

    def kick(self):
        """Make a run in progress pause soon."""
        pause_soon(self.c)

    def attend(self):
        """Ask for events again before the next instruction."""
        self.c.python_event = 0
        look_soon(self.c)

    def hold_interrupts(self, uint64_t instructions):
        """Take no interrupt until so many instructions have run, or the time that they take has passed in a wait.

        Raises:
            RdbgError: they are more than anybody waits for.
        """
        cdef Cpu *c = self.c
        if instructions > MOST_HELD:
            raise RdbgError(f"the run holds interrupts back for {instructions} instructions at icount {position(c)}; at "
                            f"most {MOST_HELD} can be: its recording is damaged")
        c.guest.hold_ns = now_ns(c, position(c)) + (instructions << c.shift)
        plan_hold(c)

    def ask_to_hold(self, bint wanted):
        """Whether the host is asked, before an interrupt is taken, if it shall be held back."""
        self.c.asks_to_hold = wanted

    def request_stop(self):
        """End the run as a shutdown before the next instruction."""
        self.c.why_soon = WHY_SHUTDOWN
        look_soon(self.c)

    @property
    def breakpoint_hit(self):
        """(icount, pc) of the last breakpoint hit of a last_hit run, or None."""
        return (self.c.bp_hit_icount, self.c.bp_hit_pc) if self.c.have_bp_hit else None

    @property
    def watches_blocks(self):
        """Whether watched pages are mapped as they are, and blocks looked at instead; for tests."""
        return self.c.watch_direct != 0

    @property
    def watched_blocks(self):
        """Of the latest blocks with watched accesses of a last_hit run, in order, [(position at their start, end)]; then
        whether these are all."""
        cdef Cpu *c = self.c
        cdef uint64_t n
        cdef uint64_t first = c.hit_count - min(c.hit_count, MOST_HITS)
        blocks = [(c.hits[n & (MOST_HITS - 1)].start, c.hits[n & (MOST_HITS - 1)].end)
                  for n in range(first, c.hit_count)]
        return blocks, first == 0

    @property
    def watch_hit(self):
        """(icount of the block, pc of the block, index of the watch, address, 1 read or 2 write), or None."""
        cdef Cpu *c = self.c
        if not c.have_watch_hit:
            return None
        return (c.watch_hit_icount, c.watch_hit_pc, c.watch_hit_index, c.watch_hit_address, c.watch_hit_kind)

    @property
    def place(self):
        """(icount, pc, exact) of the instruction that makes the access by hand, or the next one where the CPU stands;
        else of the current block."""
        cdef Cpu *c = self.c
        cdef int back
        if c.access_icount != NOWHERE:
            return (c.access_icount, c.start + 4 * <uint32_t>(c.access_icount - c.base), True)
        if not c.runs:
            return (position(c), c.next_pc, True)
        back = 1 if c.in_slot else 0
        return (c.base - back, c.start - 4 * back, False)

    @property
    def block(self):
        """(icount, pc) of the position from which an ambiguous run is to be stepped."""
        return (self.c.place, self.c.place_pc)
