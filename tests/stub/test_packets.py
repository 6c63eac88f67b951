"""Each packet once, as bytes: what is answered to a right one. Wrong ones are generated in `tests/fuzz`."""

from __future__ import annotations

import re

import pytest

from rdbg.stub.features import FEATURES
from tests.stub.guests import COUNTER, TOY, Guest
from tests.stub.wire import RawClient, run_guest, serve

STOP = rb"T05(replaylog:(begin|end);)?thread:01;.*"


def answers(guest: Guest) -> dict[bytes, bytes]:
    """Packet -> what its answer looks like. The guest stands at the end of a finished run; each has a server of its
    own."""
    code, memory, written = (b"%x" % address for address in (guest.code, guest.memory, guest.written))
    register, digits = guest.register, 2 * guest.register_bytes
    one = (1).to_bytes(guest.register_bytes, "little").hex().encode()
    return {
        b"?": STOP,
        b"!": rb"OK",
        b"p%x" % register: rb"[0-9a-f]{%d}" % digits,
        b"P%x=%b" % (register, one): rb"OK",
        b"m" + memory + b",4": rb"[0-9a-f]{8}",
        b"M" + memory + b",2:abcd": rb"OK",
        b"x" + memory + b",4": rb"b.{4}",
        b"X" + memory + b",2:ab": rb"OK",
        b"X" + memory + b",0:": rb"OK",
        b"c": STOP,
        b"C05": STOP,
        b"s": STOP,
        b"S05": STOP,
        b"bs": STOP,
        b"bc": STOP,
        b"Hg1": rb"OK",
        b"T1": rb"OK",
        b"D": rb"OK",
        b"D;1": rb"OK",
        b"k": b"",
        b"R00": b"",
        b"Z0," + code + b",4": rb"OK",
        b"Z0," + code + b",4;X3,220027": rb"OK",
        b"Z0," + code + b",4;X3,220127;cmds:1,X9,22002200340000024100": rb"E.*",  # cut short
        b"Z0," + code + b",4;cmds:1,Xb,2200220034000002410027": rb"OK",
        b"Z1," + code + b",4": rb"OK",
        b"Z2," + written + b",4": rb"OK",
        b"Z3," + written + b",1": rb"OK",
        b"Z4," + written + b",7": rb"OK",
        b"Z5," + written + b",4": b"",
        b"z0," + code + b",4": rb"OK",
        b"z1," + code + b",4": rb"OK",
        b"z2," + written + b",4": rb"OK",
        b"z3," + written + b",1": rb"OK",
        b"z4," + written + b",7": rb"OK",
        b"qC": rb"QC01",
        b"qAttached": rb"1",
        b"qfThreadInfo": rb"m01",
        b"qsThreadInfo": rb"l",
        b"qThreadExtraInfo,01": rb"435055",
        b"qOffsets": rb"Text=0;Data=0;Bss=0",
        b"qSymbol::": rb"OK",
        b"qSupported:swbreak+": rb"PacketSize=.*;BreakpointCommands\+.*",
        b"qXfer:features:read:target.xml:0,100": rb"m<\?xml.*",
        b"qXfer:memory-map:read::0,1000": rb"[lm]<\?xml.*",
        b"qXfer:threads:read::0,1000": rb"l<\?xml.*",
        b"qXfer:exec-file:read:1:0,1000": rb"l/rdbg-guest.elf",
        b"qXfer:auxv:read::0,1000": b"",
        b"qRcmd," + b"when".hex().encode(): rb"OK",
        b"qCRC:" + memory + b",100": rb"C[0-9a-f]{8}",
        b"QStartNoAckMode": rb"OK",
        b"QThreadSuffixSupported": b"",
        b"vMustReplyEmpty": b"",
        b"vCont?": rb"vCont;c;C;s;S;t;r",
        b"vCont;c": STOP,
        b"vCont;C05:1": STOP,
        b"vCont;s:1": STOP,
        b"vCont;S05": STOP,
        b"vCont;t": STOP,
        b"vCont;r" + code + b"," + memory + b":1": STOP,
        b"vCtrlC": rb"OK",
        b"vKill;1": rb"OK",
        b"vRun;;" + b"@100".hex().encode(): STOP,
        b"vFlashDone": rb"OK",
        b"vFile:setfs:0": rb"F0",
        b"vFile:open:" + b"/rdbg-guest.elf".hex().encode() + b",0,0": rb"F1",
        b"vFile:open:" + b"/etc/passwd".hex().encode() + b",0,0": rb"F-1,2",
        b"vFile:pread:1,4,0": rb"F4;\x7fELF",
        b"vFile:fstat:1": rb"F40;.{64}",
        b"vFile:close:1": rb"F0",
        b"vFile:unlink:" + b"/etc/passwd".hex().encode(): b"",
    }


#: What only this architecture has.
ANSWERS_MIPS32: dict[bytes, bytes] = {
    b"g": rb"[0-9a-f]{576}",  # before the description is read: the standard registers
    b"G" + b"00000000" * 38: rb"OK",
    b"p48": rb"x{8}",  # another register to such a client
    b"P48=01000000": rb"E16",
    b"qSearch:memory:80100000;1000;" + b"\x3c": rb"1,ffffffff8010[0-9a-f]{4}",
    b"vFlashErase:be000000,10000": rb"OK",
    b"vFlashWrite:be000000:ab": rb"E.*",  # not erased
}

CASES = [
    pytest.param(guest, packet, expected, id=f"{guest.name}-{packet[:24].decode('latin-1')}")
    for guest, known in ((COUNTER, answers(COUNTER) | ANSWERS_MIPS32), (TOY, answers(TOY)))
    for packet, expected in known.items()
]


@pytest.mark.parametrize(("guest", "packet", "expected"), CASES)
def test_a_packet_is_answered(guest: Guest, packet: bytes, expected: bytes) -> None:
    server = serve(run_guest(1000, finish=True, guest=guest))
    try:
        client = RawClient(server)
        if packet[:1] not in b"kR":
            assert re.fullmatch(expected, client.ask(packet), re.DOTALL)
            return
        client.send(b"$%b#%02x" % (packet, sum(packet) & 0xFF))  # without an answer
        client.receive()
        assert RawClient(server).ask(b"qC") == b"QC01" if packet == b"k" else client.ask(b"?").startswith(b"T05")
    finally:
        server.close()


def test_no_packet_is_forgotten_here() -> None:
    names = {name for feature in FEATURES for name in (*feature.packets, *feature.words)}
    tried = answers(COUNTER) | ANSWERS_MIPS32
    assert {name for name in names if not any(packet.startswith(name) for packet in tried)} == set()
