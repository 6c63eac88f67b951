"""What saves states beside the running guest: whatever goes wrong there, nobody waits for ever."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rdbg.checkpoints.checkpoint import Checkpoint
from rdbg.checkpoints.page_store import PageStore
from rdbg.emu.machine_api import MachineState
from rdbg.emu.output_mark import OutputMark
from rdbg.store.background_writer import BackgroundWriter, Job
from rdbg.store.snapshot_store import SnapshotStore

PATIENCE = 60.0


@pytest.mark.parametrize(
    ("error", "line"),
    [(MemoryError(), "no memory left"), (RuntimeError("a mistake"), "RuntimeError: a mistake"), (None, "")],
)
def test_quitting_after_any_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None, line: str
) -> None:
    path = str(tmp_path / "s")
    SnapshotStore.create(path, b"recording-number").close()
    pages = PageStore(16)
    writer = BackgroundWriter(path, 1 << 20, pages)

    def save(*arguments: object, **settings: object) -> None:
        assert error is not None
        raise error

    if error is not None:
        monkeypatch.setattr(SnapshotStore, "save", save)
    jobs = [Job(Checkpoint(MachineState(at, b"", b""), pages.zero_table(), 0, OutputMark())) for at in range(2)]

    def quit() -> None:
        for job in jobs:
            writer.submit(job)
            writer.wait()
        writer.close()

    quitting = threading.Thread(target=quit, daemon=True)
    quitting.start()
    quitting.join(PATIENCE)
    assert not quitting.is_alive()
    assert (writer.trouble is None) == (error is None) and line in str(writer.trouble)
    assert len(writer.collect()) >= 1


def test_no_thread_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    pages = PageStore(16)
    writer = BackgroundWriter(str(tmp_path / "s"), 1 << 20, pages)
    job = Job(None)
    writer.submit(job)
    writer.wait()
    writer.close()
    assert "can't start new thread" in str(writer.trouble) and writer.collect() == [job]
