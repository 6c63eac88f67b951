# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: embedsignature=True
"""The CPU: Unicorn running the guest deprivileged, with everything privileged done here.

One class, `Core`, and four views of it for a subject each (core_*.pxi), over functions in files by subject (.pxi), each of
which calls only what is in those included before it. docs/cpu.md explains the design.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memmove, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from rdbg.emu.cpu cimport *
from rdbg.emu.cpu_constants cimport *
from rdbg.emu.guest cimport *
from rdbg.emu.noting cimport *
from rdbg.emu.stopping cimport *
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
include "block_counts.pxi"
include "call_tree.pxi"
include "counts.pxi"
include "exceptions.pxi"
include "tlb.pxi"
include "cp0.pxi"
include "hooks.pxi"
include "expressions.pxi"
include "breakpoints.pxi"
include "marked_words.pxi"
include "watches.pxi"
include "probe_places.pxi"
include "probe_notes.pxi"
include "probes.pxi"
include "fill.pxi"
include "dma.pxi"
include "code_words.pxi"
include "events.pxi"
include "straight_instructions.pxi"
include "straight_line.pxi"
include "device_place.pxi"
include "accesses.pxi"
include "watch_blocks.pxi"
include "entry_conditions.pxi"
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
include "asked_runs.pxi"
include "core_registers.pxi"
include "core_memory.pxi"
include "core_stops.pxi"
include "core_notes.pxi"

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
        plan_nothing(c)

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

    @property
    def registers(self):
        """Its registers and TLB: `CoreRegisters`."""
        return CoreRegisters(self)

    @property
    def memory(self):
        """The machine's memory: `CoreMemory`."""
        return CoreMemory(self)

    @property
    def stops(self):
        """What runs stop at: `CoreStops`."""
        return CoreStops(self)

    @property
    def notes(self):
        """What runs note, and go on: `CoreNotes`."""
        return CoreNotes(self)

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
        return position(self.c), save_cpu(self.c)

    def load(self, uint64_t icount, bytes record):
        """Take back what save() gave.

        Raises:
            RdbgError: the record is of another version, or no CPU can be in that state; nothing has changed then.
        """
        load_cpu(self.c, icount, record)

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
        return run_on(self, until, pause_at, last_hit, passes)

    def step(self, bint noting=False):
        """Retire one instruction, a branch with its slot, or take one exception. Nothing stops it. Returns like run().

        Args:
            noting: keep the writes to watched ranges for take_noted().
        """
        return step_once(self, noting)

    def run_noting_instructions(self, until, pause_at):
        """Run from here, and note each instruction. Nothing that is armed stops it.

        Args:
            until, pause_at: as for run().

        Returns:
            Why it ended, like run().
        """
        return run_noting_instructions(self, until, pause_at)

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
    def place(self):
        """(icount, pc, exact) of the instruction that makes the access by hand, or the next one where the CPU stands;
        else of the current block."""
        return current_place(self.c)

    @property
    def block(self):
        """(icount, pc) of the position from which an ambiguous run is to be stepped."""
        return (self.c.run.again, self.c.run.again_pc)
