"""A guest that reads and writes its disk without end: what is in the image, in the recording, and in its past."""

from __future__ import annotations

import os
import random
import re
import time
from pathlib import Path

import pytest

from rdbg.cli.qemu_options import parse_line
from rdbg.errors import RdbgError
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.timeline import StopConditions, StopReason
from tests.cli.command import rdbg, start
from tests.images.qemu_img import check, contents, needs_qemu_img, qemu_img
from tests.images.sectors import GUEST, SECTOR, SECTORS, SectorsModel, whole_lines

#: Of each format; `make disk-kills` wants more.
KILLS = int(os.environ.get("DISK_KILLS", "2"))
MACHINE = ("-M", "malta", "-m", "16", "-kernel", GUEST, "-serial", "stdio", "-net", "none")


def image(path: Path, seed: int = 1) -> bytes:
    """A raw image of noise."""
    data = random.Random(seed).randbytes(SECTORS * SECTOR)
    path.write_bytes(data)
    return data


def is_that_of_the_guest(disk: bytes, before: bytes, lines: list[bytes]) -> None:
    """The image has all rounds up to the last line, which came after a flush, and of later ones the first few."""
    model = SectorsModel(before)
    for line in lines:
        model.advance()
        while not model.line():
            model.advance()
        assert model.line() == line
    for _ in range(100_000):
        if model.disk == disk:
            return
        model.advance()
    raise AssertionError(f"not the disk after any round from {8 * len(lines)} on")


def killed(*words: str | Path, seconds: float) -> bytes:
    """Start rdbg, kill it a while after the guest's first line; what that had printed by then."""
    with start(*words) as process:
        assert process.stdout is not None
        printed = bytearray(process.stdout.readline())
        os.set_blocking(process.stdout.fileno(), False)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            printed += process.stdout.read(1 << 16) or b""
            time.sleep(0.002)
        process.kill()
        process.wait()
        printed += process.stdout.read() or b""
    return bytes(printed)


@needs_qemu_img
@pytest.mark.parametrize("format", ["raw", "qcow2"])
def test_a_killed_recorder_leaves_a_disk_after_a_power_cut_and_a_recording_that_replays(
    tmp_path: Path, format: str
) -> None:
    raw, disk, journal = tmp_path / "raw", tmp_path / "disk", tmp_path / "recording"
    before = image(raw)
    dice = random.Random(format)
    for _ in range(KILLS):
        disk.unlink(missing_ok=True)
        qemu_img("convert", "-O", format, raw, disk)
        words = ("record", "-o", journal, *MACHINE, "-drive", f"file={disk},format={format}")
        printed = killed(*words, seconds=dice.uniform(0, 0.6))
        lines = whole_lines(printed)
        if format == "qcow2":
            qemu_img("check", "-r", "leaks", disk)
        is_that_of_the_guest(contents(disk, tmp_path / "now"), before, lines)
        disk.unlink()
        replayed = rdbg("replay", journal)
        assert replayed.returncode == 0, replayed.stderr
        again = replayed.stdout.replace(b"\r\n", b"\n")
        assert b"".join(lines).startswith(again) or again.startswith(b"".join(lines)), (lines[-3:], again[-60:])
        assert b"!" not in again


@needs_qemu_img
@pytest.mark.parametrize("how", ["raw", "qcow2", "snapshot", "all snapshots"])
def test_the_image_is_written_as_was_asked(tmp_path: Path, how: str) -> None:
    raw, disk, journal = tmp_path / "raw", tmp_path / "disk", tmp_path / "recording"
    before = image(raw)
    qemu_img("convert", "-O", "qcow2" if how == "qcow2" else "raw", raw, disk)
    extra = {
        "snapshot": ["-drive", f"file={disk},snapshot=on"],
        "all snapshots": ["-hda", disk, "-snapshot"],
    }.get(how, ["-hda", disk])
    bytes_before = disk.read_bytes()
    with start("record", "-o", journal, *MACHINE, *extra) as process:
        assert process.stdout is not None
        printed = b"".join(process.stdout.readline() for _ in range(24))
        process.terminate()
        printed += process.stdout.read()
        assert process.stderr is not None
        said = process.stderr.read().decode()
        process.wait()
    lines = whole_lines(printed)
    if "snapshot" in how:
        assert disk.read_bytes() == bytes_before
        is_that_of_the_guest(replayed_disk(before, lines), before, lines)
    else:
        if how == "qcow2":
            check(disk)
        is_that_of_the_guest(contents(disk, tmp_path / "now"), before, lines)
    disk.unlink()
    info = rdbg("info", journal)
    assert info.returncode == 0 and re.search(rb"drive +ide0-hd0, disk, 1024\.0 KiB, .* of it kept in", info.stdout), (
        said
    )
    assert b"ide1-cd0, cdrom, empty" in info.stdout
    recording = journal
    if how in ("qcow2", "snapshot"):  # an image that was written to, and one that was not
        recording = tmp_path / "other"
        assert rdbg("pack", journal, tmp_path / "pack").returncode == 0
        assert rdbg("unpack", tmp_path / "pack", recording).returncode == 0
    replayed = rdbg("replay", recording)
    assert replayed.returncode == 0 and whole_lines(replayed.stdout)[: len(lines)] == lines, replayed.stderr


def replayed_disk(before: bytes, lines: list[bytes]) -> bytes:
    """The disk after the rounds that these lines tell of."""
    model = SectorsModel(before)
    for _ in range(8 * len(lines)):
        model.advance()
    return bytes(model.disk)


def session(*words: str | Path) -> Session:
    """A run in this process, that nobody sees."""
    line = parse_line([str(word) for word in words])
    return Session(line.options, Surroundings(terminal=False))


def run_to(made: Session, position: int) -> None:
    """Run until there, or as far as the history goes."""
    timeline = made.timeline
    while timeline.position < position:
        here = timeline.position
        timeline.run(StopConditions(), lambda: timeline.position >= position)
        assert timeline.position > here


def test_going_back_and_forward_writes_nothing_twice_and_a_branch_writes_nothing(tmp_path: Path) -> None:
    before = image(tmp_path / "disk")
    words = ("-M", "malta", "-m", "16", "-kernel", GUEST, "-serial", "null", "-net", "none")
    made = session(*words, "-drive", f"file={tmp_path / 'disk'},format=raw")
    timeline, written = made.timeline, list[bytes]()
    drives = made._drives
    assert drives is not None
    taken, drives.take = drives.take, lambda number, data: (written.append(data), taken(number, data))[1]  # type: ignore[method-assign, assignment]
    run_to(made, 3_000_000)
    end, count = timeline.end, len(written)
    assert count > 50
    timeline.goto(end)
    digest = timeline.machine.digest()
    dice = random.Random(2)
    for _ in range(6):
        timeline.goto(dice.randrange(end // 2))
        timeline.break_at = dice.randrange(end // 2, end)
        assert timeline.run(StopConditions(), lambda: False, leap=False).reason is StopReason.REPLAY_BREAK
        timeline.goto(dice.randrange(end))
        timeline.step()
    timeline.goto(end)
    assert timeline.machine.digest() == digest
    assert len(written) == count, "it was written twice"
    timeline.goto(end // 2)
    timeline.branch("other")
    run_to(made, end)
    assert timeline.branch_name == "other" and len(written) == count
    timeline.switch("main")
    timeline.goto(timeline.end)
    run_to(made, end + 500_000)
    assert len(written) > count
    made.close()
    model, disk = SectorsModel(before), (tmp_path / "disk").read_bytes()
    while model.disk != disk:
        model.advance()
        assert model.round < 10_000, "not the disk after any round"
    assert len(written) >= model.round


def test_positions_of_a_recorded_disk_have_one_digest_without_the_image(tmp_path: Path) -> None:
    image(tmp_path / "disk")
    words = ("-M", "malta", "-m", "16", "-kernel", GUEST, "-serial", "null", "-net", "none")
    icount = f"rrfile={tmp_path / 'r'},rrsnapshot=init"
    made = session(*words, "-hda", tmp_path / "disk", "-icount", f"rr=record,{icount}")
    run_to(made, 4_000_000)
    end = made.timeline.end
    dice = random.Random(5)
    truth = {}
    for position in sorted(dice.randrange(end) for _ in range(60)):
        made.timeline.goto(position)
        truth[made.timeline.position] = made.timeline.machine.digest()
    made.timeline.goto(made.timeline.end)
    made.timeline.snapshots.save("here")
    made.close()
    (tmp_path / "disk").unlink()
    made = session("-icount", f"rr=replay,{icount}")
    places = list(truth)
    dice.shuffle(places)
    for position in places:
        made.timeline.goto(position)
        assert made.timeline.machine.digest() == truth[position]
    made.timeline.snapshots.load("here")
    assert made.timeline.position == end
    made.close()


@pytest.mark.parametrize("how", [[], ["-snapshot"]])
def test_a_run_that_is_kept_after_all_has_what_was_read_and_overwritten_before(tmp_path: Path, how: list[str]) -> None:
    image(tmp_path / "disk")
    words = ("-M", "malta", "-m", "16", "-kernel", GUEST, "-serial", "null", "-net", "none", *how)
    made = session(*words, "-hda", tmp_path / "disk")
    dice, truth = random.Random(6), {}

    def learn(start: int, end: int) -> None:
        for position in sorted(dice.randrange(start, end) for _ in range(20)):
            made.timeline.goto(position)
            truth[made.timeline.position] = made.timeline.machine.digest()

    run_to(made, 2_000_000)
    middle = made.timeline.end
    learn(0, middle)
    made._record(str(tmp_path / "r"), False)
    assert made.timeline.position < middle
    for position in list(truth)[::5]:  # the session itself has its past from the journal now
        made.timeline.goto(position)
        assert made.timeline.machine.digest() == truth[position]
    made.timeline.goto(middle)
    run_to(made, 4_000_000)
    learn(middle, made.timeline.end)
    made.close()
    assert not made.failed
    (tmp_path / "disk").unlink()
    done = rdbg("replay", tmp_path / "r", "-serial", "null")
    assert done.returncode == 0, done.stderr
    made = session("-icount", f"rr=replay,rrfile={tmp_path / 'r'}")
    places = list(truth)
    dice.shuffle(places)
    for position in places:
        made.timeline.goto(position)
        assert made.timeline.machine.digest() == truth[position]
    made.close()


def test_what_another_program_has_changed_is_not_kept_as_what_was_read(tmp_path: Path) -> None:
    image(tmp_path / "disk")
    words = ("-M", "malta", "-m", "16", "-kernel", GUEST, "-serial", "null", "-net", "none", "-snapshot")
    made = session(*words, "-hda", tmp_path / "disk")
    run_to(made, 500_000)
    image(tmp_path / "disk", seed=2)
    with pytest.raises(RdbgError, match="another program has changed the image"):
        made._record(str(tmp_path / "r"), False)
    assert [each.name for each in tmp_path.iterdir()] == ["disk"]
    made.close()


def test_a_branch_of_a_replay_gets_read_errors_where_the_recording_has_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image(tmp_path / "disk")
    words = ("-M", "malta", "-m", "16", "-kernel", GUEST, "-serial", "null", "-net", "none")
    icount = f"rrfile={tmp_path / 'r'},rrsnapshot=init"
    made = session(*words, "-hda", tmp_path / "disk", "-icount", f"rr=record,{icount}")
    run_to(made, 500_000)
    made.close()
    (tmp_path / "disk").unlink()
    made = session("-icount", f"rr=replay,{icount}")
    timeline = made.timeline
    assert timeline.run(StopConditions(), lambda: False).reason is StopReason.HISTORY_END
    assert "never read" not in capfd.readouterr().err
    timeline.branch("on")
    run_to(made, timeline.position + 3_000_000)
    said = capfd.readouterr().err
    assert said.count("never read") == 1 and "ide0-hd0" in said
    made.close()


def test_a_replay_without_its_store_says_what_is_missing(tmp_path: Path) -> None:
    image(tmp_path / "disk")
    made = session(
        "-M", "malta", "-m", "16", "-kernel", GUEST, "-serial", "null", "-hda", tmp_path / "disk",
        "-icount", f"rr=record,rrfile={tmp_path / 'r'}",
    )  # fmt: skip
    run_to(made, 200_000)
    made.close()
    (tmp_path / "r.snapshots").unlink()
    with pytest.raises(RdbgError, match=r"r\.snapshots.*copy"):
        session("-icount", f"rr=replay,rrfile={tmp_path / 'r'}")


def test_a_campaign_writes_no_image_and_keeps_runs_that_replay_without_it(tmp_path: Path) -> None:
    before = image(tmp_path / "disk")
    words = (*MACHINE[:-4], "-hda", tmp_path / "disk", "-net", "none")
    kept = tmp_path / "kept"
    done = rdbg("chaos", "-n", "2", "--fail-on", "output:0000002", "--keep", kept, "--for", "20", "--", *words)
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "disk").read_bytes() == before
    (tmp_path / "disk").unlink()
    recordings = [path for path in kept.iterdir() if not path.suffix]
    assert recordings
    replayed = rdbg("replay", recordings[0])
    assert replayed.returncode == 0, replayed.stderr
    # A campaign that starts in it has its disk.
    done = rdbg("chaos", "-n", "1", "--from", recordings[0], "--fail-on", "output:0000002", "--keep", tmp_path / "more")
    assert done.returncode == 1 and b"never read" not in done.stderr, done.stderr
