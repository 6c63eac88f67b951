"""The Python API, on a recording of the example guest."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

import rdbg
from rdbg.emu.machine_api import Access
from rdbg.errors import RdbgError, UsageError
from rdbg.library.recorded_run import RecordedRun
from rdbg.navigation.stops import StopReason
from tests.cli.command import PROJECT, TANK
from tests.cli.command import rdbg as command


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("library") / "tank.rec"
    assert command("record", "-o", file, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    return file


def test_a_recording_is_asked_from_python(recording: Path) -> None:
    with rdbg.open(str(recording)) as run:
        calls = list(run.calls("put_char"))
        assert [call.icount for call in calls] == [row.icount for row in run.executions("put_char")]
        assert [call.icount for call in run.calls("put_char", newest_first=True)] == [c.icount for c in calls][::-1]
        assert list(run.calls("put_char", where="a0 == 0x74")) == [call for call in calls if call.a0 == 0x74]
        used = list(run.accesses("tank"))
        assert [row for row in used if row.access == "write"] == list(run.accesses("tank", access=Access.WRITE))
        first = used[0].address
        assert list(run.accesses(first, 1)) == [row for row in used if row.address <= first < row.address + row.size]
        assert run.position == run.timeline.start
        assert run.goto(calls[3].icount) == calls[3].icount == run.position
        assert run.register("a0") == calls[3].a0 == run.registers()["a0"]
        assert next(run.interrupts()).icount > 0
        assert len(run.memory("tank", 8)) == 8


def test_what_python_finds_is_what_the_tables_say(recording: Path) -> None:
    with rdbg.open(str(recording)) as run:
        every = [row.icount for row in run.executions("put_char", where="a0 == 0x74")]
        forward = []
        while (found := run.find("put_char", "a0 == 0x74")) is not None:
            forward.append(found)
            assert run.position == found and run.register("a0") == 0x74
        backward = []
        run.goto("end")
        while (found := run.find("put_char", "a0 == 0x74", backward=True)) is not None:
            backward.append(found)
        assert forward == backward[::-1] == every
        stood = run.position
        assert run.find("put_char", "a0 == 0x75", backward=True) is None and run.position == stood


def test_writes_are_found_forward_and_back_and_stand_before_the_store(recording: Path) -> None:
    with rdbg.open(str(recording)) as run:
        assert isinstance(run, RecordedRun)
        forward = []
        while (found := run.find_write("tank")) is not None:
            assert run.disassemble(count=1)[0].text.startswith("s")
            forward.append(found)
        run.step()
        backward = [run.find_write("tank", backward=True) for _ in forward]
        assert len(forward) > 5 and backward[::-1] == forward
        assert run.find_write("tank", backward=True) is None and run.position == forward[0]


def test_steps_output_and_events_agree(recording: Path) -> None:
    with rdbg.open(str(recording)) as run:
        lines = [row for row in run.output("serial0") if row.text and "level 331" in row.text]
        assert run.goto('output "level 331"') == lines[0].icount
        digest = run.timeline.machine.digest()
        assert run.reverse_step(100) < lines[0].icount
        assert run.goto(lines[0].icount) == lines[0].icount
        assert run.timeline.machine.digest() == digest
        events = run.events(end=lines[0].icount)
        assert [event.icount for event in events] == sorted(event.icount for event in events)
        assert {type(event).__name__ for event in events} >= {"TakenInterrupt", "OutputRow"}


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda run: run.goto("nowhere"), "no snapshot or bookmark 'nowhere'"),
        (lambda run: run.goto('output "nothing like it"'), "did not print"),
        (lambda run: run.goto('output "level " 10000'), "and not 10000"),
        (lambda run: run.goto('output "open'), "a quote is not closed"),
        (lambda run: run.register("r99"), "there is no register"),
        (lambda run: run.memory("no_such_thing", 4), "no symbol 'no_such_thing'"),
        (lambda run: run.find("put_char", where="a0 =="), "not a condition"),
        (lambda run: run.writes("tank", -1), "a length is at least 1"),
        (lambda run: run.find_write("tank", 0, backward=True), "a length is at least 1"),
        (lambda run: list(run.accesses("tank", 1 << 32)), "no further than the address space"),
        (lambda run: list(run.output("pipe")), "is no endpoint"),
        (lambda run: run.goto(-5), "icount -5 is less than 0"),
        (lambda run: run.step(-1), "count -1 is less than 0"),
        (lambda run: run.reverse_step(-1), "count -1 is less than 0"),
        (lambda run: run.writes("tank", count=-1), "count -1 is less than 0"),
        (lambda run: run.memory("tank", -1), "length -1 is less than 0"),
        (lambda run: run.disassemble("put_char", -1), "count -1 is less than 0"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_moves_nothing(recording: Path, ask, said: str) -> None:  # type: ignore[no-untyped-def]
    with rdbg.open(str(recording)) as run:
        run.goto("50%")
        stood = run.position
        with pytest.raises(RdbgError, match=re.escape(said)) as error:
            ask(run)
        assert "\n" not in str(error.value) and run.position == stood


def test_a_recording_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RdbgError, match="No such file"):
        rdbg.open(str(tmp_path / "none"))


def test_the_examples_of_the_documentation_run(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (PROJECT / "docs" / "library.md").read_text()
    examples = re.findall(r"(?:^(?:    .*)?\n)+", page, re.MULTILINE)
    code = [textwrap.dedent(example) for example in examples if "rdbg.open(" in example]
    assert len(code) == 4
    monkeypatch.chdir(recording.parent)
    for example in code:
        exec(compile(example, "docs/library.md", "exec"), {"rdbg": rdbg})


def test_no_number_is_too_large_to_answer(recording: Path) -> None:
    with rdbg.open(str(recording)) as run:
        assert run.step(10**30) == run.end and run.reverse_step(10**30) == run.start
        assert run.goto(10**30) == run.end and run.travel(10**30).reason is StopReason.HISTORY_END
        for ask in (lambda: run.disassemble("$pc", 10**30), lambda: run.memory("tank", 10**30)):
            with pytest.raises(UsageError, match="ask for less at a time"):
                ask()
        assert len(run.disassemble("main", 3)) == 3
        with pytest.raises(UsageError, match="-1% is no place"):
            run.goto("-1%")


def test_a_closed_run_says_that_it_is_closed(recording: Path) -> None:
    run = rdbg.open(str(recording))
    run.close()
    run.close()
    for ask in (lambda: run.position, lambda: run.goto(5), lambda: list(run.calls("put_char")), lambda: run.step()):
        with pytest.raises(UsageError, match="tank.rec is closed"):
            ask()
