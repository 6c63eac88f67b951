# The guest's CPU as the architecture has it (MIPS32 PRA vol. III, chapter 9), and what is saved of it.

from libc.stdint cimport uint32_t, uint64_t

from rdbg.emu.cpu_constants cimport TLB_SLOTS


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
