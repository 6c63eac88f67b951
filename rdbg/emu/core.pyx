# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=True
"""The CPU: Unicorn running the guest deprivileged, with everything privileged done here.

One class, `Core`, over functions in files by subject (.pxi), each of which calls only what is in those included before it.
docs/cpu.md explains the design.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memmove, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from rdbg.emu.cpu cimport *
from rdbg.emu.cpu_constants cimport *
from rdbg.emu.guest cimport *
from rdbg.emu.unicorn cimport *

import numpy

from rdbg.emu.bus import BusError
from rdbg.emu.cpu_record import CPU_RECORD, VERSION, record_fields
from rdbg.errors import RdbgError

cdef extern from "endian.h" nogil:
    uint32_t htole32(uint32_t)
    uint64_t htole64(uint64_t)
    uint32_t le32toh(uint32_t)
    uint64_t le64toh(uint64_t)

cdef extern from * nogil:
    int lowest_bit "__builtin_ctzll"(uint64_t)
    int highest_zeros "__builtin_clz"(uint32_t)

cdef uint64_t FOREVER = 0x7FFFFFFFFFFFFFFF
cdef uint64_t MOST_HELD = 1 << 40
cdef uint64_t NOWHERE = 0xFFFFFFFFFFFFFFFF   # no position

include "decode.pxi"
include "standing.pxi"
include "registers.pxi"
include "touched.pxi"
include "translate.pxi"
include "soft_tlb.pxi"
include "trace.pxi"
include "counts.pxi"
include "exceptions.pxi"
include "tlb.pxi"
include "cp0.pxi"
include "hooks.pxi"
include "agent.pxi"
include "breakpoints.pxi"
include "marked_words.pxi"
include "watches.pxi"
include "probes.pxi"
include "fill.pxi"
include "dma.pxi"
include "code_words.pxi"
include "events.pxi"
include "straight_line.pxi"
include "device_place.pxi"
include "accesses.pxi"
include "watch_blocks.pxi"
include "mmio.pxi"
include "traps.pxi"
include "blocks.pxi"
include "faults.pxi"
include "by_hand.pxi"
include "run.pxi"
include "instructions.pxi"
include "calibrate.pxi"
include "saved_cpu.pxi"
include "reset.pxi"
include "engine.pxi"
include "arming.pxi"
include "probe_arming.pxi"
include "looking.pxi"
include "pages.pxi"

WHY_NAMES = {
    WHY_LIMIT: "limit", WHY_PAUSE: "paused", WHY_BREAKPOINT: "breakpoint", WHY_WATCH: "watchpoint",
    WHY_IDLE: "idle", WHY_SHUTDOWN: "shutdown", WHY_AMBIGUOUS: "ambiguous",
}
MAPPING_MEMORY = MAP_MEMORY
MAPPING_IO = MAP_IO
MAPPING_PARTIAL = MAP_PARTIAL
MAPPING_READ = MAP_READ
MAPPING_WRITE = MAP_WRITE
NEVER = FOREVER
MEMORY_MAX = <uint32_t>SCRATCH_PAGE


cdef class Core:
    """A MIPS32 core over a machine's memory.

    Args:
        memory: writable buffer that holds all backings one after another, a multiple of 4096 bytes.
        model: what CPU it is, a `CpuModel`.
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
    cdef set probe_hooks                 # and a probe in the middle of a block

    def __cinit__(self):
        self.c = <Cpu*>calloc(1, sizeof(Cpu))
        if self.c == NULL:
            raise MemoryError

    def __init__(self, memory, model, bint big_endian, uint32_t shift, uint32_t count_period_ns, int timer_line, host):
        cdef Cpu *c = self.c
        self.host = host
        self.code_hooks = set()
        self.probe_hooks = set()
        self.buffer = memory
        self.view = memory
        self.scratch_buffer = numpy.zeros(2 * PAGE_BYTES, dtype=numpy.uint8)
        self.scratch_view = self.scratch_buffer
        self.scratch = <uint8_t*>((<size_t>&self.scratch_view[0] + PAGE_BYTES - 1) & ~<size_t>(PAGE_BYTES - 1))
        c.owner = <void*>self
        c.memory.bytes = &self.view[0]
        c.memory.page_count = <uint32_t>(len(memory) >> PAGE_BITS)
        describe(c, model)
        c.machine.big_endian = big_endian
        c.machine.shift = shift
        c.machine.count_period_ns = count_period_ns
        c.machine.timer_line = timer_line
        allocate(c)
        open_engine(c, self.scratch)
        c.run.limit = FOREVER
        c.run.pause_at = FOREVER
        look_soon(c)
        c.due.outside = FOREVER
        c.due.release = FOREVER
        c.devices.access_icount = NOWHERE
        c.devices.placed.base = NOWHERE
        c.devices.cut_base = NOWHERE
        c.code.seen_base = NOWHERE

    def __dealloc__(self):
        if self.c != NULL:
            release(self.c)

    @staticmethod
    def unicorn_version():
        """The version of the Unicorn library in use, as text."""
        return unicorn_version()

    cdef keep_error(self, error):
        """An exception in a callback ends the run before the next block; the first one counts."""
        if self.error is None:
            self.error = error
        self.c.run.why_soon = WHY_ERROR
        look_soon(self.c)

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
        self.c.where.left = LEFT_UNKNOWN
        if self.c.guest.halted:
            self.c.guest.halted = 0

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
        uc_context_save(self.c.uc, self.c.context.saved)
        return (<uint32_t*>(self.c.context.bytes + self.c.context.at_fcsr))[0]

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
        return read_cp0(self.c, register, select, position(self.c))

    def write_cp0(self, uint32_t register, uint32_t select, uint32_t value):
        """Write a CP0 register as mtc0 does."""
        write_cp0(self.c, register, select, value, position(self.c))

    def tlb(self):
        """The TLB: a list of (EntryHi, PageMask, EntryLo0, EntryLo1)."""
        cdef TlbEntry *e
        result = []
        for i in range(self.c.machine.model.tlb_entries):
            e = &self.c.guest.tlb[i]
            result.append((e.vpn2 | e.asid, e.mask, e.lo0 | e.is_global, e.lo1 | e.is_global))
        return result

    def set_lines(self, uint32_t lines):
        """Levels of the hardware interrupt inputs, bit 0 = line 0 (Cause.IP2)."""
        self.c.guest.hardware_lines = lines & 0x3F
        update_lines(self.c)

    @property
    def lines(self):
        """Levels of the hardware interrupt inputs."""
        return self.c.guest.hardware_lines

    def translate(self, uint32_t va):
        """Guest-physical address of a virtual one for a load in kernel mode, or None."""
        cdef uint32_t pa = 0
        if translate(self.c, va, LOAD, True, &pa) != TRANSLATED:
            return None
        return pa

    def forget_mappings(self):
        """The bus changed: ask again what stands where."""
        forget_phys_map(self.c)
        forget_recent(self.c)
        flush_tlb(self.c)
        remember_code_page(self.c)

    def take_touched(self):
        """(written pages, virtual pages written, read, executed) since the last call: sorted numpy arrays; then the
        blocks executed, or None if they were too many; then guest-physical pages of devices that stores may have gone
        to."""
        return take_touched(self.c)

    def take_stale(self):
        """Pages written since the last call, for the digest: a sorted numpy array."""
        return take_stale(self.c)

    def mark_written(self, uint32_t page):
        """A device or the debugger is about to change a page: its translated code goes."""
        if page >= self.c.memory.page_count:
            raise IndexError(f"page {page} of a machine with {self.c.memory.page_count}")
        change_code(self.c, page)

    def mark_virtual(self, uint32_t address):
        """Something else than a store of the CPU writes by a virtual address."""
        cdef Cpu *c = self.c
        if not bit_test_and_set(c.touched.seen_written, address >> PAGE_BITS):
            list_add(&c.touched.written_virtual, address >> PAGE_BITS)

    def mark_words(self, virtual_pages, memory_pages):
        """From now on mark the words of these pages that are stored to; of none: mark no more.

        Args:
            virtual_pages: numbers of virtual pages, whose words count by virtual address.
            memory_pages: numbers of the machine's pages.
        """
        begin_marking(self.c, virtual_pages, memory_pages)

    def mark_change(self, uint32_t first, uint32_t last, through=None):
        """Something else than a store of the CPU writes these bytes of the machine's pages; see note_change."""
        cdef Cpu *c = self.c
        cdef uint32_t page, va
        if c.marking.on:
            for page in range(first >> PAGE_BITS, min(last >> PAGE_BITS, c.memory.page_count - 1) + 1):
                mark_page_words(c, c.marking.slot_of_memory[page], max(first, page << PAGE_BITS),
                                min(last, (page << PAGE_BITS) | (PAGE_BYTES - 1)))
            if through is not None:
                va = <uint32_t>through
                mark_page_words(c, c.marking.slot_of_virtual[va >> PAGE_BITS], va, va + (last - first))

    def take_marked_words(self):
        """Words that were marked since the last call, ascending: virtual addresses, then bytes of the machine's pages, both
        divided by 4."""
        return take_marked(self.c)

    def read_pages(self, pages):
        """Bytes of pages, one after another."""
        return read_pages(self.c, pages)

    def write_pages(self, pages, data):
        """Put pages back: not a guest's write."""
        write_pages(self.c, pages, data)

    def copy_pages(self, pages, uint8_t[:, ::1] out, rows):
        """Copy each page to a row of ``out``."""
        copy_pages(self.c, pages, out, rows)

    def put_pages(self, pages, const uint8_t[:, ::1] source, rows):
        """Put each page back from a row of ``source``: not a guest's write."""
        put_pages(self.c, pages, source, rows)

    def nonzero_pages(self, uint32_t count):
        """The first ``count`` pages that hold anything but zeros: a sorted numpy array."""
        return nonzero_pages(self.c, count)

    @property
    def icount(self):
        """The position."""
        return position(self.c)

    @property
    def pc(self):
        """Virtual address of the next instruction."""
        return self.c.where.next_pc

    @property
    def device_icount(self):
        """The position of the access that a device is asked for; else the position."""
        return position(self.c) if self.c.devices.access_icount == NOWHERE else self.c.devices.access_icount

    @property
    def clock_icount(self):
        """The position whose time devices see: that behind the access that one is asked for; else the position."""
        return position(self.c) if self.c.devices.access_icount == NOWHERE else self.c.devices.access_icount + 1

    @property
    def bias_ns(self):
        """Idle virtual time skipped so far, in nanoseconds."""
        return self.c.guest.bias_ns

    @bias_ns.setter
    def bias_ns(self, uint64_t value):
        self.c.guest.bias_ns = value

    @property
    def halted(self):
        """Whether the CPU waits."""
        return bool(self.c.guest.halted)

    @property
    def calling(self):
        """Whether it waits for the answer to a call of the host."""
        return self.c.guest.halted == HALTED_CALLING

    def wait_for_host(self):
        """Run nothing after the call that is being made, until `answered`."""
        self.c.guest.halted = HALTED_CALLING

    def answered(self):
        """The call of the host has its answer: the CPU goes on."""
        self.c.guest.halted = 0
        look_soon(self.c)

    def reset(self, uint32_t pc, uint32_t status):
        """Registers of reset; icount and virtual time go on. Callable from events().

        Args:
            pc: where the CPU starts.
            status: CP0 Status.
        """
        reset_cpu(self.c, pc, status)

    def end_reset(self):
        """After a reset outside a run: the CPU stands at the reset vector already."""
        self.c.run.was_reset = False

    def save(self):
        """(icount, record): all of the CPU's state, as `rdbg.emu.cpu_record` describes it."""
        cdef Saved saved
        saved.guest = self.c.guest
        read_registers(self.c, &saved.registers)
        return position(self.c), pack_saved(&saved)

    def load(self, uint64_t icount, bytes record):
        """Take back what save() gave.

        Raises:
            RdbgError: the record is of another version, or no CPU can be in that state; nothing has changed then.
        """
        cdef Cpu *c = self.c
        cdef Saved saved
        wrong = unpack_saved(record, &saved) or impossible_part(c, icount, &saved)
        if wrong:
            raise RdbgError(f"the CPU state of the snapshot at icount {icount} {wrong}")
        c.guest = saved.guest
        write_registers(c, &saved.registers)
        c.run.why_soon = WHY_NONE
        c.run.was_reset = False
        stand_at(c, saved.registers.pc, icount)
        c.where.left = LEFT_UNKNOWN
        plan_compare(c)
        plan_hold(c)
        c.due.host = 0
        flush_tlb(c)

    cdef uint64_t ask_read(self, uint32_t pa, unsigned size) except? 0xFFFFFFFFU:
        return <uint64_t>self.host.io_read(pa, size)

    cdef int ask_write(self, uint32_t pa, unsigned size, uint64_t value) except -1:
        self.host.io_write(pa, size, value)
        return 0

    def allow_semihosting(self, bint in_user_mode):
        """Let `sdbbp 1` call the host.

        Args:
            in_user_mode: in user mode too.
        """
        self.c.machine.semihosting = SEMIHOSTING_ALL if in_user_mode else SEMIHOSTING_KERNEL

    def arm_stops(self, breakpoints, conditions, watches):
        """Set what the next runs look for.

        Args:
            breakpoints: virtual addresses.
            conditions: address -> expressions, for those that stop only if one of them is not zero.
            watches: (first, last, kinds, space), with kinds and spaces as in cpu_constants.pxd.
        """
        arm_stops(self, breakpoints, conditions, watches)

    def arm_probes(self, places, follows, exceptions, registers, results, condition, returns):
        """Look at the CPU at places and exceptions from now on, without stopping; what was noted before is forgotten.

        Args:
            places: {address: last address of the function that begins there, or the address itself}.
            follows: whether returns are waited for.
            exceptions: codes of exceptions that are noted.
            registers: debugger's numbers of at most 8 registers that are noted.
            results: those of two that are noted at the return.
            condition: an expression that holds where a place is noted; empty: always.
            returns: addresses of which returns are noted that no noted call waits for; None: none are.
        """
        arm_probes(self, places, follows, exceptions, registers, results, condition, returns)

    def pause_probes(self, bint paused):
        """Let nothing be noted for a while, or go on with it."""
        pause_probes(self.c, paused)

    def take_probe_notes(self, bint all):
        """What was noted since the last call: (array of bytes with rows of `ProbeNote`, icount of the first that is
        still waited for, times that the condition could not be evaluated, the first icount at which what was noted may
        hang on what was before anything was noted).

        Args:
            all: also those whose return is still waited for; nothing is waited for afterwards.
        """
        return take_probe_notes(self.c, all)

    def take_accesses(self):
        """The accesses noted since the last call: (array of bytes with rows of `AccessNote`, times that the condition could
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

    cdef uc_err go(self) except *:
        cdef uc_err err
        cdef Cpu *c = self.c
        while True:
            if c.run.broken:
                rebuild(self)
            c.run.inside = True
            with nogil:
                err = execute(c)
            c.run.inside = False
            if c.run.why != WHY_REBUILD:
                return err

    cdef finish(self, uc_err err):
        cdef Cpu *c = self.c
        c.run.limit = FOREVER
        plan_closer(c)
        if self.error is not None:
            error, self.error = self.error, None
            c.run.why_soon = WHY_NONE
            raise error
        if err != UC_ERR_OK:
            raise RdbgError(f"the CPU core failed near pc {c.where.start:#010x}, icount {position(c)}: "
                            f"{uc_strerror(err).decode()}")
        if c.run.why == WHY_AMBIGUOUS:
            if c.trace.on:                       # else what runs here was noted before
                drop_rows(c, c.run.again)
            if c.counts.on:
                drop_counts(c, c.run.again)
            if c.probes.armed:                   # the same
                drop_notes_behind(c, c.run.again)
                drop_accesses_from(c, c.run.again)
        if c.run.stop_soon and c.run.why != WHY_AMBIGUOUS:
            c.run.why = WHY_WATCH                    # what ended the block, or the run, comes after the access

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
        begin_run(c, FOREVER if until is None else until, FOREVER if pause_at is None else pause_at, last_hit, passes)
        err = self.go()
        self.finish(err)
        return WHY_NAMES[c.run.why]

    def step(self, bint noting=False):
        """Retire one instruction, a branch with its slot, or take one exception. Nothing stops it. Returns like run().

        Args:
            noting: keep the writes to watched ranges for take_noted().
        """
        cdef Cpu *c = self.c
        cdef uc_err err
        cdef uint32_t length
        if noting and c.watch.direct:
            stop_direct(c)
        begin_run(c, FOREVER, FOREVER, True, False)
        c.run.probe = False
        c.watch.noting = noting
        length = step_length(c, c.where.next_pc)
        c.run.limit = c.run.start_icount + length
        plan_closer(c)
        c.run.stepping = True
        err = self.go()
        c.run.stepping = False
        c.watch.noting = False
        self.finish(err)
        return WHY_NAMES[c.run.why]

    cdef uc_err follow(self) except *:
        """A run in which each instruction is noted."""
        cdef Cpu *c = self.c
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
            err = self.go()
            c.run.stepping = False
            c.run.limit = limit
            if err != UC_ERR_OK or c.run.why == WHY_AMBIGUOUS or c.run.why == WHY_ERROR:
                return err
            note_step(c, &step)
            if c.run.why != WHY_LIMIT:
                return err
            c.run.why = WHY_NONE

    def run_noting_instructions(self, until, pause_at):
        """Run from here, and note each instruction. Nothing that is armed stops it.

        Args:
            until, pause_at: as for run().

        Returns:
            Why it ended, like run().
        """
        cdef Cpu *c = self.c
        cdef uc_err err
        begin_instructions(c)
        begin_run(c, FOREVER if until is None else until, FOREVER if pause_at is None else pause_at, True, False)
        c.run.probe = False
        err = self.follow()
        self.finish(err)
        return WHY_NAMES[c.run.why]

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

    def note_other(self, uint32_t first, uint32_t last, bint reads):
        """Bytes of the machine's pages are about to be changed, or have been read, by something else than an instruction:
        tell watches that are for that.

        Args:
            first, last: bytes of the machine's pages.
            reads: a device has read them; else they change.

        Returns:
            (index of the watch, first address in what it watches, that byte of the machine's pages), or None.
        """
        cdef uint32_t at = 0
        cdef uint32_t low = 0
        cdef int i = note_other(self.c, first, last, ACCESS_DEVICE_READ if reads else ACCESS_CHANGE, &at, &low)
        return None if i < 0 else (i, at, low)

    def mark_behind(self, uint32_t first, uint32_t last, bint store):
        """Something else than an instruction accesses bytes of a backing page: searches by virtual addresses have to know.

        Args:
            first, last: bytes of the machine's pages, on one page.
            store: whether it writes.

        Returns:
            The virtual pages that show it now.
        """
        return pages_behind(self.c, first, last, store)

    def show_backings(self, regions):
        """Say at which guest-physical pages memory may be seen.

        Args:
            regions: of each (first backing page, pages, first guest-physical page).
        """
        show_backings(self.c, regions)

    def dma_read(self, address, size_t size):
        """Bytes of memory for a device, by guest-physical address; None: they are not plain memory, or somebody has to
        be told of the access."""
        return dma_read(self.c, address, size) if 0 <= address <= 0xFFFFFFFF else None

    def dma_write(self, address, const uint8_t[::1] data):
        """Write a device's bytes to memory; False, and nothing is written: as for `dma_read`."""
        return dma_write(self.c, address, data) if 0 <= address <= 0xFFFFFFFF else False

    def watched_access(self):
        """The watched access that the next step makes: (index of the watch, first address, 1 read or 2 write), or None.
        One that faults is none: it is made when the instruction runs again."""
        return watched_access(self.c)

    def stops_here(self):
        """Whether a breakpoint stops before the next instruction."""
        return bool(stops_here(self.c, self.c.where.next_pc, position(self.c)))

    def value_of(self, code):
        """The value of an expression here, unsigned 64 bits; None: it cannot be evaluated."""
        return value_of(self.c, code)

    def name_cp0(self, uint32_t number, uint32_t register, uint32_t select):
        """Give a CP0 register its number in expressions."""
        self.c.stops.cp0_of[number] = <uint16_t>((register << 3 | select) + 1)

    def runs_slot(self):
        """Whether the next step is a branch whose slot runs."""
        return bool(slot_runs(self.c, self.c.where.next_pc))

    def next_length(self):
        """Instructions that the next step would retire if nothing goes wrong: 2 for a branch with its slot."""
        return step_length(self.c, self.c.where.next_pc)

    def kick(self):
        """Make a run in progress pause soon, as one does that takes long; for tests."""
        pause_soon(self.c)

    def ask_for_events(self):
        """Ask for events again before the next instruction."""
        self.c.due.host = 0
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
        c.guest.hold_ns = now_ns(c, position(c)) + (instructions << c.machine.shift)
        plan_hold(c)

    def ask_to_hold(self, bint wanted):
        """Whether the host is asked, before an interrupt is taken, if it shall be held back."""
        self.c.run.asks_to_hold = wanted

    def request_stop(self):
        """End the run as a shutdown before the next instruction."""
        self.c.run.why_soon = WHY_SHUTDOWN
        look_soon(self.c)

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

    @property
    def place(self):
        """(icount, pc, exact) of the instruction that makes the access by hand, or the next one where the CPU stands;
        else of the current block."""
        cdef Cpu *c = self.c
        cdef int back
        if c.devices.access_icount != NOWHERE:
            return (c.devices.access_icount, c.where.start + 4 * <uint32_t>(c.devices.access_icount - c.where.base), True)
        if not c.run.inside:
            return (position(c), c.where.next_pc, True)
        back = 1 if c.where.in_slot else 0
        return (c.where.base - back, c.where.start - 4 * back, False)

    @property
    def block(self):
        """(icount, pc) of the position from which an ambiguous run is to be stepped."""
        return (self.c.run.again, self.c.run.again_pc)
