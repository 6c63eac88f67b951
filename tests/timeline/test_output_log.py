"""What has left a run is an index: it says what sent a byte, a packet or a sector, and where text stands."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from rdbg.emu.disk_write import DiskWrite, encode_disk_write
from rdbg.emu.endpoint import Endpoint, EndpointKind, network_port, serial_port
from rdbg.errors import RdbgError
from rdbg.navigation import output_tail
from rdbg.navigation.output_log import OutputLog
from rdbg.recording.recording import store_path
from rdbg.store.output_chunks import unpack_outputs
from rdbg.store.snapshot_store import SnapshotStore
from tests.timeline.test_recorded import Replay, record

SERIAL, CARD, DISK = serial_port(0), network_port(1), Endpoint(EndpointKind.DISK, 0)


def generated(dice: random.Random, count: int) -> list[tuple[int, Endpoint, bytes]]:
    """Outputs as a guest may send them."""
    icount, made = 0, []
    for _ in range(count):
        icount += dice.choice((0, 1, 7, 1000))
        endpoint = dice.choice((SERIAL, SERIAL, CARD, DISK))
        data = bytes(dice.choices(b"ab\n", k=dice.randint(1, 3)))
        if endpoint is DISK:
            data = encode_disk_write(DiskWrite(dice.randrange(9), bytes(512 * dice.randrange(3))))
        made.append((icount, endpoint, data))
    return made


def agree(log: OutputLog, sent: list[tuple[int, Endpoint, bytes]]) -> None:
    """A log says what a list of outputs says."""
    printed = b"".join(data for _, endpoint, data in sent if endpoint is SERIAL)
    places = [icount for icount, endpoint, data in sent if endpoint is SERIAL for _ in data]
    packets = [(icount, len(data)) for icount, endpoint, data in sent if endpoint is CARD]
    assert log.count == len(sent)
    for number in {1, len(places) // 2, len(places)} - {0} if places else ():
        found = log.byte(SERIAL, number)
        assert found is not None and found.icount == places[number - 1]
        assert found.text[number - 1 - found.before] == printed[number - 1]
    assert log.byte(SERIAL, len(places) + 1) is None and log.output(CARD, len(packets) + 1) is None
    for number, (icount, size) in enumerate(packets, 1):
        packet = log.output(CARD, number)
        assert packet is not None and (packet.icount, packet.size, packet.number) == (icount, size, number)
    for sector in range(12):
        covering = [i for i, e, d in sent if e is DISK and d[1] <= sector < d[1] + (len(d) - 9) // 512]
        last = log.sector(DISK, sector)
        assert (last.icount if last else None) == (covering[-1] if covering else None)
    wanted = [places[at] for at in range(len(printed)) if printed.startswith(b"ab", at)]
    assert [found.icount for found in log.texts(b"ab")] == wanted
    assert [row.icount for row in log.rows()] == [icount for icount, _, _ in sent]


def test_a_log_says_what_was_sent_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_tail, "MOST_OUTPUTS", 17)
    dice = random.Random(3)
    for _ in range(20):
        sent = generated(dice, dice.randrange(1, 120))
        log = OutputLog()
        for each in sent:
            log.add(*each)
        agree(log, sent)
        fork, cut = log.fork(), dice.randrange(len(sent) + 1)
        fork.forget_after(cut)
        agree(fork, sent[:cut])
        stored = {each.first: each for each in log.unsaved()}
        again = OutputLog()
        again.load(list(stored.values()), lambda first, stored=stored: stored[first].data)  # type: ignore[misc]
        agree(again, sent)
        assert not again.unsaved()


def test_a_log_that_is_too_long_forgets_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_tail, "MOST_OUTPUTS", 10)
    log = OutputLog(most_memory=2000)
    for number in range(2000):
        log.add(number, SERIAL, b"%04d" % number)
    assert 0 < log.lost < 2000 and log.byte(SERIAL, 1) is None
    last = log.byte(SERIAL, 8000)
    assert last is not None and last.icount == 1999


@pytest.mark.parametrize("data", [b"", b"no frame", bytes.fromhex("28b52ffd2001090000ff")])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RdbgError, match="damaged"):
        unpack_outputs(data)


def test_a_recording_knows_its_output_with_and_without_a_replay(tmp_path: Path) -> None:
    output, _ = record(tmp_path / "rec")
    truth = None
    for lacking in (True, False, False):
        replay = Replay(tmp_path / "rec")
        if lacking:
            assert replay.opened.store is not None and not replay.opened.store.notes.outputs()
        replay.timeline.goto(70_000)
        before = replay.machine.digest()
        log = replay.timeline.past.outputs()
        assert b"".join(text for _, text in log.printed(SERIAL)) == output
        assert (replay.timeline.position, replay.machine.digest()) == (70_000, before) and not replay.output
        places = [(row.icount, row.text) for row in log.rows()]
        assert truth in (None, places)
        truth = places
        for number in (1, len(output) // 2, len(output)):
            sent = log.byte(SERIAL, number)
            assert sent is not None
            replay.timeline.goto(sent.icount)
            assert replay.timeline.output.sent.sent(SERIAL).outputs == sent.number - 1
            replay.timeline.step()
            assert replay.timeline.output.sent.sent(SERIAL).outputs == sent.number
        assert replay.opened.store is not None
        if lacking:
            replay.opened.store.notes.put_outputs(log.unsaved())
        else:
            assert not log.unsaved()
        replay.opened.store.close()


@pytest.mark.parametrize("version", [5, 6])
def test_a_store_of_a_version_before_gets_what_it_lacks(tmp_path: Path, version: int) -> None:
    record(tmp_path / "rec")
    path = store_path(str(tmp_path / "rec"))
    with sqlite3.connect(path) as old:
        for table in ("outputs", "events", "branches")[version - 5 :]:
            old.execute(f"DROP TABLE {table}")
        old.execute(f"PRAGMA user_version = {version}")
    old.close()
    store = SnapshotStore.open(path)
    assert store.notes.outputs() == [] and store.list() and store.notes.events() == []
    store.close()
    replay = Replay(tmp_path / "rec")
    assert replay.timeline.past.outputs().count > 100


def test_output_of_a_branch_is_its_own(tmp_path: Path) -> None:
    record(tmp_path / "rec")
    replay = Replay(tmp_path / "rec")
    whole = replay.timeline.past.outputs().count
    replay.timeline.goto(50_000)
    replay.timeline.branch("other")
    shared = replay.timeline.past.outputs().count
    assert 0 < shared < whole
    replay.timeline.switch("main")
    assert replay.timeline.past.outputs().count == whole
