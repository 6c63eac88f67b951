"""Crafted files: journals and executables that are right but for what somebody changed with care, and the
recording that all are made of.

Each is drawn from a generator of random numbers, so that a kind and a number stand for one file.
"""

from __future__ import annotations

import random
import sqlite3
import struct
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from rdbg.checkpoints.cleared import Breakpoint, ClearedBreakpoint
from rdbg.checkpoints.interval_index import Interval
from rdbg.checkpoints.page_set import PageSet
from rdbg.checkpoints.stored_words import StoredWords
from rdbg.checkpoints.touched_pages import TouchedPages
from rdbg.emu.boards.python_toml import python_role
from rdbg.emu.endpoint import serial_port
from rdbg.emu.expression import Operation, Step
from rdbg.emu.inputs import InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.memory_map import PAGE_SIZE
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.journal import chunks, file_header
from rdbg.journal.header import JournalHeader
from rdbg.journal.reader import JournalReader
from rdbg.journal.records import KIND_DIGEST, KIND_END, Record
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions
from rdbg.recording.recording import NewRecording
from rdbg.store.first_contents import FirstContents
from rdbg.store.index_codec import pack_index
from rdbg.store.snapshot_store import SnapshotStore
from rdbg.timeline import Timeline
from tests.forgery import change_store, sealed_journal
from tests.fuzz.crafted_notes import put_notes

NUMBERS = (
    -1, 0, 1, 2, 3, 4, 15, 16, 17, 52, 127, 128, 255, 256, 511, 512, 4095, 4096, 0xFFFF, 0x10000, 1 << 20,
    0x7FFFFFFF, 0x80000000, 0x80100000, 0x9FC00000, 0xBFC00000, 0xFFFFFFFE, 0xFFFFFFFF, 1 << 32, (1 << 52) - 1,
    1 << 52, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
ODD_VALUES = (None, "", "text", "\udc80", b"", b"\0" * 5000, 1.5, *NUMBERS[:20], -(1 << 63), (1 << 63) - 1)

BOARD = (
    b'name = "small"\nendian = "little"\nclock_hz = 100_000_000\n[[ram]]\nbase = 0\nsize = "256K"\n[[flash]]\nbase = '
    b'0x1e00_0000\nsize = "256K"\nblock = "64K"\n[[uart]]\nbase = 0x1f00_0000\nirq = 2\n[[timer]]\nbase = 0x1f10_0000\n'
    b'irq = 3\nfrequency_hz = 1_000_000\n[[ignore]]\nbase = 0x1f80_0000\nsize = "4K"\n'
    b'[[gpio]]\nbase = 0x1f30_0000\npins = ["led", "button"]\nhigh = ["led"]\nirq = 4\n'
    b'[[registers]]\nbase = 0x1f20_0000\nsize = 64\nirq = 4\n[[registers.register]]\noffset = 0\nname = "A"\n'
    b"sequence = [[0, 3], 1]\nsequence_bits = 1\nwrite_one_to_clear = 8\ninterrupt = 8\n[[registers.register]]\n"
    b'offset = 4\nreset = 5\nread_to_clear = 1\nexit = [[1, 2]]\n[[registers.register.on_store]]\nregister = "A"\n'
    b"set = 8\nafter_ns = 100\nwhen = 1\n"
    b"[[dma]]\nbase = 0x1f50_0000\nirq = 5\n[[i2c]]\nbase = 0x1f60_0000\n[[explore]]\nbase = 0x1f70_0000\nsize = 64\n"
    b'[[device]]\npython = "d.py:Device"\nbase = 0x1f40_0000\nirq = [1, 2]\nseed = 3\nport = 4\nparameters = {a = 1}\n'
)
#: The peripheral of that board.
DEVICE = b"""from rdbg.peripheral import *
class Device(Peripheral):
    size = 16
    held, row, queue, on, later = Word(5), Numbers(3), ByteBuffer(4), Switch(), Countdown()
    def read(self, offset, size):
        return self.held if offset < 8 else self.random(8 * size)
    def write(self, offset, size, value):
        self.held = value & 0xff
        self.later.start(500)
    def on_later(self):
        self.row[0] = self.row[0] + 1 & 0xff
        self.irq(True)
    def receive(self, data):
        self.queue += data
    def receive_room(self):
        return 4 - len(self.queue)
""".replace(b"*\n", b"ByteBuffer, Countdown, Numbers, Peripheral, Switch, Word\n", 1)
#: Adds to a word of memory for ever: lui t0,0x8000; lw t1,0x1000(t0); addiu t1,t1,1; sw t1,0x1000(t0); b -4; nop.
_CODE = struct.pack("<6I", 0x3C088000, 0x8D091000, 0x25290001, 0xAD091000, 0x1000FFFC, 0)


def executable() -> bytes:
    """A little-endian executable with a segment, a symbol table and its names."""
    names, section_names = b"\0main\0data\0", b"\0.symtab\0.strtab\0"
    at = 52 + 32
    symbols = struct.pack("<IIIBBH", 0, 0, 0, 0, 0, 0)
    symbols += struct.pack("<IIIBBH", 1, 0x80000400, 24, 0x12, 0, 1)
    symbols += struct.pack("<IIIBBH", 6, 0x80001000, 4, 0x11, 0, 1)
    parts = [_CODE, symbols, names, section_names]
    places = [at + sum(map(len, parts[:index])) for index in range(len(parts))]
    sections = at + sum(map(len, parts))
    head = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1" + bytes(9), 2, 8, 1, 0x80000400, 52, sections, 0x70001000,
                       52, 32, 1, 40, 4, 3)  # fmt: skip
    load = struct.pack("<8I", 1, places[0], 0x80000400, 0x400, len(_CODE), 0x1000, 7, 4)
    table = struct.pack("<10I", *[0] * 10)
    table += struct.pack("<10I", 1, 2, 0, 0, places[1], len(symbols), 2, 1, 4, 16)
    table += struct.pack("<10I", 9, 3, 0, 0, places[2], len(names), 0, 0, 1, 0)
    table += struct.pack("<10I", 0, 3, 0, 0, places[3], len(section_names), 0, 0, 1, 0)
    return head + load + b"".join(parts) + table


def source() -> Image:
    """The peripheral's source."""
    return Image(python_role("d.py"), "d.py", DEVICE)


def small_spec() -> MachineSpec:
    """A small machine that runs the executable."""
    images = (Image("kernel", "k.elf", executable()), Image("board", "b.toml", BOARD), source())
    return MachineSpec("bare", "24Kf", False, 1 << 20, 3, images)


@dataclass(frozen=True)
class Recording:
    """A recording's files.

    Args:
        journal: its bytes.
        store: its snapshot store's bytes.
        header: what the journal begins with.
        records: and what follows.
    """

    journal: bytes
    store: bytes
    header: JournalHeader
    records: tuple[Record, ...]


def record(folder: Path) -> Recording:
    """A recording of the small machine: typed input, a debugger's writes, snapshots, bookmarks, an index."""
    path = folder / "whole"
    new = NewRecording(str(path), small_spec(), initial_snapshot="init")
    machine = Machine(small_spec())
    queue = LiveQueue(machine.input_room)
    history = History.recording(new.writer, queue)
    timeline = Timeline(
        machine,
        history,
        store=new.store,
        initial_snapshot="init",
        pace=Pace(slice=2_000, spacing=5_000, snapshot_spacing=1 << 40),
        sleep=False,
    )
    new.publish()
    timeline.store.use(new.store)
    for end in range(5_000, 20_001, 5_000):
        queue.send(serial_port(0), b"typed %d" % end)
        timeline.run(StopConditions(), lambda end=end: timeline.position >= end)  # type: ignore[misc]
        timeline._replayer.note_digest()
        if end % 10_000 == 0:
            _save_periodic(machine, new.store)
        timeline.live_end.write_register(4, end)
        timeline.live_end.write_memory(0x80001100, b"%d" % end)
        if end % 10_000:
            timeline.snapshots.save(f"at {end}")
    pages = TouchedPages(PageSet.of([1, 2]), PageSet.of([3]), PageSet.of([4, 5]), PageSet.of([6]))
    words = [StoredWords(0, 5_000, PageSet.of([1]), PageSet.of([3]), PageSet.of([1024, 1025]), PageSet.of([3072]))]
    condition = ((Step(Operation.CONSTANT, 0), Step(Operation.END)),)
    cleared = [ClearedBreakpoint(Breakpoint(0x80001000, condition), ((0, 3_000), (4_000, 5_000)))]
    new.store.notes.put_index(pack_index([Interval(0, 5_000, pages), Interval(5_000, 10_000, pages)], words, cleared))
    new.store.notes.put_bookmark("here", 1_000)
    timeline.close()
    put_notes(new.store.notes)
    new.store.close()
    with closing(FirstContents.open(new.store.path)) as contents:
        for page in range(40):
            contents.keep(page % 2, page, (None, bytes(PAGE_SIZE), bytes([page]) * PAGE_SIZE)[page % 3])
    store = path.with_name("whole.snapshots")
    change_store(store, _without_origin)
    reader = JournalReader(str(path))
    header, records = replace(reader.header, created=0, recording_id=bytes(16)), tuple(reader.records())
    chunks = path.read_bytes()[len(file_header.build_header(reader.header)) :]
    reader.close()
    return Recording(file_header.build_header(header) + chunks, store.read_bytes(), header, records)


def _save_periodic(machine: Machine, store: SnapshotStore) -> None:
    """What rdbg saves by itself, beside the running guest and when it has the time: here always at the same places."""
    pages = [(int(page), machine.read_page(int(page))) for page in machine.nonzero_pages()]
    store.save("", machine.save_state(), pages, virtual_ns=machine.virtual_ns, digest=machine.digest())


def _without_origin(connection: sqlite3.Connection) -> None:
    """Each recording is to be the same, so that a number stands for one file."""
    connection.execute("UPDATE snapshots SET created = 0")
    connection.execute("UPDATE meta SET recording_id = zeroblob(16)")


def flipped(dice: random.Random, data: bytes) -> bytes:
    """Some bytes changed, lost or doubled."""
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5))):
        at = dice.randrange(len(changed)) if changed else 0
        match dice.randrange(6):
            case 0 | 1 | 2:
                changed[at : at + 1] = bytes((dice.randrange(256),))
            case 3:
                size = dice.choice((1, 2, 4, 8))
                value = dice.choice(NUMBERS) & ((1 << 8 * size) - 1)
                changed[at : at + size] = value.to_bytes(size, dice.choice(("little", "big")))
            case 4:
                del changed[at : at + dice.choice((1, 4, 64, 4096))]
            case _:
                changed[at:at] = changed[at : at + dice.choice((1, 4, 64, 4096))]
    return bytes(changed)


# --- journals ---------------------------------------------------------------------------------
def journal(dice: random.Random, whole: Recording) -> bytes:
    """A journal with right check sums."""
    if dice.random() < 0.3:
        return sealed_journal(flipped(dice, whole.journal))
    header, records = whole.header, list(whole.records)
    if dice.random() < 0.3:
        header = _header(dice, header)
    for _ in range(dice.randrange(4)):
        _change_records(dice, records)
    data = file_header.build_header(header)
    ordinal, first = 0, header.start
    while records:
        batch, records = records[: dice.choice((1, 5, 512))], records[dice.choice((1, 5, 512)) :]
        data += _chunk(dice, ordinal, first, batch)
        ordinal, first = ordinal + len(batch), batch[-1].icount
    return data if dice.random() < 0.8 else sealed_journal(flipped(dice, data))


def _header(dice: random.Random, header: JournalHeader) -> JournalHeader:
    text = dice.choice(("", "init", "at 5000", "malta", "bare", "x" * 1000, "\0", "/dev/zero", "a\nb"))
    number = dice.choice(NUMBERS) & ((1 << 64) - 1)
    machine = header.machine
    match dice.randrange(9):
        case 0:
            machine = replace(machine, board=text)
        case 1:
            machine = replace(machine, cpu=text)
        case 2:
            machine = replace(machine, big_endian=not machine.big_endian)
        case 3:
            machine = replace(machine, ram_bytes=number)
        case 4:
            machine = replace(machine, shift=number & 0xFF)
        case 5:
            machine = replace(machine, rtc_base=number >> 1)
        case 6:
            return replace(header, start=number)
        case 7:
            return replace(header, initial_snapshot=text)
        case _:
            images = [replace(image) for image in header.images]
            at = dice.randrange(len(images))
            digest = dice.choice((images[at].digest, bytes(32)))
            images[at] = replace(images[at], path=text, length=number, digest=digest)
            return replace(header, images=tuple(images * dice.choice((1, 1, 20))))
    return replace(header, machine=machine)


def _change_records(dice: random.Random, records: list[Record]) -> None:
    at = dice.randrange(len(records)) if records else 0
    low = records[at - 1].icount if at else 0
    high = records[at].icount if at < len(records) else low + 100
    kind = dice.choice([*map(int, InputKind), KIND_DIGEST, KIND_END, 0, 9, 29])
    value = dice.choice(NUMBERS) & ((1 << 64) - 1)
    data = dice.choice((b"", b"x", b"typed", bytes(16), bytes(5000)))
    port = dice.choice((0, 1, 4, 37, 70, 128, 300, 1 << 20))
    made = Record(dice.randint(low, max(low, high)), kind, port, value, data)
    match dice.randrange(4):
        case 0 if records:
            del records[at]
        case 1 if records:
            records[at] = made
        case _:
            records.insert(at, made)


def _chunk(dice: random.Random, ordinal: int, first: int, batch: list[Record]) -> bytes:
    built, previous, kinds = [], first, 0
    for each in batch:
        built.append(chunks.build_record(each, min(previous, each.icount)))
        previous, kinds = max(previous, each.icount), kinds | 1 << each.kind
    last = batch[-1].icount
    packets = sum(each.kind == InputKind.PACKET for each in batch)
    if dice.random() < 0.05:
        ordinal, first, last, kinds, packets = (
            value if dice.random() < 0.7 else dice.choice(NUMBERS) & ((1 << bits) - 1)
            for value, bits in ((ordinal, 64), (first, 64), (last, 64), (kinds, 32), (packets, 32))
        )
    last = max(first, last) if dice.random() < 0.95 else last
    return chunks.build_chunk(ordinal, first, last, kinds, packets, built)


# --- executables ------------------------------------------------------------------------------
def elf(dice: random.Random, good: bytes) -> bytes:
    """An executable with headers that lie."""
    data = bytearray(good)
    fields = [(at, 2) for at in (16, 18, 40, 42, 44, 46, 48, 50)] + [(at, 4) for at in (20, 24, 28, 32, 36)]
    fields += [(52 + 4 * index, 4) for index in range(8)]
    sections = struct.unpack_from("<I", good, 32)[0]
    fields += [(sections + 40 * section + 4 * index, 4) for section in range(4) for index in range(10)]
    for _ in range(dice.choice((1, 1, 2, 4))):
        at, size = dice.choice(fields)
        value = dice.choice(NUMBERS) & ((1 << 8 * size) - 1)
        data[at : at + size] = value.to_bytes(size, "little")
    if dice.random() < 0.05:
        count = 60_000 if dice.random() < 0.02 else 100
        struct.pack_into("<H", data, 44, count)
        struct.pack_into("<I", data, 28, len(data))
        data += bytes(data[52:84]) * count
    return bytes(data) if dice.random() < 0.8 else flipped(dice, bytes(data))
