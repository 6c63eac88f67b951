"""``vFlashErase vFlashWrite vFlashDone``: GDB's ``load`` into flash memory.

Nothing changes before ``vFlashDone``. Then whole blocks are filled with ones, as erasing does, and the data is laid
over them. It is a write of the debugger like any other: an input of the run, or, in the past, of a scratch branch.
Source: GDB manual, "Packets" (vFlash).
"""

from __future__ import annotations

from rdbg.rsp import fields, replies
from rdbg.rsp.packet_error import EFAULT, PacketError
from rdbg.stub.client import Client, Feature

_ERASED = b"\xff"
#: A client that sends more than any flash holds is refused.
_MOST_BYTES = 256 << 20


def _erase(client: Client, rest: bytes) -> bytes:
    """``vFlashErase:ADDR,LENGTH``."""
    wanted = fields.memory_range(rest, client.architecture)
    for area in client.timeline.machine.memory_areas():
        if area.kind == "flash" and area.start <= wanted.address < area.start + area.length:
            first = wanted.address - (wanted.address - area.start) % area.block_size
            end = wanted.address + wanted.length
            end += -(end - area.start) % area.block_size
            if end > area.start + area.length:
                break
            _keep(client, first, _ERASED * (end - first))
            return replies.OK
    raise PacketError(f"{wanted.length:#x} bytes at {wanted.address:#x} are not flash", code=EFAULT)


def _write(client: Client, rest: bytes) -> bytes:
    """``vFlashWrite:ADDR:DATA``."""
    where, colon, data = rest.partition(b":")
    if not colon:
        raise PacketError("flash write without data")
    address = fields.address(where, client.architecture)
    if not any(first <= address and address + len(data) <= first + len(old) for first, old in client.flash):
        raise PacketError(f"{len(data):#x} bytes at {address:#x} were not erased", code=EFAULT)
    _keep(client, address, data)
    return replies.OK


def _keep(client: Client, address: int, data: bytes) -> None:
    if sum(len(old) for _, old in client.flash) + len(data) > _MOST_BYTES:
        raise PacketError("more data than flash holds")
    client.flash.append((address, data))


def _done(client: Client, rest: bytes) -> bytes:
    pieces, client.flash = client.flash, []
    if not pieces:
        return replies.OK
    for address, content in _joined(pieces):
        client.writes.memory(address, content)
    return replies.OK


def _joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The pieces laid over one another in their order, as stretches without holes."""
    stretches: list[tuple[int, bytearray]] = []
    for address, data in pieces:
        for start, content in stretches:
            if start <= address and address + len(data) <= start + len(content):
                content[address - start : address - start + len(data)] = data
                break
        else:
            stretches.append((address, bytearray(data)))
    return [(start, bytes(content)) for start, content in stretches]


FLASH = Feature(packets={b"vFlashErase:": _erase, b"vFlashWrite:": _write}, words={b"vFlashDone": _done})
