"""Parsers for the fields of packets: one small function per form. All raise PacketError on anything else."""

from __future__ import annotations

import re

from rdbg.emu.architecture import Architecture
from rdbg.quick_dataclass import dataclass
from rdbg.rsp.packet_error import EFAULT, PacketError

_HEX_NUMBER = re.compile(rb"[0-9a-fA-F]{1,16}")


@dataclass(frozen=True)
class Range:
    """``ADDR,LENGTH``: an address and a number of bytes."""

    address: int
    length: int


@dataclass(frozen=True)
class PointSpec:
    """``TYPE,ADDR,KIND[;COND...][;cmds:PERSIST,COMMAND...]`` of ``Z`` and ``z``: conditions and commands are agent
    expressions."""

    kind: int
    address: int
    length: int
    conditions: tuple[bytes, ...] = ()
    commands: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class TransferRequest:
    """``OBJECT:read:ANNEX:OFFSET,LENGTH`` of ``qXfer``."""

    object: str
    annex: str
    offset: int
    length: int


@dataclass(frozen=True)
class ResumeAction:
    """One action of ``vCont``: ``c C s S t r``, with the range of ``r``, for a thread (None: all others)."""

    action: str
    thread: int | None = None
    start: int = 0
    end: int = 0


def number(text: bytes) -> int:
    """A hexadecimal number without sign, of 64 bits at most."""
    if not _HEX_NUMBER.fullmatch(text):
        raise PacketError(f"{_shown(text)} is not a hexadecimal number")
    return int(text, 16)


def address(text: bytes, architecture: Architecture) -> int:
    """An address of the machine's, which GDB may write sign-extended to 64 bits."""
    value = number(text)
    found = architecture.address(value)
    if found is None:
        raise PacketError(f"address {value:#x} does not fit in {architecture.address_bits} bits", code=EFAULT)
    return found


def hex_bytes(text: bytes) -> bytes:
    """Bytes written as pairs of hexadecimal digits."""
    if re.fullmatch(rb"(?:[0-9a-fA-F]{2})*", text) is None:
        raise PacketError(f"{_shown(text)} is not a string of hexadecimal pairs")
    return bytes.fromhex(text.decode("ascii"))


def memory_range(text: bytes, architecture: Architecture) -> Range:
    """``ADDR,LENGTH``."""
    first, comma, second = text.partition(b",")
    if not comma:
        raise PacketError(f"{_shown(text)} is not ADDRESS,LENGTH")
    return Range(address(first, architecture), number(second))


def memory_write(text: bytes, architecture: Architecture) -> tuple[Range, bytes]:
    """``ADDR,LENGTH:DATA``, the data as it stands."""
    head, colon, data = text.partition(b":")
    if not colon:
        raise PacketError("memory write without data")
    return memory_range(head, architecture), data


def register_assignment(text: bytes) -> tuple[int, bytes]:
    """``N=HEX``."""
    first, equals, second = text.partition(b"=")
    if not equals:
        raise PacketError(f"{_shown(text)} is not REGISTER=VALUE")
    return number(first), hex_bytes(second)


def point(text: bytes, architecture: Architecture) -> PointSpec:
    """``TYPE,ADDR,KIND[;X LEN,EXPR...][;cmds:...]`` after the ``Z`` or ``z``."""
    head, *options = text.split(b";")
    parts = head.split(b",")
    if len(parts) != 3:
        raise PacketError(f"{_shown(head)} is not TYPE,ADDRESS,KIND")
    conditions: list[bytes] = []
    commands: list[bytes] = []
    for option in options:
        if option.startswith(b"X"):
            conditions += agent_expressions(option)
        elif option.startswith(b"cmds:"):
            # Commands that are to outlive the connection do not: nobody would read what they print.
            _, _, expressions = option.partition(b",")
            commands += agent_expressions(expressions)
    where = address(parts[1], architecture)
    return PointSpec(number(parts[0]), where, number(parts[2]), tuple(conditions), tuple(commands))


def agent_expressions(text: bytes) -> list[bytes]:
    """``X LEN,HEX`` one after another: the bytecode of each expression."""
    found = []
    while text:
        head, comma, rest = text.partition(b",")
        if not comma or not head.startswith(b"X"):
            raise PacketError(f"{_shown(text)} is not an agent expression")
        digits = 2 * number(head[1:])
        if len(rest) < digits:
            raise PacketError("agent expression is cut short")
        found.append(hex_bytes(rest[:digits]))
        text = rest[digits:]
    return found


def transfer(text: bytes) -> TransferRequest:
    """``OBJECT:read:ANNEX:OFFSET,LENGTH`` after ``qXfer:``."""
    parts = text.split(b":")
    if len(parts) < 4 or parts[1] != b"read":
        raise PacketError(f"{_shown(text)} is not a transfer that can be made")
    offset, comma, length = parts[-1].partition(b",")
    if not comma:
        raise PacketError(f"{_shown(parts[-1])} is not OFFSET,LENGTH")
    annex = b":".join(parts[2:-1])
    return TransferRequest(_text(parts[0]), _text(annex), number(offset), number(length))


def thread(text: bytes) -> int:
    """A thread number; 0 (any) and -1 (all) too. ``pPID.TID`` is understood."""
    if text.startswith(b"p"):
        process, dot, tid = text[1:].partition(b".")
        if process != b"-1":
            number(process)
        text = tid if dot else b"-1"
    return -1 if text == b"-1" else number(text)


def resume_actions(text: bytes, architecture: Architecture) -> list[ResumeAction]:
    """``;ACTION[:THREAD]...`` after ``vCont``."""
    if not text.startswith(b";"):
        raise PacketError(f"vCont{_shown(text)} names no action")
    return [_resume_action(part, architecture) for part in text[1:].split(b";")]


def _resume_action(text: bytes, architecture: Architecture) -> ResumeAction:
    what, colon, who = text.partition(b":")
    tid = thread(who) if colon else None
    letter, rest = what[:1], what[1:]
    if letter in (b"c", b"s", b"t") and not rest:
        return ResumeAction(letter.decode(), tid)
    if letter in (b"C", b"S"):
        number(rest)  # the signal: a machine has none to take
        return ResumeAction(letter.decode().lower(), tid)
    if letter == b"r":
        start, comma, end = rest.partition(b",")
        if comma:
            return ResumeAction("r", tid, address(start, architecture), address(end, architecture))
    raise PacketError(f"vCont action {_shown(what)} is not known")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _shown(data: bytes) -> str:
    """Bytes for a message: short, printable."""
    shown = ascii(data[:40].decode("latin-1"))
    return shown if len(data) <= 40 else f"{shown}..."
