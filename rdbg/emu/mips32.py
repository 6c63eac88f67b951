"""MIPS32 as data.

Source: MIPS32 Privileged Resource Architecture, vol. III; for the numbers the GDB manual, "MIPS Features".
"""

from __future__ import annotations

from rdbg.emu.architecture import (
    AddressSegment,
    Architecture,
    CallingConvention,
    ElfIdentity,
    ExceptionInfo,
    NamedCall,
    RegisterInfo,
    RegisterKind,
    RegisterLayout,
)

STATUS, LO, HI, BADVADDR, CAUSE, PC, F0, FCSR, FIR, EXTRA = 32, 33, 34, 35, 36, 37, 38, 70, 71, 72
#: The floating-point registers with all their 64 bits; `F0` and on are the lower halves.
WIDE_F0 = 128
#: Names of the layouts of the floating-point registers (Status.FR).
PAIRS, WIDE = "pairs", "wide"

#: CP0 registers beyond the debugger's own: name, register, select (MIPS32 PRA vol. III, chapter 9).
EXTRA_CP0: tuple[tuple[str, int, int], ...] = (
    ("index", 0, 0), ("random", 1, 0), ("entrylo0", 2, 0), ("entrylo1", 3, 0), ("context", 4, 0),
    ("pagemask", 5, 0), ("wired", 6, 0), ("hwrena", 7, 0), ("count", 9, 0), ("entryhi", 10, 0),
    ("compare", 11, 0), ("intctl", 12, 1), ("srsctl", 12, 2), ("epc", 14, 0), ("prid", 15, 0), ("ebase", 15, 1),
    ("config", 16, 0), ("config1", 16, 1), ("config2", 16, 2), ("config3", 16, 3), ("lladdr", 17, 0),
    ("errorepc", 30, 0),
)  # fmt: skip
READ_ONLY = frozenset({"badvaddr", "fir", "random", "prid", "config1", "config2", "config3", "lladdr"})
#: What the o32 calling convention calls the general registers.
_ABI_NAMES = "zero at v0 v1 a0 a1 a2 a3 t0 t1 t2 t3 t4 t5 t6 t7 s0 s1 s2 s3 s4 s5 s6 s7 t8 t9 k0 k1 gp sp s8 ra".split()
#: Where the hardware moves a register, putting it back would move time.
_MOVED = frozenset({"count"})
#: Debuggers clear it when they move PC in a Linux program, whose kernel would restart a system call.
RESTART = EXTRA + len(EXTRA_CP0)

#: Journal ids: of a CP0 register it is made of what the architecture calls it by, so that rows can come between.
_CP0_IDS, _RESTART_ID = 0x100, 0x200


def cp0_journal_id(register: int, select: int) -> int:
    """What journals call a CP0 register that debuggers have no number of their own for."""
    return _CP0_IDS + 8 * register + select


def _general() -> list[RegisterInfo]:
    rows = []
    for n, name in enumerate(_ABI_NAMES):
        rows.append(RegisterInfo(n, f"r{n}", 32, "cpu", n, aliases=(name, "fp") if n == 30 else (name,)))
    return rows


def _rows() -> tuple[RegisterInfo, ...]:
    rows = _general()
    rows += [
        RegisterInfo(STATUS, "status", 32, "cp0", STATUS, group="system"),
        RegisterInfo(LO, "lo", 32, "cpu", LO),
        RegisterInfo(HI, "hi", 32, "cpu", HI),
        RegisterInfo(BADVADDR, "badvaddr", 32, "cp0", BADVADDR, group="system", saved=False),
        RegisterInfo(CAUSE, "cause", 32, "cp0", CAUSE, group="system"),
        RegisterInfo(PC, "pc", 32, "cpu", PC, RegisterKind.CODE),
    ]
    for n in range(32):
        rows.append(RegisterInfo(F0 + n, f"f{n}", 32, "fpu", F0 + n, RegisterKind.FLOAT, "float", layout=PAIRS))
    rows.append(RegisterInfo(FCSR, "fcsr", 32, "fpu", FCSR, group="float"))
    rows.append(RegisterInfo(FIR, "fir", 32, "fpu", FIR, group="float", saved=False))
    for i, (name, register, select) in enumerate(EXTRA_CP0):
        saved = name not in READ_ONLY | _MOVED
        rows.append(
            RegisterInfo(EXTRA + i, name, 32, "system", cp0_journal_id(register, select), group="system", saved=saved)
        )
    rows.append(RegisterInfo(RESTART, "restart", 32, "linux", _RESTART_ID, group="system", saved=False))
    for n in range(32):
        rows.append(
            RegisterInfo(WIDE_F0 + n, f"f{n}", 64, "fpu", WIDE_F0 + n, RegisterKind.FLOAT, "float", layout=WIDE)
        )
    return tuple(rows)


def _exceptions() -> tuple[ExceptionInfo, ...]:
    """Cause.ExcCode (MIPS32 PRA vol. III, table 9.28)."""
    names = {1: "Mod", 2: "TLBL", 3: "TLBS", 4: "AdEL", 5: "AdES", 6: "IBE", 7: "DBE", 8: "Sys", 9: "Bp", 10: "RI",
             11: "CpU", 12: "Ov", 13: "Tr", 15: "FPE"}  # fmt: skip
    others = (ExceptionInfo(code, name, has_address=code < 6) for code, name in names.items())
    return (ExceptionInfo(0, "Int", interrupt=True), *others)


MIPS32 = Architecture(
    name="mips32",
    bfd_name="mips:isa32r2",
    elf=ElfIdentity(machine=8, bits=32, flags=0x7000_1000),  # EM_MIPS; EF_MIPS_ARCH_32R2, EF_MIPS_ABI_O32
    address_bits=32,
    instruction_alignment=4,
    instruction_lengths=(4,),
    longest_step=2,  # a branch and its slot
    inside_step="a delay slot",
    longest_block=512,  # the translator ends them below 376
    pc="pc",
    stack_pointer="r29",
    expedited=("r29", "r30", "r31", "pc"),
    registers=_rows(),
    layouts=(
        RegisterLayout(PAIRS),
        RegisterLayout(
            WIDE,
            "the guest has set Status.FR: a debugger that was told of 32-bit floating-point registers shows the lower "
            "halves of $f0 to $f31",
        ),
    ),
    # System V ABI, MIPS supplement, chapter 3 (o32); Linux' entry.S for its system calls.
    convention=CallingConvention(
        ("a0", "a1", "a2", "a3"),
        ("v0", "v1"),
        "v0",
        ("a0", "a1", "a2", "a3"),
        ("v0", "a3"),
        call_exception=8,
        named_call=NamedCall(0x0C00_0000, 0x03FF_FFFF, 8),  # jal, which returns behind its delay slot
    ),
    exceptions=_exceptions(),
    segments=(AddressSegment(0x8000_0000, 0x2000_0000, 0), AddressSegment(0xA000_0000, 0x2000_0000, 0)),  # kseg0, kseg1
)
