"""A peripheral in Python that fails: the run stops before it, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdbg.emu.device import DeviceFailure
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.navigation.stops import StopConditions, never
from rdbg.timeline import Timeline
from tests.boards.python_boards import AT, DEVICE, HEAD, LOAD, QUIET, STORE, bench, failing_spec
from tests.cli.command import rdbg
from tests.emu.boards.test_bare import BASE, KERNEL

#: What fails where: the store that sets it going, and the line.
FAILURES: dict[str, tuple[str, str]] = {
    "a store": (f"{STORE}        self.x = value // 0\n", "d.py:7: ZeroDivisionError"),
    "a load": (f"{LOAD}        return -1\n", "d.py: read gave -0x1 for 4 bytes"),
    "a loop": (f"{LOAD}        while True:\n            pass\n", "RuntimeError: it goes on"),
    "a timer": (
        f"{STORE}        self.later.start(3000)\n    def on_later(self):\n        raise ValueError('late')\n",
        "d.py:9: ValueError: late",
    ),
    "dma": (
        f"{LOAD}        return len(self.dma_read(0x50000000, 4))\n",
        "d.py:7: NoAnswer: bus error: load of 4 bytes at physical 0x50000000",
    ),
    "a field": (f"{STORE}        self.x = -1\n", "d.py:7: ValueError: field 'x' holds"),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("exact", [False, True])
def test_a_failure_stops_the_run_before_it_and_nothing_is_lost(name: str, exact: bool) -> None:
    method, words = FAILURES[name]
    machine = Machine(failing_spec(method))
    history = History.live_run()
    timeline = Timeline(machine, history, sleep=False)
    with pytest.raises(DeviceFailure) as info:
        if exact:
            while timeline.position < 5_000:
                timeline.step()
        timeline.run(StopConditions(), lambda: timeline.position > 5_000)
    assert words in str(info.value) and "device 'device0'" in str(info.value) and "\n" not in str(info.value)
    stands = timeline.position
    assert stands in (info.value.icount, info.value.icount - 1) and 300 < stands < 1_000  # or in a delay slot
    if name != "a timer":
        load = name in ("a load", "a loop", "dma")
        assert machine.pc == (0x8000101C if load else 0x80001018)
    plain = Machine(failing_spec(method))
    plain.run(RunRequest(until=stands))
    digest = machine.digest()
    assert digest == plain.digest()
    for _ in range(5):
        timeline.reverse_step()
    with pytest.raises(DeviceFailure, match=words.partition(":")[0]):
        timeline.run(StopConditions(), never)
    assert timeline.position == stands and machine.digest() == digest
    timeline.goto(10)
    timeline.goto(stands)
    assert machine.digest() == digest


def test_a_failure_at_what_came_in_is_recorded_with_it(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(BASE + DEVICE + "port = 0\n")
    text = "class Device(Peripheral):\n    q = ByteBuffer(4)\n"
    text += "    def receive_room(self):\n        return 16\n    def receive(self, data):\n        self.q += data\n"
    (tmp_path / "d.py").write_text(HEAD + text + QUIET)
    (tmp_path / "spin.elf").write_bytes(KERNEL.data)
    options = ["-M", f"bare,file={tmp_path / 'board.toml'}", "-kernel", tmp_path / "spin.elf", "-nographic"]
    line = "d.py:7: ValueError: field 'q' holds at most 4 bytes, not 8 (device 'device0', receive)"
    for command in (["record", "-o", tmp_path / "F", "--", *options], ["replay", tmp_path / "F"]):
        done = rdbg(*command, typed=b"abcdefgh")
        said = done.stderr.decode()
        assert done.returncode == 1 and line in said and "Traceback" not in said


def test_a_failure_where_nothing_enters_ends_a_recording_in_order(tmp_path: Path) -> None:
    (tmp_path / "board.toml").write_text(BASE + DEVICE + "port = 0\n")
    text = "class Device(Peripheral):\n    def receive_room(self):\n        return 1 // 0\n"
    (tmp_path / "d.py").write_text(HEAD + text + QUIET)
    (tmp_path / "spin.elf").write_bytes(KERNEL.data)
    options = ["-M", f"bare,file={tmp_path / 'board.toml'}", "-kernel", tmp_path / "spin.elf", "-nographic"]
    done = rdbg("record", "-o", tmp_path / "F", "--", *options, typed=b"a")
    said = done.stderr.decode()
    assert done.returncode == 1 and "d.py:4: ZeroDivisionError" in said and "Traceback" not in said
    info = rdbg("info", tmp_path / "F")
    assert info.returncode == 0 and b"stopped by the user" in info.stdout


@pytest.mark.parametrize("caught", ["RuntimeError", "Exception", "(ValueError, RuntimeError)"])
@pytest.mark.parametrize("again", [False, True])
def test_calls_that_go_too_deep_end_the_run_whatever_catches_them(caught: str, again: bool) -> None:
    text = "def f(n):\n    return f(n + 1)\nclass Device(Peripheral):\n    def read(self, offset, size):\n"
    then = "try:\n                f(0)\n            except Exception:\n                pass" if again else "return 7"
    text += f"        try:\n            f(0)\n        except {caught}:\n            {then}\n"
    text += "        finally:\n            return 5\n"
    machine = bench(text + "    def write(self, offset, size, value):\n        pass\n")
    with pytest.raises(RdbgError, match="calls within calls go too deep") as info:
        machine.read(AT, 4)
    assert "\n" not in str(info.value) and "d.py" in str(info.value)
