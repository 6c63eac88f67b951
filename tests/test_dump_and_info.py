"""`dump` and `info` say what is there, of whole and of damaged recordings."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.emu.inputs import InputKind
from rdbg.emu.machine_api import MachineState
from rdbg.emu.output_mark import OutputMark, Sent
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.journal.output_marks import Digests, build_digests
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import KIND_DIGEST, EndOfRun, EndReason, Record
from rdbg.recording.dump import write_dump
from rdbg.recording.overview import write_info
from rdbg.recording.pack import pack
from rdbg.recording.recording import NewRecording, store_path
from rdbg.store.snapshot_store import SnapshotStore

SPEC = MachineSpec("malta", "24Kf", True, 1 << 28, 3, (Image("bios", "u-boot.bin", b"boot"),), append="console=ttyS0")

SENT = OutputMark((Sent(serial_port(0), 7, 1234, bytes(16)),))


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "j")
    new = NewRecording(path, SPEC, ("rdbg", "record"), "init")
    new.store.save("init", MachineState(0, b"cpu", b""), [(0, b"a" * 4096)], initial=True)
    new.publish()
    for record in (
        Record(100, InputKind.SERIAL, 0, 0, b'say "\x1b\r\xff'),
        Record(200, InputKind.WAKE, 0, 5000),
        Record(200, InputKind.RESET),
        Record(300, InputKind.POKE_MEMORY, 0, 0x1000, b"\x01\x02"),
        Record(300, InputKind.POKE_REGISTER, 37, 0x80000000),
        Record(400, KIND_DIGEST, data=build_digests(Digests(bytes(range(16)), SENT))),
        Record(450, 23, 1, 2, bytes(100)),
    ):
        new.writer.append(record)
        new.writer.flush()
    new.writer.close(EndOfRun(1_000_000_000, EndReason.SHUTDOWN, 3, 9_500_000_000))
    new.store.save("here", MachineState(250, b"cpu", b""), [(0, b"b" * 4096)], virtual_ns=2000)
    new.store.close()
    return path


def dumped(path: str) -> tuple[bool, list[str]]:
    out = io.StringIO()
    whole = write_dump(path, out)
    return whole, out.getvalue().splitlines()


def told(path: str) -> tuple[bool, str]:
    out = io.StringIO()
    return write_info(path, out), out.getvalue()


def test_dump(path: str) -> None:
    whole, lines = dumped(path)
    assert whole
    assert lines[1] == "# malta, 24Kf, big endian, 256 MiB RAM, shift 3 (8 ns per instruction)"
    body = [re.sub(" +", " ", line).strip() for line in lines if not line.startswith("#")]
    assert body == [
        '0 100 serial port 0: "say \\"\\e\\r\\xff"',
        "1 200 wake the CPU idled until 0.000005000 s of virtual time",
        "2 200 reset by the user",
        "3 300 write-memory physical 0x00001000: 2 bytes: 01 02",
        "4 300 write-register register pc = 0x80000000",
        "5 400 digest 000102030405060708090a0b0c0d0e0f, serial 0 sent 1,234 bytes",
        "6 450 kind-23 unknown to this rdbg: port 1, value 0x2, data " + " ".join(["00"] * 64) + "... (100 bytes)",
        "7 1000000000 end the guest ended the run, exit code 3",
    ]


def test_dump_of_a_damaged_journal(path: str) -> None:
    chunk = JournalReader(path).chunks[3]
    data = bytearray(Path(path).read_bytes())
    data[chunk.end_offset - 1] ^= 1
    Path(path).write_bytes(data)
    whole, lines = dumped(path)
    assert not whole
    assert lines[-2].split()[:2] == ["2", "200"]
    assert lines[-1].startswith(f"# {path}: damaged at offset {chunk.offset}, record 3 (CRC mismatch")
    whole, text = told(path)
    assert not whole and "problem" in text and f"offset {chunk.offset}, record 3" in text


def test_info(path: str) -> None:
    whole, text = told(path)
    assert whole
    for line in (
        "command     rdbg record",
        "machine     malta, 24Kf, big endian, 256 MiB RAM, shift 3",
        "append      console=ttyS0",
        "image       bios u-boot.bin, 4 bytes, digest ",
        "starts from snapshot init, icount 0",
        "length      1,000,000,000 instructions, 8.000000000 s of virtual time without idling",
        "end         the guest ended the run, exit code 3, at 9.500000000 s of virtual time",
        "inputs      5 (serial 1, wake 1, reset 1, write-memory 1, write-register 1)",
        "digests     1",
        "endpoint    serial 0: 8 bytes in 1 inputs came in; 1,234 bytes in 7 outputs had left by icount 400",
        "snapshots   2",
        "integrity   journal and snapshots are whole",
    ):
        assert f"\n{line}" in text
    assert re.search(r"here +icount +250 +0\.000002000 s +4099 bytes", text)


def test_info_without_its_store(path: str) -> None:
    Path(store_path(path)).unlink()
    whole, text = told(path)
    assert not whole
    assert "length      1,000,000,000" in text
    assert re.search(r"problem +.*j.snapshots: no snapshot store there", text)


def test_info_of_a_damaged_snapshot(path: str) -> None:
    store = SnapshotStore.open(store_path(path))
    store._db.execute("UPDATE pages SET data = x'12' WHERE id = 1")
    store.close()
    whole, text = told(path)
    assert not whole and re.search(r"problem +.*stored page 1 is damaged", text)


def test_not_a_journal(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    for function in (write_dump, write_info):
        with pytest.raises(RdbgError, match="not an rdbg journal"):
            function(str(tmp_path / "x"), io.StringIO())


def test_info_of_many_periodic_snapshots_and_of_bookmarks(tmp_path: Path) -> None:
    """What the user has named is listed; the rest is a line."""
    recording = NewRecording(str(tmp_path / "j"), SPEC, ("rdbg", "record"), "init")
    recording.store.save("init", MachineState(0, b"", b""), [], initial=True)
    for icount in range(100, 2100, 100):
        recording.store.save("", MachineState(icount, b"", b""), [])
    recording.store.notes.put_bookmark("crash", 1234)
    recording.publish()
    recording.store.close()
    recording.writer.close(EndOfRun(3000, EndReason.STOPPED))
    out = io.StringIO()
    assert write_info(str(tmp_path / "j"), out)
    lines = out.getvalue().splitlines()
    assert sum("20 periodic, icount 100 to 2,000" in line for line in lines) == 1
    assert sum(" icount " in line for line in lines) == 4  # with the one that it starts from, and the bookmark
    assert any(line.split() == ["crash", "icount", "1,234"] for line in lines)
    pack(str(tmp_path / "j"), str(tmp_path / "packed"))
    with pytest.raises(RdbgError, match="this is a packed recording; take it out with rdbg unpack"):
        write_info(str(tmp_path / "packed"), out)
