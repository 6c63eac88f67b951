"""The server: who may come in, what happens to the guest when they come, leave and vanish, Ctrl-C."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from rdbg.errors import RdbgError
from rdbg.gdbstub import GdbOptions, GdbServer
from rdbg.rsp.framing import encode
from rdbg.timeline import Timeline
from tests.stub.guests import COUNTER, TOY, Guest
from tests.stub.wire import RawClient, run_guest, serve


@pytest.fixture(params=[COUNTER, TOY], ids=lambda guest: guest.name)
def guest(request: pytest.FixtureRequest) -> Guest:
    return request.param


@pytest.fixture
def live(guest: Guest) -> Timeline:
    return run_guest(1000, finish=False, guest=guest)


#: For what only this architecture has.
only_mips32 = pytest.mark.parametrize("guest", [COUNTER], ids=lambda guest: guest.name, indirect=True)


@pytest.fixture
def server(live: Timeline) -> Iterator[GdbServer]:
    server = serve(live)
    yield server
    server.close()


def test_the_guest_runs_until_gdb_comes_and_again_after_it_detaches(server: GdbServer) -> None:
    assert server.wants_run and not server.knocking()
    client = RawClient(server)
    assert server.attached and not server.wants_run
    assert client.ask(b"?").startswith(b"T05thread:01;")
    assert client.ask(b"D") == b"OK"
    assert not server.attached and server.wants_run


def test_a_client_knocks(server: GdbServer) -> None:
    client = RawClient(server)
    client.close()
    server.poll(0)
    assert not server.attached


@pytest.mark.parametrize("farewell", [b"", b"$k#6b", b"$m8", b"$vKill;1#6e"])
def test_a_client_that_goes_without_detaching_leaves_the_guest_standing(server: GdbServer, farewell: bytes) -> None:
    client = RawClient(server)
    client.send(farewell)
    client.receive()
    client.close()
    if server.attached:
        server.poll(1)
    assert not server.attached and not server.wants_run
    assert RawClient(server).ask(b"qC") == b"QC01"


def test_a_new_client_finds_no_breakpoints_of_the_last(server: GdbServer, guest: Guest) -> None:
    first = RawClient(server)
    assert first.ask(b"Z0,%x,4" % guest.code) == b"OK"
    first.close()
    server.poll(1)
    assert b"replaylog:begin" in RawClient(server).ask(b"bc")


def test_what_is_inserted_while_the_guest_stands_is_prepared(server: GdbServer, guest: Guest, live: Timeline) -> None:
    client, never = RawClient(server), b";X3,220027"
    assert client.ask(b"Z0,%x,4" % guest.code + never) == b"OK"
    server.expect_questions()
    assert [piece.end for piece in live.survey.pieces() if piece.sought is not None][0] > live.end - 100
    assert b"replaylog:begin" in client.ask(b"bc")
    assert not [piece for piece in live.survey.pieces() if piece.sought is not None]


def test_a_second_client_is_refused_with_a_line_in_the_log(server: GdbServer, caplog: pytest.LogCaptureFixture) -> None:
    first = RawClient(server)
    with caplog.at_level(logging.WARNING, "rdbg.gdbstub"):
        second = RawClient(server)
    assert second.socket.recv(1) == b""
    assert "refused" in caplog.text
    assert first.ask(b"qC") == b"QC01"


def test_a_port_in_use_is_said_in_one_line(server: GdbServer, live: Timeline) -> None:
    with pytest.raises(RdbgError, match=r"cannot listen for GDB on 127\.0\.0\.1:\d+: .*in use") as caught:
        GdbServer(live, GdbOptions(port=server.address[1])).listen()
    assert "\n" not in str(caught.value)


def test_only_loopback_unless_told_otherwise() -> None:
    assert GdbOptions().host == "127.0.0.1"


def test_another_address_than_loopback_is_warned_of(live: Timeline, caplog: pytest.LogCaptureFixture) -> None:
    server = GdbServer(live, GdbOptions(host="0.0.0.0", port=0, listen_any=True))
    with caplog.at_level(logging.WARNING, "rdbg.gdbstub"):
        server.listen()
    server.close()
    assert "whoever can connect there can change the guest" in caplog.text


def test_another_address_than_loopback_is_refused_with_the_cure(live: Timeline) -> None:
    for host in ("0.0.0.0", "::"):
        with pytest.raises(RdbgError, match="add --listen-any, or else write -gdb tcp::4711"):
            GdbServer(live, GdbOptions(host=host, port=4711)).listen()


def test_an_interrupt_stops_a_live_run(server: GdbServer) -> None:
    client = RawClient(server)
    start = server.timeline.position
    client.send(encode(b"vCont;c") + b"\x03")
    assert client.ask(b"?").startswith(b"T05")
    assert server.timeline.position > start


def test_the_reply_to_an_interrupt_is_sigint(server: GdbServer) -> None:
    client = RawClient(server)
    client.ask(b"QStartNoAckMode")
    client.send(encode(b"c") + b"\x03")
    assert client.ask(b"qC") == b"QC01"
    client.send(encode(b"c"))
    client.send(b"\x03")
    replies = client.receive()
    assert any(b"T02" in getattr(event, "data", b"") for event in replies)


@pytest.mark.parametrize("resume", [b"vCont;c", b"c", b"s", b"vCont;r0,1", b"bc", b"bs"])
def test_a_ctrl_c_that_crosses_a_stop_reply_is_for_the_next_movement(
    server: GdbServer, guest: Guest, resume: bytes
) -> None:
    client = RawClient(server)
    position = server.timeline.position
    client.send(b"\x03\x03")
    assert client.ask(b"qC") == b"QC01" and client.ask(b"Z0,%x,4" % (guest.code - 2)) == b"OK"
    assert client.ask(resume).startswith(b"T02") and server.timeline.position == position
    assert client.ask(b"bs").startswith(b"T05") and server.timeline.position < position  # it was answered


def test_a_ctrl_c_of_a_client_that_has_gone_stops_nobody_else(server: GdbServer) -> None:
    client = RawClient(server)
    client.send(b"\x03")
    client.receive()
    client.close()
    server.poll(1)
    assert RawClient(server).ask(b"bs").startswith(b"T05")


def test_ctrl_c_as_a_packet(server: GdbServer) -> None:
    client = RawClient(server)
    client.send(encode(b"c") + encode(b"vCtrlC"))
    assert client.ask(b"qC") == b"QC01"
    assert client.ask(b"vCtrlC") == b"OK"


def test_the_caller_can_end_a_movement(live: Timeline) -> None:
    looks: list[int] = []

    def stop_wanted() -> bool:
        looks.append(1)
        return len(looks) > 5

    server = serve(live, stop_wanted)
    client = RawClient(server)
    assert client.ask(b"c").startswith(b"T02")
    server.close()


def test_a_client_that_vanishes_during_a_run_ends_it(server: GdbServer) -> None:
    client = RawClient(server)
    client.send(encode(b"c"))
    client.close()
    server.poll(1)
    server.poll(0)
    assert not server.attached and not server.wants_run


def test_monitor_quit_is_for_the_caller(server: GdbServer) -> None:
    client = RawClient(server)
    assert client.ask(b"qRcmd," + b"quit".hex().encode()) == b"OK"
    assert server.quit_wanted and not server.wants_run


def test_the_live_end_can_be_written_and_the_past_on_a_scratch_branch(server: GdbServer, guest: Guest) -> None:
    client = RawClient(server)
    value = bytes.fromhex("78563412").ljust(guest.register_bytes, b"\0").hex().encode()
    zero = bytes(guest.register_bytes).hex().encode()
    assert client.ask(b"M%x,4:01020304" % guest.memory) == b"OK"
    assert client.ask(b"m%x,4" % guest.memory) == b"01020304"
    assert client.ask(b"X%x,4:#$}*" % guest.memory) == b"OK"
    assert client.ask(b"x%x,4" % guest.memory) == b"b#$}*"
    assert client.ask(b"P%x=%b" % (guest.register, value)) == b"OK"
    assert client.ask(b"p%x" % guest.register) == value
    everything = client.ask(b"g")
    assert client.ask(b"G" + everything) == b"OK"
    assert client.ask(b"g") == everything
    client.ask(b"bs")
    end = server.timeline.end
    assert client.ask(b"P%x=%b" % (guest.register, zero)) == b"OK" and server.timeline.scratch.active
    assert client.ask(b"M%x,1:00" % guest.unmapped).startswith(b"E")
    client.close()
    server.poll(1)
    assert not server.timeline.scratch.active and server.timeline.end == end


def test_registers_are_in_the_guests_byte_order(server: GdbServer) -> None:
    client = RawClient(server)
    machine = server.timeline.machine
    info = machine.architecture.register(machine.architecture.number_of(machine.architecture.pc))
    assert info is not None
    told = client.ask(b"p%x" % info.number)
    assert told == machine.pc.to_bytes(info.bits // 8, "little").hex().encode()
    assert b"%02x:%b" % (info.number, told) in client.ask(b"?")


def test_features_are_those_that_there_are(server: GdbServer) -> None:
    features = RawClient(server).ask(b"qSupported:swbreak+;hwbreak+").decode().split(";")
    for feature in ("ReverseStep+", "ReverseContinue+", "QStartNoAckMode+", "swbreak+", "qXfer:features:read+"):
        assert feature in features


def test_a_damaged_packet_is_asked_for_again(server: GdbServer) -> None:
    client = RawClient(server)
    client.send(b"$qC#00")
    assert client.acknowledgements() == [False]


def test_a_lost_reply_is_sent_again(server: GdbServer) -> None:
    client = RawClient(server)
    first = client.ask(b"qC")
    client.send(b"-")
    assert first in [getattr(event, "data", None) for event in client.receive()]


@only_mips32
def test_a_breakpoint_in_a_delay_slot_stops_at_the_branch(server: GdbServer) -> None:
    client = RawClient(server)
    assert client.ask(b"Z0,80100100,4") == b"OK"  # the slot of begin's call of work
    assert client.ask(b"Z0,80100020,4;X3,220027") == b"OK"  # a condition elsewhere does not hide it
    assert client.ask(b"bc").startswith(b"T05thread")
    assert server.timeline.machine.pc == 0x801000FC


def test_range_stepping(server: GdbServer) -> None:
    client = RawClient(server)
    client.ask(b"bc")
    pc = server.timeline.machine.pc
    client.ask(b"vCont;r%x,%x:1" % (pc, pc + 0x10))
    assert not pc <= server.timeline.machine.pc < pc + 0x10


@only_mips32
def test_flash_is_erased_by_blocks_and_written_when_all_is_said(server: GdbServer) -> None:
    client = RawClient(server)
    flash = next(area for area in server.timeline.machine.memory_areas() if area.kind == "flash")
    at = flash.start + flash.block_size
    assert client.ask(b"vFlashWrite:%x:abcd" % at).startswith(b"E")  # not erased
    assert client.ask(b"vFlashErase:80000000,1000").startswith(b"E")
    assert client.ask(b"vFlashErase:%x,10" % at) == b"OK"
    assert client.ask(b"vFlashWrite:%x:#$*}" % (at + 4)) == b"OK"
    assert client.ask(b"vFlashDone") == b"OK"
    assert client.ask(b"m%x,c" % at) == b"ffffffff" + b"#$*}".hex().encode() + b"ffffffff"
    last = at + flash.block_size
    assert client.ask(b"m%x,2" % (last - 1)).startswith(b"ff")


def test_a_client_that_goes_and_comes_at_once_is_let_in(server: GdbServer) -> None:
    """``disconnect`` and ``target remote``: the end of one connection and the next are seen in one look."""
    first = RawClient(server)
    first.close()
    assert RawClient(server).ask(b"qC") == b"QC01"
