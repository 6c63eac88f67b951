"""The register table that GDB sees, and how each is read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rdbg.emu.core import Core
from rdbg.emu.machine_api import RegisterInfo

CPU = "org.gnu.gdb.mips.cpu"
CP0 = "org.gnu.gdb.mips.cp0"
FPU = "org.gnu.gdb.mips.fpu"
SYSTEM = "org.rdbg.mips.cp0"
LINUX = "org.gnu.gdb.mips.linux"

STATUS, LO, HI, BADVADDR, CAUSE, PC, F0, FCSR, FIR, EXTRA = 32, 33, 34, 35, 36, 37, 38, 70, 71, 72
#: The floating-point registers with all their 64 bits; `F0` and on are the lower halves.
WIDE_F0 = 128
#: Status.FR: 32 registers of 64 bits, instead of 16 pairs.
STATUS_FR = 1 << 26
LOW = 0xFFFF_FFFF

#: CP0 registers beyond GDB's own: name, register, select (MIPS32 PRA vol. III, chapter 9).
EXTRA_CP0: tuple[tuple[str, int, int], ...] = (
    ("index", 0, 0), ("random", 1, 0), ("entrylo0", 2, 0), ("entrylo1", 3, 0), ("context", 4, 0),
    ("pagemask", 5, 0), ("wired", 6, 0), ("hwrena", 7, 0), ("count", 9, 0), ("entryhi", 10, 0),
    ("compare", 11, 0), ("intctl", 12, 1), ("srsctl", 12, 2), ("epc", 14, 0), ("prid", 15, 0), ("ebase", 15, 1),
    ("config", 16, 0), ("config1", 16, 1), ("config2", 16, 2), ("config3", 16, 3), ("lladdr", 17, 0),
    ("errorepc", 30, 0),
)  # fmt: skip
#: What the o32 calling convention calls the general registers.
ABI_NAMES = "zero at v0 v1 a0 a1 a2 a3 t0 t1 t2 t3 t4 t5 t6 t7 s0 s1 s2 s3 s4 s5 s6 s7 t8 t9 k0 k1 gp sp s8 ra".split()
READ_ONLY = frozenset({"random", "prid", "config1", "config2", "config3", "lladdr"})


@dataclass(frozen=True)
class Register:
    """A register of the table.

    Args:
        info: what GDB is told of it.
        read: its value now.
        write: sets it; None: it cannot be written.
    """

    info: RegisterInfo
    read: Callable[[], int]
    write: Callable[[int], None] | None


def register_table(core: Core) -> tuple[Register, ...]:
    """All registers in the order of their GDB numbers (GDB manual, 'MIPS Features')."""
    rows: list[Register] = []

    def add(number: int, name: str, feature: str, read: Callable[[], int], write: Callable[[int], None] | None,
            kind: str | None = None, group: str = "general", bits: int = 32, aliases: tuple[str, ...] = (),
            saved: bool = True) -> None:  # fmt: skip
        saved = saved and write is not None and name != "count"
        rows.append(Register(RegisterInfo(number, name, bits, feature, kind, group, saved, aliases), read, write))

    for n in range(32):
        aliases = (ABI_NAMES[n], "fp") if n == 30 else (ABI_NAMES[n],)
        add(n, f"r{n}", CPU, lambda n=n: core.read_gpr(n), lambda value, n=n: core.write_gpr(n, value), aliases=aliases)  # type: ignore[misc]
    add(STATUS, "status", CP0, lambda: core.read_cp0(12, 0), lambda value: core.write_cp0(12, 0, value), group="system")
    add(LO, "lo", CPU, lambda: core.read_hi_lo()[1], core.write_lo)
    add(HI, "hi", CPU, lambda: core.read_hi_lo()[0], core.write_hi)
    add(BADVADDR, "badvaddr", CP0, lambda: core.read_cp0(8, 0), None, group="system")
    add(CAUSE, "cause", CP0, lambda: core.read_cp0(13, 0), lambda value: core.write_cp0(13, 0, value), group="system")
    add(PC, "pc", CPU, lambda: core.pc, core.write_pc, "code_ptr")
    for n in range(32):
        add(F0 + n, f"f{n}", FPU, lambda n=n: core.read_fpr(n) & LOW,  # type: ignore[misc]
            lambda value, n=n: _write_low(core, n, value),  # type: ignore[misc]
            "ieee_single", "float")  # fmt: skip
    add(FCSR, "fcsr", FPU, core.read_fcsr, core.write_fcsr, group="float")
    add(FIR, "fir", FPU, core.read_fir, None, group="float")
    for i, (name, register, select) in enumerate(EXTRA_CP0):
        write: Callable[[int], None] | None = None
        if name not in READ_ONLY:
            write = lambda value, r=register, s=select: core.write_cp0(r, s, value)  # noqa: E731
        add(EXTRA + i, name, SYSTEM, lambda r=register, s=select: core.read_cp0(r, s), write, group="system")  # type: ignore[misc]
        core.name_cp0(EXTRA + i, register, select)
    # GDB clears it when it moves PC in a Linux program, whose kernel would restart a system call; a machine has none.
    add(EXTRA + len(EXTRA_CP0), "restart", LINUX, lambda: 0, lambda value: None, group="system", saved=False)
    for n in range(32):
        add(WIDE_F0 + n, f"f{n}", FPU, lambda n=n: _read_wide(core, n), lambda value, n=n: _write_wide(core, n, value),  # type: ignore[misc]
            "ieee_double", "float", bits=64)  # fmt: skip
    for number, register in ((STATUS, 12), (BADVADDR, 8), (CAUSE, 13)):
        core.name_cp0(number, register, 0)
    return tuple(rows)


def has_wide_floats(core: Core) -> bool:
    """Whether the floating-point registers are 32 of 64 bits now."""
    return bool(core.read_cp0(12, 0) & STATUS_FR)


def _write_low(core: Core, n: int, value: int) -> None:
    core.write_fpr(n, core.read_fpr(n) & ~LOW | value & LOW)


def _read_wide(core: Core, n: int) -> int:
    """64 bits of a register. Of a pair (Status.FR=0) the even one stands for both."""
    if has_wide_floats(core):
        return core.read_fpr(n)
    low = core.read_fpr(n) & LOW
    return low | (core.read_fpr(n + 1) & LOW) << 32 if n % 2 == 0 else low


def _write_wide(core: Core, n: int, value: int) -> None:
    if has_wide_floats(core):
        core.write_fpr(n, value)
        return
    _write_low(core, n, value)
    if n % 2 == 0:
        _write_low(core, n + 1, value >> 32)
