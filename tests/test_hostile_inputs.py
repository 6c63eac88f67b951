"""Images, boards and recordings that would take all memory, for ever, or more: refused in a line before they do."""

from __future__ import annotations

import os
import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgpack
import pytest
import zstandard

from rdbg.elf.elf_file import read_elf
from rdbg.emu.boards.bare_toml import parse_bare
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.journal import chunks, file_header
from rdbg.journal.reader import JournalReader
from rdbg.session.images import read_image
from rdbg.session.options import ImageFile
from rdbg.store.index_codec import _VERSION, PackedIndex, pack_index, unpack_index
from rdbg.store.snapshot_store import SnapshotStore
from rdbg.symbols.table import SymbolTable
from tests.emu.test_hostile_states import elf_of
from tests.isolated import isolated

_SECONDS = 10


def refused(function: Callable[[], object]) -> str:
    """The line with which something is refused, within little memory and time."""

    def try_it() -> str:
        try:
            function()
        except RdbgError as error:
            return str(error)
        return ""

    line = isolated(try_it, seconds=_SECONDS)
    assert line and "\n" not in line and len(line) < 600, line
    return line


# --- images -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["/dev/zero", "/dev/full", "/dev/tty", "fifo", ".", "x\0y"])
def test_images_that_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    said = refused(lambda: read_image(ImageFile("kernel", name)))
    assert "cannot read the kernel image" in said


def test_an_image_of_terabytes(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 40)
    assert "the most that can be" in refused(lambda: read_image(ImageFile("bios", str(tmp_path / "sparse"))))


@pytest.mark.parametrize("name", ["/dev/zero", "fifo"])
def test_journals_that_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    assert "it is a device or a pipe" in refused(lambda: JournalReader(name))


def _machine(board: str, image: bytes, ram: int = 64 << 20) -> Machine:
    images = [Image("kernel", "k.elf", image)]
    if board == "bare":
        images.append(Image("board", "b.toml", b'endian = "little"\n[[ram]]\nbase = 0\nsize = "1G"\n'))
    return Machine(MachineSpec(board, "24Kf", False, ram, 3, tuple(images)))


@pytest.mark.parametrize("board", ["malta", "bare"])
def test_a_segment_of_four_gigabytes(board: str) -> None:
    image = elf_of(b"\0" * 4, memory=0xFFFFFFFF)
    assert len(image) < 100
    assert "more than the 256 MiB" in refused(lambda: _machine(board, image))


@pytest.mark.parametrize("board", ["malta", "bare"])
def test_thousands_of_large_segments(board: str) -> None:
    count = 60_000
    head = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1" + bytes(9), 2, 8, 1, 0x80000000, 52, 0, 0, 52, 32, count,
                       0, 0, 0)  # fmt: skip
    image = head + struct.pack("<8I", 1, 0, 0x80000000, 0, 0, 1 << 25, 7, 4) * count
    assert "more than the 256 MiB" in refused(lambda: _machine(board, image))


def test_a_segment_that_does_not_fit_is_refused_before_it_is_made() -> None:
    image = elf_of(b"\0" * 4, memory=200 << 20)
    assert "does not fit" in refused(lambda: _machine("malta", image))


def test_symbols_of_60000_sections() -> None:
    """An image with the same symbol table many times, and names that reach to the end of the file."""
    count, symbols = 60_000, 100_000
    names = b"\0" + b"n" * 1_000_000
    table = struct.pack("<IIIBBH", 1, 0x80000000, 4, 1, 0, 1) * symbols
    at = 52
    head = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1" + bytes(9), 2, 8, 1, 0x80000000, 0, at, 0, 52, 32, 0, 40,
                       count, 0)  # fmt: skip
    start = at + 40 * count
    sections = struct.pack("<10I", 0, 3, 0, 0, start + len(table), len(names), 0, 0, 0, 0)
    sections += struct.pack("<10I", 0, 2, 0, 0, start, len(table), 0, 0, 0, 16) * (count - 1)
    image = head + sections + table + names
    assert isolated(lambda: SymbolTable(read_elf(image)).near("n"), seconds=_SECONDS) == []


# --- boards -----------------------------------------------------------------------------------
_GOOD = b'endian = "little"\n[[ram]]\nbase = 0\nsize = "1M"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a = " + b"[\n" * 50_000, "nested too deeply"),
        (b"a = " + b"[" * 1_900, "nested too deeply"),
        (b"a = " + b"{b=" * 600, "nested too deeply"),
        (b"a = " + b"[" * 100_000, "line 1 has"),
        (b"a" + b".a" * 50_000 + b" = 1\n", "line 1 has"),
        ((b"a" + b".a" * 900 + b" = 1\n") * 60, "not TOML"),
        (b"x = 0\n" * 100_000, "600000 bytes"),
        (b"clock_hz = " + b"9" * 5_000, "line 1 has"),
        (_GOOD[:18] + b"clock_hz = " + b"9" * 1_900, "must be"),
        (_GOOD[:18] + b"clock_hz = 0x" + b"f" * 1_900, "more than 128 bits"),
        (_GOOD[:18] + b"[[ram]]\nbase = 0\nsize = 0x" + b"f" * 1_900, "128 bits"),
        ('endian="little"\n[[ram]]\nbase = 0\nsize = "²M"\n'.encode(), "text like"),
        ('endian="little"\n[[ram]]\nbase = 0\nsize = "١M"\n'.encode(), "text like"),
        (b'endian="little"\n[[ram]]\nbase = 0\nsize = "' + b"9" * 1_900 + b'M"\n', "text like"),
        (b'endian="little"\n[[ram]]\nbase = 0\nsize = "M"\n', "text like"),
        (b'name = "' + b"x" * 1_900 + b'"\n', "at most 60 characters"),
        (_GOOD + b"[[uart]]\nbase = 0xfffffffc\n", "past the end of the address space"),
        (_GOOD + b"[[timer]]\nbase = 0xfffffff8\n", "past the end of the address space"),
        (_GOOD + b"[[ignore]]\nbase = 0xf0000000\nsize = 0x20000000\n", "past the end of the address space"),
        (_GOOD + b"[[ignore]]\nbase = 0x1000\nsize = 0x1000\n", "lies in ram"),
        (_GOOD + b"[[uart]]\nbase = 0x1000\n", "overlap"),
        (_GOOD + b"[[uart]]\n" * 9_999, "9999 times"),
        (_GOOD + b'[[flash]]\nbase = 0x40000000\nsize = "2G"\n', "more than the 256 MiB"),
        (_GOOD + b'"' + b"k" * 1_900 + b'" = 1\n', "not a key"),
        (b"\xff", "UTF-8"),
        (b"\0", "not TOML"),
        (b"d = 1979-05-27T07:32:00.9999999999999999999Z\n" + _GOOD, "not a key"),
    ],
)
def test_board_files(text: bytes, said: str) -> None:
    line = refused(lambda: parse_bare(Image("board", "b.toml", text)))
    assert any(part in line for part in said.split("|")), line


# --- journals ---------------------------------------------------------------------------------
def _journal(path: Path, body: bytes, chunks: bytes = b"") -> str:
    head = struct.pack("<HHII", file_header.VERSION, 0, len(body), zlib.crc32(body))
    path.write_bytes(file_header.MAGIC + head + body + chunks)
    return str(path)


def _body(words: bytes = b"\0") -> bytes:
    return (
        bytes(16 + 8) + b"\1v" + b"\5malta" + b"\x0424Kf" + b"\0" + struct.pack("<QB", 1 << 20, 3) + b"\0"
        + bytes(8) + b"\0\1" + b"\0" + words + b"\0" + bytes(8 + 2)  # starts at 0; no drives, no cards
    )  # fmt: skip


def test_a_header_of_megabytes_of_words(tmp_path: Path) -> None:
    count = 4_000_000
    words = b"\x80\x92\xf4\x01" + bytes(count)
    assert "malformed" in refused(lambda: JournalReader(_journal(tmp_path / "j", _body(words))))
    assert JournalReader(_journal(tmp_path / "k", _body())).count == 0


def test_a_number_of_megabytes(tmp_path: Path) -> None:
    body = _body(b"\x80" * 4_000_000)
    assert "malformed" in refused(lambda: JournalReader(_journal(tmp_path / "j", body)))


def test_a_header_of_15_megabytes(tmp_path: Path) -> None:
    assert "damaged" in refused(lambda: JournalReader(_journal(tmp_path / "j", bytes(15 << 20))))


def _chunk(count: int, payload: bytes, last: int = 1 << 30) -> bytes:
    head = chunks.CHUNK_MAGIC + struct.pack("<QQQIIIIII", 0, 0, last, count, len(payload), 0, 2, 0, zlib.crc32(payload))
    return head + zlib.crc32(head).to_bytes(4, "little") + payload


@pytest.mark.parametrize(
    ("count", "payload"),
    [
        (1, b"\x21\1" + b"\x80" * 5_000_000),
        (1, b"\x41\1" + b"\xff" * 9 + b"\x7f"),
        (30_000_000, b"\x01\0" * 30_000_000),
        (0xFFFFFFFF, b""),
        (1, b"\x21\1" + b"\xff\xff\xff\x7f"),
        (1, b"\x42\1" + b"\xff" * 9 + b"\1"),
    ],
)
def test_chunks_with_right_sums(tmp_path: Path, count: int, payload: bytes) -> None:
    def read() -> None:
        reader = JournalReader(_journal(tmp_path / "j", _body(), _chunk(count, payload)))
        assert list(reader.records()) == [] and reader.damage is not None
        raise RdbgError(reader.damage.line("j"))

    assert "j" in refused(read)


def test_positions_after_all_time(tmp_path: Path) -> None:
    reader = JournalReader(_journal(tmp_path / "j", _body(), _chunk(0, b"", (1 << 64) - 1)))
    assert reader.damage is not None and reader.covered == 0


# --- stores -----------------------------------------------------------------------------------
def test_an_index_that_is_a_bomb() -> None:
    compress = zstandard.ZstdCompressor(level=19).compress
    head = bytes((0x94, _VERSION))
    few = [head + b"\xdd\x0f\xff\xff\xff" + b"\xc0" * 0x0FFFFFF, head + b"\x91" + b"\x91" * 60_000_000]
    few.append(msgpack.packb([_VERSION, [[0, 5, b"\0", b"", b"", b""]], [], []]))
    few.append(msgpack.packb([_VERSION, [[5, 0, b"", b"", b"", b""]], [], []]))
    few.append(msgpack.packb([_VERSION, [[0, 5, b"\4\1\0\0\0\1\0\0\0", b"", b"", b""]], [], []]))
    few.append(msgpack.packb([_VERSION, [[0, 5, b"\x08" + bytes(12), b"", b"", b""]], [], []]))
    few.append(msgpack.packb([_VERSION, [[0, 5, b"\4", b"", b"", b""]], [], []]))
    few.append(msgpack.packb([_VERSION, [[0, 5, [], {}, "x", 1]], [], []]))
    few.append(msgpack.packb([_VERSION, [], [[5, 0, b"", b"", b"", b""]], []]))
    few.append(msgpack.packb([_VERSION, [], [[0, 5, b"", b"", b"\0", b""]], []]))
    few.append(msgpack.packb([_VERSION, [], []]))
    cleared = [0x1000, [[0x25, 0, 0x27, 0]], [0, 5, 7, 9]]
    for wrong in (
        [0x1000, [], [0, 5]],
        [0x1000, [[0x25, 0, 0x27]], [0, 5]],
        [0x1000, [[0x99, 0]], [0, 5]],
        [0x1000, [[0x27, 1]], [0, 5]],
        [0x1000, [[0x25, 0]], [5, 5]],
        [0x1000, [[0x25, 0]], [0, 5, 7]],
        [0x1000, [[0x25, 0] * 60_000], [0, 5]],
        [-1, [[0x25, 0]], [0, 5]],
    ):
        few.append(msgpack.packb([_VERSION, [], [], [wrong]]))
    few.append(msgpack.packb([_VERSION, [], [], [cleared] * 60_000]))
    for content in few:
        data = compress(content)
        assert len(data) < 20_000
        assert isolated(lambda data=data: unpack_index(data), seconds=_SECONDS) == PackedIndex()
    row = [0, 5, b"", b"", b"", b""]
    whole = unpack_index(compress(msgpack.packb([_VERSION, [row], [row], [cleared]])))
    assert len(whole.intervals) == len(whole.words) == 1
    (known,) = whole.cleared
    assert known.breakpoint.address == 0x1000 and known.stretches == ((0, 5), (7, 9))
    assert unpack_index(pack_index(whole.intervals, whole.words, whole.cleared)).cleared == whole.cleared


@pytest.mark.parametrize("table", ["meta", "snapshots", "pages", "images", "bookmarks", "interval_index"])
def test_endless_views_in_place_of_tables(tmp_path: Path, table: str) -> None:
    path = tmp_path / "s"
    SnapshotStore.create(str(path), bytes(16)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        columns = ", ".join(f"0 AS {row[1]}" for row in store.execute(f"PRAGMA table_info({table})"))
        store.execute(f"DROP TABLE {table}")
        store.execute(f"CREATE VIEW {table} AS WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x FROM t) "
                      f"SELECT {columns} FROM t")  # fmt: skip
    assert "tables of another shape" in refused(lambda: SnapshotStore.open(str(path), bytes(16)).list())


def test_a_trigger_in_a_store(tmp_path: Path) -> None:
    path = tmp_path / "s"
    SnapshotStore.create(str(path), bytes(16)).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("CREATE TRIGGER t AFTER INSERT ON pages BEGIN DELETE FROM images; END")
    assert "tables of another shape" in refused(lambda: SnapshotStore.open(str(path), bytes(16)).list())


def test_a_name_with_line_ends_is_shown_in_one_line() -> None:
    """As the path of an image in a crafted journal."""
    assert str(RdbgError("a\nb\r\nc\u2028d: cannot read")) == "a b c d: cannot read"
