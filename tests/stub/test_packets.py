"""Each packet once, as bytes: what is answered to a right one. Wrong ones are generated in `tests/fuzz`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from rdbg.gdbstub import GdbServer
from rdbg.stub.features import FEATURES
from tests.stub.wire import RawClient, run_guest, serve

STOP = rb"T05(replaylog:(begin|end);)?thread:01;.*"
WORK = b"80100030"

#: Packet -> what its answer looks like. The guest stands at the end of a finished run; each has a server of its own.
ANSWERS: dict[bytes, bytes] = {
    b"?": STOP,
    b"!": rb"OK",
    b"g": rb"[0-9a-f]{576}",  # before the description is read: the standard registers
    b"G" + b"00000000" * 38: rb"OK",
    b"p25": rb"[0-9a-f]{8}",
    b"p48": rb"x{8}",  # another register to such a client
    b"P48=01000000": rb"E16",
    b"P8=01000000": rb"OK",
    b"m80100000,4": rb"[0-9a-f]{8}",
    b"M80200000,2:abcd": rb"OK",
    b"x80100000,4": rb"b.{4}",
    b"X80200000,2:ab": rb"OK",
    b"X80200000,0:": rb"OK",
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
    b"Z0," + WORK + b",4": rb"OK",
    b"Z0," + WORK + b",4;X3,220027": rb"OK",
    b"Z0," + WORK + b",4;X3,220127;cmds:1,X9,22002200340000024100": rb"E.*",  # cut short
    b"Z0," + WORK + b",4;cmds:1,Xb,2200220034000002410027": rb"OK",
    b"Z1," + WORK + b",4": rb"OK",
    b"Z2,80110120,4": rb"OK",
    b"Z3,80110120,1": rb"OK",
    b"Z4,80110121,7": rb"OK",
    b"Z5,80110120,4": b"",
    b"z0," + WORK + b",4": rb"OK",
    b"z1," + WORK + b",4": rb"OK",
    b"z2,80110120,4": rb"OK",
    b"z3,80110120,1": rb"OK",
    b"z4,80110121,7": rb"OK",
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
    b"qSearch:memory:80100000;1000;" + b"\x3c": rb"1,ffffffff8010[0-9a-f]{4}",
    b"qCRC:80100000,100": rb"C[0-9a-f]{8}",
    b"QStartNoAckMode": rb"OK",
    b"QThreadSuffixSupported": b"",
    b"vMustReplyEmpty": b"",
    b"vCont?": rb"vCont;c;C;s;S;t;r",
    b"vCont;c": STOP,
    b"vCont;C05:1": STOP,
    b"vCont;s:1": STOP,
    b"vCont;S05": STOP,
    b"vCont;t": STOP,
    b"vCont;r80100108,80100110:1": STOP,
    b"vCtrlC": rb"OK",
    b"vKill;1": rb"OK",
    b"vRun;;" + b"@100".hex().encode(): STOP,
    b"vFlashErase:be000000,10000": rb"OK",
    b"vFlashWrite:be000000:ab": rb"E.*",  # not erased
    b"vFlashDone": rb"OK",
    b"vFile:setfs:0": rb"F0",
    b"vFile:open:" + b"/rdbg-guest.elf".hex().encode() + b",0,0": rb"F1",
    b"vFile:open:" + b"/etc/passwd".hex().encode() + b",0,0": rb"F-1,2",
    b"vFile:pread:1,4,0": rb"F4;\x7fELF",
    b"vFile:fstat:1": rb"F40;.{64}",
    b"vFile:close:1": rb"F0",
    b"vFile:unlink:" + b"/etc/passwd".hex().encode(): b"",
}


@pytest.fixture
def server() -> Iterator[GdbServer]:
    server = serve(run_guest(1000, finish=True))
    yield server
    server.close()


@pytest.mark.parametrize("packet", ANSWERS, ids=lambda packet: packet[:24].decode("latin-1"))
def test_a_packet_is_answered(server: GdbServer, packet: bytes) -> None:
    client = RawClient(server)
    expected = ANSWERS[packet]
    if packet[:1] in b"kR":  # without an answer
        client.send(b"$%b#%02x" % (packet, sum(packet) & 0xFF))
        client.receive()
        assert RawClient(server).ask(b"qC") == b"QC01" if packet == b"k" else client.ask(b"?").startswith(b"T05")
        return
    assert re.fullmatch(expected, client.ask(packet), re.DOTALL)


def test_no_packet_is_forgotten_here() -> None:
    names = {name for feature in FEATURES for name in (*feature.packets, *feature.words)}
    assert {name for name in names if not any(packet.startswith(name) for packet in ANSWERS)} == set()
