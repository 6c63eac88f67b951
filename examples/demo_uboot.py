"""Records U-Boot while commands are typed at its prompt, then lets GDB find the instruction that carried one out.

Run it with ``make demo-uboot``, from the top of the project; ``make real-deps`` installs what it needs.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
UBOOT = Path("/usr/lib/u-boot/maltael")
PROMPT = b"maltael # "
COMMANDS = (b"version\n", b"mw.l 81000000 cafe0001\n", b"md.l 81000000 4\n")
SCRIPT = "examples/uboot.gdb"
END = b"\x01x"  # Ctrl-A x


def show(words: list[str]) -> list[str]:
    """Print a command of rdbg, and give it ready to run."""
    print(f"\n$ rdbg {shlex.join(words)}", flush=True)
    return [sys.executable, "-m", "rdbg", *words]


def record(recording: str) -> None:
    """Boot, type, end."""
    words = ["record", "-o", recording, "--", "-M", "malta", "-m", "256", "-bios", str(UBOOT / "u-boot.bin")]
    process = subprocess.Popen(
        show([*words, "-nographic"]), cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdin is not None and process.stdout is not None
    console = b""
    for typed in (*COMMANDS, END):
        at = len(console)
        while PROMPT not in console[at:]:
            data = process.stdout.read(4096)
            if not data:
                raise SystemExit("demo: U-Boot ended before its prompt came")
            console += data
            sys.stdout.write(data.decode(errors="replace").replace("\r", ""))
            sys.stdout.flush()
        process.stdin.write(typed)
    process.communicate(timeout=60)


def main() -> None:
    """Record, debug, check."""
    if not (UBOOT / "u-boot.bin").is_file():
        raise SystemExit("demo: U-Boot is not installed; make real-deps installs it (Debian's package u-boot-qemu)")
    with tempfile.TemporaryDirectory(prefix="rdbg-demo-") as folder:
        recording = str(Path(folder) / "uboot.rec")
        record(recording)
        print("\n\nOne of these commands wrote to memory. Stock GDB goes back to the instruction that did it:")
        command = show(["debug", recording, "-serial", "null", "--at", "end", "--script", SCRIPT, "--batch"])
        said = subprocess.run(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ).stdout
        # GDB complains of every place in code without symbols.
        print("\n".join(line for line in said.splitlines() if "find the start of the function" not in line))
    for expected in ("watchpoint 1: *(unsigned int *) 0x81000000", "Old value = 3405643777", "\tsw\t"):
        if expected not in said:
            raise SystemExit(f"demo: GDB should have said {expected!r}")
    print("Found: the store, a mark at it, and the way to the first instruction and back.")


if __name__ == "__main__":
    main()
