"""An interrupt that waits is taken before the instruction behind the one that lets it in, as on QEMU: behind ei, mtc0,
eret and stores to devices, in straight-line code and in slots."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.races.both import differences, on_qemu, on_rdbg
from tests.races.layout import build
from tests.races.openings import OPENINGS

pytestmark = pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")


@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("name", OPENINGS)
def test_interrupts_are_taken_where_qemu_takes_them(name: str, big_endian: bool, tmp_path: Path) -> None:
    opening = OPENINGS[name]
    guest = build(opening.source, big_endian, tmp_path)
    theirs, ours = on_qemu(guest).entries, on_rdbg(guest).entries
    assert len(theirs) == opening.source.entries * len(opening.source.periods)
    found = differences(theirs, ours, clock=not opening.waits)
    assert not found, "\n".join(found[:5])
    if opening.taken:
        assert {entry.epc for entry in ours} == {guest.symbols[label] for label in opening.taken}
