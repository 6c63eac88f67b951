"""Calls of the host by `sdbbp 1`, beside QEMU: what the guest prints, what it is told, and how it ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import PROJECT, rdbg, rdbg_here

GUEST = Path("tests/exits/guest")
QEMU = {"el": "qemu-system-mipsel", "eb": "qemu-system-mips"}
NOTHING = ["-M", "malta", "-nodefaults", "-vga", "none", "-display", "none", "-net", "none", "-monitor", "none"]
CONSOLE = ["-chardev", "stdio,id=c", "-semihosting-config"]
TYPED = b"hello, world q"
CODE = 40 + len(TYPED)

ORDERS = pytest.mark.parametrize("order", list(QEMU))


def beside_qemu(order: str, words: list[str], typed: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a line on QEMU and on rdbg, and check that both end, print and say the same."""
    line = [*NOTHING, "-serial", "null", *words]
    known = subprocess.run([QEMU[order], *line], input=typed, capture_output=True, timeout=60, cwd=PROJECT)
    done = rdbg("run", *line, typed=typed)
    assert (done.returncode, done.stdout, done.stderr) == (known.returncode, known.stdout, known.stderr)
    return done


@ORDERS
@pytest.mark.real("qemu-system-mips")
@pytest.mark.parametrize("arguments", [["enable=on", "-append", "one  two"], ["enable=on,arg=program,arg=a,,b,arg="]])
def test_a_guest_reads_its_arguments_and_console_and_exits_as_on_qemu(order: str, arguments: list[str]) -> None:
    chosen, *rest = arguments
    kernel = ["-kernel", str(GUEST / f"calls-{order}.elf")]
    done = beside_qemu(order, [*CONSOLE, f"{chosen},chardev=c", *rest, *kernel], TYPED)
    assert done.returncode == CODE and TYPED in done.stdout and b"after the end" not in done.stdout
    assert (b"one\ntwo\n" if rest else b"program\na,b\n\n") in done.stdout


@ORDERS
@pytest.mark.real("qemu-system-mips")
@pytest.mark.parametrize(("userspace", "code"), [("off", 64 + 10), ("on", 7)])
def test_user_mode_calls_only_where_it_may_as_on_qemu(order: str, userspace: str, code: int) -> None:
    kernel = ["-kernel", str(GUEST / f"user-{order}.elf")]
    assert beside_qemu(order, ["-semihosting-config", f"userspace={userspace}", *kernel]).returncode == code


def test_without_a_back_end_the_console_is_standard_error_and_at_its_end() -> None:
    done = rdbg("run", "-semihosting", "-serial", "null", "-kernel", GUEST / "calls-el.elf", typed=TYPED)
    assert (done.returncode, done.stdout) == (40, b"") and done.stderr.startswith(b"asks\n")


@ORDERS
def test_a_replay_reads_what_was_typed_and_needs_no_option(order: str, tmp_path: Path) -> None:
    made = tmp_path / "rec"
    kernel = ["-kernel", GUEST / f"calls-{order}.elf", "-serial", "null"]
    recorded = rdbg("record", "-o", made, "--", *kernel, *CONSOLE, "enable=on,chardev=c,arg=program", typed=TYPED)
    assert recorded.returncode == CODE and b"program\n" in recorded.stdout and TYPED in recorded.stdout
    assert b"semihosting: " in rdbg("dump", made).stdout
    silent = rdbg("replay", made)
    assert silent.returncode == CODE and silent.stdout == b"" and recorded.stdout in silent.stderr
    shown = rdbg("replay", made, *CONSOLE, "chardev=c", typed=b"other input q")
    assert (shown.returncode, shown.stdout) == (CODE, recorded.stdout) and b"digest agrees" in shown.stderr


def test_a_terminal_that_nobody_asked_a_serial_port_for_is_the_consoles() -> None:
    done = rdbg("run", "-kernel", GUEST / "calls-el.elf", *CONSOLE, "enable=on,chardev=c", typed=TYPED)
    assert done.returncode == CODE and TYPED in done.stdout


def test_mistakes_are_named() -> None:
    kernel = ["-kernel", GUEST / "calls-el.elf"]
    for words, named in (
        (["-semihosting-config", "enable=on,target=gdb"], "target=native"),
        (["-semihosting-config", "enable=on,target=moon"], "native and auto"),
        (["-semihosting-config", "enable=on,chardev=none"], "no -chardev with that id"),
        (["-semihosting-config", "enable=on,files=on"], "unknown key"),
        (
            ["-chardev", "pty,id=p", "-serial", "chardev:p", "-semihosting-config", "enable=on,chardev=p"],
            "can be shared",
        ),
    ):
        done = rdbg_here("run", *kernel, *words)
        assert done.returncode == 2 and named in done.stderr.decode(), done.stderr


def test_a_replay_with_other_arguments_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "rec"
    plain = ["-M", f"bare,file={GUEST / 'board-little.toml'}", "-kernel", GUEST / "register-el.elf", "-serial", "null"]
    rdbg("record", "-o", made, "--", *plain)
    done = rdbg_here("replay", made, "-semihosting")
    assert done.returncode == 1 and b"recorded with none" in done.stderr
    rdbg("record", "-o", tmp_path / "other", "--", *plain, "-semihosting")
    done = rdbg_here("replay", tmp_path / "other", "-semihosting-config", "arg=x")
    assert done.returncode == 1 and b"-semihosting-config arg=x" in done.stderr
