"""``origin sent``: which store sent a byte, a packet or a sector, and where its bytes came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rdbg.analysis.origin import OriginSearch, OriginStep, SoughtBytes
from rdbg.analysis.replayed_run import ReplayedRun
from rdbg.emu.disk import SECTOR_SIZE
from rdbg.emu.disk_write import decode_disk_write
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.machine_api import Access, RunRequest, Space, Watch
from rdbg.emu.probes import OtherAccess, Probes
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass
from rdbg.timeline import SentOutput


class OutputOrigin:
    """Follows back what has left. The machine is moved.

    Args:
        run: the run; its context puts the machine back.
    """

    def __init__(self, run: ReplayedRun) -> None:
        self._run = run
        self._machine = run.machine

    def steps(self, sent: SentOutput, kind: str, number: int) -> Iterator[OriginStep]:
        """The instruction or device that sent it, then the steps of its bytes.

        Args:
            sent: the output.
            kind: what of it is asked about: ``byte``, ``packet``, ``sector``.
            number: its number.

        Raises:
            RdbgError: it cannot be told what its bytes were before they left.
            QuestionInterrupted: the user asked to stop.
        """
        what = f"{kind} {number} of {sent.endpoint}"
        stored = self._stored(sent, what)
        if stored is not None:
            step, target = stored
            yield step
            if target is not None:
                yield from OriginSearch(self._run).steps(target)
            return
        data, reads = self._replayed(sent)
        first, length = 0, sent.size
        if kind == "sector":
            first, length = (number - sent.sector) * SECTOR_SIZE, SECTOR_SIZE
        elif kind == "byte":
            first, length = number - 1 - sent.before, 1
        parts = _clipped(_parts(data, reads), first, first + length)
        if not parts:
            raise RdbgError(f"{what} left at icount {sent.icount}; where it was in memory then cannot be told")
        shown = self._machine.architecture.shown
        ways = [((way,) if len(parts) > 1 else (), part) for way, part in enumerate(parts, 1)]
        for branch, part in ways:
            last = part.at + part.length - 1 - first
            words = f"sent {what}: bytes {part.at - first} to {last} were read from {shown(part.address)}"
            device = part.read.by.partition(",")[0]  # who reads, without which bytes
            yield OriginStep(branch, sent.icount, part.read.pc, device, words, None)
        for branch, part in ways:
            target = SoughtBytes(sent.icount, None, (), part.address, part.length)
            for step in OriginSearch(self._run).steps(target):
                yield replace(step, branch=(*branch, *step.branch))

    def _stored(self, sent: SentOutput, what: str) -> tuple[OriginStep, SoughtBytes | None] | None:
        """The store to a device that sent a byte, and the bytes of its register; None: no store did."""
        if sent.endpoint.kind is not EndpointKind.SERIAL:
            return None
        self._run.go(sent.icount)
        machine, icount, pc = self._machine, sent.icount, self._machine.pc
        effects = machine.effects(machine.read_memory(pc, 4))
        if effects.branch:
            icount, pc = icount + 1, pc + 4
            effects = machine.effects(machine.read_memory(pc, 4))
        access = effects.access
        if access is None or not access.store:
            return None
        address = machine.architecture.wrapped(machine.read_register(access.base) + access.offset)
        storage = machine.storage(address, 1)
        if not storage or storage[0].space is not Space.DEVICE:
            return None
        shown, value = machine.architecture.shown(address), machine.read_register(access.register) & 0xFF
        step = OriginStep((), icount, pc, effects.name, f"0, a constant, stored to {shown}: {what}", value, ends=True)
        if access.register == 0:
            return step, None
        name = next(each for each in machine.architecture.registers if each.number == access.register)
        said = f"${name.aliases[0] if name.aliases else name.name} stored to {shown}: {what}"
        return replace(step, what=said, ends=False), SoughtBytes(icount, access.register, (0,))

    def _replayed(self, sent: SentOutput) -> tuple[bytes, list[OtherAccess]]:
        """The bytes of an output, and what devices read where it left, in order."""
        machine, run = self._machine, self._run
        heard: list[bytes] = []

        def hear(icount: int, endpoint: Endpoint, data: bytes) -> None:
            if icount == sent.icount and endpoint == sent.endpoint:
                heard.append(data)

        memory: dict[tuple[int, ...], Watch] = {}  # each once, by the first of its addresses
        for area in machine.memory_areas():
            watch = machine.resolved(Watch(area.start, area.length, Access.ACCESS))
            memory.setdefault(tuple(extent.address for extent in watch.storage), watch)
        probes = Probes(accesses=tuple(replace(watch, access=Access.READ) for watch in memory.values()))
        run.go_before(sent.icount)
        machine.take_accesses()
        end = min(sent.icount + machine.architecture.longest_step, run.end)
        with run.heard(hear):
            while run.position < end:
                here = run.position
                run.advance(RunRequest(until=end, slice=run.slice, probes=probes))
                if run.position == here:
                    break
        notes = machine.take_accesses().others
        if sent.endpoint.kind is EndpointKind.DISK:
            writes = [decode_disk_write(each) for each in heard]
            heard = [each.data for each in writes if each.sector == sent.sector]
        data = next((each for each in heard if len(each) == sent.size), b"")
        return data, [each for each in notes if not each.is_write and each.icount >= sent.icount - 1]


@dataclass(frozen=True)
class _Part:
    """Bytes of an output that a device read.

    Args:
        at: the first one's place in the output.
        length: bytes.
        address: where they were, virtual.
        read: by which read.
    """

    at: int
    length: int
    address: int
    read: OtherAccess


def _parts(data: bytes, reads: Sequence[OtherAccess]) -> list[_Part]:
    """What of an output each of the reads took; nothing if they do not make up all of it."""
    parts, at = [], 0
    for read in reads:
        length = min(len(read.value), len(data) - at)
        if length > 0 and data[at : at + length] == read.value[:length]:
            parts.append(_Part(at, length, read.address, read))
            at += length
    return parts if at == len(data) else []


def _clipped(parts: Sequence[_Part], first: int, end: int) -> list[_Part]:
    """What of them lies in the bytes from ``first`` to before ``end`` of the output."""
    clipped = []
    for part in parts:
        low, high = max(part.at, first), min(part.at + part.length, end)
        if low < high:
            clipped.append(_Part(low, high - low, part.address + low - part.at, part.read))
    return clipped
