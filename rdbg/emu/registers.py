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

STATUS, LO, HI, BADVADDR, CAUSE, PC, F0, FCSR, FIR, EXTRA = 32, 33, 34, 35, 36, 37, 38, 70, 71, 72

#: CP0 registers beyond GDB's own: name, register, select (MIPS32 PRA vol. III, chapter 9).
EXTRA_CP0: tuple[tuple[str, int, int], ...] = (
    ("index", 0, 0), ("random", 1, 0), ("entrylo0", 2, 0), ("entrylo1", 3, 0), ("context", 4, 0),
    ("pagemask", 5, 0), ("wired", 6, 0), ("hwrena", 7, 0), ("count", 9, 0), ("entryhi", 10, 0),
    ("compare", 11, 0), ("intctl", 12, 1), ("srsctl", 12, 2), ("epc", 14, 0), ("prid", 15, 0), ("ebase", 15, 1),
    ("config", 16, 0), ("config1", 16, 1), ("config2", 16, 2), ("config3", 16, 3), ("lladdr", 17, 0),
    ("errorepc", 30, 0),
)  # fmt: skip
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
            kind: str | None = None, group: str = "general") -> None:  # fmt: skip
        rows.append(
            Register(
                RegisterInfo(number, name, 32, feature, kind, group, write is not None and name != "count"), read, write
            )
        )

    for n in range(32):
        add(n, f"r{n}", CPU, lambda n=n: core.read_gpr(n), lambda value, n=n: core.write_gpr(n, value))  # type: ignore[misc]
    add(STATUS, "status", CP0, lambda: core.read_cp0(12, 0), lambda value: core.write_cp0(12, 0, value), group="system")
    add(LO, "lo", CPU, lambda: core.read_hi_lo()[1], core.write_lo)
    add(HI, "hi", CPU, lambda: core.read_hi_lo()[0], core.write_hi)
    add(BADVADDR, "badvaddr", CP0, lambda: core.read_cp0(8, 0), None, group="system")
    add(CAUSE, "cause", CP0, lambda: core.read_cp0(13, 0), lambda value: core.write_cp0(13, 0, value), group="system")
    add(PC, "pc", CPU, lambda: core.pc, core.write_pc, "code_ptr")
    for n in range(32):
        add(F0 + n, f"f{n}", FPU, lambda n=n: core.read_fpr(n) & 0xFFFFFFFF,  # type: ignore[misc]
            lambda value, n=n: core.write_fpr(n, core.read_fpr(n) & ~0xFFFFFFFF | value),  # type: ignore[misc]
            "ieee_single", "float")  # fmt: skip
    add(FCSR, "fcsr", FPU, core.read_fcsr, core.write_fcsr, group="float")
    add(FIR, "fir", FPU, core.read_fir, None, group="float")
    for i, (name, register, select) in enumerate(EXTRA_CP0):
        write: Callable[[int], None] | None = None
        if name not in READ_ONLY:
            write = lambda value, r=register, s=select: core.write_cp0(r, s, value)  # noqa: E731
        add(EXTRA + i, name, SYSTEM, lambda r=register, s=select: core.read_cp0(r, s), write, group="system")  # type: ignore[misc]
        core.name_cp0(EXTRA + i, register, select)
    for number, register in ((STATUS, 12), (BADVADDR, 8), (CAUSE, 13)):
        core.name_cp0(number, register, 0)
    return tuple(rows)
