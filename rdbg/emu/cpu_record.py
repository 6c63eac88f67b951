"""What is saved of a CPU, described: which fields there are, how wide each is, and what it can hold.

The core packs and unpacks records by a table that is made of this description once (`saved_cpu.pxi`): checkpoints are
taken too often to have construct do it. Tools and tests read a record with `CPU_RECORD` itself.

Change `VERSION` with every change here. Masks: MIPS32 Privileged Resource Architecture, vol. III, chapter 9.
"""

from __future__ import annotations

from collections.abc import Iterator

from construct import Array, Construct, Int32ul, Int64ul, Renamed, Struct, Validator

from rdbg.quick_dataclass import dataclass

VERSION = 1
#: The most TLB entries of a model, and those that tlbwr has replaced and that go on to translate.
TLB_SLOTS = 128
#: No virtual time is this late, so that no sum of two of them overflows.
TIME_END_NS = 1 << 62
#: Halted: it runs, it waits for an interrupt, it waits for the answer to a call of the host.
_HALTED_STATES = 3


class Limited(Validator):  # type: ignore[misc]  # construct has no types
    """A number of which not every value can be.

    Args:
        number: its encoding.
        bits: those that can be set.
        most: the largest value.
    """

    def __init__(self, number: Construct, bits: int | None = None, most: int | None = None) -> None:
        super().__init__(number)
        every = (1 << 8 * number.sizeof()) - 1
        self.bits = every if bits is None else bits
        self.most = every if most is None else most

    def _validate(self, value: int, context: object, path: str) -> bool:
        return not value & ~self.bits and value <= self.most


def _bits(mask: int) -> Limited:
    return Limited(Int32ul, bits=mask)


_time = Limited(Int64ul, most=TIME_END_NS - 1)
_frame = _bits(0x03FF_FFFE)  # EntryLo without G
_page_mask = _bits(0x1FFF_E000)
_high = 0xFFFF_E000  # VPN2

_CP0 = Struct(
    "index" / Int32ul,
    "entrylo0" / _bits(0x03FF_FFFF),
    "entrylo1" / _bits(0x03FF_FFFF),
    "context" / _bits(0xFFFF_FFF0),
    "pagemask" / _page_mask,
    "wired" / Int32ul,
    "hwrena" / _bits(0xF),
    "badvaddr" / Int32ul,
    "entryhi" / _bits(_high | 0xFF),
    "compare" / Int32ul,
    "status" / Int32ul,
    "intctl" / _bits(0xE000_03E0),
    "srsctl" / _bits(0xF3C0),
    "srsmap" / Int32ul,
    "cause" / Int32ul,
    "epc" / Int32ul,
    "ebase" / _bits(0xBFFF_F000),
    "config0" / Int32ul,
    "watchlo" / Array(8, _bits(0xFFFF_FFF8)),
    "watchhi" / Array(8, _bits(0xC0FF_0FF8)),
    "depc" / Int32ul,
    "taglo" / _bits(0xFFFF_FCF6),
    "datalo" / Int32ul,
    "taghi" / Int32ul,
    "datahi" / Int32ul,
    "errorepc" / Int32ul,
    "desave" / Int32ul,
    "lladdr" / Int32ul,
    "debug" / Int32ul,
    "performance" / _bits(0x7FF),
    "errctl" / _bits(0x3000_0000),
    "framemask" / Int32ul,
)

_TLB_ENTRY = Struct(
    "vpn2" / _bits(_high),
    "mask" / _page_mask,
    "asid" / _bits(0xFF),
    "is_global" / _bits(1),
    "lo0" / _frame,
    "lo1" / _frame,
)

#: What the core keeps by itself, and what Unicorn holds of the guest.
_GUEST = Struct(
    "bias_ns" / _time,
    "compare_ns" / Int64ul,
    "hold_ns" / _time,
    "count_base" / Int32ul,
    "random" / Int32ul,
    "halted" / Limited(Int32ul, most=_HALTED_STATES - 1),
    "hardware_lines" / _bits(0x3F),
    "cp0" / _CP0,
    "tlb_count" / Limited(Int32ul, most=TLB_SLOTS),
    "tlb" / Array(TLB_SLOTS, _TLB_ENTRY),
)
_REGISTERS = Struct(
    "pc" / Int32ul,
    "hi" / Int32ul,
    "lo" / Int32ul,
    "fcsr" / Int32ul,
    "lladdr" / Int32ul,
    "llval" / Int32ul,
    "gpr" / Array(32, Int32ul),
    "fpr" / Array(32, Int64ul),
)

#: A saved CPU: bytes that depend on its state alone.
CPU_RECORD = Struct("version" / Int32ul, "guest" / _GUEST, "registers" / _REGISTERS)


@dataclass(frozen=True)
class RecordField:
    """A number in a record.

    Args:
        name: where it stands, as ``guest.tlb.3.vpn2``.
        offset: bytes from the record's start; it is little-endian.
        size: bytes, 4 or 8.
        bits: those that can be set.
        most: its largest value.
    """

    name: str
    offset: int
    size: int
    bits: int
    most: int


def record_fields(record: Construct = CPU_RECORD, name: str = "", offset: int = 0) -> Iterator[RecordField]:
    """All numbers of a record, in order.

    Args:
        record: a Struct of numbers, arrays and other such, one of these, or a number.
        name: of it; what is in it has it before its own, with a dot.
        offset: where it begins, in bytes.
    """
    if isinstance(record, Renamed):
        yield from record_fields(record.subcon, name, offset)
    elif isinstance(record, Struct):
        for part in record.subcons:
            yield from record_fields(part, f"{name}.{part.name}" if name else part.name, offset)
            offset += part.sizeof()
    elif isinstance(record, Array):
        size, one = record.subcon.sizeof(), list(record_fields(record.subcon))  # looked through once: a TLB is long
        for index in range(record.count):
            for field in one:
                inner = f"{name}.{index}.{field.name}" if field.name else f"{name}.{index}"
                yield RecordField(inner, offset + index * size + field.offset, field.size, field.bits, field.most)
    else:
        size = record.sizeof()
        every = (1 << 8 * size) - 1
        bits, most = (record.bits, record.most) if isinstance(record, Limited) else (every, every)
        yield RecordField(name, offset, size, bits, most)
