"""What instructions of MIPS32 do to registers and memory, told from their words alone.

Source: MIPS32 Instruction Set (vol. II, release 2), appendix A. Register numbers are the debugger's
(`rdbg.emu.mips32`).
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

from rdbg.emu.mips32 import EXTRA, EXTRA_CP0, F0, FCSR, HI, LO, STATUS
from rdbg.quick_dataclass import dataclass


class Doing(Enum):
    """What an instruction gives the register that it sets."""

    COPY = "copy"  #: another register's value: `Effects.source`
    LOAD = "load"
    CONSTANT = "constant"  #: `Effects.constant`
    LINK = "link"  #: the address of code behind it
    COMPUTE = "compute"  #: something made of what it reads
    SYSTEM = "system"  #: a register of the system, or what the hardware says: `Effects.source` if it is known
    OTHER = "other"  #: it sets none


class Part(Enum):
    """Which bytes of a word an access moves."""

    WHOLE = "whole"
    LEFT = "left"  #: lwl, swl
    RIGHT = "right"  #: lwr, swr


@dataclass(frozen=True)
class MemoryAccess:
    """An access to memory.

    Args:
        base: register of the address.
        offset: added to it.
        index: register added to it; None: none.
        size: bytes.
        store: a store; else a load.
        register: whose value is moved.
        signed: a load extends the sign.
        part: for unaligned words.
    """

    base: int
    offset: int
    size: int
    store: bool
    register: int
    index: int | None = None
    signed: bool = False
    part: Part = Part.WHOLE

    def moved(self, address: int, big_endian: bool) -> dict[int, int]:
        """Of each byte of the register (0 the least significant) that is moved: its address.

        Args:
            address: that the instruction computes.
            big_endian: byte order.
        """
        if self.part is Part.WHOLE:
            return {lane: address + (self.size - 1 - lane if big_endian else lane) for lane in range(self.size)}
        at = address & 3
        if self.part is Part.LEFT:
            return {3 - n: address + n if big_endian else address - n for n in range(4 - at if big_endian else at + 1)}
        return {n: address - n if big_endian else address + n for n in range(at + 1 if big_endian else 4 - at)}


@dataclass(frozen=True)
class Effects:
    """What an instruction does.

    Args:
        name: its mnemonic.
        doing: how it makes what it sets.
        sets: registers that it may set, but for those that the hardware sets beside (Cause at an exception).
        reads: registers that this depends on.
        access: to memory, or None.
        source: of a copy.
        constant: of a constant.
        branch: the instruction behind it is its slot.
        likely: a slot that is passed over if the branch is not taken.
        condition: register, and whether it must be zero for anything to be set; None: always.
    """

    name: str
    doing: Doing = Doing.OTHER
    sets: tuple[int, ...] = ()
    reads: tuple[int, ...] = ()
    access: MemoryAccess | None = None
    source: int | None = None
    constant: int | None = None
    branch: bool = False
    likely: bool = False
    condition: tuple[int, bool] | None = None


_LOADS = {0x20: ("lb", 1), 0x21: ("lh", 2), 0x22: ("lwl", 4), 0x23: ("lw", 4), 0x24: ("lbu", 1), 0x25: ("lhu", 2),
          0x26: ("lwr", 4), 0x30: ("ll", 4), 0x31: ("lwc1", 4), 0x35: ("ldc1", 8)}  # fmt: skip
_STORES = {0x28: ("sb", 1), 0x29: ("sh", 2), 0x2A: ("swl", 4), 0x2B: ("sw", 4), 0x2E: ("swr", 4), 0x38: ("sc", 4),
           0x39: ("swc1", 4), 0x3D: ("sdc1", 8)}  # fmt: skip
_PARTS = {0x22: Part.LEFT, 0x26: Part.RIGHT, 0x2A: Part.LEFT, 0x2E: Part.RIGHT}
_FLOAT = (0x31, 0x35, 0x39, 0x3D)
_ALU = {0x00: "sll", 0x02: "srl", 0x03: "sra", 0x04: "sllv", 0x06: "srlv", 0x07: "srav", 0x20: "add", 0x21: "addu",
        0x22: "sub", 0x23: "subu", 0x24: "and", 0x25: "or", 0x26: "xor", 0x27: "nor", 0x2A: "slt",
        0x2B: "sltu"}  # fmt: skip
_IMMEDIATE = {8: "addi", 9: "addiu", 10: "slti", 11: "sltiu", 12: "andi", 13: "ori", 14: "xori", 15: "lui"}
_PRODUCTS = {0x18: "mult", 0x19: "multu", 0x1A: "div", 0x1B: "divu"}
_SPECIAL2 = {0: "madd", 1: "maddu", 4: "msub", 5: "msubu"}
_BRANCHES = {4: "beq", 5: "bne", 6: "blez", 7: "bgtz", 0x14: "beql", 0x15: "bnel", 0x16: "blezl", 0x17: "bgtzl"}
_REGIMM = {0: "bltz", 1: "bgez", 2: "bltzl", 3: "bgezl", 0x10: "bltzal", 0x11: "bgezal", 0x12: "bltzall",
           0x13: "bgezall"}  # fmt: skip
_CP0 = {(12, 0): STATUS, (8, 0): 35, (13, 0): 36} | {
    (register, select): EXTRA + i for i, (_, register, select) in enumerate(EXTRA_CP0)
}
#: System registers that nothing but code sets.
_LEFT_ALONE = {(register, 0) for register in (2, 3, 5, 6, 7, 11)}


def _none_zero(*registers: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys(register for register in registers if register))


@lru_cache(1 << 16)
def effects_of(word: int) -> Effects:
    """What an instruction does.

    Args:
        word: of 32 bits.
    """
    op, rs, rt, _rd = word >> 26, word >> 21 & 31, word >> 16 & 31, word >> 11 & 31
    if op == 0:
        return _special(word)
    if op == 1:
        name = _REGIMM.get(rt)
        if name is None:
            return Effects("trap")
        link = (31,) if rt & 0x10 else ()
        doing = Doing.LINK if link else Doing.OTHER
        return Effects(name, doing, link, _none_zero(rs), branch=True, likely=bool(rt & 2))
    if op in (2, 3):
        return Effects("jal", Doing.LINK, (31,), branch=True) if op == 3 else Effects("j", branch=True)
    if op in _BRANCHES:
        return Effects(_BRANCHES[op], reads=_none_zero(rs, rt), branch=True, likely=bool(op & 0x10))
    if op in _IMMEDIATE:
        return _immediate(op, rs, rt, word)
    if op == 0x10:
        return _system(word)
    if op in (0x11, 0x13):
        return _floating(word)
    if op == 0x1C:
        return _special2(word)
    if op == 0x1F:
        return _special3(word)
    if op in _LOADS or op in _STORES:
        return _access(op, rs, rt, word)
    return Effects("pref" if op == 0x33 else "cache" if op == 0x2F else "reserved")


def _access(op: int, rs: int, rt: int, word: int) -> Effects:
    store = op in _STORES
    name, size = (_STORES if store else _LOADS)[op]
    register = F0 + rt if op in _FLOAT else rt
    offset = (word & 0x7FFF) - (word & 0x8000)
    access = MemoryAccess(rs, offset, size, store, register, None, op in (0x20, 0x21), _PARTS.get(op, Part.WHOLE))
    moved = (register, register + 1) if size == 8 else _none_zero(register)
    if store:
        sets = _none_zero(rt) if op == 0x38 else ()
        return Effects(name, Doing.COMPUTE if sets else Doing.OTHER, sets, (*_none_zero(rs), *moved), access)
    kept = moved if access.part is not Part.WHOLE else ()
    return Effects(name, Doing.LOAD, moved, (*_none_zero(rs), *kept), access)


def _immediate(op: int, rs: int, rt: int, word: int) -> Effects:
    name, low = _IMMEDIATE[op], word & 0xFFFF
    signed = low - 0x10000 if low & 0x8000 else low
    sets = _none_zero(rt)
    if op == 15:
        return Effects(name, Doing.CONSTANT, sets, constant=low << 16)
    if rs == 0:
        value = {8: signed, 9: signed, 10: int(signed > 0), 11: int(low != 0), 12: 0, 13: low, 14: low}[op]
        return Effects(name, Doing.CONSTANT, sets, constant=value & 0xFFFFFFFF)
    if low == 0 and op in (8, 9, 13, 14):
        return Effects(name, Doing.COPY, sets, (rs,), source=rs)
    return Effects(name, Doing.COMPUTE, sets, (rs,))


def _special(word: int) -> Effects:
    rs, rt, rd, function = word >> 21 & 31, word >> 16 & 31, word >> 11 & 31, word & 0x3F
    sets = _none_zero(rd)
    if function == 8:
        return Effects("jr", reads=_none_zero(rs), branch=True)
    if function == 9:
        return Effects("jalr", Doing.LINK, sets, _none_zero(rs), branch=True)
    if function in (10, 11):
        name, zero = ("movz", True) if function == 10 else ("movn", False)
        return Effects(name, Doing.COPY, sets, _none_zero(rs, rt), source=rs, condition=(rt, zero))
    if function == 1:  # movf movt: whether it moves, the floating-point unit says
        return Effects("movci", Doing.COMPUTE, sets, (*_none_zero(rs, rd), FCSR))
    if function in (0x10, 0x12):
        source = HI if function == 0x10 else LO
        return Effects("mfhi" if source == HI else "mflo", Doing.COPY, sets, (source,), source=source)
    if function in (0x11, 0x13):
        target = HI if function == 0x11 else LO
        return Effects("mthi" if target == HI else "mtlo", Doing.COPY, (target,), _none_zero(rs), source=rs)
    if function in _PRODUCTS:
        return Effects(_PRODUCTS[function], Doing.COMPUTE, (HI, LO), _none_zero(rs, rt))
    if function not in _ALU:
        return Effects({0x0C: "syscall", 0x0D: "break", 0x0F: "sync"}.get(function, "trap"))
    reads = _none_zero(rt) if function < 4 else _none_zero(rs, rt)
    shift = word >> 6 & 31
    if not reads:
        return Effects(_ALU[function], Doing.CONSTANT, sets, constant=0xFFFFFFFF if function == 0x27 else 0)
    if function < 4 and shift == 0:
        return Effects(_ALU[function], Doing.COPY, sets, reads, source=rt)
    plain = function in (0x20, 0x21, 0x25, 0x26) and 0 in (rs, rt) or function in (0x22, 0x23) and rt == 0
    if plain or function in (0x24, 0x25) and rs == rt:
        return Effects(_ALU[function], Doing.COPY, sets, reads, source=rs or rt)
    return Effects(_ALU[function], Doing.COMPUTE, sets, reads)


def _special2(word: int) -> Effects:
    rs, rt, rd, function = word >> 21 & 31, word >> 16 & 31, word >> 11 & 31, word & 0x3F
    if function in _SPECIAL2:
        return Effects(_SPECIAL2[function], Doing.COMPUTE, (HI, LO), (*_none_zero(rs, rt), HI, LO))
    if function == 2:
        return Effects("mul", Doing.COMPUTE, _none_zero(rd), _none_zero(rs, rt))
    if function in (0x20, 0x21):
        return Effects("clz" if function == 0x20 else "clo", Doing.COMPUTE, _none_zero(rd), _none_zero(rs))
    return Effects("sdbbp" if function == 0x3F else "reserved")


def _special3(word: int) -> Effects:
    rs, rt, rd, function = word >> 21 & 31, word >> 16 & 31, word >> 11 & 31, word & 0x3F
    if function == 0:
        return Effects("ext", Doing.COMPUTE, _none_zero(rt), _none_zero(rs))
    if function == 4:
        return Effects("ins", Doing.COMPUTE, _none_zero(rt), _none_zero(rs, rt))
    if function == 0x20:
        name = {2: "wsbh", 0x10: "seb", 0x18: "seh"}.get(word >> 6 & 31, "reserved")
        return Effects(name, Doing.COMPUTE, _none_zero(rd), _none_zero(rt))
    if function == 0x3B:
        return Effects("rdhwr", Doing.SYSTEM, _none_zero(rt))
    return Effects("reserved")


def _system(word: int) -> Effects:
    rs, rt, place = word >> 21 & 31, word >> 16 & 31, (word >> 11 & 31, word & 7)
    number = _CP0.get(place)
    if rs == 0:
        known = number if place in _LEFT_ALONE else None
        return Effects("mfc0", Doing.SYSTEM, _none_zero(rt), () if number is None else (number,), source=known)
    if rs == 4 and number is not None:
        return Effects("mtc0", Doing.COPY, (number,), _none_zero(rt), source=rt)
    if rs == 11:
        return Effects("ei" if word & 0x20 else "di", Doing.SYSTEM, (*_none_zero(rt), STATUS), (STATUS,))
    return Effects("cop0")


def _floating(word: int) -> Effects:
    op, fmt, ft, fs, fd = word >> 26, word >> 21 & 31, word >> 16 & 31, word >> 11 & 31, word >> 6 & 31
    function = word & 0x3F
    if op == 0x13:
        if function in (0, 1, 8, 9):
            size, store = 8 if function & 1 else 4, function >= 8
            register = F0 + (fs if store else fd)
            access = MemoryAccess(fmt, 0, size, store, register, index=ft)
            moved = (register, register + 1) if size == 8 else (register,)
            reads = (*_none_zero(fmt, ft), *(moved if store else ()))
            return Effects("sxc1" if store else "lxc1", Doing.OTHER if store else Doing.LOAD, () if store else moved,
                           reads, access)  # fmt: skip
        wide = function & 1 == 1
        return Effects(
            "madd.fmt", Doing.COMPUTE, _pair(fd, wide), (*_pair(fmt, wide), *_pair(fs, wide), *_pair(ft, wide))
        )
    if fmt == 0:
        return Effects("mfc1", Doing.COPY, _none_zero(ft), (F0 + fs,), source=F0 + fs)
    if fmt == 4:
        return Effects("mtc1", Doing.COPY, (F0 + fs,), _none_zero(ft), source=ft)
    if fmt == 3:
        return Effects("mfhc1", Doing.COPY, _none_zero(ft), (F0 + fs + 1,), source=F0 + (fs | 1))
    if fmt == 7:
        return Effects("mthc1", Doing.COPY, (F0 + (fs | 1),), _none_zero(ft), source=ft)
    if fmt == 2:
        return Effects("cfc1", Doing.SYSTEM, _none_zero(ft), (FCSR,), source=FCSR if fs == 31 else None)
    if fmt == 6:
        return Effects("ctc1", Doing.COPY if fs == 31 else Doing.COMPUTE, (FCSR,), _none_zero(ft), source=ft)
    if fmt == 8:
        return Effects("bc1", reads=(FCSR,), branch=True, likely=bool(ft & 2))
    if function >= 0x30:
        return Effects("c.cond", Doing.COMPUTE, (FCSR,), (*_pair(fs, True), *_pair(ft, True)))
    wide = fmt in (17, 21)
    if function == 6 and not wide:
        return Effects("mov.s", Doing.COPY, (F0 + fd,), (F0 + fs,), source=F0 + fs)
    result = wide and function not in (0x20, 0x24, 0x0C, 0x0D, 0x0E, 0x0F) or function in (0x21, 0x25, 8, 9, 10, 11)
    beside = _none_zero(ft) if function in (0x12, 0x13) else _pair(ft, wide)
    kept = (FCSR, *_pair(fd, result)) if function in (0x11, 0x12, 0x13) else ()
    return Effects("fpu", Doing.COMPUTE, _pair(fd, result), (*_pair(fs, wide), *beside, *kept))


def _pair(register: int, wide: bool) -> tuple[int, ...]:
    return (F0 + register, F0 + (register | 1)) if wide else (F0 + register,)
