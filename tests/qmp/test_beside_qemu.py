"""The same bytes sent to rdbg and to QEMU: answers, errors and events are the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.qmp.machines import BARE, QEMU, RUN, Wire, counting_guest, machine, ready, resetting_guest

pytestmark = pytest.mark.real("qemu-system-mips")

#: Each leads to one message.
_BEFORE = (
    b'{"execute":"query-status"}',
    b'{"execute":"nonesuch"}',
    b"[1]",
    b'{"execute":"qmp_capabilities","id":[1,{}]}',
)
_REQUESTS = (
    b'{"execute":"qmp_capabilities"}',
    b'{"execute":"qmp_capabilities","id":3}',
    b'{"execute":"query-status","id":{"a":1}}',
    b'{"execute":"query-status","arguments":{},"id":"x"}',
    b'{"execute":"query-status","arguments":{"b":1},"id":"x"}',
    b'{"execute":"query-status","arguments":[]}',
    b'{"execute":"query-status","foo":1,"id":2}',
    b'{"arguments":{}}',
    b'{"execute":5}',
    b'{"execute":"nonesuch","id":7}',
    b"[1,2]",
    b'"abc"',
    b"5 ",
    b"true ",
    b"{bad}",
    b"{'execute':'query-name', 'id':'it\\'s \"so\"'}",
    b'{"execute":"query-name","execute":"query-status"}',
    b'{"execute":\n"query-name"\n}',
    b"}",
    b"]",
    b":",
    b'{"execute":"query-name","id":1.50}',
    b'{"execute":"query-name","id":null}',
    b'{"execute":"query-name","id":"\\u00e9\\u20ac\xc3\xa9"}',
    b"@",
    b"\xff",
    b'{"execute":\xff',
    b'{"execute":"query-name","id":"\xe9"}',
    b'{"execute":"query-name","id":"\\ud800"}',
    b'{"execute":"query-name",}',
    b'{"execute" "query-name"}',
    b'{"execute":"query-name"]',
    b'{"execute":tru}',
    b'{"execute":"abc\\q"}',
    b'{"execute":"replay-seek"}',
    b'{"execute":"replay-seek","arguments":{"icount":"10"}}',
    b'{"execute":"replay-seek","arguments":{"icount":1.5}}',
    b'{"execute":"replay-seek","arguments":{"icount":true}}',
    b'{"execute":"replay-break"}',
    b'{"execute":"human-monitor-command","arguments":{"command-line":"info status"}}',
    b'{"execute":"human-monitor-command","arguments":{"command-line":"info status","cpu-index":5}}',
    b'{"execute":"human-monitor-command"}',
    b'{"execute":"query-target"}',
    b'{"execute":"query-replay"}',
    b'{"execute":"query-name"} ',
)


def _answers(wire: Wire, requests: Sequence[bytes]) -> list[dict[str, Any]]:
    found = []
    for request in requests:
        wire.send(request)
        found.append(wire.next())
    return found


def test_requests_good_and_bad_have_the_same_answers(tmp_path: Path) -> None:
    guest = counting_guest(tmp_path / "guest.elf")
    said = []
    for program in (QEMU, RUN):
        with machine(program, *BARE, "-kernel", guest, "-S", folder=tmp_path) as (wire, _):
            greeting = wire.next()
            assert set(greeting["QMP"]) == {"version", "capabilities"}
            assert set(greeting["QMP"]["version"]["qemu"]) == {"major", "minor", "micro"}
            assert isinstance(greeting["QMP"]["version"]["package"], str)
            said.append(dict(zip(_BEFORE + _REQUESTS, _answers(wire, _BEFORE + _REQUESTS), strict=True)))
    qemu, rdbg = said
    assert rdbg == qemu


def _events(wire: Wire) -> list[dict[str, Any]]:
    messages = wire.ask("cont") + wire.ask("cont") + wire.ask("query-status")
    wire.send(b'{"execute":"stop"}')
    stop = wire.until("STOP")
    messages += [stop, wire.next()] + wire.ask("stop") + wire.ask("query-status")
    messages += wire.ask("human-monitor-command", command_line="cont") + wire.ask("quit") + wire.rest()
    for message in messages:
        if "event" in message:
            assert set(message.pop("timestamp")) == {"seconds", "microseconds"}
    return messages


def test_a_run_that_stops_and_goes_on_and_ends_tells_the_same(tmp_path: Path) -> None:
    guest = counting_guest(tmp_path / "guest.elf")
    told = []
    for program in (QEMU, RUN):
        with ready(program, *BARE, "-kernel", guest, "-S", folder=tmp_path) as wire:
            told.append(_events(wire))
    assert told[1] == told[0]
    assert [message["event"] for message in told[1] if "event" in message] == ["RESUME", "STOP", "RESUME", "SHUTDOWN"]


def test_a_guest_that_resets_itself_is_told_of_the_same(tmp_path: Path) -> None:
    guest = resetting_guest(tmp_path / "guest.elf")
    told = []
    for program in (QEMU, RUN):
        with ready(program, *BARE, "-kernel", guest, "-S", folder=tmp_path) as wire:
            wire.ask("cont")
            told.append([wire.until("RESET")["data"] for _ in range(2)])
    assert told[1] == told[0] == [{"guest": True, "reason": "guest-reset"}] * 2


def test_a_reset_that_ends_the_run_is_told_of_the_same(tmp_path: Path) -> None:
    guest = resetting_guest(tmp_path / "guest.elf")
    told = []
    for program in (QEMU, RUN):
        with ready(program, *BARE, "-kernel", guest, "-S", "-no-reboot", folder=tmp_path) as wire:
            wire.ask("cont")
            told.append([(message["event"], message["data"]) for message in wire.rest()])
    assert told[1] == told[0] == [("SHUTDOWN", {"guest": True, "reason": "guest-reset"})]


def test_the_user_s_reset_and_the_signal_that_ends_it_are_told_of_the_same(tmp_path: Path) -> None:
    guest = counting_guest(tmp_path / "guest.elf")
    told = []
    for program in (QEMU, RUN):
        with machine(program, *BARE, "-kernel", guest, folder=tmp_path) as (wire, process):
            wire.next()
            wire.ask("qmp_capabilities")
            wire.send(b'{"execute":"system_reset"}')
            reset = sorted((wire.next() for _ in range(2)), key=len)
            process.terminate()
            told.append([reset[0], reset[1]["data"]] + [message["data"] for message in wire.rest()])
    assert told[1] == told[0]


def test_a_second_client_waits_until_the_first_has_gone(tmp_path: Path) -> None:
    guest = counting_guest(tmp_path / "guest.elf")
    for program in (QEMU, RUN):
        with machine(program, *BARE, "-kernel", guest, "-S", folder=tmp_path) as (first, _):
            first.next()
            first.ask("qmp_capabilities")
            path = first.socket.getpeername()
            second = Wire(Path(path))
            second.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                second.socket.recv(1)
            first.socket.shutdown(2)
            second.socket.settimeout(30)
            assert b'"QMP"' in second.socket.recv(4096)
            second.send(b'{"execute":"query-status"}')
            assert b"CommandNotFound" in second.socket.recv(4096), "it begins anew"
