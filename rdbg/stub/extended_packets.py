"""``! R vRun``: what GDB adds under ``target extended-remote``.

``run`` goes to the start of the run, and ``run @PLACE`` to a snapshot or any other place that ``monitor goto`` knows.
GDB takes it for a new program and reads everything again, which after ``monitor goto`` it does not.
"""

from __future__ import annotations

from rdbg.monitor.travel_commands import travel
from rdbg.rsp import fields, replies
from rdbg.rsp.packet_error import PacketError
from rdbg.stub.client import Client, Feature


def _extend(client: Client, rest: bytes) -> bytes:
    client.extended = True
    return replies.OK


def _restart(client: Client, rest: bytes) -> bytes | None:
    """``R XX`` has no reply."""
    _go(client, "start")
    return None


def _run(client: Client, rest: bytes) -> bytes:
    """``vRun;FILE[;ARGUMENT...]``, in hexadecimal: the file is what the machine was started with, whatever it says."""
    arguments = " ".join(_word(argument) for argument in rest.split(b";")[1:]).split()
    if len(arguments) > 1 or (arguments and not arguments[0].startswith("@")):
        raise PacketError("run takes nothing, or @PLACE: a snapshot, an icount, start, end, N%")
    _go(client, arguments[0][1:] if arguments else "start")
    return client.stop_reply()


def _word(text: bytes) -> str:
    return fields.hex_bytes(text).decode("utf-8", "replace")


def _go(client: Client, place: str) -> None:
    travel(client.monitor_context, place or "start")
    client.writes.moved()
    client.interrupt_pending = False  # it was for what ran before


EXTENDED = Feature(packets={b"R": _restart, b"vRun;": _run}, words={b"!": _extend})
