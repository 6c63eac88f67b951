# What Python calls: breakpoints and watched ranges.

cdef class CoreStops:
    """What the runs of a core stop at, and what they have hit: `Core.stops`."""

    cdef Core core
    cdef Cpu *c

    def __cinit__(self, Core core not None):
        self.core = core
        self.c = core.c

    def arm_stops(self, breakpoints, conditions, watches):
        """Set what the next runs look for.

        Args:
            breakpoints: virtual addresses.
            conditions: address -> expressions, for those that stop only if one of them is not zero.
            watches: (first, last, kinds, space), with kinds and spaces as in cpu_constants.pxd.
        """
        arm_stops(self.core, breakpoints, conditions, watches)

    def take_noted(self):
        """The writes kept since the last call: (space, address in it, virtual address, bytes before, bytes written), as
        the guest's stores made them."""
        cdef Cpu *c = self.c
        cdef NotedWrite *made
        cdef uint32_t i
        taken = []
        for i in range(c.watch.noted_count):
            made = &c.watch.noted[i]
            taken.append((made.space, made.address, made.va, self.in_memory(made.old, made.size),
                          self.in_memory(made.value, made.size)))
        c.watch.noted_count = 0
        return taken

    cdef bytes in_memory(self, uint64_t value, uint32_t size):
        """The bytes in memory of a guest value."""
        cdef uint8_t raw[8]
        store_host(self.c, raw, size, value)
        return raw[:size]

    def watched_access(self):
        """The watched access that the next step makes: (index of the watch, first address, 1 read or 2 write), or None.
        One that faults is none: it is made when the instruction runs again."""
        return watched_access(self.c)

    def step_reaches_outside(self):
        """Whether the next step may have to do with something else than the CPU and its memory: the CPU waits or begins
        to, accesses what is no memory, or calls the host."""
        return bool(step_reaches_outside(self.c))

    def stops_here(self):
        """Whether a breakpoint stops before the next instruction."""
        return bool(stops_here(self.c, self.c.where.next_pc, position(self.c)))

    def value_of(self, code):
        """The value of an expression here, unsigned 64 bits; None: it cannot be evaluated."""
        return value_of(self.c, code)

    @property
    def breakpoint_hit(self):
        """(icount, pc) of the last breakpoint hit of a last_hit run, or None."""
        return (self.c.stops.hit_icount, self.c.stops.hit_pc) if self.c.stops.have_hit else None

    @property
    def watches_blocks(self):
        """Whether watched pages are mapped as they are, and blocks looked at instead; for tests."""
        return self.c.watch.direct != 0

    @property
    def watched_blocks(self):
        """Of the latest blocks with watched accesses of a last_hit run, in order, [(position at their start, end)]; then
        whether these are all."""
        cdef Cpu *c = self.c
        cdef uint64_t n
        cdef uint64_t first = c.watch.hit_count - min(c.watch.hit_count, MOST_HITS)
        blocks = [(c.watch.hits[n & (MOST_HITS - 1)].start, c.watch.hits[n & (MOST_HITS - 1)].end)
                  for n in range(first, c.watch.hit_count)]
        return blocks, first == 0

    @property
    def watch_hit(self):
        """(icount of the block, pc of the block, index of the watch, address, 1 read or 2 write), or None."""
        cdef Cpu *c = self.c
        if not c.watch.have_hit:
            return None
        return (c.watch.hit_icount, c.watch.hit_pc, c.watch.hit_index, c.watch.hit_address, c.watch.hit_kind)
