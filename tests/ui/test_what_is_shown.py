"""What a page shows is what the tables and the machine say, and to look at it changes nothing."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rdbg.library.recorded_run import RecordedRun
from rdbg.monitor.command import MonitorContext
from rdbg.session.onlooker import RunOnView
from rdbg.symbols.table import SymbolTable
from rdbg.ui.page_server import PageServer
from tests.ui.served_page import TANK, Page


@pytest.fixture(scope="module")
def run(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedRun]:
    """The recording, for a program."""
    with RecordedRun(str(recording), str(TANK)) as run:
        yield run


def _shown(page: Page, **values: object) -> Any:
    """The tracks, once all of the run has been passed through: somebody has to look at it meanwhile."""
    listener = threading.Thread(target=lambda: page.until(lambda state: done.is_set()), daemon=True)
    done = threading.Event()
    listener.start()
    deadline = time.monotonic() + 30
    try:
        while True:
            tracks = page.ask("tracks", **values)
            if tracks["known"] >= tracks["to"] and tracks["complete"]:
                return tracks
            assert time.monotonic() < deadline, tracks["known"]
            time.sleep(0.05)
    finally:
        done.set()
        listener.join()


def test_events_are_those_of_the_tables(page: Page, run: RecordedRun) -> None:
    tracks = _shown(page, **{"from": 0, "to": run.end, "bins": 100})
    interrupts = [row.icount for row in run.interrupts()]
    exceptions = [(row.icount, row.exception) for row in run.exceptions()]
    assert interrupts and len(tracks["rows"]) == len(interrupts) + len(exceptions)
    assert [row[0] for row in tracks["rows"] if row[1] == "interrupt"] == interrupts
    counts = dict(map(tuple, tracks["events"]["interrupt"]))
    assert sum(counts.values()) == len(interrupts)
    expected = [min(icount * 100 // run.end, 99) for icount in interrupts]
    assert all(counts[at] >= 1 for at in expected)
    # The part around one of them has that one alone.
    one = interrupts[2]
    part = page.ask("tracks", **{"from": one, "to": one + 1, "bins": 100})
    assert part["bins"] == 1 and part["events"] == {"interrupt": [[0, 1]]}
    assert page.ask("tracks", **{"from": one + 1, "to": one + 100, "bins": 100})["events"] == {}


def test_time_is_that_of_the_machine(page: Page, run: RecordedRun) -> None:
    tracks = _shown(page, **{"from": 0, "to": run.end, "bins": 100})
    times = tracks["times"]
    assert times[0][0] == 0 and times[-1][0] == run.end
    for icount, ns in times[:: max(1, len(times) // 8)]:
        run.goto(icount)
        assert run.virtual_ns == ns
    shares = tracks["modes"]["shares"]
    assert shares and all(abs(sum(share[1:]) - 1) < 0.01 and share[2] > 0.9 for share in shares)


def test_the_heat_map_has_what_was_written_and_what_ran(page: Page, run: RecordedRun) -> None:
    _shown(page, **{"from": 0, "to": run.end, "bins": 100})
    start = run.end // 2
    heat = page.ask("heat", **{"from": start, "to": run.end, "columns": 50})
    shape = len(heat["rows"]), heat["columns"]
    written, executed = (
        np.frombuffer(base64.b64decode(heat[kind]), np.uint8).reshape(shape) for kind in ("written", "executed")
    )
    assert heat["known"] == 1.0 and all(low <= high for low, high in heat["rows"])

    def cell(address: int, icount: int) -> tuple[int, int]:
        row = next(n for n, (low, high) in enumerate(heat["rows"]) if low <= address <= high)
        return row, (icount - start) * shape[1] // (run.end - start)

    for icount in range(start, run.end, (run.end - start) // 20):
        run.goto(icount)
        assert executed[cell(run.pc, icount)], (icount, hex(run.pc))
    for each in run.writes("tank", count=5):
        if each.write.before >= start:
            assert written[cell(each.write.address, each.write.before)]
    assert page.ask("heat", **{"from": 0, "to": run.end, "low": 0xF000_0000})["rows"] == []


def test_calls_are_those_of_the_table(page: Page, run: RecordedRun) -> None:
    start, end = run.end - 5000, run.end
    answer = page.ask("calls", **{"from": start, "to": end})
    spans = answer["spans"]
    assert answer["left_out"] == 0 or all(stop - begin >= 2 for _, begin, stop, _ in spans)
    for name in ("put_text", "alarm"):
        expected = sorted(row.icount for row in run.calls(name, start=start, end=end))
        found = sorted(begin for _, begin, _, called in spans if called == name)
        assert found == expected and found
    # A call lies within the one that made it.
    by_depth = {depth: [span for span in spans if span[0] == depth] for depth in {span[0] for span in spans}}
    for depth, begin, stop, _ in spans:
        assert depth == 0 or any(above[1] <= begin and stop <= above[2] for above in by_depth[depth - 1])
    # What had begun before is below: the calls that have not returned there.
    printing = next(iter(run.calls("put_char", start=start, end=end))).icount + 1
    for begins, length, least in ((start, 5000, 2), (printing, 5, 3), (printing, 5000, 3)):
        assert page.obey(f"goto {begins}").status == 200
        frames = [frame["function"] for frame in page.ask("moment")["frames"]]
        spans = page.ask("calls", **{"from": begins, "to": begins + length})["spans"]
        assert [name for _, begin, _, name in spans if begin == begins] == frames[::-1] and len(frames) >= least
    long = page.ask("calls", **{"from": 0, "to": end})
    assert long["spans"] is None and long["most"] < end


def test_the_side_pane_is_the_machine_where_it_stands(page: Page, run: RecordedRun) -> None:
    for place in ("10%", "451380", "end"):
        assert page.obey(f"goto {place}").status == 200
        moment = page.ask("moment")
        run.goto(place)
        assert moment["icount"] == run.position and int(moment["pc"], 16) == run.pc
        registers = {name: int(value, 16) for name, value, _ in moment["registers"]}
        assert registers["a0"] == run.register("a0") and registers["ra"] == run.register("ra")
        (here,) = [text for _, _, text, _, here in moment["code"] if here]
        assert here == run.disassemble(count=1)[0].text
        symbol = run.symbol(run.pc)
        assert symbol is not None and moment["function"].split("+")[0] == symbol[0] == moment["frames"][0]["function"]
        assert moment["source"]["file"].endswith((".c", ".S")) and moment["source"]["line"] > 0
        assert any(line == moment["source"]["line"] for line, _ in moment["text"])


def test_a_source_file_is_read_beside_the_image_alone(tmp_path: Path) -> None:
    from rdbg.analysis.code_lines import Source
    from rdbg.ui.names import Names

    folder = tmp_path / "image"
    folder.mkdir()
    (tmp_path / "secret.c").write_text("secret\n")
    (folder / "own.c").write_text("one\ntwo\n")
    (folder / "link.c").symlink_to(tmp_path / "secret.c")
    names = Names(Source.of(None), folder)
    assert names.text_around("/build/there/own.c", 2, 4) == [[1, "one"], [2, "two"]]
    for file in ("../secret.c", str(tmp_path / "secret.c"), "link.c", "..", "", "\0", "image"):
        assert names.text_around(file, 1, 4) == []
    assert Names(Source.of(None), None).text_around("own.c", 1, 4) == []


def test_looking_changes_nothing(run: RecordedRun) -> None:
    """By a page in this process, whose questions the machine itself answers: no copy that could hide something."""
    timeline = run.timeline
    server = PageServer(
        RunOnView(MonitorContext(timeline, lambda: False, lambda: None, SymbolTable()), None, None), 0, "x"
    )
    assert run.goto("40%") and timeline.position
    before = timeline.position, timeline.machine.digest(), timeline.end, len(timeline.history.known.records())
    path, done = server.url.split("/", 3)[3], threading.Event()
    page = Page(server.url, 0, None)  # type: ignore[arg-type]  # there is no process
    assert path

    def look() -> None:
        try:
            for part in ({"from": 0, "to": timeline.end}, {"from": 300_000, "to": 340_000}, {"from": 5, "to": 6}):
                for what in ("tracks", "heat", "calls", "console", "moment", "marks"):
                    page.ask(what, **part)
        finally:
            done.set()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        while not done.is_set():
            server.take_turn()
            time.sleep(0.001)
    finally:
        looking.join()
        server.close()
    after = timeline.position, timeline.machine.digest(), timeline.end, len(timeline.history.known.records())
    assert after == before
    run.goto("end")
    assert not timeline.agreement.diverged
