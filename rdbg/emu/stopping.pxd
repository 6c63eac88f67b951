# What a run stops at: breakpoints with their conditions, watched ranges, and words that are marked when they are stored to.

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

from rdbg.emu.cpu_constants cimport *


cdef struct ExpressionStep:
    uint32_t op
    uint64_t operand


cdef struct Condition:
    uint32_t first               # its expressions in Cpu.stops.expressions
    uint32_t count               # 0: none, the breakpoint always stops
    bint hooked                  # on_condition is called before its instruction
    bint wants_hook              # it shall be: no block that the instruction is in tells the condition when it is entered


# What the condition of a breakpoint can be told from when its block is entered: see entry_conditions.pxi.
cdef struct EntryPlan:
    uint32_t pc                  # the block
    uint32_t n                   # its instructions; 0: no plan
    bint rare                    # it is to be looked at whenever it runs: a breakpoint is, or may be, in a slot
    bint found                   # one of them has a breakpoint where a run can stop
    bint decided                 # its condition can be told when the block is entered
    uint32_t which               # breakpoint
    uint32_t at                  # of the block's instructions, counted from 0
    uint8_t bases[32]            # what a register holds before that instruction: a register on entry,
    uint32_t offsets[32]         # and so much more
    # The condition is a register beside a number, as most are
    bint simple
    uint32_t number              # register
    uint32_t bits                # that it is extended from, with its sign; 0: it is not
    uint64_t mask                # what of it counts
    uint32_t op                  # as in an expression; 0: whether it is not zero
    bint swapped                 # the number is the first operand
    bint inverted                # it holds where the comparison does not
    uint64_t value
    # That register in a loop of this block alone
    bint strides                 # each turn adds the same, and it is looked for one number
    int32_t stride
    uint64_t skip_until          # icount before which the condition cannot hold in such a loop


# Breakpoints.
cdef struct Stops:
    uint64_t *filter
    uint32_t *addresses
    size_t count
    Condition *conditions        # of each
    bint all_conditional
    uint32_t generation          # advanced whenever they are others
    uint32_t marked_as           # the generation that Cpu.touched.recent has marks of; 0: of none
    bint hooks_wanted            # by some condition
    EntryPlan plans[ENTRY_PLANS] # by (address of the block >> 2)
    uint64_t expected            # icount at which the block that was asked last ends, and may be entered again
    const EntryPlan *entered     # while a condition is asked when a block is entered: what its registers will hold
    ExpressionStep *expression_steps
    uint32_t *expressions        # where each begins in expression_steps, and where the last ends
    uint16_t cp0_of[CP0_NUMBERS] # debugger's number -> CP0 register << 3 | select, + 1
    bint have_hit
    uint64_t hit_icount
    uint32_t hit_pc
    bint have_before             # the hit before that, in case its block faults early
    uint64_t before_icount
    uint32_t before_pc
    bint have_earlier            # the last hit before the block that has the last one, in case all of that block runs again
    uint64_t earlier_icount
    uint32_t earlier_pc
    uint64_t held_at             # icount at which a condition holds that was asked when its block was entered, last


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
    uint32_t epoch               # Cpu.watch.direct_epoch when it was looked at
    uint32_t pc
    uint32_t n                   # instructions
    bint simple                  # all its accesses are in the list
    bint steady                  # it leaves their base registers as they were
    bint clear                   # none hit when it was entered last
    bint mixed                   # its words may change without notice: they are kept in ``words``
    uint32_t count
    DirectAccess accesses[MOST_DIRECT]
    uint32_t words[MOST_MIXED]


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
