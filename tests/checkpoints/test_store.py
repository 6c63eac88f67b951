"""The snapshot store against a model of dicts, and against everything that can happen to a file."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from rdbg.emu.machine_api import MachineState
from rdbg.errors import RdbgError, UsageError
from rdbg.journal.header import image_digest
from rdbg.store.snapshot_store import SnapshotStore

ID = b"recording-number"
ZERO = bytes(4096)


def page(number: int) -> bytes:
    """Content number ``number``; 0 is zeros."""
    return number.to_bytes(4, "little") * 1024


def state(icount: int) -> MachineState:
    return MachineState(icount, b"cpu %d" % icount, b"devices %d" % icount)


contents = st.dictionaries(st.integers(0, 200), st.integers(0, 12), max_size=12)


class StoreModel(RuleBasedStateMachine):
    """Random operations on a store and on a dict: name -> (icount, pages)."""

    names = Bundle("names")

    @initialize()
    def make(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.path = os.path.join(self.folder, "s")
        self.store = SnapshotStore.create(self.path, ID)
        self.model: dict[str, tuple[int, dict[int, int]]] = {}

    @rule(target=names, name=st.sampled_from(["a", "b", "c d", "\u00e9", "'; --"]))
    def name(self, name: str) -> str:
        return name

    @rule(name=names, icount=st.integers(0, 2**62), pages=contents)
    def save(self, name: str, icount: int, pages: dict[int, int]) -> None:
        self.store.save(name, state(icount), ((n, page(c)) for n, c in pages.items()))
        self.model[name] = (icount, {n: c for n, c in pages.items() if c})

    @rule(name=names, base=names, icount=st.integers(0, 2**62), changed=contents)
    def save_on_base(self, name: str, base: str, icount: int, changed: dict[int, int]) -> None:
        info = self.store.find(base)
        if info is None:
            return
        pages = {**self.model[base][1], **changed}
        self.store.save(name, state(icount), ((n, page(c)) for n, c in changed.items()), base=info)
        self.model[name] = (icount, {n: c for n, c in pages.items() if c})

    @rule(name=names, pages=contents)
    def fail_to_save(self, name: str, pages: dict[int, int]) -> None:
        def broken() -> object:
            for n, c in pages.items():
                yield n, page(c)
            raise InterruptedError

        with pytest.raises(InterruptedError):
            self.store.save(name, state(1), broken())  # type: ignore[arg-type]

    @rule(name=names)
    def delete(self, name: str) -> None:
        if name in self.model:
            self.store.delete(name)
            del self.model[name]
        else:
            with pytest.raises(RdbgError, match="no snapshot"):
                self.store.delete(name)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        assert os.listdir(self.folder) == ["s"]
        self.store = SnapshotStore.open(self.path, ID)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "store"):
            return
        assert {(i.name, i.icount) for i in self.store.list()} == {(n, i) for n, (i, _) in self.model.items()}
        for name, (icount, pages) in self.model.items():
            loaded = self.store.load(name)
            assert loaded.state == state(icount)
            assert loaded.page_numbers.tolist() == sorted(pages)
            assert dict(loaded.pages()) == {n: page(c) for n, c in pages.items()}
            assert loaded.read_page(201) == ZERO and loaded.read_page(7) == page(pages.get(7, 0))
        stored = self.store._db.execute("SELECT count(*) FROM pages").fetchone()[0]
        assert stored == len({c for _, pages in self.model.values() for c in pages.values()})

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)


TestStoreModel = StoreModel.TestCase
TestStoreModel.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore.create(str(tmp_path / "s"), ID)


def test_what_is_listed(store: SnapshotStore) -> None:
    store.save("b", state(20), [(1, page(1))], virtual_ns=160, entered=2, digest=b"d" * 16)
    store.save("a", state(10), [], initial=True)
    store.save("", state(15), [])
    first, middle, last = store.list()
    assert (first.name, first.initial, middle.periodic, last.name) == ("a", True, True, "b")
    assert (last.virtual_ns, last.entered, last.digest, last.size) == (
        160,
        2,
        b"d" * 16,
        4096 + len(b"cpu 20devices 20"),
    )
    assert store.load(middle).state.icount == 15


def test_the_initial_snapshot_stays(store: SnapshotStore) -> None:
    store.save("start", state(0), [], initial=True)
    with pytest.raises(RdbgError, match="the recording starts from snapshot 'start'; it cannot be deleted"):
        store.delete("start")
    with pytest.raises(UsageError, match="choose another name"):
        store.save("start", state(5), [])
    assert store.load("start").state == state(0)


@pytest.mark.parametrize("name", ["a\nb", " x", "x" * 256, "\x1b[0m"])
def test_names_that_cannot_be(store: SnapshotStore, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a snapshot's name"):
        store.save(name, state(5), [])


def test_an_unknown_name(store: SnapshotStore) -> None:
    with pytest.raises(RdbgError, match="no snapshot 'x'; there are none with a name"):
        store.load("x")
    store.save("boot", state(5), [])
    with pytest.raises(RdbgError, match="no snapshot 'x'; there are: boot"):
        store.load("x")


def test_images(store: SnapshotStore) -> None:
    digest = store.put_image(b"image" * 1000)
    assert store.put_image(b"image" * 1000) == digest
    assert store.image(digest, 5000) == b"image" * 1000
    assert store.image(bytes(32), 5000) is None


def test_periodic_ones_thin_out_with_age(tmp_path: Path) -> None:
    """Their bytes stay in the budget, spacing grows with distance, named ones and the newest stay."""
    store = SnapshotStore.create(str(tmp_path / "s"), ID, periodic_budget=200_000)
    store.save("mark", state(5), [(n, os.urandom(4096)) for n in range(20)])
    step, last = 20_000_000, 200 * 20_000_000
    for n in range(1, 201):
        store.save("", state(n * step), [(page_, os.urandom(4096)) for page_ in range(2)])
    kept = [info.icount for info in store.list() if info.periodic]
    assert 10 <= len(kept) <= 24 and kept[-1] == last
    assert store.find("mark") is not None
    ages = [last - icount for icount in kept]
    assert 2 * sum(age > last * 3 // 4 for age in ages) < sum(age < last // 4 for age in ages)
    assert ages[0] > last // 2
    assert store.size < 700_000


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from rdbg.store.snapshot_store import SnapshotStore
from rdbg.emu.machine_api import MachineState
store = SnapshotStore.open(sys.argv[1])
store.save("whole", MachineState(2, b"", b""), ((n, os.urandom(4096)) for n in range(500)))
def pages():
    for n in range(5000):
        yield n, os.urandom(4096)
        if n == 4000:
            os.kill(os.getpid(), signal.SIGKILL)
store.save("before", MachineState(3, b"", b""), pages())
"""


def test_kill_9_leaves_the_old_state(store: SnapshotStore) -> None:
    store.save("before", state(1), [(0, page(1))])
    store.close()
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", KILLED, store.path, root], check=False)
    assert done.returncode == -signal.SIGKILL
    after = SnapshotStore.open(store.path, ID)
    assert [(info.name, info.icount) for info in after.list()] == [("before", 1), ("whole", 2)]
    assert dict(after.load("before").pages()) == {0: page(1)}
    assert len(list(after.load("whole").pages())) == 500
    after.save("again", state(4), [(0, page(2))])


def test_two_processes(store: SnapshotStore) -> None:
    """Readers do not wait; a second writer gets a line, not a hang."""
    store.save("a", state(1), [(0, page(1))])
    other = SnapshotStore.open(store.path, ID)
    other._db.execute("PRAGMA busy_timeout = 50")
    store._db.execute("BEGIN IMMEDIATE")
    assert other.load("a").read_page(0) == page(1)
    with pytest.raises(RdbgError, match="cannot save snapshot 'b': another rdbg is writing to it; try again"):
        other.save("b", state(2), [])
    store._db.execute("COMMIT")
    other.save("b", state(2), [])
    assert store.find("b") is not None


def test_a_full_disk(store: SnapshotStore) -> None:
    store.save("a", state(1), [(0, page(1))])
    store._db.execute(f"PRAGMA max_page_count = {store._db.execute('PRAGMA page_count').fetchone()[0] + 5}")
    with pytest.raises(RdbgError, match="cannot save a periodic snapshot: the disk is full; free some space"):
        store.save("", state(2), [(n, random.Random(n).randbytes(4096)) for n in range(100)])
    with pytest.raises(RdbgError, match="cannot save snapshot 'b': the disk is full; free some space"):
        store.save("b", state(2), [(n, os.urandom(4096)) for n in range(50)])
    assert [info.name for info in store.list()] == ["a"]
    store.save("c", state(2), [])


def test_read_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    """On read-only media a recording replays; saving says why it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        made = SnapshotStore.create(path, ID)
        made.save("a", state(1), [(0, page(1))])
        made.close()
        os.chmod(path, 0o444)
        os.chmod(folder, 0o555)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.getuid() == 0:
                    os.setuid(65534)  # root may write anywhere
                opened = SnapshotStore.open(path, ID)
                assert opened.load("a").read_page(0) == page(1)
                try:
                    opened.save("b", state(2), [])
                except RdbgError as error:
                    code = 0 if "read-only; copy the recording elsewhere" in str(error) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        os.chmod(folder, 0o755)


def test_files_that_are_no_store(tmp_path: Path, store: SnapshotStore) -> None:
    with pytest.raises(RdbgError, match="no snapshot store there"):
        SnapshotStore.open(str(tmp_path / "none"))
    (tmp_path / "text").write_text("hello " * 1000)
    with pytest.raises(RdbgError, match="not an rdbg snapshot store"):
        SnapshotStore.open(str(tmp_path / "text"))
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE t (x)")
    with pytest.raises(RdbgError, match="not an rdbg snapshot store"):
        SnapshotStore.open(str(tmp_path / "other"))
    with pytest.raises(RdbgError, match="belongs to another recording"):
        SnapshotStore.open(store.path, b"another-recordin")
    store._db.execute("PRAGMA user_version = 9")
    with pytest.raises(RdbgError, match="has version 9, and this rdbg reads version 7"):
        SnapshotStore.open(store.path, ID)


@pytest.mark.parametrize("column", ["cpu", "devices", "page_table"])
def test_a_damaged_snapshot(store: SnapshotStore, column: str) -> None:
    store.save("a", state(7), [(0, page(1))])
    store._db.execute(f"UPDATE snapshots SET {column} = x'00'")
    with pytest.raises(RdbgError, match="snapshot 'a' at icount 7 is damaged"):
        store.load("a")


@pytest.mark.parametrize("column", ["cpu", "page_table"])
def test_a_damaged_snapshot_can_be_deleted(store: SnapshotStore, column: str) -> None:
    store.save("a", state(7), [(0, page(1)), (1, page(2))])
    store.save("b", state(8), [(0, page(1))])
    store._db.execute(f"UPDATE snapshots SET {column} = x'00' WHERE name = 'a'")
    store.delete("a")
    assert dict(store.load("b").pages()) == {0: page(1)}
    assert store._db.execute("SELECT count(*) FROM pages").fetchone()[0] == 1


def test_deleting_gives_the_space_back(store: SnapshotStore) -> None:
    """All of it at once, also what one deletion frees in many pages."""
    store.save("first", state(0), [(0, page(1))])
    empty = os.path.getsize(store.path)
    dice = random.Random(3)
    for number in range(8):
        store.save(f"s{number}", state(number), [(n, dice.randbytes(4096)) for n in range(100)])
    full = os.path.getsize(store.path)
    for number in range(8):
        store.delete(f"s{number}")
        assert os.path.getsize(store.path) < full - (number + 1) * 100 * 4096 + 8 * 4096
    assert os.path.getsize(store.path) <= empty + 4096


def test_nothing_waits_in_the_log_of_a_store(store: SnapshotStore) -> None:
    """So a store that is moved after a kill, without its log, has all that was confirmed."""
    store.save("a", state(1), [(n, page(n)) for n in range(1, 200)])
    store.notes.put_bookmark("here", 1)
    copy = store.path + ".copy"
    shutil.copyfile(store.path, copy)
    moved = SnapshotStore.open(copy, ID)
    assert len(dict(moved.load("a").pages())) == 199 and moved.notes.bookmarks() == {"here": 1}


def test_damaged_pages(store: SnapshotStore) -> None:
    store.save("a", state(7), [(0, page(1)), (1, page(2))])
    store._db.execute("UPDATE pages SET data = (SELECT data FROM pages WHERE id = 2) WHERE id = 1")
    with pytest.raises(RdbgError, match="stored page 1 is damaged"):
        store.load("a").read_page(0)
    store._db.execute("UPDATE pages SET data = x'1234' WHERE id = 1")
    with pytest.raises(RdbgError, match="stored page 1 is damaged"):
        store.load("a").read_page(0)
    store._db.execute("DELETE FROM pages WHERE id = 1")
    with pytest.raises(RdbgError, match="stored page 1 is missing"):
        store.load("a").read_page(0)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_bytes_changed_anywhere(seed: int) -> None:
    """What a damaged file gives is what was saved, or one clear line."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        store = SnapshotStore.create(path, ID)
        saved = {n: page(n + 1) for n in range(4)}
        store.save("a", state(7), saved.items())
        store.put_image(b"image")
        store.close()
        raw = bytearray(Path(path).read_bytes())
        used = [n for n, byte in enumerate(raw) if byte]
        for offset in chance.sample(used, chance.randint(1, 3)):
            raw[offset] = chance.randrange(256)
        Path(path).write_bytes(raw)
        try:
            damaged = SnapshotStore.open(path, ID)
            for info in damaged.list():
                loaded = damaged.load(info)
                assert loaded.state == state(7)
                assert dict(loaded.pages()) == saved
            damaged.image(image_digest(b"image"), 5)
            damaged.save("b", state(8), saved.items())
        except RdbgError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("fate", ["deleted", "moved away", "replaced"])
def test_nothing_is_confirmed_of_a_file_that_has_gone(tmp_path: Path, fate: str) -> None:
    path = tmp_path / "j.snapshots"
    SnapshotStore.create(str(path), bytes(16)).close()
    store = SnapshotStore.open(str(path))
    store.notes.put_bookmark("before", 5)
    if fate == "deleted":
        path.unlink()
    else:
        path.rename(tmp_path / "elsewhere")
    if fate == "replaced":
        SnapshotStore.create(str(path), bytes(16)).close()
    with pytest.raises(RdbgError, match="deleted, moved away or replaced"):
        store.notes.put_bookmark("after", 6)
    assert "before" in store.notes.bookmarks()
    store.close()
