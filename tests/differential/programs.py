"""Random MIPS32 Release 2 programs in assembler, every instruction of a 24Kf somewhere among them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

BASE_STATUS = 0x30000000  # CU1, CU0
STATUS_FR = 1 << 26
SCRATCH_BYTES = 0x400

#: Registers that programs use freely. $24 carries jump targets, $25 counts loops, $26 and $27 are the harness's,
#: $28 points at scratch memory.
POOL = [*range(24), 29, 30, 31]

_INTERESTING = [0, 1, 2, 3, 4, 0x1F, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                0xFFFFFFFE, 0x80000001, 0x55555555, 0xAAAAAAAA]  # fmt: skip
_SINGLES = [0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FBFFFFF, 0x7FFFFFFF, 0x00000001,
            0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x4F000000, 0xCF000000, 0x40490FDB, 0x3EAAAAAB]  # fmt: skip


@dataclass(frozen=True)
class Program:
    """One program for the harness.

    Args:
        kind: the generator's name.
        lines: assembler, without the final jump. Each item is kept or dropped whole when a failure is made smaller.
        status: CP0 Status that it starts with.
        registers: 32 initial general registers.
        hi_lo_fcsr: initial HI, LO and FCSR.
        fpu: 32 initial FPU registers of 64 bits.
        scratch: initial scratch memory.
    """

    kind: str
    lines: tuple[str, ...]
    status: int
    registers: tuple[int, ...]
    hi_lo_fcsr: tuple[int, int, int]
    fpu: tuple[int, ...]
    scratch: bytes

    def text(self) -> str:
        """The assembler source, for people."""
        return "\n".join(self.lines)


class Generator:
    """Draws instructions; labels are unique to the program.

    Args:
        rng: the only source of chance.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._labels = 0

    def label(self) -> str:
        """A new local label. ``@`` becomes the program's number when it is assembled."""
        self._labels += 1
        return f"L@_{self._labels}"

    def reg(self) -> str:
        """A general register."""
        return f"${self.rng.choice(POOL)}"

    def word(self) -> int:
        """A 32-bit value, often one on an edge."""
        return self.rng.choice(_INTERESTING) if self.rng.random() < 0.5 else self.rng.getrandbits(32)

    # --- integer -----------------------------------------------------------------------------
    def alu(self) -> str:
        """An instruction between registers that neither branches nor touches memory."""
        r = self.rng
        kind = r.randrange(9)
        if kind == 0:
            name = r.choice("add addu sub subu and or xor nor slt sltu mul movz movn sllv srlv srav rotrv".split())
            return f"{name} {self.reg()}, {self.reg()}, {self.reg()}"
        if kind == 1:
            name = r.choice("addi addiu slti sltiu".split())
            immediate = r.choice([0, 1, -1, 0x7FFF, -0x8000, r.randint(-0x8000, 0x7FFF)])
            return f"{name} {self.reg()}, {self.reg()}, {immediate}"
        if kind == 2:
            return f"{r.choice(['andi', 'ori', 'xori'])} {self.reg()}, {self.reg()}, {r.getrandbits(16)}"
        if kind == 3:
            return f"lui {self.reg()}, {r.getrandbits(16)}"
        if kind == 4:
            return f"{r.choice(['sll', 'srl', 'sra', 'rotr'])} {self.reg()}, {self.reg()}, {r.randrange(32)}"
        if kind == 5:
            return f"{r.choice(['clz', 'clo', 'seb', 'seh', 'wsbh'])} {self.reg()}, {self.reg()}"
        if kind == 6:
            position = r.randrange(32)
            return f"{r.choice(['ext', 'ins'])} {self.reg()}, {self.reg()}, {position}, {r.randint(1, 32 - position)}"
        if kind == 7:
            name = r.choice("mult multu madd maddu msub msubu div divu".split())
            return f"{name} {'$0, ' if name.startswith('div') else ''}{self.reg()}, {self.reg()}"
        return f"{r.choice(['mfhi', 'mflo', 'mthi', 'mtlo'])} {self.reg()}"

    def memory(self) -> str:
        """A load or a store in scratch memory, sometimes unaligned."""
        r = self.rng
        sizes = {"lb": 1, "lbu": 1, "sb": 1, "lh": 2, "lhu": 2, "sh": 2, "lw": 4, "sw": 4, "ll": 4,
                 "lwl": 1, "lwr": 1, "swl": 1, "swr": 1}  # fmt: skip
        name = r.choice([*sizes, "lwl", "lwr", "swl", "swr"])
        offset = r.randrange(0, SCRATCH_BYTES - 8)
        if r.random() < 0.85:
            offset -= offset % sizes[name]
        return f"{name} {self.reg()}, {offset}($28)"

    def load_linked(self) -> str:
        """``ll``, something, ``sc`` to the same place or another."""
        place = self.rng.randrange(0, SCRATCH_BYTES, 4)
        other = place if self.rng.random() < 0.8 else (place + 64) % SCRATCH_BYTES
        middle = self.rng.choice([self.alu(), "nop", f"sw {self.reg()}, {other}($28)"])
        return f"ll {self.reg()}, {place}($28)\n{middle}\nsc {self.reg()}, {other}($28)"

    def trap(self) -> str:
        """Something that may or must raise an exception."""
        r = self.rng
        kind = r.randrange(8)
        if kind == 0:
            return f"{r.choice(['teq', 'tne', 'tge', 'tgeu', 'tlt', 'tltu'])} {self.reg()}, {self.reg()}"
        if kind == 1:
            name = r.choice(["teqi", "tnei", "tgei", "tgeiu", "tlti", "tltiu"])
            return f"{name} {self.reg()}, {r.randint(-0x8000, 0x7FFF)}"
        if kind == 2:
            return f"syscall {r.getrandbits(20)}"
        if kind == 3:
            return f"break {r.getrandbits(10)}"
        if kind == 4:
            return f"{r.choice(['add', 'sub'])} {self.reg()}, {self.reg()}, {self.reg()}"
        if kind == 5:  # daddi, sd, a hole in SPECIAL2, a hole in REGIMM, ld, lld
            return ".word " + hex(r.choice([0x60000000, 0xFC000000, 0x70000013, 0x04150000, 0xDC000000, 0xD0000000]))
        if kind == 6:
            return r.choice(["mfc2 $2, $0", "mtc2 $2, $0", "lwc2 $3, 0($28)", "swc2 $3, 4($28)"])
        name = r.choice(["lw", "sw", "lb", "sb", "lh", "sh", "lwl", "swr"])
        target = r.choice([0x00001000, 0x7FFFF004, 0xC0000000, 0xE0000123, 0x00400001, 0xFFFFF000, 0x28])
        target &= ~3 if name.endswith("w") else ~1
        return f"li $24, {target:#x}\n{name} {self.reg()}, {r.choice([0, 4, 8])}($24)"

    def nops(self) -> str:
        """An instruction without an effect that programs can see."""
        return self.rng.choice(["nop", "ssnop", "ehb", "sync", "pref 0, 0($28)", "cache 0x15, 0($28)",
                                "cache 0x10, 0($28)", "cache 0x19, 32($28)", "synci 0($28)"])  # fmt: skip

    def plain(self) -> str:
        """Anything that may stand in a delay slot."""
        draw = self.rng.random()
        if draw < 0.6:
            return self.alu()
        if draw < 0.85:
            return self.memory()
        if draw < 0.93:
            text = self.trap()
            return self.alu() if "\n" in text else text
        return self.nops()

    def branch(self) -> str:
        """A forward branch or jump over a few instructions, its slot filled."""
        r = self.rng
        label = self.label()
        slot = self.plain()
        skipped = "\n".join(self.plain() for _ in range(r.randrange(0, 4)))
        kind = r.randrange(5)
        if kind <= 1:
            left, right = (f"${number}" for number in r.sample(POOL, 2))
            name = r.choice(["beq", "bne", "beql", "bnel"])
            head = f"{name} {left}, {left if r.random() < 0.2 else right}, {label}"
        elif kind == 2:
            name = r.choice("blez bgtz bltz bgez blezl bgtzl bltzl bgezl bltzal bgezal bltzall bgezall".split())
            source = self.reg()
            head = f"{name} {'$5' if source in ('$0', '$31') else source}, {label}"
        elif kind == 3:
            head = f"{r.choice(['j', 'jal'])} {label}"
        else:
            name = r.choice(["jr $24", "jalr $31, $24", "jalr $3, $24", "jr.hb $24", "jalr.hb $31, $24"])
            head = f"la $24, {label}\n{name}"
        return "\n".join(part for part in (head, slot, skipped, f"{label}:") if part)

    def loop(self) -> str:
        """A small counted loop."""
        label = self.label()
        body = "\n".join(self.plain() for _ in range(self.rng.randint(1, 4)))
        name = self.rng.choice(["bnez", "bgtz"])
        return f"li $25, {self.rng.randint(1, 5)}\n{label}:\n{body}\n{name} $25, {label}\naddiu $25, $25, -1"

    # --- FPU ---------------------------------------------------------------------------------
    def freg(self, wide: bool) -> str:
        """An FPU register: any with 64-bit registers, an even one without."""
        return f"$f{self.rng.randrange(32) if wide else 2 * self.rng.randrange(16)}"

    def without_nan(self, name: str, wide: bool, sources: int) -> str:
        """An instruction that may make a NaN, and what replaces a NaN by zero.

        QEMU 7.2 and the older QEMU inside Unicorn choose other payloads and signs for a NaN that comes out of a
        conversion or of NaN operands; the architecture leaves both open. That it *is* a NaN shows in the condition.
        """
        target = self.freg(wide)
        operands = ", ".join([target, *(self.freg(wide) for _ in range(sources))])
        form = name.split(".")[1]
        return (
            f"{name} {operands}\nc.un.{form} $fcc7, {target}, {target}\nbc1f $fcc7, 1f\nnop\n"
            f"mtc1 $0, {target}\nmthc1 $0, {target}\n1:"
        )

    def fpu(self, wide: bool) -> str:
        """An FPU instruction.

        Args:
            wide: Status.FR is 1.
        """
        r = self.rng
        f = r.choice("sd")

        def reg() -> str:
            return self.freg(wide)

        kind = r.randrange(13)
        if kind == 0:
            return self.without_nan(f"{r.choice(['add', 'sub', 'mul', 'div'])}.{f}", wide, 2)
        if kind == 1:
            return self.without_nan(f"{r.choice(['abs', 'neg', 'mov', 'sqrt', 'recip', 'rsqrt'])}.{f}", wide, 1)
        if kind == 2:
            return f"{r.choice(['round', 'trunc', 'ceil', 'floor', 'cvt'])}.w.{f} {reg()}, {reg()}"
        if kind == 3:
            if not wide:
                return f"cvt.{f}.w {reg()}, {reg()}"
            return r.choice([f"{r.choice(['round', 'trunc', 'ceil', 'floor', 'cvt'])}.l.{f} {reg()}, {reg()}",
                             f"cvt.{f}.l {reg()}, {reg()}"])  # fmt: skip
        if kind == 4:
            return self.without_nan(r.choice(["cvt.s.d", "cvt.d.s", f"cvt.{f}.w"]), wide, 1)
        if kind == 5:
            condition = r.choice("f un eq ueq olt ult ole ule sf ngle seq ngl lt nge le ngt".split())
            return f"c.{condition}.{f} $fcc{r.randrange(7)}, {reg()}, {reg()}"
        if kind == 6:
            label = self.label()
            slot = r.choice([self.alu(), self.memory()])
            name = r.choice(["bc1t", "bc1f", "bc1tl", "bc1fl"])
            return f"{name} $fcc{r.randrange(7)}, {label}\n{slot}\n{self.alu()}\n{label}:"
        if kind == 7:
            return r.choice([f"{r.choice(['movf', 'movt'])} {self.reg()}, {self.reg()}, $fcc{r.randrange(7)}",
                             f"{r.choice(['movf', 'movt'])}.{f} {reg()}, {reg()}, $fcc{r.randrange(7)}",
                             f"{r.choice(['movz', 'movn'])}.{f} {reg()}, {reg()}, {self.reg()}"])  # fmt: skip
        if kind == 8:
            return f"{r.choice(['mfc1', 'mtc1', 'mfhc1', 'mthc1'])} {self.reg()}, {reg()}"
        if kind == 9:
            place = 8 * r.randrange(SCRATCH_BYTES // 8)
            return f"{r.choice(['lwc1', 'swc1', 'ldc1', 'sdc1'])} {reg()}, {place}($28)"
        if kind == 10:
            return self.without_nan(f"{r.choice(['madd', 'msub', 'nmadd', 'nmsub'])}.{f}", wide, 3)
        if kind == 11:
            enables = r.choice([0, 0, 0, 0x800, 0x400, 0x200, 0x100, 0x80])
            value = r.randrange(4) | enables | (r.choice([0, 1]) << 24)
            return f"li $24, {value:#x}\nctc1 $24, $31"
        return f"cfc1 {self.reg()}, ${r.choice([0, 25, 26, 28, 31])}"

    def change_ahead(self) -> str:
        """A store into the straight line ahead, through either mapping. Without synci QEMU may go on with old code."""
        r = self.rng
        label = self.label()
        number = r.choice(POOL)
        word = 0x24000000 | number << 21 | number << 16 | r.randrange(1 << 15)  # addiu
        between = "\n".join(self.alu() for _ in range(r.randrange(3)))
        address = f"la $24, {label}\n" + r.choice(["", "lui $25, 0x2000\nor $24, $24, $25\n"])
        store = f"li $25, {word:#x}\nsw $25, 0($24)\nsynci 0($24)"
        return f"{address}{store}\n{between}\n{label}: {self.alu()}\n{self.alu()}"

    # --- CP0 ---------------------------------------------------------------------------------
    def cp0(self) -> str:
        """Reading and writing CP0."""
        r = self.rng
        kind = r.randrange(8)
        if kind == 7:  # the software interrupt bits of Cause; the others are a matter of devices
            register = self.reg()
            return (
                f"li $24, {0x08000000 | r.choice([0, 0x100, 0x200, 0x300]):#x}\nmtc0 $24, $13\nehb\n"
                f"mfc0 {register}, $13\nandi {register}, {register}, 0x3ff"
            )
        if kind == 0:
            number, select = r.choice(_READABLE)
            if (number, select) == (16, 1):  # Config1.CA: QEMU's 24Kf has MIPS16, rdbg's has not
                register = self.reg()
                return f"mfc0 {register}, $16, 1\nins {register}, $0, 2, 1"
            return f"mfc0 {self.reg()}, ${number}, {select}"
        if kind <= 3:
            number, select, mask = r.choice(_WRITABLE)
            target = f"${number}, {select}"
            return f"li $24, {self.word() & mask:#x}\nmtc0 $24, {target}\nehb\nmfc0 {self.reg()}, {target}"
        if kind == 4:
            return r.choice([f"di {self.reg()}\nehb", f"rdhwr {self.reg()}, ${r.choice([0, 1, 3, 29])}",
                             f"rdpgpr {self.reg()}, {self.reg()}", f"wrpgpr {self.reg()}, {self.reg()}"])  # fmt: skip
        if kind == 5:
            label = self.label()
            flag = r.choice([2, 4])
            number = 14 if flag == 2 else 30
            return (
                f"la $24, {label}\nmtc0 $24, ${number}\nmfc0 $24, $12\nori $24, $24, {flag}\nmtc0 $24, $12\nehb\n"
                f"eret\n{self.alu()}\n{label}:"
            )
        status = BASE_STATUS & ~(r.choice([0, 1 << 29])) | r.choice([0, 0xFF00, 0x0800, 1 << 27, 1 << 25])
        after = r.choice(["mfc1 $5, $f2", "add.s $f2, $f4, $f6", "nop", "lwc1 $f2, 0($28)", "bc1t 1f\nnop\n1:"])
        return f"li $24, {status:#x}\nmtc0 $24, $12\nehb\n{after}\nmfc0 {self.reg()}, $12"

    # --- TLB ---------------------------------------------------------------------------------
    def tlb(self) -> str:
        """Writing, probing and reading the TLB, and accesses through it."""
        r = self.rng
        kind = r.randrange(8)
        index = r.randrange(len(_PAGES))  # entries that overlap would be a machine check: each page has its own index
        page = _PAGES[index]
        if kind <= 2:
            mask = r.choice(_LARGE_MASKS) if page == _LARGE_PAGE else 0
            write = "tlbwi" if r.random() < 0.8 else "tlbwi\nehb\ntlbr"
            return (
                f"li $24, {page | r.choice([0, 0, 5]):#x}\nmtc0 $24, $10\nli $24, {self._entry_lo():#x}\nmtc0 $24, $2\n"
                f"li $24, {self._entry_lo():#x}\nmtc0 $24, $3\nli $24, {mask:#x}\nmtc0 $24, $5\n"
                f"li $24, {index}\nmtc0 $24, $0\nehb\n{write}\nehb"
            )
        if kind == 3:
            return f"li $24, {page | r.choice([0, 5]):#x}\nmtc0 $24, $10\nehb\ntlbp\nehb\nmfc0 {self.reg()}, $0"
        if kind == 4:
            return (
                f"li $24, {r.randrange(len(_PAGES))}\nmtc0 $24, $0\nehb\ntlbr\nehb\nmfc0 {self.reg()}, $2\n"
                f"mfc0 {self.reg()}, $3\nmfc0 {self.reg()}, $5\nmfc0 {self.reg()}, $10"
            )
        if kind == 5:
            return f"li $24, {r.choice([0, 5])}\nmtc0 $24, $10\nehb"
        name = r.choice(["lw", "lw", "lb", "lhu", "sw", "sw", "sb", "sh", "lwl", "swr"])
        address = page + r.choice([0, 4, 0x20, 0xFFC, 0x1000, 0x1004, 0x1FFC])
        if page == _LARGE_PAGE:
            address += r.choice([0, 0x2000, 0x4000, 0x8000, 0x10000])
        access = f"li $24, {address:#x}\n{name} {self.reg()}, 0($24)"
        if r.random() < 0.25:
            label = self.label()
            return f"li $24, {address:#x}\nbeq $0, $0, {label}\n{name} {self.reg()}, 0($24)\nnop\n{label}:"
        return access

    def _entry_lo(self) -> int:
        """A mapping of two pages far above everything else in RAM; or invalid, or not writable."""
        frame = self.rng.choice([0x3000, 0x3001, 0x3002])
        flags = self.rng.choice([0x1F, 0x1F, 0x17, 0x1B, 0x19, 0x1E, 0x1D])
        return (frame << 6) | flags


#: Where the TLB programs map pages; the last one holds large pages.
_LARGE_PAGE = 0x10000000
_PAGES = [0x00400000, 0x00402000, 0x00404000, 0xC0000000, 0xC0002000, _LARGE_PAGE]
_LARGE_MASKS = [0x6000, 0x1E000]

#: CP0 registers whose value is a matter of the CPU alone: not Random, Count, nor what the boot code left behind.
_READABLE = [(0, 0), (2, 0), (3, 0), (4, 0), (4, 2), (5, 0), (6, 0), (7, 0), (8, 0), (10, 0), (12, 0), (12, 1), (12, 2),
             (12, 3), (14, 0), (15, 0), (15, 1), (16, 0), (16, 1), (16, 2), (16, 3), (17, 0)]  # fmt: skip

#: CP0 registers to write and read back, with the bits that programs may set and live.
_WRITABLE = [(2, 0, 0xFFFFFFFF), (3, 0, 0xFFFFFFFF), (4, 0, 0xFFFFFFFF), (4, 2, 0xFFFFFFFF), (5, 0, 0xFFFFFFFF),
             (6, 0, 0xFFFFFFFF), (7, 0, 0xFFFFFFFF), (8, 0, 0xFFFFFFFF), (10, 0, 0xFFFFFFFF), (12, 1, 0xFFFFFFFF),
             (12, 0, 0xF000FF00), (14, 0, 0xFFFFFFFF), (15, 0, 0xFFFFFFFF),
             (17, 0, 0xFFFFFFFF), (0, 0, 0xFFFFFFFF), (30, 0, 0xFFFFFFFF)]  # fmt: skip


def _integer(g: Generator) -> str:
    draw = g.rng.random()
    if draw < 0.3:
        return g.branch()
    if draw < 0.36:
        return g.loop()
    if draw < 0.44:
        return g.trap()
    return g.plain()


KINDS: dict[str, tuple[int, Callable[[Generator], str]]] = {
    "alu": (BASE_STATUS, lambda g: g.alu()),
    "memory": (BASE_STATUS, lambda g: g.load_linked() if g.rng.random() < 0.1 else g.memory()),
    "integer": (BASE_STATUS, _integer),
    "changing": (BASE_STATUS, lambda g: g.change_ahead() if g.rng.random() < 0.4 else g.branch()),
    "trap": (BASE_STATUS, lambda g: g.trap() if g.rng.random() < 0.6 else g.branch()),
    "fpu32": (BASE_STATUS, lambda g: g.fpu(wide=False)),
    "fpu64": (BASE_STATUS | STATUS_FR, lambda g: g.fpu(wide=True)),
    "cp0": (BASE_STATUS, lambda g: g.cp0() if g.rng.random() < 0.7 else g.plain()),
    "tlb": (BASE_STATUS, lambda g: g.tlb()),
}


def make_program(kind: str, seed: int) -> Program:
    """The program that a seed stands for.

    Args:
        kind: a key of KINDS.
        seed: any integer.
    """
    rng = random.Random(f"{kind} {seed}")
    generator = Generator(rng)
    status, draw = KINDS[kind]
    lines = tuple(draw(generator) for _ in range(rng.randint(4, 24)))
    return Program(
        kind=kind,
        lines=lines,
        status=status,
        registers=tuple(0 if number == 0 else generator.word() for number in range(32)),
        hi_lo_fcsr=(generator.word(), generator.word(), rng.choice([0, 0, 1, 2, 3])),
        fpu=tuple(_fpu_value(rng) for _ in range(32)),
        scratch=rng.randbytes(SCRATCH_BYTES),
    )


def _fpu_value(rng: random.Random) -> int:
    draw = rng.randrange(5)
    if draw == 0:
        return rng.getrandbits(64)
    if draw == 1:
        return int.from_bytes(
            struct.pack(">d", rng.choice([0.0, -0.0, 1.0, -1.5, 3.0, 1e308, 5e-324, 2.0**31, -(2.0**63)]))
        )
    if draw == 2:
        return int.from_bytes(struct.pack(">d", rng.uniform(-1000, 1000)))
    return (rng.choice(_SINGLES) << 32) | rng.choice(_SINGLES)
