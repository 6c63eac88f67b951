"""``vFile``: the one file that GDB may read, the guest's executable. Nothing of the host's disk is reachable.

GDB asks for it when it was given no file of its own, and learns the byte order (which no target description can
tell) and, from an ELF image, the symbols. Source: GDB manual, "Host I/O Packets".
"""

from __future__ import annotations

import struct

from rdbg.rsp import fields
from rdbg.rsp.packet_error import PacketError
from rdbg.stub.client import Client, Feature
from rdbg.stub.connection import PACKET_SIZE

EXECUTABLE_NAME = "/rdbg-guest.elf"

_DESCRIPTOR = 1
_ENOENT = 2
_EBADF = 9
_READ_ONLY = 0
_REGULAR_FILE = 0o100444


def _open(client: Client, rest: bytes) -> bytes:
    """``vFile:open:NAME,FLAGS,MODE``."""
    name, flags, _ = _split(rest, 3)
    if fields.hex_bytes(name) != EXECUTABLE_NAME.encode() or fields.number(flags) != _READ_ONLY:
        return b"F-1,%x" % _ENOENT
    return b"F%x" % _DESCRIPTOR


def _read(client: Client, rest: bytes) -> bytes:
    """``vFile:pread:FD,COUNT,OFFSET``."""
    descriptor, count, offset = map(fields.number, _split(rest, 3))
    if descriptor != _DESCRIPTOR:
        return b"F-1,%x" % _EBADF
    data = client.context.executable[offset : offset + min(count, PACKET_SIZE // 2)]
    return b"F%x;%b" % (len(data), data)


def _status(client: Client, rest: bytes) -> bytes:
    """``vFile:fstat:FD``: the protocol's ``struct stat``, big-endian."""
    if fields.number(rest) != _DESCRIPTOR:
        return b"F-1,%x" % _EBADF
    size = len(client.context.executable)
    status = struct.pack(">7I3Q3I", 0, 0, _REGULAR_FILE, 1, 0, 0, 0, size, 4096, (size + 511) // 512, 0, 0, 0)
    return b"F%x;%b" % (len(status), status)


def _close(client: Client, rest: bytes) -> bytes:
    return b"F0" if fields.number(rest) == _DESCRIPTOR else b"F-1,%x" % _EBADF


def _split(rest: bytes, count: int) -> list[bytes]:
    parts = rest.split(b",")
    if len(parts) != count:
        raise PacketError(f"file request has {len(parts)} fields, not {count}")
    return parts


FILES = Feature(
    packets={
        b"vFile:setfs:": lambda client, rest: b"F0",
        b"vFile:open:": _open,
        b"vFile:pread:": _read,
        b"vFile:fstat:": _status,
        b"vFile:close:": _close,
    },
)
