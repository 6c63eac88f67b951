"""``qXfer``: documents that GDB reads piece by piece."""

from __future__ import annotations

from collections.abc import Callable

from rdbg.rsp import fields, replies, target_xml
from rdbg.rsp.packet_error import PacketError
from rdbg.stub.client import Client, Feature
from rdbg.stub.file_packets import EXECUTABLE_NAME


def _features(client: Client, annex: str) -> str:
    if annex != "target.xml":
        raise PacketError(f"there is no target description {annex!r}", code=0)
    client.registers.described = True
    called, feature_of = client.context.cpu_name, client.context.target.feature
    big_endian = client.timeline.machine.big_endian
    return target_xml.target_description(client.registers.infos, big_endian, called, feature_of)


def _memory_map(client: Client, annex: str) -> str:
    return target_xml.memory_map(client.timeline.machine.memory_areas(), client.architecture)


def _threads(client: Client, annex: str) -> str:
    return target_xml.threads("CPU")


def _executable(client: Client, annex: str) -> str:
    return EXECUTABLE_NAME


_OBJECTS: dict[str, Callable[[Client, str], str]] = {
    "features": _features,
    "memory-map": _memory_map,
    "threads": _threads,
    "exec-file": _executable,
}


def _transfer(client: Client, rest: bytes) -> bytes:
    request = fields.transfer(rest)
    make = _OBJECTS.get(request.object)
    if make is None:
        return replies.UNSUPPORTED
    return replies.transferred(make(client, request.annex).encode(), request.offset, request.length)


TRANSFER = Feature(
    packets={b"qXfer:": _transfer},
    advertise=lambda client: tuple(f"qXfer:{name}:read+" for name in _OBJECTS),
)
