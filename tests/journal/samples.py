"""Journals to test with."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from rdbg.emu.inputs import InputKind
from rdbg.emu.spec import Drive, Image, MachineSpec, Plugged
from rdbg.journal.header import JournalHeader, describe
from rdbg.journal.records import KIND_DIGEST, EndOfRun, EndReason, Record
from rdbg.journal.writer import JournalWriter

SPEC = MachineSpec(
    board="malta",
    cpu="24Kf",
    big_endian=False,
    ram_bytes=256 << 20,
    shift=3,
    images=(Image("bios", "u-boot.bin", b"boot" * 1000), Image("pflash", "no/\udce9.bin", b"\xff" * 10)),
    append="console=ttyS0 \u00e9",
    rtc_base=-1,
    drives=(Drive("d0", "none", 0, "disk", 1 << 40, True, "QM1"), Drive("ide1-cd0", "ide", 2, "cdrom", 0)),
    plugged=(
        Plugged("e1000", "net", 18, nic=0, mac=b"\x52\x54\0\x12\x34\x56"),
        Plugged("virtio-blk-pci", slot=0, drive="d0", properties=(("serial", "7,8"), ("serial", ""))),
        Plugged("virtio-serial-pci", "vs"),
        Plugged("virtconsole", bus="vs", console=0),
    ),
)
END = EndOfRun(10**9, EndReason.SHUTDOWN, 3)

u64 = st.integers(0, 2**64 - 1)
deltas = st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 2**40))


def header(start: int = 0) -> JournalHeader:
    """A header of a recording of SPEC."""
    return describe(
        SPEC,
        created=1_700_000_000,
        rdbg_version="0.1.0",
        command_line=("rdbg", "run"),
        initial_snapshot="x",
        start=start,
    )


@st.composite
def records(draw: st.DrawFn, max_size: int = 40) -> list[Record]:
    """Records in order."""
    made: list[Record] = []
    icount = 0
    for delta in draw(st.lists(deltas, max_size=max_size)):
        icount += delta
        kind = draw(st.sampled_from([*map(int, InputKind), KIND_DIGEST]))
        if kind == KIND_DIGEST:
            made.append(Record(icount, kind, data=draw(st.binary(min_size=16, max_size=16))))
        else:
            value = draw(u64) >> (2 if kind == InputKind.WAKE else 0)  # virtual time ends there
            made.append(Record(icount, kind, draw(st.integers(0, 80)), value, draw(st.binary(max_size=20))))
    return made


def write(path: Path, made: list[Record], end: EndOfRun | None = None, flush_every: int = 0) -> JournalWriter:
    """Record and publish; without ``end`` the file is left as by a killed process, its last records flushed."""
    writer = JournalWriter(str(path), header())
    writer.publish()
    for number, record in enumerate(made, 1):
        writer.append(record)
        if flush_every and number % flush_every == 0:
            writer.flush()
    if end is None:
        writer.flush()
        writer.discard()
    else:
        writer.close(end)
    return writer
