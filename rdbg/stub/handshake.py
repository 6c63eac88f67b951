"""Packets that open and close a session, and that ask about threads: there is one, the CPU."""

from __future__ import annotations

from rdbg.rsp import fields, replies
from rdbg.rsp.packet_error import PacketError
from rdbg.stub.client import Client, Feature
from rdbg.stub.connection import PACKET_SIZE
from rdbg.symbols.kaslr import segment_bases

_THREADS = (-1, 0, 1)


def _supported(client: Client, rest: bytes) -> bytes:
    """``qSupported:FEATURE;...``: note what the client can, answer what we can."""
    offered = rest[1:].decode("ascii", "replace").split(";") if rest.startswith(b":") else []
    client.supports = frozenset(entry[:-1] for entry in offered if entry.endswith("+"))
    entries = [f"PacketSize={PACKET_SIZE:x}"]
    for feature in client.features:
        entries += feature.advertise(client)
    return ";".join(entries).encode()


def _no_acknowledgements(client: Client, rest: bytes) -> bytes | None:
    client.connection.send(replies.OK)
    client.connection.acknowledging = False
    return None


def _lldb_is_there(client: Client, rest: bytes) -> bytes:
    """``QThreadSuffixSupported``: only LLDB asks."""
    client.is_lldb = True
    return replies.UNSUPPORTED


def _set_thread(client: Client, rest: bytes) -> bytes:
    """``H OP THREAD``."""
    _check_thread(rest[1:])
    return replies.OK


def _thread_alive(client: Client, rest: bytes) -> bytes:
    _check_thread(rest)
    return replies.OK


def _check_thread(text: bytes) -> None:
    number = fields.thread(text)
    if number not in _THREADS:
        raise PacketError(f"there is no thread {number}; the CPU is thread 1")


def _detach(client: Client, rest: bytes) -> bytes | None:
    client.detached = True
    client.connection.send(replies.OK)
    client.connection.close()
    return None


def _kill(client: Client, rest: bytes) -> bytes | None:
    """``k`` has no reply. The recording is worth more than the word: the guest stays, stopped."""
    client.connection.close()
    return None


def _kill_process(client: Client, rest: bytes) -> bytes | None:
    """``vKill``. An extended client stays: it says this before each ``vRun``."""
    if client.extended:
        return replies.OK
    client.connection.send(replies.OK)
    client.connection.close()
    return None


def _offsets(client: Client, rest: bytes) -> bytes:
    """``qOffsets``: where the segments of the guest's image have gone."""
    elf, offset = client.context.elf, client.kernel_offset()
    if elf is None or not offset:
        return b"Text=0;Data=0;Bss=0"
    bases = [client.architecture.extended(base) for base in segment_bases(elf, offset)]
    return b"TextSeg=%x" % bases[0] + (b";DataSeg=%x" % bases[1] if len(bases) > 1 else b"")


def _ok(client: Client, rest: bytes) -> bytes:
    return replies.OK


def _unsupported(client: Client, rest: bytes) -> bytes:
    return replies.UNSUPPORTED


HANDSHAKE = Feature(
    packets={
        b"qSupported": _supported,
        b"D": _detach,
        b"qSymbol:": _ok,
        b"qAttached": lambda client, rest: b"1",
        b"vKill;": _kill_process,
    },
    words={
        b"QStartNoAckMode": _no_acknowledgements,
        b"QThreadSuffixSupported": _lldb_is_there,
        b"vMustReplyEmpty": _unsupported,
        b"k": _kill,
        b"qOffsets": _offsets,
    },
    advertise=lambda client: ("QStartNoAckMode+",),
)

THREADS = Feature(
    packets={b"H": _set_thread, b"T": _thread_alive},
    words={
        b"qC": lambda client, rest: b"QC" + replies.THREAD.encode(),
        b"qfThreadInfo": lambda client, rest: b"m" + replies.THREAD.encode(),
        b"qsThreadInfo": lambda client, rest: b"l",
        b"qThreadExtraInfo," + replies.THREAD.encode(): lambda client, rest: b"CPU".hex().encode(),
    },
)
