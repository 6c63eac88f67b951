"""Records and machines in words, for people."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rdbg.emu.architecture import Architecture
from rdbg.emu.inputs import InputKind
from rdbg.emu.semihosting import CONSOLE
from rdbg.emu.spec import MachineSpec
from rdbg.errors import RdbgError
from rdbg.journal.output_marks import parse_digests
from rdbg.journal.records import KIND_DIGEST, KIND_END, EndOfRun, EndReason, Record

#: Bytes of data shown of one record.
SHOWN_BYTES = 64

_KIND_NAMES = {
    int(InputKind.SERIAL): "serial",
    int(InputKind.SERIAL_BREAK): "serial-break",
    int(InputKind.WAKE): "wake",
    int(InputKind.RESET): "reset",
    int(InputKind.SHUTDOWN): "shutdown",
    int(InputKind.POKE_MEMORY): "write-memory",
    int(InputKind.POKE_REGISTER): "write-register",
    int(InputKind.HOLD): "hold",
    int(InputKind.PACKET): "packet",
    int(InputKind.LINK): "link",
    int(InputKind.CONSOLE): "console",
    int(InputKind.ENTROPY): "random",
    int(InputKind.PIN): "pin",
    int(InputKind.DELAY): "delay",
    KIND_DIGEST: "digest",
    KIND_END: "end",
}
_ESCAPES = {0x07: "\\a", 0x08: "\\b", 0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r", 0x1B: "\\e", 0x22: '\\"', 0x5C: "\\\\"}


def kind_name(kind: int) -> str:
    """A kind of record in a word."""
    return _KIND_NAMES.get(kind, f"kind-{kind}")


def delayed_work(works: Sequence[str], timer: int) -> str:
    """What takes longer, in words.

    Args:
        works: what each of the machine's timers ends, by number (`MachineSystem.works`); empty: it is not known.
        timer: number of the timer.
    """
    named = works[timer] if timer < len(works) else ""
    return named or f"the work of device timer {timer}"


def record_text(record: Record, architecture: Architecture | None, works: Sequence[str] = ()) -> str:
    """What a record says, but for its place and kind.

    Args:
        record: it.
        architecture: of the recorded machine, which names its registers; None: it is not known to this rdbg.
        works: what its timers end; see `delayed_work`.
    """
    match record.kind:
        case InputKind.SERIAL:
            port = "semihosting" if record.port == CONSOLE else f"port {record.port}"
            return f"{port}: {quoted(record.data)}"
        case InputKind.SERIAL_BREAK:
            return f"port {record.port}"
        case InputKind.CONSOLE:
            return f"port {record.port}: {quoted(record.data)}"
        case InputKind.ENTROPY:
            return f"generator {record.port}: {len(record.data)} bytes: {hexed(record.data)}"
        case InputKind.PACKET:
            return f"network {record.port}: {len(record.data)} bytes: {hexed(record.data)}"
        case InputKind.LINK:
            return f"network {record.port}: {'up' if record.value else 'down'}"
        case InputKind.PIN:
            return f"gpio {record.port}: pin {record.value >> 1} is {'high' if record.value & 1 else 'low'}"
        case InputKind.WAKE:
            return f"the CPU idled until {seconds_text(record.value)} of virtual time"
        case InputKind.HOLD:
            return f"no interrupt before {record.value} instructions from here, or their time in a wait"
        case InputKind.DELAY:
            return f"{delayed_work(works, record.port)} takes {record.value} instructions' time longer"
        case InputKind.RESET | InputKind.SHUTDOWN:
            return "by the user"
        case InputKind.POKE_MEMORY:
            return f"physical {record.value:#010x}: {len(record.data)} bytes: {hexed(record.data)}"
        case InputKind.POKE_REGISTER:
            register = architecture.register_of_journal(record.port) if architecture is not None else None
            name = f"of journal id {record.port}" if register is None else register.name
            return f"register {name} = {record.value:#x}"
        case kind if kind == KIND_DIGEST:
            return _digests_text(record.data)
        case kind if kind == KIND_END:
            return end_text_of(record.port, record.value)
    return f"unknown to this rdbg: port {record.port}, value {record.value:#x}, data {hexed(record.data)}"


def _digests_text(data: bytes) -> str:
    try:
        digests = parse_digests(data)
    except RdbgError as error:
        return f"{error}: {hexed(data)}"
    sent = "".join(f", {each.endpoint} sent {each.size:,} bytes" for each in digests.output.endpoints)
    return f"{digests.state.hex()}{sent}"


def end_text(end: EndOfRun) -> str:
    """Why a run ended."""
    return end_text_of(int(end.reason), end.exit_code)


def end_text_of(reason: int, exit_code: int) -> str:
    """Why a run ended, from the numbers in a journal."""
    if reason == EndReason.STOPPED:
        return "stopped by the user"
    if reason == EndReason.SHUTDOWN:
        return f"the guest ended the run, exit code {exit_code}"
    return f"for a reason unknown to this rdbg ({reason})"


def quoted(data: bytes) -> str:
    """Bytes as a string in quotes, with escapes; its length if not all is shown."""
    shown = "".join(
        _ESCAPES.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in data[:SHOWN_BYTES]
    )
    return f'"{shown}"' + _more(data)


def hexed(data: bytes) -> str:
    """Bytes as hexadecimal pairs; their number if not all is shown."""
    return data[:SHOWN_BYTES].hex(" ") + _more(data)


def machine_text(machine: MachineSpec) -> str:
    """A machine in one line."""
    order = "big" if machine.big_endian else "little"
    # A board of one's own says in its file what memory there is.
    memory = "" if machine.board == "bare" else f"{machine.ram_bytes >> 20} MiB RAM, "
    return (
        f"{machine.board}, {machine.cpu}, {order} endian, {memory}"
        f"shift {machine.shift} ({1 << machine.shift} ns per instruction)"
    )


def seconds_text(nanoseconds: int) -> str:
    """Virtual time in seconds with all nine decimals."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09} s"


def date_text(seconds: int) -> str:
    """A moment of host time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"


def _more(data: bytes) -> str:
    return f"... ({len(data)} bytes)" if len(data) > SHOWN_BYTES else ""
