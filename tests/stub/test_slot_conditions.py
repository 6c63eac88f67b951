"""A breakpoint with a condition on a delay slot, where nothing can stop: it is met, and asked, at its branch."""

from __future__ import annotations

import pytest

from tests.stub.wire import RawClient, run_guest, serve

#: ``jal note``, whose slot gives $a0 what $s0 holds; that counts up, and the call is made for 3, 13, ... 93.
_BRANCH, _SLOT = 0x801000B4, 0x801000B8
_S0, _PC = 16, 37


def holds(value: int) -> bytes:
    """GDB's bytecode for ``$s0 == value``."""
    return b"X7,26001022%02x1327" % value


def value_of(client: RawClient, register: int) -> int:
    return int.from_bytes(bytes.fromhex(client.ask(b"p%x" % register).decode()), "little")


@pytest.fixture
def client() -> RawClient:
    timeline = run_guest(6000, finish=True)
    timeline.goto(timeline.start)
    return RawClient(serve(timeline))


@pytest.mark.parametrize("kind", [b"Z0", b"Z1"])
def test_it_stops_where_its_condition_holds_and_nowhere_else(client: RawClient, kind: bytes) -> None:
    point = b"%b,%x,4;" % (kind, _SLOT)
    for forward, value in ((b"c", 43), (b"c", 73), (b"bc", 23), (b"bc", 3)):
        assert client.ask(point + holds(value)) == b"OK"
        assert client.ask(forward).startswith(b"T05")
        assert (value_of(client, _PC), value_of(client, _S0)) == (_BRANCH, value)
        assert client.ask(b"z" + point[1:-1]) == b"OK"
    assert client.ask(point + holds(44)) == b"OK"
    for forward, end in ((b"bc", b"replaylog:begin"), (b"c", b"replaylog:end")):
        assert end in client.ask(forward)


def test_one_of_several_that_are_met_at_once_is_enough(client: RawClient) -> None:
    points = (b"0,%x,4" % _BRANCH, b";" + holds(13)), (b"0,%x,4" % _SLOT, b";" + holds(33) + holds(53))
    seen: list[int] = []
    while len(seen) < 4:
        for place, condition in points:
            assert client.ask(b"Z" + place + condition) == b"OK"
        if b"replaylog" in client.ask(b"c"):
            break
        if value_of(client, _S0) in (13, 33, 53):  # else GDB is told of the first hit of the one at the branch
            seen.append(value_of(client, _S0))
        for place, _ in points:
            assert client.ask(b"z" + place) == b"OK"
        client.ask(b"vCont;s")
    assert seen == [13, 33, 53]
    assert client.ask(b"Z" + points[1][0]) == b"OK"  # now without a condition
    assert client.ask(b"bc").startswith(b"T05") and value_of(client, _S0) == 93
