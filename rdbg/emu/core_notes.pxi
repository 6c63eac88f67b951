# What Python calls: what a run notes without stopping.

cdef class CoreNotes:
    """What the runs of a core note for somebody, and go on: blocks, instructions, counts, probes, accesses: `Core.notes`."""

    cdef Core core
    cdef Cpu *c

    def __cinit__(self, Core core not None):
        self.core = core
        self.c = core.c

    def arm_probes(self, places, follows, exceptions, registers, results, condition, returns, counts):
        """Look at the CPU at places and exceptions from now on, without stopping; what was noted before is forgotten.

        Args:
            places: {address: last address of the function that begins there, or the address itself}.
            follows: whether returns are waited for.
            exceptions: codes of exceptions that are noted.
            registers: debugger's numbers of at most 8 registers that are noted.
            results: those of two that are noted at the return.
            condition: an expression that holds where a place is noted; empty: always.
            returns: addresses of which returns are noted that no noted call waits for; None: none are.
            counts: (first icount, the one behind the last) between which is counted how often the one place is come to,
                without a note of each; None: each is noted.
        """
        arm_probes(self.core, places, follows, exceptions, registers, results, condition, returns, counts)

    def pause_probes(self, bint paused):
        """Let nothing be noted for a while, or go on with it."""
        pause_probes(self.c, paused)

    def take_probe_notes(self, bint all):
        """What was noted since the last call: (array of bytes with rows of `ProbeNote`, icount of the first that is
        still waited for, icounts where the condition could not be evaluated, the first at which what was noted may
        hang on what was before anything was noted).

        Args:
            all: also those whose return is still waited for; nothing is waited for afterwards.
        """
        return take_probe_notes(self.c, all)

    def take_probe_count(self):
        """What was counted since the last call: (how often, icounts where the condition could not be evaluated)."""
        return take_probe_count(self.c)

    def take_accesses(self):
        """The accesses noted since the last call: (array of bytes with rows of `AccessNote`, icounts where the condition could
        not be evaluated)."""
        return take_accesses(self.c)

    def noted_parts(self, uint32_t first, uint32_t last, bint device_reads):
        """What of bytes of the machine's pages is asked for by ranges whose accesses are noted: a list of (index of the
        range, first address in what it counts, offset of the first byte, of the last).

        Args:
            first, last: bytes that something else than an instruction accesses.
            device_reads: whether a device reads them; else they change.
        """
        return noted_parts(self.c, first, last, device_reads)

    def next_access(self, uint32_t address, uint32_t size, uint64_t value, before):
        """Give an access of something else than an instruction its number among all; None: it is not to be noted.

        Args:
            address: virtual.
            size: bytes.
            value: what conditions are told that it is.
            before: the same before a write; None: unknown.
        """
        return next_access(self.c, address, size, value, before)

    @property
    def access_place(self):
        """(icount, pc) of the instruction that a device answers; between two instructions (icount, None)."""
        return access_place(self.c)

    def take_instructions(self, bint last):
        """The instructions noted since the last call: bytes with rows of `InstructionRow`, then the values of their
        registers, 32 bits each.

        Args:
            last: those noted afterwards begin with all registers.
        """
        taken = take_instructions(self.c)
        if last:
            self.c.instructions.known = False
        return taken

    def trace(self, bint wanted, int register=-1):
        """Whether the next runs and steps note the blocks that they run.

        Args:
            wanted: do it.
            register: general register whose value on entry is noted with each; -1: none.
        """
        begin_trace(self.c, wanted, register)

    def take_trace(self):
        """The blocks noted since the last call, then where the CPU stands: rows of 64 bits, (icount, PC, value of the
        register, how the CPU came there: 0 code, 1 exception of the instruction before, 2 interrupt, 3 reset, where its
        code lies in memory)."""
        return take_trace(self.c)

    def begin_counts(self, uint64_t first, uint64_t last, bint paths, borders, bint all_events):
        """Count from here on, from nothing; see `rdbg.emu.counts.CountRequest`.

        Args:
            first, last: icounts between which is counted.
            paths: with the calls that led there.
            borders: addresses where functions begin and end, ascending: bytes of 32-bit words.
            all_events: give each change of the call stack.
        """
        begin_counts(self.c, first, last, paths, borders, all_events)

    def count(self, bint wanted):
        """Whether the next runs and steps go on to count."""
        count_on(self.c, wanted)

    def take_counts(self, bint last):
        """What was counted since the last call: rows of `BlockCount`, `CallNode` and `StackEvent`, as bytes; None: it is
        not enough to be taken.

        Args:
            last: all of it, and there will be no more.
        """
        return take_counts(self.c, last)
