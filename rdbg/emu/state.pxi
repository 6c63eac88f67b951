# The CPU's state that Unicorn does not keep, and the bookkeeping of the run.

cdef enum:
    LONGEST_SLICE_NS = 50_000_000    # of host time, before a run that may pause looks for a place to
    PAGE_BITS = 12
    PAGE_BYTES = 4096
    CODE_BITS = 16               # words of 64 bits that Cpu.code_words has for a page
    TLB_SLOTS = 128              # the most TLB entries of a model, and those that tlbwr has replaced
    FETCH_CACHE = 1024
    # Blocks seen lately, by (address >> 2), see Cpu.recent: few of mapped code, since they are forgotten often
    MAPPED_BLOCKS = 8192
    UNMAPPED_BLOCKS = 32768
    BLOCK_TAG = ~(4 * MAPPED_BLOCKS - 1)
    FINISHED = 1024              # addresses in the middle of blocks, remembered
    FINISHED_OFTEN = 8           # times after which it pays to have the rest of a block translated
    MOST_BLOCKS = 1 << 16        # in one interval; beyond, only pages are known
    STABLE_LOADS = 64
    MOST_CODE_HOOKS = 512        # beyond, the engine is made anew without those that are no longer wanted
    BREAKPOINT_BITS = 32768      # a filter over (address >> 2), 4 KiB
    CP0_NUMBERS = 128            # register numbers of the debugger that may be CP0 registers
    MIXED_AFTER = 8              # code/data alternations after which a page keeps both,
    MIXED_PERIOD = 22            # within 1 << 22 instructions

    # Unicorn's physical address space is ours to lay out: backings from 0, then windows of one page
    # for device registers and for watched pages, handed out on demand.
    IO_WINDOW = 0xB0000000U
    WATCH_WINDOW = 0xF0000000U
    IO_SLOTS = 0x40000
    WATCH_SLOTS = 0x1000
    SCRATCH_PAGE = 0xAFFFF000U
    CODE_BUFFER = 64 << 20       # bytes of translated code; when they are full, Unicorn drops all of it
    BRING_UP_IO = 0x2000         # while calibrating, a load from here stops the run

    # phys_map: what stands at a guest-physical page
    MAP_UNKNOWN = 0
    MAP_MEMORY = 1               # backing page in bits 8..; flags below
    MAP_IO = 2                   # wholly claimed by devices; slot in bits 8..
    MAP_PARTIAL = 3              # some bytes are claimed: accesses are done one by one
    MAP_NONE = 4                 # bus error
    MAP_KIND = 7
    MAP_READ = 8                 # loads and fetches go straight to the backing; with MAP_IO: it reads as zeros
    MAP_WRITE = 16               # stores go straight to the backing

    # page_state: who holds a mapping of a backing page in Unicorn's TLB
    PAGE_CODE = 1                # translated code may exist; no plain writable mapping
    PAGE_DATA = 2                # writable mapping may exist; no executable one
    PAGE_MIXED = 4               # both, on the slow path
    PAGE_DIRTY = 8               # written since take_touched
    PAGE_STALE = 16              # written since the last digest
    PAGE_USED = 64               # written ever; all others are zeros
    PAGE_EXIT_CHECKS = 256       # a hook may end a block in its middle

    # Cause.ExcCode (MIPS32 PRA vol. III, table 9.28)
    EXC_INT = 0
    EXC_MOD = 1
    EXC_TLBL = 2
    EXC_TLBS = 3
    EXC_ADEL = 4
    EXC_ADES = 5
    EXC_IBE = 6
    EXC_DBE = 7
    EXC_SYS = 8
    EXC_BP = 9
    EXC_RI = 10
    EXC_CPU = 11
    EXC_OV = 12
    EXC_TR = 13
    EXC_FPE = 15

    # Unicorn's exception numbers (qemu target/mips/cpu.h of Unicorn 2.1)
    UC_EXCP_ADEL = 12
    UC_EXCP_ADES = 13
    UC_EXCP_DEBUG_BREAK = 16
    UC_EXCP_SYSCALL = 17
    UC_EXCP_BREAK = 18
    UC_EXCP_CPU = 19
    UC_EXCP_RI = 20
    UC_EXCP_OVERFLOW = 21
    UC_EXCP_TRAP = 22
    UC_EXCP_FPE = 23

    STATUS_IE = 1
    STATUS_EXL = 2
    STATUS_ERL = 4
    STATUS_KSU = 0x18
    STATUS_USER = 0x10           # of KSU

    # Why no instruction runs
    HALTED_WAITING = 1           # in wait, until an interrupt
    HALTED_CALLING = 2           # in a call of the host, until that has its answer

    SEMIHOSTING_KERNEL = 1       # user mode may not
    SEMIHOSTING_ALL = 2
    CALL_WORD = 0x7000007F       # sdbbp 1
    STATUS_BEV = 0x400000
    STATUS_CU0 = 0x10000000
    STATUS_CU1 = 0x20000000
    STATUS_FR = 0x04000000

    CAUSE_BD = 0x80000000U
    CAUSE_TI = 0x40000000
    CAUSE_DC = 0x08000000
    CAUSE_IV = 0x00800000

    HFLAGS_BMASK = 0x87F800      # all that says 'a branch is pending'
    ERROR_IN_FETCH = 2           # EXCP_INST_NOTAVAIL

    # Why a run ended or was interrupted
    WHY_NONE = 0
    WHY_LIMIT = 1
    WHY_PAUSE = 2
    WHY_BREAKPOINT = 3
    WHY_WATCH = 4
    WHY_IDLE = 5
    WHY_SHUTDOWN = 6
    WHY_AMBIGUOUS = 7
    WHY_ARM = 8                  # translate again, truncated at arm_at
    WHY_EXCEPTION = 9            # the fill callback found an exception
    WHY_ACCESS = 10              # a load or store to be done by hand
    WHY_ERROR = 11               # a Python callback raised
    WHY_RESTART = 12             # go on at next_pc
    WHY_REBUILD = 13             # the engine must be made anew
    WHY_CUT = 14                 # a store may change the code behind it in its block

cdef uint64_t FOREVER = 0x7FFFFFFFFFFFFFFF
cdef uint64_t MOST_HELD = 1 << 40
cdef uint64_t NOWHERE = 0xFFFFFFFFFFFFFFFF   # no position


cdef struct TlbEntry:
    uint32_t vpn2                # bits 31..13 of EntryHi
    uint32_t mask                # PageMask, bits 28..13
    uint32_t asid
    uint32_t is_global
    uint32_t lo0                 # EntryLo0 and 1 without G
    uint32_t lo1


cdef struct Cp0:
    uint32_t index
    uint32_t entrylo0
    uint32_t entrylo1
    uint32_t context
    uint32_t pagemask
    uint32_t wired
    uint32_t hwrena
    uint32_t badvaddr
    uint32_t entryhi
    uint32_t compare
    uint32_t status
    uint32_t intctl
    uint32_t srsctl
    uint32_t srsmap
    uint32_t cause
    uint32_t epc
    uint32_t ebase
    uint32_t config0
    uint32_t watchlo[8]
    uint32_t watchhi[8]
    uint32_t depc
    uint32_t taglo
    uint32_t datalo
    uint32_t taghi
    uint32_t datahi
    uint32_t errorepc
    uint32_t desave
    uint32_t lladdr              # physical, shifted as the register shows it
    uint32_t debug
    uint32_t performance
    uint32_t errctl
    uint32_t framemask


# What the CPU is: rdbg/emu/cpu_model.py.
cdef struct Model:
    uint32_t prid
    uint32_t release             # of MIPS32: 1 or 2
    uint32_t tlb_entries
    uint32_t fir                 # 0: there is no FPU
    uint32_t status_writable
    uint32_t cause_writable
    uint32_t lladdr_shift
    uint32_t configs[8]         # Config to Config7


# All that the future depends on and Unicorn does not hold. What is saved of it, and what it can hold: cpu_record.py.
cdef struct Guest:
    uint64_t bias_ns             # idle time skipped so far
    uint64_t compare_ns          # virtual time of the next Compare match
    uint64_t hold_ns             # no interrupt is taken before this virtual time; 0: none is held back
    uint32_t count_base          # Count = count_base + ticks, or Count itself while Cause.DC stops it
    uint32_t random              # state of the generator behind Random and tlbwr
    uint32_t halted              # HALTED_*
    uint32_t hardware_lines      # levels of the six interrupt inputs, bits 0..5
    Cp0 cp0
    uint32_t tlb_count           # slots in use: the TLB's entries, and behind them what tlbwr has replaced
    TlbEntry tlb[TLB_SLOTS]      # those not in use are zeros


# What Unicorn holds of the guest.
cdef struct Registers:
    uint32_t pc
    uint32_t hi
    uint32_t lo
    uint32_t fcsr
    uint32_t lladdr
    uint32_t llval
    uint32_t gpr[32]
    uint64_t fpr[32]


# What a snapshot says of the CPU.
cdef struct Saved:
    Guest guest
    Registers registers


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


# What a watched range counts, and what counts as an access of it.
cdef enum:
    SPACE_VIRTUAL = 0
    SPACE_MEMORY = 1             # bytes of the backings, whatever addresses they are accessed by
    SPACE_DEVICE = 2             # guest-physical addresses of device registers
    SPACE_NONE = 3               # a store that changes nothing where it goes
    ACCESS_READ = 1
    ACCESS_WRITE = 2
    ACCESS_CHANGE = 4            # of memory, by anything but the CPU's stores
    MOST_NOTED = 64              # writes that one step makes
    MOST_HITS = 1024             # blocks with watched accesses that are kept of a run


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


# What is known of blocks that access watched pages: see watch_blocks.pxi.
cdef enum:
    UNKNOWN_BASE = 255
    MOST_DIRECT = 8              # accesses of a block
    DIRECT_BLOCKS = 256          # remembered, by (address >> 2)
    MOST_MIXED = 64              # instructions of a block on a mixed page, whose words are compared each time
    DIRECT_AFTER = 300           # accesses through the window: many times what it costs to take it away and bring it back


cdef struct DirectAccess:
    uint8_t base                 # register, as it is on entry
    uint8_t kind                 # 1 read, 2 write
    uint8_t size
    uint8_t reach                # the address that the instruction gives is so far behind the first byte
    uint32_t offset


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


cdef struct Cpu:
    uc_engine *uc
    uc_context *ctx
    uint8_t *ctx_bytes
    void *owner                  # the Core object, borrowed

    # the block that runs, or ran last: with the next three all that the block hook most often touches
    uint64_t base                # icount at its start
    uint32_t start
    uint32_t size                # bytes; 0: nothing of it has been counted yet
    uint64_t came_from           # while size is 0: where the step or block began that led to base
    # when the block hook has to look closer
    uint64_t closer              # no block may end at this icount or later without a look
    uint64_t attention           # first icount at which something may have to be done before an instruction
    # what block it is, where that is rare
    bint in_slot                 # it begins in the delay slot of the block before, where the translator has split the two
    bint splits                  # it ends with a branch, whose slot follows in a block of its own
    uint32_t copied              # bytes of it that `code` holds as they were on entry: its page may change without notice

    Guest guest
    uint32_t next_pc             # where to go on after emu_start returned
    uint64_t limit               # hard limit, a position
    uint64_t python_event        # first icount at which Python has something to do
    uint64_t look_at             # icount from which something may enter from outside, anywhere
    uint64_t compare_event       # icount of the Compare match
    uint64_t hold_event          # icount at which interrupts are no longer held back
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

    bint runs                    # inside execute()

    int why
    uint64_t place               # AMBIGUOUS: the position from which to take single steps
    uint32_t place_pc
    int why_soon
    uint32_t arm_at
    bint armed
    bint dirty_exit              # a block of no instructions may have been translated at arm_at
    int shutdown_code

    # an exception found by the fill callback
    int exc_code
    bint exc_refill
    bint exc_has_address
    uint32_t exc_address         # page of the access
    uint32_t exc_pc
    int exc_access

    # breakpoints and watches
    uint64_t *bp_filter
    uint32_t *bps
    size_t bp_count
    Condition *conditions        # of each breakpoint
    AgentStep *agent_code
    uint32_t *expressions        # where each begins in agent_code, and where the last ends
    uint16_t cp0_of[CP0_NUMBERS] # debugger's number -> CP0 register << 3 | select, + 1
    bint have_bp_hit
    uint64_t bp_hit_icount
    uint32_t bp_hit_pc
    bint have_bp_before          # the hit before that, in case its block faults early
    uint64_t bp_before_icount
    uint32_t bp_before_pc
    WatchRange *watches
    size_t watch_count
    bint watch_storage           # some of them do not count virtual addresses
    bint noting                  # a step whose writes to them are kept
    NotedWrite noted[MOST_NOTED]
    uint32_t noted_count
    HitBlock hits[MOST_HITS]     # a ring
    uint64_t hit_count
    Finished finished[FINISHED]  # by (address >> 2)
    HitBlock events_after        # while events happen: the block that led there. end is 0 otherwise
    bint have_watch_hit
    uint64_t watch_hit_icount
    uint32_t watch_hit_pc
    uint32_t watch_hit_address
    int watch_hit_index
    int watch_hit_kind
    uint64_t *watched_pages      # bitmap over virtual pages
    uint32_t watch_slot_page[WATCH_SLOTS]
    uint32_t watch_slot_map[WATCH_SLOTS]
    uint32_t watch_slot_phys[WATCH_SLOTS]
    size_t watch_slots
    bint watch_direct            # watched pages are mapped as they are: see watch_blocks.pxi
    bint direct_wanted           # ... shall be, from the next block on
    uint32_t window_accesses     # that came through the window since
    uint32_t direct_epoch        # advanced whenever code may have changed
    DirectBlock direct_blocks[DIRECT_BLOCKS]

    # memory
    uint8_t *memory
    uint32_t page_count
    uint16_t *page_state
    Alternations *alternated
    uint64_t *code_words         # of each backing page, a bit for each word that translated code may stand for
    uint32_t *phys_map           # one word for each guest-physical page
    uint32_t *io_page            # guest-physical page of each slot
    uint32_t *io_slot_of         # slot + 1 of each guest-physical page
    size_t io_slots
    uint32_t generation          # of Unicorn's TLB
    FetchEntry fetch[FETCH_CACHE]
    StableLoad loads[STABLE_LOADS]   # what polled device registers hold
    IdleStore stores[STABLE_LOADS]   # stores that would change nothing
    uint64_t io_epoch            # advanced whenever a device's state may have changed
    uint64_t access_icount       # of the instruction whose access a device answers; NOWHERE: none does
    uint64_t access_base         # the block, by its start, for which the next two hold
    uint32_t access_index        # which of its instructions made the latest access to a device
    bint access_unplaced         # others were made, and it is not known by which
    uint64_t cut_base            # the block, by its start, that must end at cut_from
    uint64_t cut_from
    PageList dirty
    PageList stale
    PageList written_virtual
    PageList written_devices     # guest-physical pages
    PageList read_virtual
    PageList executed_virtual
    BlockSet blocks              # executed since take_touched
    # Blocks among them, by address: tag | bytes | RARE. First those at mapped addresses, then those in kseg0
    # and kseg1, whose code does not change with the TLB.
    uint32_t recent[MAPPED_BLOCKS + UNMAPPED_BLOCKS]
    uint64_t *seen_written       # bitmaps over virtual pages behind the three lists
    uint64_t *seen_devices       # and over guest-physical ones
    uint64_t *seen_read
    uint64_t *seen_executed
    RangeList hooked             # virtual addresses for whose instructions on_instruction is called
    uint32_t seen_pc             # the latest of them
    uint64_t seen_base           # icount at the start of its block
    uint8_t code[PAGE_BYTES]     # the current block as it was on entry, see `copied`
    uint64_t *hooked_pages       # virtual pages that have been looked at for it
    uint8_t *no_exit_checks      # in Unicorn: what is translated now asks after no load or store whether to stop; or NULL
    bint want_exit_checks        # a condition's hook stops in the middle of a block
    uint32_t purge_page          # backing page + 1 whose code is being thrown away
    bint bring_up                # calibration: everything maps to the scratch page

    # the machine
    Model model
    bint big_endian
    uint32_t shift
    uint32_t count_period_ns
    int timer_line
    int semihosting              # SEMIHOSTING_*: whether `sdbbp 1` calls the host

    # calibrated offsets in a uc_context
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


cdef enum:
    ERR_READ_UNALIGNED = 16      # UC_ERR_READ_UNALIGNED, UC_ERR_WRITE_UNALIGNED
    ERR_WRITE_UNALIGNED = 17
