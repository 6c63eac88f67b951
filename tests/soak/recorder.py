"""One recorder with somebody at its console and a debugger, killed at a random moment; and what is left of it."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import signal
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from rdbg.cli.main import main
from rdbg.emu.inputs import InputKind
from rdbg.emu.machine import Machine
from rdbg.history.history import History
from rdbg.recording.recording import OpenRecording
from rdbg.rsp.framing import Decoder, Packet, encode
from rdbg.timeline import StopConditions, StopReason, Timeline
from tests.processes import free_port, listens

PATIENCE = 120.0
POKED = 0x80700000


@dataclass
class Known:
    """What whoever sat there knows to have happened, and since when (seconds).

    Args:
        typed: bytes typed.
        taken: when so many of them had been taken by the guest.
        pokes: what was written to POKED, and when that was confirmed.
        snapshots: positions that were saved, by name, once confirmed.
        bookmarks: the same.
        killed: when the recorder was.
    """

    typed: bytearray = field(default_factory=bytearray)
    taken: list[tuple[float, int]] = field(default_factory=list)
    pokes: list[tuple[float, bytes]] = field(default_factory=list)
    snapshots: dict[str, int] = field(default_factory=dict)
    bookmarks: dict[str, int] = field(default_factory=dict)
    killed: float = 0.0


@dataclass(frozen=True)
class Left:
    """What a killed recorder has left.

    Args:
        lost_seconds: age of the oldest thing that is known to have happened and is not in the journal.
        length: instructions that replay.
        snapshots: how many were confirmed, all of them found.
    """

    lost_seconds: float
    length: int
    snapshots: int


class Debugger:
    """The little of a GDB that is needed, over a socket."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._decoder = Decoder(1 << 20)

    def send(self, packet: bytes) -> None:
        self._socket.sendall(encode(packet))

    def interrupt(self) -> None:
        self._socket.sendall(b"\x03")

    def reply(self) -> tuple[bytes, str]:
        """The next reply, and what was printed before it."""
        printed = ""
        while True:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError
            for event in self._decoder.feed(data):
                if isinstance(event, Packet):
                    self._socket.sendall(b"+")
                    if event.data[:1] != b"O" or event.data == b"OK":
                        return event.data, printed
                    printed += bytes.fromhex(event.data[1:].decode()).decode()

    def monitor(self, line: str) -> str:
        self.send(b"qRcmd," + line.encode().hex().encode())
        return self.reply()[1]


def start(words: list[str]) -> int:
    """rdbg in a child process; gives its number. (A fork: no second is lost to importing.)"""
    child = os.fork()
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for handle in (0, 1, 2):
                os.dup2(null, handle)
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
            main(words)
        finally:
            os._exit(1)
    return child


class Somebody(Enum):
    """Who is there."""

    TYPIST = "console"  #: types, and waits for the echo
    DEBUGGER = "debugger"  #: runs and stops the guest, types, writes memory, saves snapshots and bookmarks
    SAVER = "Linux"  #: saves snapshots while a system boots that echoes nothing


def live(path: Path, machine: list[str], dice: random.Random, seconds: float, who: Somebody) -> Known:
    """Record until somebody kills it.

    Args:
        path: the journal.
        machine: the guest, in rdbg's words.
        dice: for all that is left to chance.
        seconds: of life.
        who: what is done meanwhile.
    """
    known = Known()
    console_port, gdb_port = free_port(), free_port()
    words = ["record", "-o", str(path), "--", *machine]
    words += ["-serial", f"tcp:127.0.0.1:{console_port},server=on,wait=on", "-gdb", f"tcp:127.0.0.1:{gdb_port}"]
    child = start(words)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (listens(console_port) and listens(gdb_port)):
            if os.waitpid(child, os.WNOHANG)[0] or time.monotonic() > deadline:
                raise RuntimeError(f"rdbg {' '.join(words)} does not start")
            time.sleep(0.005)
        console = socket.create_connection(("127.0.0.1", console_port), PATIENCE)
        debugger = None if who is Somebody.TYPIST else Debugger(gdb_port)
        while not path.exists():
            time.sleep(0.005)

        def kill() -> None:
            known.killed = time.monotonic()
            os.kill(child, signal.SIGKILL)

        timer = threading.Timer(seconds, kill)
        timer.start()
        with contextlib.suppress(ConnectionError, TimeoutError):
            while True:
                if debugger is None:
                    _type(console, known, dice)
                elif who is Somebody.SAVER:
                    _save_on_the_way(debugger, console, known, dice)
                else:
                    _debug(debugger, console, known, dice)
        timer.join()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
    return known


def _type(console: socket.socket, known: Known, dice: random.Random) -> None:
    """Type something and wait for the echo."""
    text = dice.randbytes(dice.choice((1, 1, 5, 30)))
    known.typed += text
    console.sendall(text)
    done = known.taken[-1][1] if known.taken else 0
    while done < len(known.typed):
        data = console.recv(4096)
        if not data:
            raise ConnectionError
        done += len(data)
        known.taken.append((time.monotonic(), done))
    time.sleep(dice.choice((0.0, 0.003, 0.05)))


def _debug(debugger: Debugger, console: socket.socket, known: Known, dice: random.Random) -> None:
    """One of the things that people do."""
    number = len(known.pokes) + len(known.snapshots) + len(known.bookmarks)
    what = dice.choice(("run", "run", "poke", "save", "save", "bookmark", "wait"))
    if what == "run":
        debugger.send(b"c")
        _type(console, known, dice)
        debugger.interrupt()
        debugger.reply()
    elif what == "poke":
        data = dice.randbytes(4)
        debugger.send(b"M%x,4:%s" % (POKED, data.hex().encode()))
        if debugger.reply()[0] == b"OK":
            known.pokes.append((time.monotonic(), data))
    elif what in ("save", "bookmark"):
        _name(debugger, known, what, number)
    else:
        time.sleep(dice.uniform(0, 0.3))


def _save_on_the_way(debugger: Debugger, console: socket.socket, known: Known, dice: random.Random) -> None:
    """Let it run for a while, and name the place."""
    debugger.send(b"c")
    until = time.monotonic() + dice.uniform(0, 2)
    while (left := until - time.monotonic()) > 0:
        if select.select([console], [], [], left)[0] and not console.recv(65536):
            raise ConnectionError
    debugger.interrupt()
    debugger.reply()
    _name(debugger, known, dice.choice(("save", "bookmark")), len(known.snapshots) + len(known.bookmarks))


def _name(debugger: Debugger, known: Known, what: str, number: int) -> None:
    if what == "save":
        said = re.fullmatch(r"snapshot '(.*)' saved at icount (\d+)\n", debugger.monitor(f"savevm s{number}"))
    else:
        said = re.fullmatch(r"bookmark '(.*)' set at icount (\d+)\n", debugger.monitor(f"bookmark b{number}"))
    if said is not None:
        (known.snapshots if what == "save" else known.bookmarks)[said[1]] = int(said[2])


def examine(path: Path, known: Known, whole: bool = True) -> Left:
    """Replay what is left.

    Args:
        path: the journal.
        known: what happened.
        whole: run all of it again, and compare.

    Raises:
        AssertionError: something confirmed is lost, something is there that never was, or the replay differs.
    """
    opened = OpenRecording(str(path))
    records = list(opened.reader.records())
    typed = b"".join(record.data for record in records if record.kind == InputKind.SERIAL)
    assert known.typed.startswith(typed), "the journal has what was never typed"
    pokes = [record.data for record in records if record.kind == InputKind.POKE_MEMORY]
    assert pokes[: len(known.pokes)] == [data for _, data in known.pokes[: len(pokes)]], "another write is recorded"
    lost = [when for when, count in known.taken if count > len(typed)][:1]
    lost += [when for when, _ in known.pokes[len(pokes) :]][:1]
    machine = Machine(opened.spec())
    timeline = Timeline(
        machine,
        History.replay(opened.reader),
        store=opened.store,
        initial_snapshot=opened.header.initial_snapshot,
    )
    try:
        if whole:
            ended = timeline.run(StopConditions(), lambda: False, leap=False)
            assert ended.reason is StopReason.HISTORY_END
        else:
            timeline.goto(timeline.end)
        assert not timeline.agreement.diverged
        end = machine.digest()
        there = {each.name: each.position for each in timeline.snapshots.here()}
        for name, position in known.snapshots.items():
            assert there.get(name) == position, f"snapshot {name} is lost"
            timeline.snapshots.load(name)  # compares its digest
            assert timeline.position == position
        marks = timeline.bookmarks.all()
        for name, position in known.bookmarks.items():
            assert marks.get(name) == position <= timeline.end, f"bookmark {name} is lost"
        timeline.goto(timeline.end)
        assert machine.digest() == end
        return Left(max((known.killed - when for when in lost), default=0.0), timeline.end, len(known.snapshots))
    finally:
        timeline.close()
        opened.close()
