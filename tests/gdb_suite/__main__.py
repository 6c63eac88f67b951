"""GDB's own tests against rdbg and QEMU, in both byte orders: `make gdb-suite`."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = Path("/usr/src/gdb.tar.xz")  # Debian's package gdb-source
TESTS = (
    "advance all-bin arithmet break call-ar-st condbreak display ena-dis-br finish funcargs jump recurse restore "
    "return scope setvar step-break step-test until watch-cond watchpoint watchpoint-hw"
).split()
ORDERS = {"little": ("mipsel-linux-gnu-gcc", "qemu-system-mipsel"), "big": ("mips-linux-gnu-gcc", "qemu-system-mips")}
#: A machine as both take it; FILE and PORT are put in by the board file.
MACHINE = "-nodefaults -M malta -cpu 24Kf -m 128 -nographic -serial null -monitor none -kernel FILE -S -gdb tcp::PORT"
_RESULT = re.compile(r"^(PASS|FAIL|KPASS|KFAIL|XPASS|XFAIL|UNRESOLVED|UNTESTED|UNSUPPORTED|ERROR): (.*)$", re.M)


@dataclass(frozen=True)
class Run:
    """What a run of the suite gave.

    Args:
        results: outcome of each test by its name, in the suite's words.
    """

    results: dict[str, str]

    @property
    def passes(self) -> int:
        """How many have passed."""
        return sum(outcome == "PASS" for outcome in self.results.values())


def suite_of(work: Path) -> Path:
    """The suite's directory, unpacked from Debian's sources of GDB."""
    suite = work / "gdb" / "gdb" / "testsuite"
    if not suite.is_dir():
        with tarfile.open(SOURCES) as archive:
            members = [member for member in archive if "/gdb/testsuite/" in f"/{member.name}"]
            archive.extractall(work, members, filter="fully_trusted")
    return suite


def runtime_of(compiler: str, work: Path) -> str:
    """Object files that each test program is linked with."""
    flags = "-mips32r2 -mabi=32 -mno-abicalls -fno-pic -G0 -O1 -ffreestanding -fno-stack-protector".split()
    objects = []
    for source in ("start.S", "runtime.c"):
        out = work / f"{compiler}-{source}.o"
        subprocess.run([compiler, *flags, "-c", "-o", str(out), str(HERE / source)], check=True)
        objects.append(str(out))
    return " ".join(objects)


def run(suite: Path, work: Path, name: str, compiler: str, server: str, gdb: str, tests: list[str]) -> Run:
    """Run the tests against one server."""
    out = work / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    # A busy host is no failure: the suite's own patience is 10 seconds.
    (out / "site.exp").write_text(
        f"set srcdir {suite}\nset objdir {out}\nlappend boards_dir {HERE / 'boards'}\nset gdb_test_timeout 100\n"
    )
    environment = {
        **os.environ,
        "SUITE_CC": compiler,
        "SUITE_RUNTIME": runtime_of(compiler, work),
        "SUITE_HEADERS": str(HERE / "include"),
        "SUITE_SCRIPT": str(HERE / "guest.ld"),
        "SUITE_SERVER": server,
    }
    command = ["runtest", "--tool", "gdb", "--srcdir", str(suite), "--target", "mips-unknown-elf",
               "--target_board", "bare-mips", f"GDB={gdb}", "GDBFLAGS=",
               "INTERNAL_GDBFLAGS=-nw -nx -iex {set height 0} -iex {set width 0}",
               *(f"gdb.base/{test}.exp" for test in tests)]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=out, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait()
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    results: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for outcome, test in _RESULT.findall((out / "gdb.sum").read_text(errors="replace")):
        seen[test] += 1
        results[f"{test} #{seen[test]}"] = outcome
    return Run(results)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".make/gdb-suite"), help="directory for what is made")
    parser.add_argument("--gdb", default="gdb-multiarch", help="of the version that the tests belong to")
    parser.add_argument("--order", choices=ORDERS, action="append", help="byte order; both without")
    parser.add_argument("tests", nargs="*", help="names in gdb.base; those that rdbg is held to without")
    options = parser.parse_args()
    work: Path = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    suite = suite_of(work)
    fewer = False
    for order in options.order or ORDERS:
        compiler, qemu = ORDERS[order]
        rdbg = f"{sys.executable} -m rdbg run"
        servers = {"QEMU": f"{qemu} {MACHINE}", "rdbg": f"{rdbg} {MACHINE}"}
        runs = {
            name: run(suite, work, f"{name}-{order}", compiler, server, options.gdb, options.tests or TESTS)
            for name, server in servers.items()
        }
        counts = ", ".join(f"{name} {each.passes} passes" for name, each in runs.items())
        print(f"{order} endian: {counts}", flush=True)
        for test, outcome in runs["QEMU"].results.items():
            other = runs["rdbg"].results.get(test, "missing")
            if outcome == "PASS" and other != "PASS":
                print(f"  {other} on rdbg: {test}")
        fewer = fewer or runs["rdbg"].passes < runs["QEMU"].passes or not runs["QEMU"].passes
    return int(fewer)


if __name__ == "__main__":
    sys.exit(main())
