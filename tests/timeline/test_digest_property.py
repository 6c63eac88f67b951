"""A real guest's state is the same however its position was reached."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from rdbg.emu.endpoint import serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, RunRequest, Watch
from rdbg.emu.spec import Image, MachineSpec
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason
from rdbg.timeline import Timeline
from tests.emu.plain_run import run_plainly
from tests.timeline.positions import look

GUEST = Path(__file__).parent / "guest" / "busy.elf"
UBOOT = Path("/usr/lib/u-boot/maltael/u-boot.bin")


def busy_spec() -> MachineSpec:
    image = Image("kernel", str(GUEST), GUEST.read_bytes())
    return MachineSpec("malta", "24Kf", big_endian=False, ram_bytes=32 << 20, shift=5, images=(image,))


def uboot_spec() -> MachineSpec:
    image = Image("bios", str(UBOOT), UBOOT.read_bytes())
    return MachineSpec("malta", "24Kf", big_endian=False, ram_bytes=256 << 20, shift=3, images=(image,))


@dataclass(frozen=True)
class Truth:
    """What a plain forward run saw: position -> (digest, pc), and its output."""

    at: dict[int, tuple[bytes, int]]
    output: bytes


@dataclass
class Lived:
    """A live run with typed input, and the truth at random positions."""

    spec: MachineSpec
    timeline: Timeline
    output: bytearray
    truth: Truth


def live(spec: MachineSpec, length: int, positions: int, seed: int, **settings: object) -> Lived:
    machine = Machine(spec)
    queue = LiveQueue(machine.input_room)
    history = History.live_run(queue)
    timeline = Timeline(machine, history, sleep=False, **settings)  # type: ignore[arg-type]
    output = bytearray()
    timeline.output.lead_to(lambda icount, endpoint, data: output.extend(data))
    dice = random.Random(seed)

    def enough() -> bool:
        if dice.random() < 0.05:
            queue.send(serial_port(0), b"version\r" if dice.random() < 0.3 else dice.randbytes(2))
        return timeline.position >= length

    timeline.run(StopConditions(), enough)
    timeline.close()
    end = timeline.end
    wanted = sorted({0, end, *(dice.randrange(end) for _ in range(positions))})
    return Lived(spec, timeline, output, forward(spec, copy.copy(history), wanted))


def forward(spec: MachineSpec, history: History, wanted: list[int]) -> Truth:
    """Run a machine of its own to each position."""
    machine = Machine(spec)
    machine.inputs = history
    history.seek(-1)
    output = bytearray()
    machine.set_output(lambda icount, endpoint, data: output.extend(data))
    seen = {}
    for position in wanted:
        run_plainly(machine, RunRequest(until=position), history, output)
        seen[machine.icount] = machine.digest(), machine.pc
    return Truth(seen, bytes(output))


def visit(lived: Lived, dice: random.Random, count: int) -> None:
    """Go to ``count`` of the known positions by changing means, and compare."""
    timeline, machine = lived.timeline, lived.timeline.machine
    places = sorted(lived.truth.at)
    order = dice.sample(places, min(count, len(places)))
    for position in order:
        digest, pc = lived.truth.at[position]
        way = dice.choice(["goto", "goto", "back", "ahead", "break", "reverse break", "watch"])
        if way == "goto" or position == 0:
            timeline.goto(position)
        elif way == "back":
            timeline.goto(min(position + dice.choice([1, 7, 300, 40_000]), timeline.end))
            while timeline.position > position and dice.random() < 0.95:
                timeline.reverse_step()
            timeline.goto(position)
        elif way == "ahead":
            timeline.goto(max(position - dice.choice([1, 7, 300]), 0))
            while timeline.position < position:
                timeline.step()
        elif way == "break":
            timeline.goto(max(position - dice.choice([1, 100, 20_000]), 0))
            while timeline.position < position:
                stop = timeline.run(StopConditions(frozenset({pc})), lambda: False, passes=True)
                assert stop.reason is StopReason.BREAKPOINT and stop.position <= position and stop.pc == pc
        elif way == "reverse break":
            timeline.goto(min(position + dice.choice([1, 50, 800]), timeline.end))
            while timeline.position > position:
                stop = timeline.reverse_run(StopConditions(frozenset({pc})), lambda: False)
                assert stop.reason is StopReason.BREAKPOINT and stop.position >= position and stop.pc == pc
        else:
            timeline.goto(position)
            watch = Watch(dice.choice([0x80002000, 0x80300000 + dice.randrange(65536)]), 4, Access.WRITE)
            stop = timeline.reverse_run(StopConditions(watches=(watch,)), lambda: False)
            if stop.reason is StopReason.WATCHPOINT:
                after = machine.read_memory(watch.address, 4)
                timeline.reverse_step()
                assert machine.icount < stop.position <= position
                forth = timeline.run(StopConditions(watches=(watch,)), lambda: False)
                assert (forth.reason, forth.position) == (StopReason.WATCHPOINT, machine.icount)
                timeline.step()
                assert timeline.position == stop.position and machine.read_memory(watch.address, 4) == after
            timeline.goto(position)
        if dice.random() < 0.2:
            look(machine)
        assert (timeline.position, machine.pc) == (position, pc), way
        assert machine.digest() == digest, (way, position)


#: length of the run, and what the timeline is made with
CONFIGURATIONS: dict[str, tuple[int, dict[str, object]]] = {
    "as delivered": (400_000, {}),
    "no memory": (20_000, {"checkpoint_memory": 0, "pace": Pace(spacing=5_000, slice=2_000)}),
    "tiny intervals": (200_000, {"pace": Pace(spacing=2_000, slice=1_000, rung=20), "max_checkpoints": 60}),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_digest_does_not_depend_on_the_way(name: str) -> None:
    length, settings = CONFIGURATIONS[name]
    lived = live(busy_spec(), length, 160, seed=len(name), **settings)
    visit(lived, random.Random(name), 80 if name == "no memory" else 160)
    lived.timeline.goto(lived.timeline.end)
    assert bytes(lived.output) == lived.truth.output


@pytest.mark.real("u-boot-qemu")
def test_digest_does_not_depend_on_the_way_on_u_boot() -> None:
    lived = live(uboot_spec(), 4_000_000, 120, seed=3, pace=Pace(spacing=100_000))
    visit(lived, random.Random(4), 120)
    assert bytes(lived.output) == lived.truth.output
