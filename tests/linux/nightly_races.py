"""Two threads of a Linux program lose an update: found from a recorded boot, and shrunk to one tick of the timer.

pytest tests/linux/nightly_races.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.conftest import LINUX
from tests.linux.conftest import APPEND
from tests.linux.console import Console
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.initramfs import initramfs

pytestmark = [pytest.mark.real("linux-image-4kc-malta:mipsel"), pytest.mark.timeout(1800)]

THREADS = Path(__file__).parents[2] / "examples" / "races" / "threads"
#: Waits for a line, then runs the program.
THEN = "echo READY; read go; threads; echo CODE $?; poweroff -f"
LOST = r"output:LOST +\d"
SECONDS = 600


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A boot up to where the program can be started."""
    folder = tmp_path_factory.mktemp("races")
    initrd = folder / "initrd.gz"
    initrd.write_bytes(initramfs(LINUX / BUSYBOX, THEN, [THREADS]))
    machine = ["-m", "128", "-kernel", str(LINUX / KERNEL), "-initrd", str(initrd), "-append", APPEND, "-nographic"]
    with Console(["record", "-o", str(folder / "boot"), "--", *machine]) as console:
        console.wait_for(b"READY")
        console.stop()
    return folder / "boot"


def test_the_race_of_two_threads_is_found_and_shrunk_to_one_tick(booted: Path) -> None:
    words = ["--from", f"{booted}:end", "--type", r"go\n", "--fail-on", LOST, "--for", "20"]
    kept = booted.with_name("kept")
    done = rdbg("chaos", "-n", "200", "--until-failure", "--json", "--keep", kept, *words, timeout=SECONDS)
    assert done.returncode == 1, done.stderr
    (failed,) = json.loads(done.stdout)["failed"]
    shrunk = rdbg("chaos", "--shrink", failed["recording"], "--symbols", THREADS, timeout=SECONDS)
    told = shrunk.stdout.decode()
    assert re.search(r"the timer interrupt at icount \d+, between 0x\w{8} lw and 0x\w{8} sw of counter", told), told
    replayed = rdbg("replay", f"{failed['recording']}.shrunk", timeout=SECONDS)
    assert replayed.returncode == 0 and re.search(rb"LOST +\d", replayed.stdout) is not None


def test_the_same_seeds_fail_in_the_same_way_on_any_number_of_cores(booted: Path) -> None:
    words = ["--from", f"{booted}:end", "--type", r"go\n", "--fail-on", LOST, "--for", "20", "--json"]
    failed = []
    for jobs in ("1", "2"):
        kept = booted.with_name(f"jobs-{jobs}")
        done = rdbg("chaos", "-n", "12", "--jobs", jobs, "--keep", kept, *words, timeout=SECONDS)
        failed.append([(each["seed"], each["end"], each["what"]) for each in json.loads(done.stdout)["failed"]])
    assert failed[0] == failed[1] != []
