# The CPU: its state that Unicorn does not keep, and the bookkeeping of a run, in structs by subject.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rdbg.emu.cpu_constants cimport *
from rdbg.emu.guest cimport Guest, Model
from rdbg.emu.unicorn cimport uc_context, uc_engine


cdef struct FetchEntry:
    uint32_t vpage
    uint32_t generation
    uint8_t *host


cdef struct AgentStep:
    uint32_t op
    uint64_t operand


cdef struct Condition:
    uint32_t first               # its expressions in Cpu.expressions
    uint32_t count               # 0: none, the breakpoint always stops


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


cdef struct WatchRange:
    uint32_t first
    uint32_t last
    uint32_t kinds
    uint32_t space


cdef struct Place:
    uint32_t space
    uint32_t address


cdef struct NotedWrite:
    uint32_t space
    uint32_t address
    uint32_t va
    uint32_t size
    uint64_t old
    uint64_t value


cdef struct HitBlock:
    uint64_t start
    uint64_t end


cdef struct DirectAccess:
    uint8_t base                 # register, as it is on entry
    uint8_t kind                 # 1 read, 2 write
    uint8_t size
    uint32_t offset
    bint to_start                # it reaches from its byte down to the start of the word, whatever the size
    bint to_end                  # or up to the end of the word


cdef struct DirectBlock:
    uint32_t epoch               # Cpu.direct_epoch when it was looked at
    uint32_t pc
    uint32_t n                   # instructions
    bint simple                  # all its accesses are in the list
    bint steady                  # it leaves their base registers as they were
    bint clear                   # none hit when it was entered last
    bint mixed                   # its words may change without notice: they are kept in ``words``
    uint32_t count
    DirectAccess accesses[MOST_DIRECT]
    uint32_t words[MOST_MIXED]


# What a probe, or an exception that is asked for, has noted; `rdbg.emu.probes` has it as a row of an array.
cdef struct ProbeNote:
    uint64_t icount              # the position
    uint64_t end                 # of the return; NOWHERE: it has not come
    uint32_t pc
    uint32_t behind              # the address behind the instruction that ran before, or LEFT_*
    uint32_t return_address
    uint32_t stack
    uint32_t space               # address space of the code; SHARED_SPACE: all have it
    uint8_t arrival              # ARRIVAL_*
    uint8_t exception            # NO_EXCEPTION; else the code of the one that the instruction raised, or that is noted
    uint8_t kind                 # NOTED_*
    uint8_t ended                # ENDED_*
    uint32_t values[MOST_PROBED]
    uint32_t results[2]


# An access that was noted; `rdbg.emu.probes` has it as a row of an array.
cdef struct AccessNote:
    uint64_t number              # in the order in which they came, with those of devices
    uint64_t icount              # the position; of one in a delay slot, its branch's
    uint64_t value
    uint64_t before              # of a write to memory
    uint32_t pc
    uint32_t address             # virtual
    uint32_t space               # address space of the code; SHARED_SPACE: all have it
    uint8_t size
    uint8_t is_write
    uint8_t has_before
    uint8_t spare


# How far the accesses of a block have been told apart.
cdef struct Placed:
    uint64_t base                # the block, by its start, for which the next two hold
    uint32_t index               # which of its instructions made the latest access
    bint unplaced                # others were made, and it is not known by which


# One whose return is waited for. Those of a place with the same frame (a loop that enters its function again and again)
# are a pile: in its bucket is the newest one.
cdef struct OpenNote:
    ProbeNote note
    int32_t next                 # of the newest of a pile, the next pile; of a free one, the next free one; -1: none
    int32_t under                # in its pile, the one before; -1: none
    int32_t older                # of all, by icount; -1: none
    int32_t newer


# Where an exception came before an instruction, and what had led to that.
cdef struct Interrupted:
    uint32_t pc
    uint32_t stack
    uint32_t behind
    bint raised                  # the instruction raised it: what was done of it is to be done again


cdef struct ProbedPlace:
    uint32_t first
    uint32_t last                # of the function; first: not known
    bint hooked                  # on_probe is called there


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
    bint probe                   # breakpoints armed
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


# Breakpoints.
cdef struct Stops:
    uint64_t *filter
    uint32_t *addresses
    size_t count
    Condition *conditions        # of each
    AgentStep *agent_code
    uint32_t *expressions        # where each begins in agent_code, and where the last ends
    uint16_t cp0_of[CP0_NUMBERS] # debugger's number -> CP0 register << 3 | select, + 1
    bint have_hit
    uint64_t hit_icount
    uint32_t hit_pc
    bint have_before             # the hit before that, in case its block faults early
    uint64_t before_icount
    uint32_t before_pc


# Watched ranges.
cdef struct Watching:
    WatchRange *ranges
    size_t count
    bint storage                 # some of them do not count virtual addresses
    bint notes                   # some of them note accesses
    bint noting                  # a step whose writes to them are kept
    NotedWrite noted[MOST_NOTED]
    uint32_t noted_count
    HitBlock hits[MOST_HITS]     # a ring
    uint64_t hit_count
    HitBlock events_after        # while events happen: the block that led there. end is 0 otherwise
    bint have_hit
    uint64_t hit_icount
    uint32_t hit_pc
    uint32_t hit_address
    int hit_index
    int hit_kind
    uint64_t *pages              # bitmap over virtual pages
    uint32_t slot_page[WATCH_SLOTS]
    uint32_t slot_map[WATCH_SLOTS]
    uint32_t slot_phys[WATCH_SLOTS]
    size_t slots
    bint direct                  # watched pages are mapped as they are: see watch_blocks.pxi
    bint direct_wanted           # ... shall be, from the next block on
    uint32_t window_accesses     # that came through the window since
    uint32_t direct_epoch        # advanced whenever code may have changed
    DirectBlock direct_blocks[DIRECT_BLOCKS]


# Which words of some pages are stored to: see marked_words.pxi.
cdef struct Marking:
    bint on
    uint32_t *slot_of_virtual    # slot + 1 of each virtual page; 0: its words are not marked
    uint32_t *slot_of_memory     # the same for backing pages
    uint32_t *pages              # of the slots: virtual ones first,
    uint32_t virtual_count       # so many,
    uint32_t count               # and of all
    uint64_t *words              # of each slot, a bit for each word of its page


# A region of the guest-physical address space that shows memory.
cdef struct Shown:
    uint32_t page                # the first backing page
    uint32_t pages
    uint32_t ppage               # the guest-physical page that shows it


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


# A block that ran.
cdef struct TraceRow:
    uint64_t icount              # at its start
    uint64_t pc
    uint64_t value               # of the register that is traced, on entry
    uint64_t entry               # ENTRY_*
    uint64_t sum                 # bytes of the block as it was entered << 32 | sum of its words
    uint64_t code                # where its code lies in memory; NOWHERE: it could not be fetched


# Which blocks ran, where that is asked for.
cdef struct Trace:
    bint on                      # for this run
    int register                 # general register whose value is noted; -1: none
    TraceRow *rows
    size_t count
    int entry                    # what led to the place of the next two, if no code did: ENTRY_*
    uint64_t entry_icount
    uint32_t entry_pc


# An instruction that ran; `rdbg.emu.instruction_rows` has it as a row of an array.
cdef struct InstructionRow:
    uint64_t icount              # the position before it
    uint64_t changed             # registers, as bits, whose values follow in `Instructions.values`
    uint8_t data[8]              # what it has loaded or stored, as it stands in memory
    uint32_t pc
    uint32_t address             # of that,
    uint32_t size                # in bytes; 0: it made no access
    uint32_t store


# Every instruction, where that is asked for: see instructions.pxi.
cdef struct Instructions:
    InstructionRow *rows
    size_t count
    uint32_t *values
    size_t value_count
    bint known                   # rows have been noted: `held` has what they say
    uint32_t held[REGISTERS]
    uint64_t changed             # registers that are not what the row before says, and of which `held` has the new value


# A block that has begun, or what happened to the call stack where nothing runs.
cdef struct CountRow:
    uint64_t icount
    uint32_t pc
    uint32_t how                 # CAME_*
    uint32_t stack               # these three where the call stack changes: the stack pointer,
    uint32_t link                # the return address of a call,
    uint32_t space               # and the address space of where it returns to
    uint32_t what                # COUNTED_*


# How often a straight piece of code ran.
cdef struct BlockCount:
    uint32_t node                # of the tree of calls
    uint32_t pc
    uint32_t ran                 # instructions; 0: the slot is free
    uint32_t what                # COUNTED_*
    uint64_t times


# A place in the tree of calls.
cdef struct CallNode:
    uint32_t parent
    uint32_t site                # the return address; of an exception where the code begins that it came in
    uint32_t target              # where a call led to
    uint32_t kind                # NODE_*


cdef struct CallFrame:
    uint32_t kind                # CAME_CALL or CAME_EXCEPTION
    uint32_t link
    uint32_t stack
    uint32_t space
    uint32_t node                # that of what was called


# What `rdbg.analysis` needs to put stretches together: the frames that are open where a stretch ends, then what ended it.
cdef struct StackEvent:
    uint64_t icount
    uint32_t kind                # CAME_*
    uint32_t address
    uint32_t stack
    uint32_t space
    uint32_t node                # of a frame; else that of the stretch that begins
    uint32_t pc                  # where it led to


# How often what ran, where that is asked for: see counts.pxi.
cdef struct Counts:
    bint on                      # for this run
    bint paths                   # with the calls that led there
    bint all_events              # nothing is put together here: each change of the call stack is an event
    bint failed                  # no memory for more
    uint64_t first               # icounts: what is counted
    uint64_t last
    uint64_t began               # where the first run began
    uint64_t again               # what had led to this position is known already
    uint32_t ends                # CAME_* of the block that was entered last, if it leads elsewhere
    uint8_t *ends_of             # of blocks in Cpu.touched.recent
    CountRow *rows
    size_t row_count
    BlockCount *blocks           # open addressing
    size_t block_room
    size_t block_count
    CallNode *nodes              # those not taken yet
    size_t node_room
    uint32_t node_first          # number of the first of them
    uint32_t node_next           # of the next one
    uint32_t root                # node of the stretch
    uint32_t *children           # open addressing: node + 1 by (parent, site, kind); 0: free
    size_t child_room
    size_t child_count
    CallNode *child_keys
    CallFrame *frames
    size_t frame_room
    size_t depth
    uint32_t node                # where the CPU is
    StackEvent *events
    size_t event_room
    size_t event_count
    uint32_t *borders            # where functions begin and end
    size_t border_count


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


# Addresses and exceptions at which the CPU is looked at without stopping: see probes.pxi.
cdef struct Probes:
    bint armed
    bint follows                 # to the return
    bint tells_returns           # returns of calls that began before anything was noted are noted, too
    uint32_t exceptions          # codes that are noted, as bits
    ProbedPlace *places          # by address
    size_t count
    uint64_t *filter             # of places and of return addresses
    uint32_t *returns            # open addressing, by (address >> 2); 0: free
    size_t returns_room
    size_t returns_count
    uint32_t register_count
    uint32_t registers[MOST_PROBED]
    uint32_t results[2]          # registers that hold what is returned
    AgentStep *condition
    uint32_t condition_length
    uint64_t unevaluated         # times that the condition could not be evaluated
    ProbeNote *done              # in the order in which they ended
    size_t done_count
    size_t done_room
    OpenNote *open
    size_t open_room
    int32_t free_open
    int32_t oldest_open
    int32_t newest_open
    int32_t buckets[PROBE_BUCKETS]
    bint failed                  # no memory for more
    uint64_t last_icount         # what was noted last at a place, which may run again from its start
    uint32_t last_pc
    uint32_t last_behind
    int32_t last_open            # -1: it is the last of `done`
    Interrupted interrupted[INTERRUPTED_KEPT]
    uint32_t interrupted_next
    uint64_t resumed_at          # icount to which a handler has returned last
    bint resumed_again           # to an instruction that had raised an exception, or of which nothing is known
    uint32_t interrupted_count   # of all, since notes were forgotten
    uint64_t doubt_from          # the first icount at which what was noted may hang on what was before; FOREVER: none


# Accesses that are noted: see accesses.pxi.
cdef struct Accesses:
    AccessNote *items
    size_t count
    size_t room
    uint64_t number              # of the next
    AccessNote current           # the one that a condition is asked of
    uint64_t last_icount         # the latest instruction that was asked for, which may make several accesses
    uint32_t last_pc
    bint last_kept               # it is the last of `items`
    Placed placed


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
