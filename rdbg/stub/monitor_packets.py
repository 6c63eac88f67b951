"""``qRcmd``: GDB's ``monitor`` command."""

from __future__ import annotations

from rdbg.monitor import interpreter
from rdbg.monitor.command import STALE
from rdbg.rsp import fields, replies
from rdbg.stub.client import Client, Feature

#: Characters per ``O`` packet: each takes two digits, and old clients have small buffers.
_PIECE = 1000

#: What rdbg.gdb says when it has connected: it makes GDB forget old registers by itself. Before what it asks unseen.
_SCRIPT_HELLO = "script"
#: Before what a command of the script asks whose user waits: they see what it says meanwhile, and the script asks for
#: the answer then, as far as it came.
_SCRIPT_KEEP, _SCRIPT_KEPT = "keep ", "kept"
_STALE_LLDB = "LLDB still holds the old registers; it reads them again when the guest runs\n"


def _monitor(client: Client, rest: bytes) -> bytes | None:
    with client.commanded():
        return _obeyed(client, rest)


def _obeyed(client: Client, rest: bytes) -> bytes | None:
    line = fields.hex_bytes(rest).decode("utf-8", "replace")
    if line.strip() == _SCRIPT_HELLO:
        client.has_script = True
        return replies.OK
    asked = line.removeprefix(f"{_SCRIPT_HELLO} ")
    kept = asked.removeprefix(_SCRIPT_KEEP)
    if asked == line:
        text = _seen(client)
        text += interpreter.run(client.monitor_context, line)
        client.writes.moved()
    elif kept != asked:
        text = _seen(client)
        client.kept_answer = interpreter.run(client.monitor_context, kept)
    elif asked == _SCRIPT_KEPT:
        text, client.kept_answer = client.kept_answer, ""
    else:  # nobody sees the answer: what the user should know waits, and what the guest has printed, too
        text = interpreter.run(client.monitor_context, asked)
    if client.given_up:
        return None
    if client.has_script or client.is_lldb:
        text = text.replace(STALE, _STALE_LLDB if client.is_lldb else "")
    for start in range(0, len(text), _PIECE):
        client.say(text[start : start + _PIECE])
    return replies.OK


def _seen(client: Client) -> str:
    """The user sees what is said now: what they should know is said first."""
    client.console_open = True
    client.tell_troubles()
    return client.writes.take_notices()


MONITOR = Feature(packets={b"qRcmd,": _monitor}, shows_text=True)
