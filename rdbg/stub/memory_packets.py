"""``m M x X qSearch:memory qCRC``: memory, through the guest's MMU as it stands."""

from __future__ import annotations

import zlib

from rdbg.errors import RdbgError
from rdbg.rsp import fields, replies
from rdbg.rsp.packet_error import EFAULT, PacketError
from rdbg.stub.client import Client, Feature
from rdbg.stub.connection import PACKET_SIZE

#: Bytes read at once when a packet asks about a range that may be the whole RAM.
_CHUNK = 0x10000
_LONGEST_READ = PACKET_SIZE
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _read_bytes(client: Client, rest: bytes) -> bytes:
    wanted = fields.memory_range(rest, client.architecture)
    length = min(wanted.length, _LONGEST_READ, client.architecture.room(wanted.address))
    data = client.timeline.machine.read_memory(wanted.address, length) if length else b""
    if not data and wanted.length:
        raise PacketError(f"nothing is mapped at {wanted.address:#x}", code=EFAULT)
    return data


def _read_hex(client: Client, rest: bytes) -> bytes:
    return _read_bytes(client, rest)[: PACKET_SIZE // 2].hex().encode()


def _read_binary(client: Client, rest: bytes) -> bytes:
    return b"b" + _read_bytes(client, rest)


def _write_hex(client: Client, rest: bytes) -> bytes:
    target, data = fields.memory_write(rest, client.architecture)
    return _write(client, target, fields.hex_bytes(data))


def _write_binary(client: Client, rest: bytes) -> bytes:
    target, data = fields.memory_write(rest, client.architecture)
    return _write(client, target, data)


def _write(client: Client, target: fields.Range, data: bytes) -> bytes:
    if len(data) != target.length:
        raise PacketError(f"{len(data)} bytes of data for {target.length} bytes of memory")
    if target.length > client.architecture.room(target.address):
        raise PacketError(f"{target.length:#x} bytes at {target.address:#x} run out of the address space", code=EFAULT)
    if data:  # an empty write is GDB's question whether X is understood
        try:
            client.writes.memory(target.address, data)
        except RdbgError as error:
            raise RdbgError(f"cannot write memory at {target.address:#x}: {error}") from error
    return replies.OK


def _search(client: Client, rest: bytes) -> bytes:
    """``qSearch:memory:ADDR;LENGTH;PATTERN``."""
    parts = rest.split(b";", 2)
    if len(parts) != 3 or not parts[2]:
        raise PacketError("search is not ADDRESS;LENGTH;PATTERN")
    start, pattern = fields.address(parts[0], client.architecture), parts[2]
    end = min(start + fields.number(parts[1]), client.architecture.address_end)
    seen, position = b"", start
    while position < end:
        data = client.timeline.machine.read_memory(position, min(_CHUNK, end - position))
        found = (seen + data).find(pattern)
        if found >= 0:
            # GDB reckons with this address, and its own are sign-extended: shortened, it would end `find` here.
            return b"1,%x" % client.architecture.extended(position - len(seen) + found)
        if not data:
            raise PacketError(f"nothing is mapped at {position:#x}", code=EFAULT)
        position += len(data)
        seen = (seen + data)[-len(pattern) + 1 :] if len(pattern) > 1 else b""
        if client.interrupted():
            raise PacketError("search was interrupted")
    return b"0"


def _checksum(client: Client, rest: bytes) -> bytes:
    """``qCRC:ADDR,LENGTH``."""
    wanted = fields.memory_range(rest, client.architecture)
    end = min(wanted.address + wanted.length, client.architecture.address_end)
    checksum, position = 0, wanted.address
    while position < end:
        data = client.timeline.machine.read_memory(position, min(_CHUNK, end - position))
        if not data:
            raise PacketError(f"nothing is mapped at {position:#x}", code=EFAULT)
        # GDB's CRC-32 is the usual one with the bits of each byte, and of the result, the other way round.
        checksum = zlib.crc32(data.translate(_REVERSED), checksum)
        position += len(data)
        if client.interrupted():
            raise PacketError("checksum was interrupted")
    return b"C%08x" % int(f"{checksum ^ 0xFFFF_FFFF:032b}"[::-1], 2)


MEMORY = Feature(
    packets={
        b"m": _read_hex,
        b"x": _read_binary,
        b"M": _write_hex,
        b"X": _write_binary,
        b"qSearch:memory:": _search,
        b"qCRC:": _checksum,
    },
    advertise=lambda client: ("binary-upload+",),
)
