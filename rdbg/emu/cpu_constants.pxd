# Numbers: sizes, what the CPU writes into its registers, and what this core calls its own states.

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
    TRACE_FULL = 1 << 16         # blocks traced, from which a run pauses
    TRACE_ROOM = TRACE_FULL + 4096
    TRACE_SPARE = 2048           # that a run may note before it pauses
    REG_LO = 33                  # debugger's numbers
    REG_HI = 34
    REGISTERS = 35               # behind the last of general registers, LO and HI
    ROWS_FULL = 1 << 16          # instructions noted, from which a run pauses
    VALUES_FULL = 1 << 18        # and values of registers
    ENTRY_CODE = 0               # how the CPU came to a block: by the code before it,
    ENTRY_EXCEPTION = 1          # by an exception of the instruction before,
    ENTRY_INTERRUPT = 2
    ENTRY_RESET = 3
    COUNT_ROWS = 1024            # that wait to be counted,
    COUNT_KEPT = 16              # of which so many may yet be dropped
    COUNTS_ENOUGH = 1 << 19      # different blocks, events or nodes, from which a run pauses
    CAME_PLAIN = 0               # what led to a block: nothing that changes the call stack,
    CAME_CALL = 1
    CAME_RETURN = 2              # a jump to the return address
    CAME_EXCEPTION = 3
    CAME_BACK = 4                # eret
    CAME_RESET = 5
    CAME_END = 6                 # no more comes
    COUNTED_RUN = 0
    COUNTED_UNFETCHED = 1        # it could not be fetched
    COUNTED_CALL = 2             # a call, or an exception, that leads to the node
    NODE_ROOT = 0
    NODE_CALL = 1
    NODE_EXCEPTION = 2
    NODE_INTERRUPT = 3
    FAR_STACK = 4096             # bytes: a function moves its stack pointer by no more before it jumps
    MOST_TURNS = 0x7FFFFFFF      # of a loop, for which a condition is not asked again
    ENTRY_PLANS = 64             # blocks whose breakpoint is asked when they are entered, by (address >> 2)
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

    KNOWN_PAGES = 1024           # of phys_map, forgotten one by one: more are forgotten with all of it
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


# What a watched range counts, and what counts as an access of it.
cdef enum:
    SPACE_VIRTUAL = 0
    SPACE_MEMORY = 1             # bytes of the backings, whatever addresses they are accessed by
    SPACE_DEVICE = 2             # guest-physical addresses of device registers
    SPACE_NONE = 3               # a store that changes nothing where it goes
    ACCESS_READ = 1
    ACCESS_WRITE = 2
    ACCESS_CHANGE = 4            # of memory, by anything but the CPU's stores
    ACCESS_DEVICE_READ = 128     # of memory, by a device
    # The same for ranges whose accesses are noted, and do not stop: see accesses.pxi.
    NOTED_READ = 8
    NOTED_WRITE = 16
    NOTED_CHANGE = 32
    NOTED_DEVICE_READ = 64       # of memory, by a device
    MOST_NOTED = 64              # writes that one step makes
    MOST_HITS = 1024             # blocks with watched accesses that are kept of a run


# What is known of blocks that access watched pages: see watch_blocks.pxi.
cdef enum:
    UNKNOWN_BASE = 255
    MOST_DIRECT = 8              # accesses of a block
    DIRECT_BLOCKS = 256          # remembered, by (address >> 2)
    MOST_MIXED = 64              # instructions of a block on a mixed page, whose words are compared each time
    WORDS_BITS = 16              # 64-bit numbers with a bit for each word of a page
    DIRECT_AFTER = 300           # accesses through the window: many times what it costs to take it away and bring it back


# Probes: see probes.pxi. `rdbg.emu.probes` has the same numbers.
cdef enum:
    MOST_PROBED = 8              # registers that are noted
    PROBE_BUCKETS = 4096         # of calls that have not returned
    PROBES_ENOUGH = 65536        # notes at which the run pauses so that they are taken
    COUNTED_KEPT = 8             # of what is counted so many may yet be dropped: of one place, those of a block
    INTERRUPTED_KEPT = 64
    SHARED_SPACE = 0xFFFFFFFFU
    # What conditions call an access that is noted: numbers of registers that no debugger has.
    ACCESS_REGISTERS = 0x1000    # its address, then its size, its value, and the value before
    NO_EXCEPTION = 255

    NOTED_PLACE = 0
    NOTED_EXCEPTION = 1
    NOTED_RETURN = 2             # of a call that nothing is known of

    LEFT_UNKNOWN = 0
    LEFT_RETURN = 1              # a return from an exception
    LEFT_EXCEPTION = 2           # an exception's entry

    ARRIVAL_UNKNOWN = 0
    ARRIVAL_THROUGH = 1          # from the instruction before
    ARRIVAL_CALL = 2             # by a branch that links, to whose link it will return
    ARRIVAL_BRANCH = 3           # by a branch or jump to an address in the code
    ARRIVAL_REGISTER = 4         # by a jump to an address in a register
    ARRIVAL_RETURN = 5           # by a return from an exception
    ARRIVAL_EXCEPTION = 6        # it is a handler

    ENDED_NOT = 0
    ENDED_RETURNED = 1
    ENDED_REPLACED = 2           # its frame was used again
    ENDED_AGAIN = 3              # its first instruction has raised an exception, and runs again: it is that call


cdef enum:
    ERR_READ_UNALIGNED = 16      # UC_ERR_READ_UNALIGNED, UC_ERR_WRITE_UNALIGNED
    ERR_WRITE_UNALIGNED = 17


# What a translation comes to, what asks for one, and hooks on long runs of code (hooks.pxi).
cdef enum:
    TRANSLATED = 0
    ADDRESS_ERROR = 1
    NO_MATCH = 2
    NOT_VALID = 3
    NOT_DIRTY = 4

    LOAD = 0
    STORE = 1
    FETCH = 2

    LONG_RUN = 32                # page_state: has a straight run that would crash Unicorn's translator
    LONG_RUN_WORDS = 340         # Unicorn 2.1.4 crashes at 376
    LONG_NOPS = 128              # page_state: such a run consists of nops for a good part
    # Unicorn ends a block at 4000 operations: the hook and what else it emits for every instruction are 10, so that
    # 376 instructions do not come together unless more than a hundred of them are translated to nothing.
    MOST_EMPTY = 32
    MOST_HOOKED_RUNS = 4         # hooks on one page before all of it is hooked
    MOST_HOOKED_RANGES = 1 << 14 # hooks before everything is
