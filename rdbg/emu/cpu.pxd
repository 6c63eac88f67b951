# The CPU: its state that Unicorn does not keep, and the bookkeeping of a run, in structs by subject. Those of what stops a
# run are in stopping.pxd, those of what it notes in noting.pxd.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rdbg.emu.cpu_constants cimport *
from rdbg.emu.guest cimport Guest, Model
from rdbg.emu.noting cimport Accesses, Counts, Instructions, Placed, Probes, Trace
from rdbg.emu.stopping cimport Marking, Stops, Watching
from rdbg.emu.unicorn cimport uc_context, uc_engine


cdef struct FetchEntry:
    uint32_t vpage
    uint32_t generation
    uint8_t *host


cdef struct StableLoad:
    uint32_t address
    uint32_t size
    uint64_t epoch
    uint64_t value
    uint64_t until               # first icount at which it may differ


cdef struct IdleStore:
    uint32_t address
    uint32_t size
    uint64_t epoch
    uint64_t value


cdef struct BlockSet:
    uint64_t *slots              # open addressing, 2 * MOST_BLOCKS; 0: free
    uint32_t *used               # which slots are
    uint32_t count               # MOST_BLOCKS: too many to be told apart


cdef struct PageList:
    uint32_t *items              # each page at most once
    size_t count


# How often the rest of a block has been done by hand from an address.
cdef struct Finished:
    uint32_t pc
    uint32_t times


cdef struct AddressRange:
    uint32_t first
    uint32_t last


cdef struct RangeList:
    AddressRange *items
    size_t count


cdef struct Alternations:
    uint16_t period              # icount >> MIXED_PERIOD
    uint16_t times               # stores to it in that period, as a page of code


# A region of the guest-physical address space that shows memory.
cdef struct Shown:
    uint32_t page                # the first backing page
    uint32_t pages
    uint32_t ppage               # the guest-physical page that shows it


# --- one struct for each subject ---------------------------------------------------------------

# Where the CPU stands: the block that runs, or ran last, and what comes then. The block hook most often touches this.
cdef struct Where:
    uint64_t base                # icount at its start
    uint32_t start
    uint32_t size                # bytes; 0: nothing of it has been counted yet
    uint64_t came_from           # while size is 0: where the step or block began that led to base
    # what block it is, where that is rare
    bint in_slot                 # it begins in the delay slot of the block before, where the translator has split the two
    bint splits                  # it ends with a branch, whose slot follows in a block of its own
    uint32_t copied              # bytes of it that `code.copy` holds as they were on entry: its page may change without notice
    uint32_t next_pc             # where to go on after emu_start returned
    uint32_t left                # while size is 0: the address behind the instruction that ran last, or LEFT_*


# This run: how far it goes, and why it ended.
cdef struct Run:
    # when the block hook has to look closer
    uint64_t closer              # no block may end at this icount or later without a look
    uint64_t attention           # first icount at which something may have to be done before an instruction
    uint64_t limit               # hard limit, a position
    uint64_t pause_at            # first icount at which the slice ends
    uint64_t start_icount        # where this run started
    uint32_t start_pc            # an interrupt that ends a wait leads elsewhere at the same icount
    bint passes_start            # a breakpoint there was dealt with and does not count
    uint64_t look_at_ns          # host time from which whoever called shall be let look at the outside world
    bint asks_to_hold            # before an interrupt is taken, ask whether it shall be held back
    bint stops                   # it stops at breakpoints, or notes them
    bint marked                  # ... which all have conditions: blocks that hold one are marked, others are not looked at
    bint probe                   # each block is to be looked at: it may hold a breakpoint
    bint last_hit
    bint stepping                # one instruction: an exception ends it
    bint stop_soon               # stop before the next block
    bint broken                  # the engine must not translate another block
    bint was_reset               # Python reset the CPU; next_pc says where it starts
    volatile int kicked          # pause at the next block
    bint inside                  # inside execute()
    int why
    uint64_t again               # AMBIGUOUS: the position from which to take single steps
    uint32_t again_pc
    int why_soon
    uint32_t arm_at
    bint armed
    bint dirty_exit              # a block of no instructions may have been translated at arm_at


# When something is known to happen: icounts.
cdef struct Due:
    uint64_t host                # first at which Python has something to do
    uint64_t outside             # from which something may enter from outside, anywhere
    uint64_t compare             # of the Compare match
    uint64_t release             # at which interrupts are no longer held back


# An exception found by the fill callback.
cdef struct Fault:
    int code
    bint refill
    bint has_address
    uint32_t address             # page of the access
    uint32_t pc
    int access


# Memory, and what stands where.
cdef struct Memory:
    uint8_t *bytes               # all backings, one after another
    uint32_t page_count
    uint16_t *page_state
    Alternations *alternated
    uint64_t *code_words         # of each backing page, a bit for each word that translated code may stand for
    uint32_t *phys_map           # one word for each guest-physical page
    uint32_t known[KNOWN_PAGES]  # the pages that it has a word for, as far as there is room
    uint32_t known_count         # over KNOWN_PAGES: there was none
    uint32_t generation          # of Unicorn's TLB
    FetchEntry fetch[FETCH_CACHE]
    uint32_t purge_page          # backing page + 1 whose code is being thrown away
    Shown *shown
    size_t shown_count
    uint32_t *showing            # room for the virtual pages that show one backing page


# Accesses to devices.
cdef struct Devices:
    uint32_t *page_of_slot       # guest-physical page of each slot
    uint32_t *slot_of_page       # slot + 1 of each guest-physical page
    size_t slots
    StableLoad loads[STABLE_LOADS]   # what polled device registers hold
    IdleStore stores[STABLE_LOADS]   # stores that would change nothing
    uint64_t epoch               # advanced whenever a device's state may have changed
    uint64_t access_icount       # of the instruction whose access a device answers; NOWHERE: none does
    Placed placed                # accesses to devices
    uint64_t cut_base            # the block, by its start, that must end at cut_from
    uint64_t cut_from


# What was touched since take_touched, or the last digest.
cdef struct Touched:
    PageList dirty
    PageList stale
    PageList written_virtual
    PageList written_devices     # guest-physical pages
    PageList read_virtual
    PageList executed_virtual
    BlockSet blocks              # executed
    # Blocks among them, by address: tag | bytes | RARE. First those at mapped addresses, then those in kseg0
    # and kseg1, whose code does not change with the TLB.
    uint32_t recent[MAPPED_BLOCKS + UNMAPPED_BLOCKS]
    uint64_t *seen_written       # bitmaps over virtual pages behind the three lists
    uint64_t *seen_devices       # and over guest-physical ones
    uint64_t *seen_read
    uint64_t *seen_executed
    uint64_t taken_at            # where the CPU stood at the last take_touched; NOWHERE: there was none


# Code that is followed instruction by instruction, or done by hand.
cdef struct Code:
    RangeList hooked             # virtual addresses for whose instructions on_instruction is called
    uint64_t *hooked_pages       # virtual pages that have been looked at for it
    uint32_t seen_pc             # the latest of them
    uint64_t seen_base           # icount at the start of its block
    uint8_t copy[PAGE_BYTES]     # the current block as it was on entry, see Where.copied
    uint8_t *no_exit_checks      # in Unicorn: what is translated now asks after no load or store whether to stop; or NULL
    bint want_exit_checks        # a condition's hook stops in the middle of a block
    Finished finished[FINISHED]  # by (address >> 2)


# What the machine is.
cdef struct Machine:
    Model model
    bint big_endian
    uint32_t shift
    uint32_t count_period_ns
    int timer_line
    int semihosting              # SEMIHOSTING_*: whether `sdbbp 1` calls the host
    bint bring_up                # calibration: everything maps to the scratch page


# A copy of Unicorn's own CPU, and calibrated offsets in it.
cdef struct Context:
    uc_context *saved
    uint8_t *bytes
    size_t at_hflags
    size_t at_error
    size_t at_btarget
    size_t at_bcond
    size_t at_lladdr
    size_t at_llval
    size_t at_badvaddr
    size_t at_fcsr
    size_t at_fcr0
    size_t at_insn_flags


cdef struct Cpu:
    Where where
    Run run
    Due due
    uc_engine *uc
    void *owner                  # the Core object, borrowed
    Fault fault
    Machine machine
    Context context
    Guest guest
    Stops stops
    Watching watch
    Marking marking
    Memory memory
    Devices devices
    Touched touched
    Trace trace
    Instructions instructions
    Counts counts
    Code code
    Probes probes
    Accesses accesses
