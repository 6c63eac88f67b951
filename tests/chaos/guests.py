"""The guests with races, ready to be run with moved interrupts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rdbg.chaos.plan import Plan, policy_of
from rdbg.chaos.policy import Policy
from rdbg.chaos.runner import Finished, Runner
from rdbg.chaos.script import Scripted
from rdbg.emu.spec import Image, MachineSpec

RACES = Path(__file__).parents[2] / "examples" / "races"
LINE = b"all these bytes\n"


class Nothing(Policy):
    """Moves no interrupt."""

    def hold(self, icount: int) -> int:
        return 0

    def delay(self, icount: int, timer: int) -> int:
        return 0


def spec(path: Path) -> MachineSpec:
    """A Malta that starts an ELF file."""
    image = Image("kernel", str(path), path.read_bytes())
    return MachineSpec("malta", "24Kf", False, 16 << 20, 3, (image,), sleep=False)


def plan(name: str, *fail_on: str, text: bytes = b"") -> Plan:
    """Runs of one of the guests with races."""
    return replace(Plan(spec(RACES / f"{name}.elf"), None, fail_on), text=text)


def run_seed(plan: Plan, runner: Runner, seed: int) -> Finished:
    """The run of a seed."""
    finished = runner.run(policy_of(seed, runner.guest), plan.script(seed, runner.guest.start))
    assert finished is not None
    return finished


def run_plain(plan: Plan, runner: Runner, script: tuple[Scripted, ...] = ()) -> Finished:
    """A run with no interrupt moved."""
    finished = runner.run(Nothing(), script)
    assert finished is not None
    return finished
