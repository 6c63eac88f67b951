"""Stores with NULL where the schema forbids it: a file can have that, though no statement puts it there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.errors import RdbgError
from rdbg.store.first_contents import FirstContents
from rdbg.store.snapshot_store import SnapshotStore
from tests.checkpoints.test_store import page, state
from tests.forgery import put_null

ID = bytes(16)


@pytest.mark.parametrize(
    ("table", "column"),
    [("pages", "data"), ("snapshots", "cpu"), ("snapshots", "devices"), ("snapshots", "page_table")],
)
def test_thinning_out_goes_on_or_says_what_is_damaged(tmp_path: Path, table: str, column: str) -> None:
    path = tmp_path / "s"
    with closing(SnapshotStore.create(str(path), ID)) as store:
        for number in range(20):
            store.save("", state(number), [(number, page(number))])
    put_null(path, table, column)
    with closing(SnapshotStore.open(str(path), ID, periodic_budget=1)) as store:
        try:
            store.save("", state(100), [(1, page(100))])
        except RdbgError as error:
            assert "damaged" in str(error)


@pytest.mark.parametrize("column", ["data", "pages", "zeros", "lost"])
def test_disks_contents_are_measured_or_said_to_be_damaged(tmp_path: Path, column: str) -> None:
    path = tmp_path / "s"
    SnapshotStore.create(str(path), ID).close()
    with closing(FirstContents.open(str(path))) as contents:
        contents.keep(0, 1, b"x" * PAGE_SIZE)
    put_null(path, "disk_contents", column)
    with pytest.raises(RdbgError, match="damaged"), closing(FirstContents.open(str(path))) as contents:
        assert contents.kept()[0].stored == 0
        contents.check()
