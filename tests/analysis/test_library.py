"""The Python API, on a recording of the example guest."""

from __future__ import annotations

from pathlib import Path

import pytest

import rdbg
from rdbg.errors import RdbgError
from tests.cli.command import TANK
from tests.cli.command import rdbg as command


def test_a_recording_is_asked_from_python(tmp_path: Path) -> None:
    file = tmp_path / "tank.rec"
    command("record", "-o", file, "--", "-kernel", TANK, "-serial", "null")
    with rdbg.open(str(file)) as run:
        calls = list(run.calls("put_char"))
        assert [call.icount for call in calls] == [row.icount for row in run.executions("put_char")]
        assert [call.icount for call in run.calls("put_char", newest_first=True)] == [c.icount for c in calls][::-1]
        assert list(run.calls("put_char", where="a0 == 0x74")) == [call for call in calls if call.a0 == 0x74]
        assert run.position == run.timeline.start
        assert run.goto(calls[3].icount) == calls[3].icount == run.position
        assert run.register("a0") == calls[3].a0
        assert next(run.interrupts()).icount > 0
        assert len(run.memory("tank", 8)) == 8
    with pytest.raises(RdbgError, match="No such file"):
        rdbg.open(str(tmp_path / "none"))
