"""Stop replies and other answers, as GDB reads them. Source: GDB manual, "Stop Reply Packets"."""

from __future__ import annotations

from collections.abc import Mapping

THREAD = "01"

SIGINT = 2
SIGTRAP = 5

OK = b"OK"
UNSUPPORTED = b""


def stop_reply(signal: int, reason: str = "", registers: Mapping[int, bytes] | None = None) -> bytes:
    """A ``T`` packet.

    Args:
        signal: GDB's signal number.
        reason: ``NAME:VALUE`` of the stop reason, e.g. ``swbreak:`` or ``watch:1000``; empty for none.
        registers: values, as bytes in target order, that save GDB from asking: number -> bytes.
    """
    fields = [reason] if reason else []
    fields.append(f"thread:{THREAD}")
    fields += [f"{number:02x}:{value.hex()}" for number, value in (registers or {}).items()]
    return f"T{signal:02x}{';'.join(fields)};".encode()


def exited(code: int) -> bytes:
    """A ``W`` packet: the program has ended. It has room for the lowest 8 bits of the exit code, as a process has."""
    return b"W%02x" % (code & 0xFF)


def watch_reason(name: str, extended: int) -> str:
    """The reason of a watchpoint stop.

    Args:
        name: ``watch``, ``rwatch`` or ``awatch``.
        extended: the address accessed as GDB holds it, which compares it with its own as it stands.
    """
    return f"{name}:{extended:x}"


def history_end(which: str, description: str) -> str:
    """The reason of a stop at an end of history: ``begin`` or ``end``.

    Args:
        which: this.
        description: for LLDB, which takes it for an exception; empty for none.
    """
    reason = f"replaylog:{which}"
    # Source: LLDB's docs/resources/lldbgdbremote.md, "Stop reply packet extensions".
    return f"{reason};reason:exception;description:{description.encode().hex()}" if description else reason


def console(text: str) -> bytes:
    """An ``O`` packet: text for the user, while the guest runs or a monitor command does."""
    return b"O" + text.encode("utf-8", "backslashreplace").hex().encode()


def error(code: int) -> bytes:
    """``E NN``."""
    return b"E%02x" % code


def error_message(message: str) -> bytes:
    """``E.message``, which GDB shows to the user."""
    return b"E." + message.replace("\n", " ").encode("ascii", "replace")


def transferred(document: bytes, offset: int, length: int) -> bytes:
    """A piece of a ``qXfer`` object: ``m`` while there is more, ``l`` at the end."""
    piece = document[offset : offset + length]
    return (b"m" if offset + len(piece) < len(document) else b"l") + piece
