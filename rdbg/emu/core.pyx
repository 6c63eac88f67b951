# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=True
"""The CPU: Unicorn running the guest deprivileged, with everything privileged done here.

One class, `Core`; what it is made of is in the .pxi files: state, decode, mmu, exceptions, cp0, traps, blocks, agent, mmio,
run, calibrate. docs/cpu.md explains the design.
"""

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport abort, calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

import numpy

from rdbg.emu.agent_code import decode
from rdbg.emu.bus import BusError
from rdbg.errors import RdbgError

include "unicorn.pxi"
include "state.pxi"
include "decode.pxi"
include "mmu.pxi"
include "exceptions.pxi"
include "cp0.pxi"
include "traps.pxi"
include "blocks.pxi"
include "agent.pxi"
include "mmio.pxi"
include "run.pxi"
include "calibrate.pxi"

WHY_NAMES = {
    WHY_LIMIT: "limit", WHY_PAUSE: "paused", WHY_BREAKPOINT: "breakpoint", WHY_WATCH: "watchpoint",
    WHY_IDLE: "idle", WHY_SHUTDOWN: "shutdown", WHY_AMBIGUOUS: "ambiguous",
}
MAPPING_MEMORY = MAP_MEMORY
MAPPING_IO = MAP_IO
MAPPING_PARTIAL = MAP_PARTIAL
MAPPING_NONE = MAP_NONE
MAPPING_READ = MAP_READ
MAPPING_WRITE = MAP_WRITE
NEVER = FOREVER
CP0_NAMES = (
    "index", "entrylo0", "entrylo1", "context", "pagemask", "pagegrain", "wired", "hwrena", "badvaddr", "entryhi",
    "compare", "status", "intctl", "srsctl", "srsmap", "cause", "epc", "ebase", "config0", "userlocal", "watchlo",
    "watchhi", "depc", "taglo", "datalo", "taghi", "datahi", "errorepc", "desave", "lladdr", "debug", "performance",
)


cdef class Core:
    """A MIPS32 release 2 core (24Kf) over a machine's memory.

    Args:
        memory: writable buffer that holds all backings one after another, a multiple of 4096 bytes.
        big_endian: the guest's byte order.
        shift: virtual nanoseconds per instruction = 1 << shift.
        count_period_ns: nanoseconds per tick of Count.
        timer_line: hardware interrupt line (0 to 5) of the Compare timer.
        host: object with ``classify(page)``, ``io_read(address, size)``, ``io_stable(address, size)``,
            ``io_idle_store(address, size, value)``,
            ``io_write(address, size, value)``,
            ``events(icount) -> next icount`` and ``idle(icount, compare_ns) -> bool``.

    Raises:
        RdbgError: Unicorn is not as this code knows it.
    """

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

    def __init__(self, memory, bint big_endian, uint32_t shift, uint32_t count_period_ns, int timer_line, host):
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
        c.big_endian = big_endian
        c.shift = shift
        c.count_period_ns = count_period_ns
        c.timer_line = timer_line
        self.allocate()
        self.open_engine()
        c.limit = FOREVER
        c.pause_at = FOREVER
        c.attention = 0

    cdef open_engine(self):
        cdef Cpu *c = self.c
        cdef const char *trouble
        cdef uc_hook handle
        cdef int mode = UC_MODE_MIPS32 | (UC_MODE_BIG_ENDIAN if c.big_endian else UC_MODE_LITTLE_ENDIAN)
        self.check(uc_open(UC_ARCH_MIPS, mode, &c.uc), "open")
        self.check(uc_ctl_set_cpu_model(c.uc, UC_CPU_MIPS32_24KF), "CPU model 24Kf")
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

    cdef rebuild(self):
        """Go on with a new engine: a fetch from a misaligned address leaves Unicorn's translator in pieces.

        The exception unwinds it in the middle of a block, and the next block it translates crashes.
        """
        cdef Cpu *c = self.c
        cdef Held h
        cdef uint32_t i
        self.hold(&h)
        uc_context_free(c.ctx)
        c.ctx = NULL
        uc_close(c.uc)
        c.uc = NULL
        self.open_engine()
        memset(c.hooked_pages, 0, (1 << 20) // 8)
        for i in range(c.page_count):
            c.page_state[i] &= PAGE_DIRTY | PAGE_STALE | PAGE_USED
        self.give(&h)
        flush_tlb(c)
        c.broken = False
        self.code_hooks = set()
        for i in range(<uint32_t>c.bp_count):
            if c.conditions[i].count:
                self.hook_code(c.bps[i])

    cdef allocate(self):
        cdef Cpu *c = self.c
        c.page_state = <uint8_t*>calloc(c.page_count, 1)
        c.alternations = <uint8_t*>calloc(c.page_count, 1)
        c.phys_map = <uint32_t*>calloc(1 << 20, 4)
        c.io_page = <uint32_t*>calloc(IO_SLOTS, 4)
        c.bp_filter = <uint64_t*>calloc(BREAKPOINT_BITS // 64, 8)
        c.watched_pages = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.seen_written = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.seen_read = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.seen_executed = <uint64_t*>calloc((1 << 20) // 64, 8)
        c.blocks.recent = <uint64_t*>calloc(BLOCK_CACHE, 8)
        c.blocks.slots = <uint64_t*>calloc(2 * MOST_BLOCKS, 8)
        c.blocks.used = <uint32_t*>calloc(MOST_BLOCKS, 4)
        c.hooked_pages = <uint64_t*>calloc((1 << 20) // 64, 8)
        if (c.page_state == NULL or c.alternations == NULL or c.phys_map == NULL or c.io_page == NULL
                or c.bp_filter == NULL or c.watched_pages == NULL or c.seen_written == NULL or c.seen_read == NULL
                or c.seen_executed == NULL or c.hooked_pages == NULL or c.blocks.recent == NULL
                or c.blocks.slots == NULL or c.blocks.used == NULL):
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
        free(c.alternations)
        free(c.phys_map)
        free(c.io_page)
        free(c.bp_filter)
        free(c.bps)
        free(c.conditions)
        free(c.agent_code)
        free(c.expressions)
        free(c.watches)
        free(c.watched_pages)
        free(c.seen_written)
        free(c.seen_read)
        free(c.seen_executed)
        free(c.blocks.recent)
        free(c.blocks.slots)
        free(c.blocks.used)
        free(c.hooked_pages)
        free(c.dirty.items)
        free(c.stale.items)
        free(c.written_virtual.items)
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

    # --- what the callbacks ask ---------------------------------------------------------------

    cdef uint32_t ask_classify(self, uint32_t ppage) except? 0xFFFFFFFFU:
        cdef uint32_t kind, page
        kind, page = self.host.classify(ppage)
        if kind & MAP_KIND == MAP_IO:
            page = (io_window(self.c, ppage) - IO_WINDOW) >> PAGE_BITS
        return kind | page << 8

    cdef uint64_t ask_read(self, uint32_t pa, unsigned size) except? 0xFFFFFFFFU:
        return <uint64_t>self.host.io_read(pa, size)

    cdef int ask_write(self, uint32_t pa, unsigned size, uint64_t value) except -1:
        self.host.io_write(pa, size, value)
        return 0

    cdef uint64_t ask_events(self, uint64_t icount) except? 0xFFFFFFFFU:
        return self.host.events(icount)

    cdef int ask_idle(self, uint64_t icount, uint64_t compare_ns) except -1:
        return self.host.idle(icount, compare_ns)

    cdef keep_error(self, error):
        """An exception in a callback ends the run at the next window; the first one counts."""
        if self.error is None:
            self.error = error
        self.c.why_soon = WHY_ERROR
        self.c.attention = 0

    cdef access_by_hand(self):
        cdef Cpu *c = self.c
        cdef uint32_t pc = c.exc_pc
        cdef uint32_t w = code_word(c, pc)
        cdef uint32_t op = w >> 26
        cdef uint32_t rt = (w >> 16) & 31
        cdef uint32_t va = effective_address(c, w)
        cdef uint32_t pa = 0
        cdef uint32_t target = 0
        cdef int size = 4
        cdef bint store = False
        cdef int form = memory_access(w, &size, &store)
        cdef uint64_t before = c.base + ((pc - c.start) >> 2)
        cdef uint64_t value
        cdef bint slot
        c.io_epoch += 1
        if form == 2:
            rt = ((w >> 11) & 31) if store else ((w >> 6) & 31)
        translate(c, va, STORE if store else LOAD, kernel_mode(c), &pa)
        try:
            if form in (3, 4):
                self.partial_word(w, pa, rt, form == 3, store)
            elif store:
                if op in (0x39, 0x3D, 0x13):
                    value = self.fpr_value(rt, size)
                else:
                    value = gpr(c, rt)
                if c.watch_count:
                    check_watches(c, va, size, 2)
                self.ask_write(pa, size, value)
                if op == 0x38:
                    set_gpr(c, rt, 1)
            else:
                if c.watch_count:
                    check_watches(c, va, size, 1)
                value = self.ask_read(pa, size)
                if op == 0x20:
                    value = <uint64_t><int32_t><signed char>value
                elif op == 0x21:
                    value = <uint64_t><int32_t><int16_t>value
                if op in (0x31, 0x35, 0x13):
                    self.set_fpr_value(rt, size, value)
                else:
                    set_gpr(c, rt, <uint32_t>value)
        except BusError:
            c.exc_code = EXC_DBE
            c.exc_refill = False
            c.exc_has_address = False
            handle_fault(c)
            return
        drop_hits_after(c, before)
        c.base = before + 1
        c.why = WHY_NONE
        target = pc + 4
        slot = pending_branch(c, pc, &target)
        go_to(c, target, slot and target != pc + 4)

    cdef partial_word(self, uint32_t w, uint32_t pa, uint32_t rt, bint left, bint store):
        """lwl, lwr, swl, swr on a device: byte by byte."""
        cdef Cpu *c = self.c
        cdef uint32_t register = gpr(c, rt)
        cdef int at = pa & 3
        cdef int i, lane, count, first
        # Bytes of the word in memory order; the register's most significant byte is number 0 for lwl.
        if left != c.big_endian:
            first, count = 0, at + 1             # down to the word's start
        else:
            first, count = at, 4 - at
        for i in range(first, first + count):
            if left:
                lane = 3 - (i - at if c.big_endian else at - i)
            else:
                lane = at - i if c.big_endian else i - at
            if store:
                self.ask_write((pa & ~<uint32_t>3) + i, 1, (register >> (8 * lane)) & 0xFF)
            else:
                register = (register & ~((<uint32_t>0xFF) << (8 * lane))) | (
                    <uint32_t>self.ask_read((pa & ~<uint32_t>3) + i, 1) << (8 * lane))
        if not store:
            set_gpr(c, rt, register)

    cdef uint64_t fpr_value(self, uint32_t n, int size):
        cdef uint64_t low = 0
        cdef uint64_t high = 0
        if size == 4 or self.c.s.cp0.status & STATUS_FR:
            uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>n, &low)
            return low & 0xFFFFFFFFU if size == 4 else low
        uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>(n & ~1), &low)
        uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>(n | 1), &high)
        return (low & 0xFFFFFFFFU) | high << 32

    cdef set_fpr_value(self, uint32_t n, int size, uint64_t value):
        cdef uint64_t old = 0
        if size == 4:
            uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>n, &old)
            old = (old & ~<uint64_t>0xFFFFFFFFU) | (value & 0xFFFFFFFFU)
            uc_reg_write(self.c.uc, UC_MIPS_REG_F0 + <int>n, &old)
        elif self.c.s.cp0.status & STATUS_FR:
            uc_reg_write(self.c.uc, UC_MIPS_REG_F0 + <int>n, &value)
        else:
            self.set_fpr_value(n & ~1, 4, value)
            self.set_fpr_value(n | 1, 4, value >> 32)

    # --- running --------------------------------------------------------------------------------

    def arm_stops(self, breakpoints, conditions, watches):
        """Set what the next runs look for.

        Args:
            breakpoints: virtual addresses.
            conditions: address -> agent expressions, for those that stop only if one of them is not zero.
            watches: (first, last, kinds) with kinds 1 read, 2 write, 3 both.
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
            for n in range(c.watches[i].first >> PAGE_BITS, (c.watches[i].last >> PAGE_BITS) + 1):
                c.watched_pages[n >> 6] = 0
        free(c.watches)
        c.watch_count = 0
        c.watches = <WatchRange*>malloc(sizeof(WatchRange) * len(watches) + 1)
        if c.watches == NULL:
            raise MemoryError
        for first, last, kinds in watches:
            c.watches[c.watch_count] = WatchRange(first, last, kinds)
            c.watch_count += 1
            for n in range(<uint32_t>first >> PAGE_BITS, (<uint32_t>last >> PAGE_BITS) + 1):
                bit_test_and_set(c.watched_pages, n)
        c.watch_slots = 0
        flush_tlb(c)

    cdef take_conditions(self, conditions):
        """Keep the conditions of all breakpoints, in their order: a tuple of expressions each."""
        cdef Cpu *c = self.c
        cdef size_t i = 0
        cdef size_t at = 0
        cdef size_t expression = 0
        decoded = [[decode(code) for code in each] for each in conditions]
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
                    c.agent_code[at] = AgentStep(step.op, step.operand)
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
        if 0x80000000U <= address < 0xC0000000U:
            host = fetch_host(c, address)
            if host != NULL:
                purge_code(c, <uint32_t>((host - c.memory) >> PAGE_BITS))
        else:
            uc_ctl_flush_tb(c.uc)                # other pages may stand at that address at other times

    cdef begin(self, until, pause_at, bint last_hit):
        cdef Cpu *c = self.c
        c.limit = FOREVER if until is None else until
        c.pause_at = FOREVER if pause_at is None else pause_at
        c.start_icount = position(c)
        c.last_hit = last_hit
        c.have_bp_hit = False
        c.have_bp_before = False
        c.have_watch_hit = False
        c.stop_soon = False
        c.probe = c.bp_count != 0
        c.python_event = 0                       # inputs may have come, or the history been wound
        c.attention = 0
        c.io_epoch += 1                          # whoever called may have changed a device

    cdef uc_err go(self) except *:
        cdef uc_err err
        cdef Cpu *c = self.c
        while True:
            if c.broken:
                self.rebuild()
            with nogil:
                err = execute(c)
            if c.why != WHY_REBUILD:
                return err

    cdef finish(self, uc_err err):
        cdef Cpu *c = self.c
        c.limit = FOREVER
        if self.error is not None:
            error, self.error = self.error, None
            c.why_soon = WHY_NONE
            raise error
        if err != UC_ERR_OK:
            raise RdbgError(f"the CPU core failed near pc {c.start:#010x}, icount {position(c)}: "
                            f"{uc_strerror(err).decode()}")

    def run(self, until, pause_at, bint last_hit):
        """Run from here; see RunRequest.

        Args:
            until: position not to run past, or None.
            pause_at: position from which a window ends the run, or None.
            last_hit: note hits, do not stop at them.

        Returns:
            Why it ended: a value of WHY_NAMES.
        """
        cdef Cpu *c = self.c
        cdef uc_err err
        self.begin(until, pause_at, last_hit)
        err = self.go()
        self.finish(err)
        return WHY_NAMES[c.why]

    def step(self):
        """Retire one instruction, a branch with its slot, or take one exception. Returns like run()."""
        cdef Cpu *c = self.c
        cdef uc_err err
        cdef uint32_t length
        self.begin(None, None, False)
        c.probe = False
        length = step_length(c, c.next_pc)
        c.limit = c.start_icount + length
        c.stepping = True
        err = self.go()
        c.stepping = False
        self.finish(err)
        return WHY_NAMES[c.why]

    def stops_here(self):
        """Whether a breakpoint stops before the next instruction."""
        return bool(stops_here(self.c, self.c.next_pc, position(self.c)))

    def value_of(self, code):
        """The value of an agent expression here, unsigned 64 bits; None: it cannot be evaluated."""
        cdef Cpu *c = self.c
        cdef uint64_t value = 0
        cdef uint32_t i
        cdef AgentStep *steps
        decoded = decode(code)
        steps = <AgentStep*>calloc(len(decoded) + 1, sizeof(AgentStep))
        if steps == NULL:
            raise MemoryError
        for i in range(<uint32_t>len(decoded)):
            steps[i] = AgentStep(decoded[i].op, decoded[i].operand)
        known = agent_value(c, steps, <uint32_t>len(decoded), c.next_pc, position(c), &value)
        free(steps)
        return value if known else None

    def name_cp0(self, uint32_t number, uint32_t register, uint32_t select):
        """Give a CP0 register its number in agent expressions."""
        self.c.cp0_of[number] = <uint16_t>((register << 3 | select) + 1)

    def next_length(self):
        """Instructions that the next step would retire if nothing goes wrong: 2 for a branch with its slot."""
        return step_length(self.c, self.c.next_pc)

    def watched_access(self):
        """The watched access that the next step makes: (index of the watch, first address, 1 read or 2 write), or None."""
        cdef Cpu *c = self.c
        cdef uint32_t pc = c.next_pc
        cdef uint32_t w = code_word(c, pc)
        cdef uint32_t i
        for i in range(step_length(c, pc)):
            hit = self.watched_by(code_word(c, pc + 4 * i), w if i else 0, pc)
            if hit is not None:
                return hit
        return None

    cdef watched_by(self, uint32_t w, uint32_t branch, uint32_t pc):
        cdef Cpu *c = self.c
        cdef int size = 4
        cdef bint store = False
        cdef int form = memory_access(w, &size, &store)
        cdef uint32_t first, last
        cdef size_t i
        cdef int kind
        if form == 0:
            return None
        first = effective_address(c, w)
        if branch and (branch >> 26 == 3 or branch >> 26 == 1 and branch & 0x100000) and ((w >> 21) & 31) == 31:
            first += pc + 8 - gpr(c, 31)         # the branch sets ra before its slot runs
        last = first + size - 1
        if form in (3, 4):
            if (form == 3) != c.big_endian:
                last = first
                first &= ~<uint32_t>3
            else:
                last = first | 3
        kind = 2 if store else 1
        for i in range(c.watch_count):
            if c.watches[i].kinds & kind and first <= c.watches[i].last and last >= c.watches[i].first:
                return (<int>i, max(first, c.watches[i].first), kind)
        return None

    def kick(self):
        """Make a run in progress pause at its next window."""
        self.c.kicked = 1
        self.c.attention = 0

    def attend(self):
        """Have the next window ask for events again."""
        self.c.python_event = 0
        self.c.attention = 0

    def request_stop(self):
        """Have the next window end the run as a shutdown."""
        self.c.why_soon = WHY_SHUTDOWN
        self.c.attention = 0

    @property
    def breakpoint_hit(self):
        """(icount, pc) of the last breakpoint hit of a last_hit run, or None."""
        return (self.c.bp_hit_icount, self.c.bp_hit_pc) if self.c.have_bp_hit else None

    @property
    def watch_hit(self):
        """(icount of the block, pc of the block, index of the watch, address, 1 read or 2 write), or None."""
        cdef Cpu *c = self.c
        if not c.have_watch_hit:
            return None
        return (c.watch_hit_icount, c.watch_hit_pc, c.watch_hit_index, c.watch_hit_address, c.watch_hit_kind)

    @property
    def block(self):
        """(icount, pc) of a position at or before the start of the current block."""
        cdef Cpu *c = self.c
        cdef int back = 1 if block_starts_in_slot(c) else 0
        return (c.base - back, c.start - 4 * back)

    # --- state ------------------------------------------------------------------------------------

    @property
    def icount(self):
        """The position."""
        return position(self.c)

    @property
    def pc(self):
        """Virtual address of the next instruction."""
        return self.c.next_pc

    @property
    def window(self):
        """icount of the last interrupt window."""
        return self.c.s.window

    @property
    def bias_ns(self):
        """Idle virtual time skipped so far, in nanoseconds."""
        return self.c.s.bias_ns

    @bias_ns.setter
    def bias_ns(self, uint64_t value):
        self.c.s.bias_ns = value

    @property
    def halted(self):
        """Whether the CPU waits."""
        return bool(self.c.s.halted)

    def exact_ns(self):
        """Virtual time of the position, in nanoseconds."""
        return now_ns(self.c, position(self.c))

    def reset(self, uint32_t pc, uint32_t status):
        """Registers of reset; icount and virtual time go on. Callable from events().

        Args:
            pc: where the CPU starts.
            status: CP0 Status.
        """
        cdef Cpu *c = self.c
        cdef uint64_t window = c.s.window
        cdef uint64_t bias = c.s.bias_ns
        cdef uint64_t icount = position(c)
        cdef uint32_t i
        cdef uint64_t zero = 0
        memset(&c.s, 0, sizeof(Owned))
        c.s.window = window
        c.s.bias_ns = bias
        c.s.random = 1
        c.s.cp0.status = status
        c.s.cp0.config0 = CONFIG0 | (0x8000 if c.big_endian else 0)
        c.s.cp0.ebase = 0x80000000U
        c.s.cp0.intctl = <uint32_t>0xE0000000U
        c.s.cp0.debug = 0x40008000
        for i in range(TLB_ENTRIES):             # entries that nothing matches, as QEMU has them
            c.s.tlb[i].vpn2 = (<uint32_t>0x80000000U) + (i << 13)
        for i in range(1, 32):
            set_gpr(c, i, 0)
        for i in range(32):
            uc_reg_write(c.uc, UC_MIPS_REG_F0 + <int>i, &zero)
        uc_reg_write(c.uc, UC_MIPS_REG_HI, &zero)
        uc_reg_write(c.uc, UC_MIPS_REG_LO, &zero)
        uc_reg_write(c.uc, UC_MIPS_REG_FCSR, &zero)
        sync_status(c)
        forget_branch_and_link(c)
        flush_tlb(c)
        restart_compare(c, icount)
        c.base = icount
        go_to(c, pc, True)
        c.was_reset = True

    def settle(self):
        """After a reset outside a run: stand at the reset vector."""
        self.c.was_reset = False

    cdef void hold(self, Held *h):
        cdef Cpu *c = self.c
        cdef int i
        memset(h, 0, sizeof(Held))
        h.pc = c.next_pc
        uc_reg_read(c.uc, UC_MIPS_REG_HI, &h.hi)
        uc_reg_read(c.uc, UC_MIPS_REG_LO, &h.lo)
        for i in range(32):
            uc_reg_read(c.uc, UC_MIPS_REG_0 + i, &h.gpr[i])
            uc_reg_read(c.uc, UC_MIPS_REG_F0 + i, &h.fpr[i])
        uc_context_save(c.uc, c.ctx)
        h.fcsr = (<uint32_t*>(c.ctx_bytes + c.at_fcsr))[0]
        h.lladdr = (<uint32_t*>(c.ctx_bytes + c.at_lladdr))[0]
        h.llval = (<uint32_t*>(c.ctx_bytes + c.at_llval))[0]

    cdef void give(self, const Held *h):
        """Put registers into Unicorn; the rest of it follows what is owned here."""
        cdef Cpu *c = self.c
        cdef uint32_t fcsr_now
        cdef int i
        for i in range(32):
            if i:
                uc_reg_write(c.uc, UC_MIPS_REG_0 + i, &h.gpr[i])
            uc_reg_write(c.uc, UC_MIPS_REG_F0 + i, &h.fpr[i])
        uc_reg_write(c.uc, UC_MIPS_REG_HI, &h.hi)
        uc_reg_write(c.uc, UC_MIPS_REG_LO, &h.lo)
        # A FCSR whose cause is enabled, as a floating-point handler sees it, is refused: set the rounding and
        # the rest first, then the bits themselves.
        fcsr_now = h.fcsr & ~<uint32_t>0x3F000
        uc_reg_write(c.uc, UC_MIPS_REG_FCSR, &fcsr_now)
        sync_status(c)
        uc_context_save(c.uc, c.ctx)
        (<uint32_t*>(c.ctx_bytes + c.at_fcsr))[0] = h.fcsr
        (<uint32_t*>(c.ctx_bytes + c.at_lladdr))[0] = h.lladdr
        (<uint32_t*>(c.ctx_bytes + c.at_llval))[0] = h.llval
        (<uint32_t*>(c.ctx_bytes + c.at_hflags))[0] &= ~<uint32_t>HFLAGS_BMASK
        uc_context_restore(c.uc, c.ctx)

    def save(self):
        """(icount, bytes): all of the CPU's state. The bytes depend on that state alone."""
        cdef Held h
        self.hold(&h)
        return position(self.c), (<uint8_t*>&self.c.s)[:sizeof(Owned)] + (<uint8_t*>&h)[:sizeof(Held)]

    def load(self, uint64_t icount, bytes state):
        """Take back what save() gave.

        Raises:
            RdbgError: the bytes are not of this version.
        """
        cdef Cpu *c = self.c
        cdef const uint8_t *raw = state
        cdef const Held *h = <const Held*>(raw + sizeof(Owned))
        if len(state) != sizeof(Owned) + sizeof(Held):
            raise RdbgError(f"the CPU state of the snapshot at icount {icount} has {len(state)} bytes, not "
                            f"{sizeof(Owned) + sizeof(Held)}: it was made by another version of rdbg; record again")
        memcpy(&c.s, raw, sizeof(Owned))
        self.give(h)
        c.why_soon = WHY_NONE
        c.was_reset = False
        stand_at(c, h.pc, icount)
        if c.s.halted:
            c.start = NO_BLOCK                   # the wait has still to be left
        plan_compare(c)
        c.python_event = 0
        flush_tlb(c)

    # --- memory -----------------------------------------------------------------------------------

    def forget_mappings(self):
        """The bus changed: ask again what stands where."""
        memset(self.c.phys_map, 0, 4 << 20)
        flush_tlb(self.c)

    def take_touched(self):
        """(written pages, virtual pages written, read, executed) since the last call: sorted numpy arrays; then the
        blocks executed, or None if they were too many."""
        cdef Cpu *c = self.c
        cdef size_t i
        result = (take_list(&c.dirty), take_list(&c.written_virtual), take_list(&c.read_virtual),
                  take_list(&c.executed_virtual), take_blocks(&c.blocks))
        for i in range(c.dirty.count):
            c.page_state[c.dirty.items[i]] &= ~PAGE_DIRTY
        forget_list(&c.written_virtual, c.seen_written)
        forget_list(&c.read_virtual, c.seen_read)
        forget_list(&c.executed_virtual, c.seen_executed)
        c.dirty.count = 0
        flush_tlb(c)
        return result

    def take_stale(self):
        """Pages written since the last call, for the digest: a sorted numpy array."""
        cdef Cpu *c = self.c
        cdef size_t i
        result = take_list(&c.stale)
        if c.stale.count:
            for i in range(c.stale.count):
                c.page_state[c.stale.items[i]] &= ~PAGE_STALE
            c.stale.count = 0
            flush_tlb(c)
        return result

    def mark_written(self, uint32_t page):
        """A device or the debugger is about to change a page: its translated code goes."""
        cdef Cpu *c = self.c
        if c.page_state[page] & (PAGE_CODE | PAGE_MIXED):
            purge_code(c, page)
            c.page_state[page] &= ~(PAGE_CODE | PAGE_MIXED)
        mark_written(c, page)

    def read_pages(self, pages):
        """Bytes of pages, one after another."""
        cdef Cpu *c = self.c
        cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
        cdef size_t n = numbers.shape[0]
        cdef size_t i
        cdef bytearray out = bytearray(n << PAGE_BITS)
        cdef uint8_t *raw = out
        for i in range(n):
            memcpy(raw + (i << PAGE_BITS), c.memory + (<size_t>numbers[i] << PAGE_BITS), PAGE_BYTES)
        return out

    def write_pages(self, pages, data):
        """Put pages back: not a guest's write."""
        cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
        cdef const uint8_t[::1] raw = data
        cdef size_t i
        if <size_t>raw.shape[0] != <size_t>numbers.shape[0] << PAGE_BITS:
            raise ValueError("write_pages: data and pages differ in length")
        for i in range(<size_t>numbers.shape[0]):
            put_page(self.c, numbers[i], &raw[i << PAGE_BITS])

    def copy_pages(self, pages, uint8_t[:, ::1] out, rows):
        """Copy each page to a row of ``out``."""
        cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
        cdef uint32_t[::1] to = numpy.ascontiguousarray(rows, dtype=numpy.uint32)
        cdef size_t i
        check_rows(out.shape[0], out.shape[1], numbers, to)
        for i in range(<size_t>numbers.shape[0]):
            memcpy(&out[to[i], 0], self.c.memory + (<size_t>numbers[i] << PAGE_BITS), PAGE_BYTES)

    def put_pages(self, pages, const uint8_t[:, ::1] source, rows):
        """Put each page back from a row of ``source``: not a guest's write."""
        cdef uint32_t[::1] numbers = numpy.ascontiguousarray(pages, dtype=numpy.uint32)
        cdef uint32_t[::1] at = numpy.ascontiguousarray(rows, dtype=numpy.uint32)
        cdef size_t i
        check_rows(source.shape[0], source.shape[1], numbers, at)
        for i in range(<size_t>numbers.shape[0]):
            put_page(self.c, numbers[i], &source[at[i], 0])

    def nonzero_pages(self, uint32_t count):
        """The first ``count`` pages that hold anything but zeros: a sorted numpy array."""
        cdef Cpu *c = self.c
        cdef uint32_t page
        cdef uint8_t *host
        cdef list found = []
        for page in range(count):
            if c.page_state[page] & PAGE_USED:
                host = c.memory + (<size_t>page << PAGE_BITS)
                if host[0] or memcmp(host, host + 1, PAGE_BYTES - 1):
                    found.append(page)
        return numpy.array(found, dtype=numpy.uint32)

    # --- registers --------------------------------------------------------------------------------

    def read_gpr(self, uint32_t n):
        """General register ``n``."""
        return gpr(self.c, n)

    def write_gpr(self, uint32_t n, uint32_t value):
        """Set general register ``n``."""
        set_gpr(self.c, n, value)

    def read_hi_lo(self):
        """(HI, LO)."""
        cdef uint32_t hi = 0
        cdef uint32_t lo = 0
        uc_reg_read(self.c.uc, UC_MIPS_REG_HI, &hi)
        uc_reg_read(self.c.uc, UC_MIPS_REG_LO, &lo)
        return hi, lo

    def write_hi(self, uint32_t value):
        """Set HI."""
        uc_reg_write(self.c.uc, UC_MIPS_REG_HI, &value)

    def write_lo(self, uint32_t value):
        """Set LO."""
        uc_reg_write(self.c.uc, UC_MIPS_REG_LO, &value)

    def write_pc(self, uint32_t pc):
        """Set PC: the debugger moves it."""
        stand_at(self.c, pc, position(self.c))
        if self.c.s.halted:
            self.c.s.halted = 0

    def read_fpr(self, uint32_t n):
        """The 64 bits of floating-point register ``n`` as the core holds them."""
        cdef uint64_t value = 0
        uc_reg_read(self.c.uc, UC_MIPS_REG_F0 + <int>n, &value)
        return value

    def write_fpr(self, uint32_t n, uint64_t value):
        """Set floating-point register ``n``."""
        uc_reg_write(self.c.uc, UC_MIPS_REG_F0 + <int>n, &value)

    def read_fcsr(self):
        """Floating-point control and status."""
        uc_context_save(self.c.uc, self.c.ctx)
        return (<uint32_t*>(self.c.ctx_bytes + self.c.at_fcsr))[0]

    def write_fcsr(self, uint32_t value):
        """Set floating-point control and status, but for causes that would raise an exception."""
        value &= ~(<uint32_t>0x20000 | ((value << 5) & 0x1F000))
        uc_reg_write(self.c.uc, UC_MIPS_REG_FCSR, &value)

    def read_fir(self):
        """Floating-point implementation register."""
        cdef uint32_t value = 0
        uc_reg_read(self.c.uc, UC_MIPS_REG_FIR, &value)
        return value

    def read_cp0(self, uint32_t register, uint32_t select):
        """A CP0 register as mfc0 reads it, without side effects."""
        cdef uint32_t random = self.c.s.random
        cdef uint32_t value = read_cp0(self.c, register, select, position(self.c))
        self.c.s.random = random
        return value

    def write_cp0(self, uint32_t register, uint32_t select, uint32_t value):
        """Write a CP0 register as mtc0 does."""
        write_cp0(self.c, register, select, value, position(self.c))

    def tlb(self):
        """The TLB: a list of (EntryHi, PageMask, EntryLo0, EntryLo1)."""
        cdef TlbEntry *e
        result = []
        for i in range(TLB_ENTRIES):
            e = &self.c.s.tlb[i]
            result.append((e.vpn2 | e.asid, e.mask, e.lo0 | e.is_global, e.lo1 | e.is_global))
        return result

    def set_lines(self, uint32_t lines):
        """Levels of the hardware interrupt inputs, bit 0 = line 0 (Cause.IP2)."""
        self.c.s.hardware_lines = lines
        update_lines(self.c)

    @property
    def lines(self):
        """Levels of the hardware interrupt inputs."""
        return self.c.s.hardware_lines

    def translate(self, uint32_t va):
        """Guest-physical address of a virtual one for a load in kernel mode, or None."""
        cdef uint32_t pa = 0
        if translate(self.c, va, LOAD, True, &pa) != TRANSLATED:
            return None
        return pa


cdef check_rows(Py_ssize_t count, Py_ssize_t length, uint32_t[::1] pages, uint32_t[::1] rows):
    cdef Py_ssize_t i
    if length != PAGE_BYTES or pages.shape[0] != rows.shape[0]:
        raise ValueError("pages, their rows and the array do not fit together")
    for i in range(rows.shape[0]):
        if rows[i] >= count:
            raise ValueError("a row is outside the array")


cdef void put_page(Cpu *c, uint32_t page, const uint8_t *data) noexcept nogil:
    cdef uint8_t *host = c.memory + (<size_t>page << PAGE_BITS)
    if memcmp(host, data, PAGE_BYTES) == 0:
        return
    if c.page_state[page] & (PAGE_CODE | PAGE_MIXED):
        purge_code(c, page)
        c.page_state[page] &= ~(PAGE_CODE | PAGE_MIXED)
    memcpy(host, data, PAGE_BYTES)
    c.page_state[page] |= PAGE_USED
    if not c.page_state[page] & PAGE_STALE:
        c.page_state[page] |= PAGE_STALE
        list_add(&c.stale, page)


cdef take_blocks(BlockSet *blocks):
    """The blocks, as rows of (address, bytes), and forget them."""
    cdef uint32_t i, at
    cdef uint32_t[:, ::1] rows
    result = None
    if blocks.count < MOST_BLOCKS:
        result = numpy.empty((blocks.count, 2), dtype=numpy.uint32)
        rows = result
        for i in range(blocks.count):
            rows[i, 0] = <uint32_t>(blocks.slots[blocks.used[i]] >> 32)
            rows[i, 1] = <uint32_t>blocks.slots[blocks.used[i]]
    for i in range(blocks.count):
        at = blocks.used[i]
        blocks.recent[<uint32_t>(blocks.slots[at] >> 34) & (BLOCK_CACHE - 1)] = 0
        blocks.slots[at] = 0
    if result is None:
        memset(blocks.recent, 0, BLOCK_CACHE * 8)
    blocks.count = 0
    return result


cdef take_list(PageList *pages):
    cdef size_t i
    out = numpy.empty(pages.count, dtype=numpy.uint32)
    cdef uint32_t[::1] view = out
    for i in range(pages.count):
        view[i] = pages.items[i]
    out.sort()
    return out


cdef void forget_list(PageList *pages, uint64_t *seen) noexcept nogil:
    cdef size_t i
    for i in range(pages.count):
        seen[pages.items[i] >> 6] = 0
    pages.count = 0
