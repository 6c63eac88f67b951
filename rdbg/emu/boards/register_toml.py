"""``[[registers]]``: a block of registers that hold values and do little else, for what a firmware only looks at."""

from __future__ import annotations

from typing import TypeGuard

from rdbg.emu.boards.toml_table import ADDRESS_LIMIT, Irq, Table, endian_of, irq_of, number_text, shown
from rdbg.emu.memory_map import Endian
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

#: Registers of one block, values of one sequence, and what one register's stores set going.
MOST_REGISTERS = 1024
MOST_VALUES = 256
MOST_EFFECTS = 16
_MOST_TIMES = 1_000_000_000
#: A hundred years; longer than anybody waits.
MOST_NS = 3_155_760_000 * 1_000_000_000
_LARGEST_BLOCK = 16 << 20
_MOST_CODE = 0xFFFF_FFFF


@dataclass(frozen=True)
class EffectSpec:
    """What a store to a register sets going.

    Args:
        register: number in the block of the register that changes.
        set_bits: these bits of it become 1,
        clear_bits: and these 0,
        after_ns: so many nanoseconds of virtual time later; 0: at once.
        when: with a store in which any of these bits is 1; None: with any store.
    """

    register: int
    set_bits: int
    clear_bits: int
    after_ns: int
    when: int | None


@dataclass(frozen=True)
class RegisterSpec:
    """One register.

    Args:
        name: unique in the block.
        offset: bytes from the block's base.
        width: bytes.
        reset: value after a reset.
        writable: bits that a store sets to what it says.
        write_one_to_clear, write_one_to_set: bits that a store clears or sets where it has ones.
        read_to_clear: bits that a load clears after it has given them.
        sequence: what loads give one after another: (value, how often); the last stays. Empty: the value.
        sequence_bits: bits that the sequence gives; the others come from the value.
        restarts: a store lets the sequence begin again.
        interrupt: bits that drive the block's interrupt line.
        enable: number of the register whose bits let these through; None: all do.
        exit_codes: a store of a value ends the run with an exit code; None: of any value, with itself; empty: of none.
        machine_reset: a store in which any of these bits is 1 resets the machine.
        effects: what else a store does.
    """

    name: str
    offset: int
    width: int
    reset: int = 0
    writable: int = 0
    write_one_to_clear: int = 0
    write_one_to_set: int = 0
    read_to_clear: int = 0
    sequence: tuple[tuple[int, int], ...] = ()
    sequence_bits: int = 0
    restarts: bool = False
    interrupt: int = 0
    enable: int | None = None
    exit_codes: tuple[tuple[int, int], ...] | None = ()
    machine_reset: int = 0
    effects: tuple[EffectSpec, ...] = ()

    @property
    def end(self) -> int:
        """Offset behind it."""
        return self.offset + self.width


@dataclass(frozen=True)
class RegisterBlockSpec:
    """A ``[[registers]]`` table.

    Args:
        name: unique.
        base: guest-physical address.
        size: bytes.
        endian: byte order of the registers.
        irq: where its interrupt line leads; None: nowhere.
        registers: sorted by offset.
    """

    name: str
    base: int
    size: int
    endian: Endian
    irq: Irq | None
    registers: tuple[RegisterSpec, ...]


def parse_registers(table: Table, index: int) -> RegisterBlockSpec:
    """Read a ``[[registers]]`` table.

    Args:
        table: it.
        index: its number among those.

    Raises:
        RdbgError: a mistake in it.
    """
    name, base = table.text("name", f"registers{index}"), table.integer("base", 0, ADDRESS_LIMIT - 1)
    width = table.integer("width", 1, 4, 4)
    if width == 3:
        raise table.fail("width", "must be 1, 2 or 4 bytes, not 3")
    size = table.size("size") if table.has("size") else None
    if size is not None and not 0 < size <= _LARGEST_BLOCK:
        raise table.fail("size", f"must be 1 to {_LARGEST_BLOCK:#x}, not {number_text(size)}")
    endian, irq = endian_of(table), irq_of(table)
    tables = table.tables("register", MOST_REGISTERS)
    if not tables:
        raise table.fail("register", "is missing: write a [[registers.register]] for each register")
    heads = [_head(each, width, size) for each in tables]
    numbers: dict[str, int] = {}
    for number, (head_name, offset, head_width) in enumerate(heads):
        if head_name in numbers:
            raise tables[number].fail("name", f"is {head_name!r} of two registers: give each its own")
        numbers[head_name] = number
        for other_name, other_offset, other_width in heads[:number]:
            if offset < other_offset + other_width and other_offset < offset + head_width:
                raise tables[number].fail("offset", f"{offset:#x} overlaps register {other_name!r}: move one of them")
    widths = [head[2] for head in heads]
    found = [_register(each, head, numbers, widths) for each, head in zip(tables, heads, strict=True)]
    if irq is None and any(each.interrupt for each in found):
        raise table.fail("irq", "is missing, and a register has the key interrupt: say which line it drives")
    table.done()
    end = max(each.end for each in found)
    return RegisterBlockSpec(name, base, end if size is None else size, endian, irq, tuple(found))


def _head(table: Table, width: int, size: int | None) -> tuple[str, int, int]:
    """Name, offset and width of a register."""
    offset = table.integer("offset", 0, _LARGEST_BLOCK - 1)
    width = table.integer("width", 1, 4, width)
    if width == 3:
        raise table.fail("width", "must be 1, 2 or 4 bytes, not 3")
    if offset % width:
        raise table.fail("offset", f"must be a multiple of the width {width}, not {offset:#x}")
    if size is not None and offset + width > size:
        raise table.fail("offset", f"{offset:#x} is beyond the block's size {size:#x}: raise size, or leave it out")
    return table.text("name", f"{offset:#x}"), offset, width


def _register(table: Table, head: tuple[str, int, int], numbers: dict[str, int], widths: list[int]) -> RegisterSpec:
    name, offset, width = head
    most = (1 << (8 * width)) - 1

    def bits(key: str, default: int = 0) -> int:
        return table.integer(key, 0, most, default)

    special = {key: bits(key) for key in ("write_one_to_clear", "write_one_to_set", "read_to_clear")}
    both = special["write_one_to_clear"] & special["write_one_to_set"]
    if both:
        raise table.fail("write_one_to_set", f"has the bits {both:#x} of write_one_to_clear: a bit can be one of them")
    by_ones = special["write_one_to_clear"] | special["write_one_to_set"]
    writable = bits("writable", most & ~by_ones)
    if writable & by_ones:
        raise table.fail("writable", f"has the bits {writable & by_ones:#x} of write_one_to_...: take them out of one")
    has_sequence = table.has("sequence")
    sequence = _sequence(table, most)
    for key in ("sequence_bits", "restart"):
        if table.has(key) and not has_sequence:
            raise table.fail(key, "is of no use without the key sequence: remove it")
    spec = RegisterSpec(
        name=name,
        offset=offset,
        width=width,
        reset=bits("reset"),
        writable=writable,
        **special,
        sequence=sequence,
        sequence_bits=bits("sequence_bits", most if sequence else 0),
        restarts=table.choice("restart", ("never", "store"), "never") == "store",
        interrupt=bits("interrupt"),
        enable=_other(table, "enable", numbers) if table.has("enable") else None,
        exit_codes=_exit_codes(table, most),
        machine_reset=bits("machine_reset"),
        effects=tuple(_effect(each, numbers, widths, most) for each in table.tables("on_store", MOST_EFFECTS)),
    )
    if spec.enable is not None and not spec.interrupt:
        raise table.fail("enable", "is of no use without the key interrupt: remove it")
    table.done()
    return spec


def _other(table: Table, key: str, numbers: dict[str, int]) -> int:
    """The number of the register that a key names."""
    name = table.text(key)
    if name not in numbers:
        raise table.fail(key, f"names {name!r}, which is no register of this block: name one of them")
    return numbers[name]


def _sequence(table: Table, most: int) -> tuple[tuple[int, int], ...]:
    found = []
    for item in table.listed("sequence", MOST_VALUES):
        value, times = item if isinstance(item, list) and len(item) == 2 else (item, 1)
        if not _is_number(value, most) or not _is_number(times, _MOST_TIMES) or not times:
            raise table.fail("sequence", f"must be values of 0 to {most:#x}, or [value, how often], not {shown(item)}")
        found.append((value, times))
    return tuple(found)


def _is_number(value: object, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _exit_codes(table: Table, most: int) -> tuple[tuple[int, int], ...] | None:
    """See `RegisterSpec.exit_codes`."""
    if not table.has("exit"):
        return ()
    value = table.take("exit")
    if value is True:
        return None
    codes = []
    for item in value if isinstance(value, list) and len(value) <= MOST_VALUES else [value]:
        if not (
            isinstance(item, list) and len(item) == 2 and _is_number(item[0], most) and _is_number(item[1], _MOST_CODE)
        ):
            raise _exit_mistake(table, item)
        codes.append((item[0], item[1]))
    return tuple(codes)


def _exit_mistake(table: Table, item: object) -> RdbgError:
    return table.fail("exit", f"must be true, or a list of [value stored, exit code], not {shown(item)}")


def _effect(table: Table, numbers: dict[str, int], widths: list[int], most_stored: int) -> EffectSpec:
    register = _other(table, "register", numbers)
    most = (1 << (8 * widths[register])) - 1
    spec = EffectSpec(
        register=register,
        set_bits=table.integer("set", 0, most, 0),
        clear_bits=table.integer("clear", 0, most, 0),
        after_ns=table.integer("after_ns", 0, MOST_NS, 0),
        when=table.integer("when", 1, most_stored) if table.has("when") else None,
    )
    if not spec.set_bits and not spec.clear_bits:
        raise table.fail("set", "is missing, and clear too: say which bits change")
    if spec.set_bits & spec.clear_bits:
        raise table.fail("clear", f"has the bits {spec.set_bits & spec.clear_bits:#x} of set: take them out of one")
    table.done()
    return spec
