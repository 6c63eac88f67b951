"""Addresses as users write them: numbers, names from the guest's image, registers, and sums of these."""

from __future__ import annotations

import re

from rdbg.analysis.whole_number import whole_number
from rdbg.emu.machine_api import MachineApi
from rdbg.errors import UsageError
from rdbg.symbols.table import AddressRange, SymbolTable

#: How usages and messages call one.
ADDRESS = "ADDRESS"
_TERM = re.compile(r"([+-]?)(&?)(\$?[A-Za-z0-9_.$@]+)")
_HEX = re.compile(r"[0-9a-fA-F]{1,16}")
_SHOWN = 60


def evaluate(machine: MachineApi, symbols: SymbolTable, text: str) -> AddressRange:
    """What ``0x9fc01000``, ``9fc01000``, ``main``, ``&main``, ``main+8``, ``$sp``, ``$a0+0x10`` stand for.

    A number at the beginning is hexadecimal, with or without ``0x``; one too long for that is decimal. What is added is
    decimal unless it says ``0x``.

    Args:
        machine: for registers, as they stand.
        symbols: names.
        text: what was written.

    Raises:
        UsageError: it is none of these, or there is no such name.
    """
    terms = list(_TERM.finditer(text))
    if not terms or "".join(term[0] for term in terms) != text or any(not term[1] for term in terms[1:]):
        raise _unknown(text)
    total, size = 0, 0
    for index, term in enumerate(terms):
        sign, ampersand, word = term.groups()
        found = _term(machine, symbols, word, text, first=index == 0 and not sign, name=bool(ampersand))
        total += -found.address if sign == "-" else found.address
        size = found.size if len(terms) == 1 else 0
    architecture = machine.architecture
    value = architecture.address(total)
    if value is None:
        raise UsageError(f"address '{text[:_SHOWN]}' does not fit in {architecture.address_bits} bits")
    return AddressRange(value, size)


def address_range(machine: MachineApi, symbols: SymbolTable, text: str) -> AddressRange:
    """The bytes that ``A..B`` (B is the first one behind), ``A+LENGTH`` or a symbol stands for.

    Raises:
        UsageError: it is none of these, or empty.
    """
    first, dots, behind = text.partition("..")
    if dots:
        start, end = evaluate(machine, symbols, first).address, evaluate(machine, symbols, behind).address
        if end <= start:
            raise UsageError(
                f"'{text[:_SHOWN]}' is no range: A..B goes from A up to B, which is the first byte behind it"
            )
        return AddressRange(start, end - start)
    place, plus, length = text.rpartition("+")
    if plus:
        size = whole_number(length, "length")
        start = evaluate(machine, symbols, place).address
    else:
        found = evaluate(machine, symbols, text)
        start, size = found.address, found.size
        if not size:
            raise UsageError(f"'{text[:_SHOWN]}': how many bytes? say {text[:_SHOWN]}+4, or A..B")
    return checked_range(machine, start, size, text)


def checked_range(machine: MachineApi, start: int, length: int, text: str) -> AddressRange:
    """The bytes from an address on.

    Args:
        machine: whose address space it is.
        start: virtual address of the first byte.
        length: bytes.
        text: what was asked for, for the message.

    Raises:
        UsageError: there are none, or they reach further than the address space.
    """
    if not 0 < length <= (1 << machine.architecture.address_bits) - start:
        raise UsageError(f"'{text[:_SHOWN]}': a length is at least 1, and reaches no further than the address space")
    return AddressRange(start, length)


def _term(machine: MachineApi, symbols: SymbolTable, word: str, text: str, *, first: bool, name: bool) -> AddressRange:
    if word.startswith("$"):
        return AddressRange(_register(machine, word))
    symbol = symbols.find(word)
    if symbol is not None:
        return symbol
    if not name:
        if word[:2].lower() == "0x" and _HEX.fullmatch(word[2:]):
            return AddressRange(int(word, 16))
        if first and _HEX.fullmatch(word):
            value = machine.architecture.address(int(word, 16))
            if value is None:
                value = int(word) if word.isdecimal() else int(word, 16)
            return AddressRange(value)
        if not first and word.isascii() and word.isdecimal() and len(word) <= 20:
            return AddressRange(int(word))
    raise _unknown(text, word, symbols.near(word))


def _register(machine: MachineApi, word: str) -> int:
    return machine.read_register(register_number(machine, word))


def register_number(machine: MachineApi, word: str) -> int:
    """The debugger's number of the register that is written ``$sp`` or ``sp``.

    Raises:
        UsageError: there is no such register.
    """
    number = machine.architecture.number_of_name(word.removeprefix("$"), machine.layout)
    if number is None:
        raise UsageError(f"there is no register '{word[:_SHOWN]}'; 'monitor info registers' lists them")
    return number


def _unknown(text: str, name: str = "", near: list[str] | None = None) -> UsageError:
    what = f"the guest's image has no symbol '{name[:_SHOWN]}'" if name else "that is no address"
    meant = f" (did you mean {' or '.join(near)}?)" if near else ""
    return UsageError(
        f"'{text[:_SHOWN]}': {what}{meant}; give a number (0x9fc01000), a symbol of the image, $REGISTER, or one "
        "of these + OFFSET; what only GDB can evaluate, 'print &...' shows the address of"
    )
