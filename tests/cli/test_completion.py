"""Completion in real shells, and the manual page: both say what `--help` says."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from pathlib import Path

import pytest

from rdbg.cli.command_page import COMPLETION
from rdbg.cli.commands import COMMANDS
from rdbg.cli.completion import SCRIPTS, complete_for_shell
from rdbg.cli.completion_words import Paths, completions
from rdbg.cli.man_page import man_page
from rdbg.cli.qemu_options import machine_options
from rdbg.emu.cpu_model import CPU_MODELS
from tests.cli.command import PROJECT, assert_one_line, rdbg_here
from tests.processes import RDBG

SHELLS = PROJECT / "rdbg" / "cli" / "shells"
_START = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
_PREPARE = {
    "bash": "source <(rdbg completion bash)\n",
    "zsh": "bindkey -e; autoload -Uz compinit; compinit -u -D; source <(rdbg completion zsh)\n",
    "fish": "rdbg completion fish | source\n",
}


@pytest.fixture(params=["bash", *(pytest.param(each, marks=pytest.mark.real(each)) for each in ("zsh", "fish"))])
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _completed(shell: str, line: str, folder: Path) -> list[str]:
    """The words of a line behind which somebody has pressed Tab."""
    programs = folder / ".programs"
    programs.mkdir()
    command = " ".join(f"'{word}'" for word in RDBG)
    (programs / "rdbg").write_text(f'#!/bin/sh\nPYTHONPATH={PROJECT} exec {command} "$@"\n')
    (programs / "rdbg").chmod(0o755)
    surroundings = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder / ".programs"), "TERM": "dumb"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(_START[shell][0], _START[shell], surroundings)
    said = b""
    try:
        # Ctrl-A goes to the beginning of the line: the shell itself says which words it has become.
        typed = f"{_PREPARE[shell]}{line}\t\x01printf '<%s>' \nprintf '(%s)' end\n"
        os.write(terminal, typed.encode())
        while b"(end)" not in said:
            assert select.select([terminal], [], [], 60)[0], said
            said += os.read(terminal, 4096)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    answer = re.search(rb"<rdbg>(?:<[^<>]*>)*", said)
    assert answer is not None, said
    return answer[0].decode().strip("<>").split("><")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rdbg rec", "record"),
        ("rdbg run -M ma", "run -M malta"),
        ("rdbg record -o x -- -kernel gue", "record -o x -- -kernel guest.elf"),
        ("rdbg run -drive file=dis", "run -drive file=disk.img"),
        ("rdbg run -drive file=disk.img,if=vir", "run -drive file=disk.img,if=virtio"),
        ("rdbg run -serial file:my", "run -serial file:my log"),
        ("rdbg query tank.rec interr", "query tank.rec interrupts"),
        ("rdbg chaos --until", "chaos --until-failure"),
    ],
)
def test_a_shell_completes_a_line(shell: str, line: str, words: str, tmp_path: Path) -> None:
    for name in ("guest.elf", "disk.img", "my log"):
        (tmp_path / name).touch()
    expected = ["rdbg", *words.split()]
    if words.endswith("my log"):
        expected[-2:] = ["file:my log"]
    assert _completed(shell, line, tmp_path) == expected


def _texts(*words: str) -> list[str]:
    return [each.text for each in completions(words, COMMANDS).words]


def test_every_command_and_every_option_of_the_help_is_completed() -> None:
    assert [name for name in _texts("") if not name.startswith("-")] == list(COMMANDS)
    for name, command in COMMANDS.items():
        page, offered = command.page(), {*_texts(name, "-"), *_texts(name, "--")}
        spelled = {spelling for option in page.options for spelling in option.spellings}
        if page.machine is None or page.machine:
            spelled |= {each for option in machine_options(page.machine) for each in option.spellings}
        assert spelled <= offered
        said = rdbg_here(name, "--help").stdout.decode()
        assert {each for each in spelled if each not in said} == set()


def test_values_come_from_the_tables() -> None:
    assert _texts("run", "-cpu", "") == list(CPU_MODELS)
    assert _texts("run", "-device", "e1000,autoneg") == ["e1000,autonegotiation="]
    assert _texts("run", "-device", "e1000,autonegotiation=") == [
        "e1000,autonegotiation=on",
        "e1000,autonegotiation=off",
    ]
    assert _texts("run", "-icount", "shift=3,rr=re") == ["shift=3,rr=record", "shift=3,rr=replay"]
    assert _texts("run", "-d", "rsp,time") == ["rsp,timeline"]
    assert _texts("debug", "tank.rec", "--at", "e") == ["end"]


def test_the_word_behind_an_option_is_its_value_whatever_it_looks_like() -> None:
    assert _texts("run", "-append", "-M", "m") == []
    assert completions(["replay", "-serial", "-S", ""], COMMANDS).paths is Paths.FILES
    assert completions(["replay", "F", ""], COMMANDS).paths is None


def test_paths_come_where_a_path_goes() -> None:
    found = completions(["run", "-M", "bare,file=bo"], COMMANDS)
    assert (found.paths, found.prefix) == (Paths.FILES, "bare,file=")
    assert completions(["chaos", "--keep", ""], COMMANDS).paths is Paths.FOLDERS
    assert completions(["chaos", "--from", ""], COMMANDS).paths is Paths.FILES
    assert completions(["run", "-append", ""], COMMANDS).paths is None
    assert (
        complete_for_shell(["run", "-blockdev", "driver=file,filename=x"], COMMANDS) == "files\tdriver=file,filename=\n"
    )


def test_what_is_no_command_line_is_completed_with_nothing() -> None:
    for words in (["nonsense", "-"], ["run", "-nonsense", ""], ["run", "-device", "nonsense,"]):
        done = rdbg_here(COMPLETION, *words)
        assert (done.returncode, done.stderr) == (0, b"")
        assert set(done.stdout.decode().splitlines()) <= {"words\t", "nonsense,netdev=\t", "nonsense,drive=\t"}


def test_completion_names_the_shells_that_there_are() -> None:
    assert_one_line(rdbg_here("completion", "tcsh"), 2, "tcsh", *SCRIPTS)
    assert_one_line(rdbg_here("completion"), 2, *SCRIPTS)
    for shell, name in SCRIPTS.items():
        assert rdbg_here("completion", shell).stdout.decode() == (SHELLS / name).read_text()


def test_the_manual_page_is_the_one_of_these_tables() -> None:
    page = man_page(COMMANDS)
    assert (SHELLS / "rdbg.1").read_text() == page, "make man"
    assert rdbg_here("man").stdout.decode() == page


@pytest.mark.real("mandoc")
def test_the_manual_page_reads_well() -> None:
    page = SHELLS / "rdbg.1"
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False)
    assert [line for line in lint.stdout.splitlines() if "missing date" not in line] == []
    read = subprocess.run(["mandoc", "-T", "ascii", page], capture_output=True, text=True, check=True)
    plain = re.sub(r".\x08", "", read.stdout)
    text = " ".join(re.sub(r"-\n +", "-", plain).split())
    for command in COMMANDS.values():
        for option in command.page().options:
            assert " ".join(option.help.split()) in text
