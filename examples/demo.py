"""Records the tank controller without a terminal, then lets GDB find its bug by going backward.

Run it with ``make demo``, from the top of the project.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
GUEST = "examples/guest/tank.elf"
SCRIPT = "examples/tank.gdb"

#: What GDB must have said, in this order: the watchpoint, the function that wrote, the edge of history (in the words of
#: GDB 13 or of later ones).
EXPECTED = (
    ("watchpoint 1: tank.limit",),
    ("New value = 900",),
    ("record_sample",),
    ("No more reverse-execution history", "Reached end of recorded history"),
)

#: What to type next.
IN_A_BROWSER = f"""
To see the same run in a browser:

    . .venv/bin/activate
    pip install 'rdbg[ui]'
    rdbg record -o tank.rec -- -M malta -kernel {GUEST} -serial null
    rdbg ui tank.rec"""


def run(words: list[str]) -> str:
    """Run rdbg, show what it prints, and give it back."""
    print(f"\n$ rdbg {shlex.join(words)}", flush=True)
    command = [sys.executable, "-m", "rdbg", *words]
    done = subprocess.run(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"demo: rdbg ended with exit code {done.returncode}")
    return done.stdout


def main() -> None:
    """Record, debug, check."""
    with tempfile.TemporaryDirectory(prefix="rdbg-demo-") as folder:
        recording = str(Path(folder) / "tank.rec")
        print("The guest is a water tank's controller. Its alarm must come at level 900, and comes far too early.")
        run(["record", "-o", recording, "--", "-M", "malta", "-kernel", GUEST, "-serial", "stdio"])
        print("\nWhat happened is in the recording now, every time the same. Stock GDB walks back through it:")
        said = run(["debug", recording, "-serial", "null", "--at", "end", "--script", SCRIPT, "--batch"])
    place = 0
    for wordings in EXPECTED:
        found = [said.find(text, place) for text in wordings]
        place = max(found)
        if place < 0:
            raise SystemExit(f"demo: GDB should have said {wordings[0]!r}")
    print("\nFound: record_sample() lets next reach 8, and samples[8] is the limit. Nothing was run a second time.")
    print(IN_A_BROWSER)


if __name__ == "__main__":
    main()
