"""What a client is told of resets: at the first passage of each branch, and of a reset that ended the run wherever it
was kept: in the run itself, a snapshot, a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec
from tests.cli.command import rdbg
from tests.processes import RDBG
from tests.qmp.machines import BARE, RUN, Wire, ready, resetting_guest

#: The guest asks for a reset at every 3,145,783rd instruction.
_PERIOD = 3_145_783
_RESET = ("RESET", {"guest": True, "reason": "guest-reset"})
_END = ("SHUTDOWN", {"guest": True, "reason": "guest-reset"})


def _run(wire: Wire, icount: int | None = None) -> list[tuple[str, Any]]:
    """Let it run, to a place if one is given; what is told up to where it stands."""
    if icount is not None:
        wire.ask("replay-break", icount=icount)
    wire.send(b'{"execute":"cont"}')
    told: list[tuple[str, Any]] = []
    while (message := wire.next()).get("event") != "STOP":
        if message.get("event") not in (None, "RESUME"):
            told.append((message["event"], message.get("data")))
    if icount is not None:
        assert wire.value("query-replay")["icount"] == icount
    return told


def _monitor(wire: Wire, line: str) -> str:
    return str(wire.value("human-monitor-command", command_line=line))


def test_a_reset_is_told_of_once_on_each_branch(tmp_path: Path) -> None:
    guest = resetting_guest(tmp_path / "guest.elf")
    with ready(RUN, *BARE, "-kernel", guest, "-S", folder=tmp_path) as wire:
        assert _run(wire, _PERIOD + 1000) == [_RESET]
        _monitor(wire, "goto 2000")
        assert _run(wire, _PERIOD + 1000) == []  # it was told of
        _monitor(wire, "goto 2000")
        assert "on branch 'other' at icount 2000" in _monitor(wire, "branch other")
        # Another future: what happens there has not been told of.
        assert _run(wire, _PERIOD + 1000) == [_RESET]
        assert "on branch 'main', at icount 2000" in _monitor(wire, "switch main")
        assert _run(wire, _PERIOD + 1000) == []
        assert _run(wire, 2 * _PERIOD + 1000) == [_RESET]
        assert f"on branch 'other', at icount {_PERIOD + 1000}" in _monitor(wire, "switch other")
        assert _run(wire, 2 * _PERIOD + 1000) == [_RESET]
        _monitor(wire, "goto 2001")
        assert _run(wire, 2 * _PERIOD + 1000) == []
        wire.ask("quit")


def test_what_ended_a_run_is_told_of_a_snapshot_of_its_end(tmp_path: Path) -> None:
    guest = resetting_guest(tmp_path / "guest.elf")
    with ready(RUN, *BARE, "-kernel", guest, "-S", "-no-reboot", "-no-shutdown", folder=tmp_path) as wire:
        assert _run(wire) == [_END]
        assert "saved at icount" in _monitor(wire, "savevm ended")
        _monitor(wire, "goto start")
        assert _run(wire, 1000) == []
        assert "loaded" in _monitor(wire, "loadvm ended")
        assert wire.value("query-status")["status"] == "shutdown"
        assert _run(wire) == [_END]
        wire.ask("quit")


def test_what_ended_a_recording_is_told_of_its_replay(tmp_path: Path) -> None:
    guest, made = resetting_guest(tmp_path / "guest.elf"), tmp_path / "run.rec"
    assert rdbg("record", "-o", made, "--", *BARE, "-kernel", guest, "-no-reboot").returncode == 0
    with ready((*RDBG, "replay"), made, "-S", "-no-shutdown", folder=tmp_path) as wire:
        assert _run(wire) == [_END]
        _monitor(wire, "goto 1000")
        assert _run(wire) == [_END]
        wire.ask("quit")


def test_a_machine_s_state_says_what_ended_it(tmp_path: Path) -> None:
    image = Image("kernel", "guest.elf", resetting_guest(tmp_path / "guest.elf").read_bytes())
    spec = MachineSpec("malta", "24Kf", False, 64 << 20, 3, (image,), reboot=False)
    machine = Machine(spec)
    begin = machine.save_state()
    machine.run(RunRequest(until=2 * _PERIOD))
    assert machine.power.ended_by_reset
    end = machine.save_state()
    other = Machine(spec)
    assert not other.power.ended_by_reset
    other.load_state(end)
    assert other.power.ended_by_reset and other.save_state() == end
    machine.load_state(begin)
    assert not machine.power.ended_by_reset and machine.save_state() == begin
