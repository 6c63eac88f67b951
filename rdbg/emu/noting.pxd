# What a run notes for somebody, and goes on: blocks, instructions, counts and calls, what probes see, accesses.

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from rdbg.emu.cpu_constants cimport *
from rdbg.emu.stopping cimport ExpressionStep


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


# Where the condition could not be evaluated.
cdef struct Unevaluated:
    uint64_t icount              # where the note would count
    bint between                 # of something between two instructions


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
    ExpressionStep *condition
    uint32_t condition_length
    Unevaluated *unevaluated     # in order
    size_t unevaluated_count
    size_t unevaluated_room
    bint counts                  # how often a place is come to, instead of a note of each
    uint64_t count_from          # at these positions
    uint64_t count_to
    uint64_t counted
    uint64_t counted_at[COUNTED_KEPT]    # the latest: they may have to come again
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


# Accesses that are noted: see accesses.pxi.
cdef struct Accesses:
    AccessNote *items
    size_t count
    size_t room
    uint64_t number              # of the next
    AccessNote current           # the one that a condition is asked of
    bint between                 # it comes between two instructions
    uint64_t last_icount         # the latest instruction that was asked for, which may make several accesses
    uint32_t last_pc
    bint last_kept               # it is the last of `items`
    Placed placed
