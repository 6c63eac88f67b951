"""Captures into FIFOs: who reads one may be slow, or gone, and keeps nobody waiting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rdbg.errors import RdbgError
from rdbg.netdev import pcap_file
from rdbg.netdev.network_plan import PacketDump
from rdbg.netdev.pcap_file import PcapFile

FRAME = bytes(1514)


@pytest.fixture
def dump(tmp_path: Path) -> PacketDump:
    os.mkfifo(tmp_path / "f")
    return PacketDump("d", "n", str(tmp_path / "f"))


def test_a_fifo_that_nobody_reads_is_refused(dump: PacketDump) -> None:
    with pytest.raises(RdbgError, match="^-object filter-dump: .*/f: cannot write it: nobody reads it; start its rea"):
        PcapFile(dump)


def test_what_a_fifo_does_not_take_waits_for_its_reader(dump: PacketDump) -> None:
    reader = os.open(dump.path, os.O_RDONLY | os.O_NONBLOCK)
    capture = PcapFile(dump)
    for at in range(100):
        capture.add(at, FRAME)
    assert capture.failure == ""
    size, held = 24 + 100 * (16 + len(FRAME)), 0
    while held < size:
        held += len(os.read(reader, 1 << 20))
        capture.flush()
    capture.close()
    capture.close()
    capture.add(0, FRAME)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_reader_that_is_too_slow_or_gone_is_told_of(dump: PacketDump, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcap_file, "_MOST_PENDING", 1 << 17)
    monkeypatch.setattr(pcap_file, "_PATIENCE", 0)
    for is_gone in (False, True):
        reader = os.open(dump.path, os.O_RDONLY | os.O_NONBLOCK)
        capture = PcapFile(dump)
        if is_gone:
            os.close(reader)
        for at in range(200):
            capture.add(at, FRAME)
        reason = "Broken pipe" if is_gone else "its reader is too slow"
        assert capture.failure == f"{dump.path}: packets are missing from here: {reason}"
        capture.close()
        if not is_gone:
            os.close(reader)
