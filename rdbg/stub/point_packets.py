"""``Z`` and ``z``: breakpoints and watchpoints, as many as wanted, with conditions and commands."""

from __future__ import annotations

from rdbg.rsp import fields, replies
from rdbg.stub.client import Client, Feature
from rdbg.stub.points import ACCESS


def _insert(client: Client, rest: bytes) -> bytes:
    spec = fields.point(rest, client.architecture)
    if spec.kind > ACCESS:
        return replies.UNSUPPORTED
    client.points.insert(spec)
    return replies.OK


def _remove(client: Client, rest: bytes) -> bytes:
    spec = fields.point(rest, client.architecture)
    if spec.kind > ACCESS:
        return replies.UNSUPPORTED
    client.points.remove(spec)
    return replies.OK


POINTS = Feature(
    packets={b"Z": _insert, b"z": _remove},
    advertise=lambda client: ("swbreak+", "hwbreak+", "ConditionalBreakpoints+", "BreakpointCommands+"),
)
