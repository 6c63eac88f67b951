"""Recorders killed at random moments: some of the thousand of ``make kill-soak``."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.emu.guests import serial_reader
from tests.soak.recorder import Somebody, examine, live

KILLS = 13  #: of each sort
MOST_LIFE = 1.2  #: seconds
#: Seconds of what was known to have happened. The promise is one; a machine that is busy with other tests gets more.
MOST_LOST = 3.0


@pytest.mark.parametrize("who", [Somebody.TYPIST, Somebody.DEBUGGER])
def test_nothing_confirmed_is_lost(tmp_path: Path, who: Somebody) -> None:
    (tmp_path / "echo.elf").write_bytes(serial_reader(echo=True))
    machine = ["-m", "16", "-kernel", str(tmp_path / "echo.elf")]
    for number in range(KILLS):
        dice = random.Random(1000 + number)
        known = live(tmp_path / "recording", machine, dice, dice.uniform(0, MOST_LIFE), who)
        assert examine(tmp_path / "recording", known).lost_seconds <= MOST_LOST
