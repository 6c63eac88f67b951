"""Transcripts in the documents: each is run, and what the programs say is compared with what the document shows.

A fenced block of kind ``console`` is a transcript. A line with ``$`` before it is a shell's; one with ``(gdb)``, or
U-Boot's or a guest's shell's prompt, is typed to the program that the last shell line has started, at a terminal.
The blocks of a page go on from one another, in one folder, where ``examples`` is the project's and a block with
``title="NAME"`` is the file NAME. ``...`` in a line stands for anything, and as a line of its own for any lines.
What no two runs have alike (ports, temporary folders, times that something took) is the same to the comparison.

``python -m tests.transcripts PAGE...`` writes what is said now into the pages.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import LINUX
from tests.linux.fetch import BUSYBOX, KERNEL
from tests.linux.initramfs import initramfs

PROJECT = Path(__file__).parents[1]
_PROMPTS = ("$ ", "(gdb) ", "maltael # ", "/ # ")
_PATIENCE = 120.0
#: What a command says of how far it has come, where it takes long (half a second, on a busy host).
_PROGRESS = re.compile(r"(\.\.\.|rdbg:) \d+ (of \d+ )?\S.*(\(\d+%\))?")
#: What a terminal is told, and asked (busybox's shell: where the cursor is).
_ESCAPE = re.compile(rb"\x1b\[[?0-9;]*[a-zA-Z]")
_ALIKE = (
    (r"/tmp/rdbg-\w+/", "/tmp/rdbg-*/"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:*"),
    (r"\b\d+\.\d s\b", "* s"),
    (r"\b\d+ runs/s\b", "* runs/s"),
)


@dataclass
class Entry:
    """Something typed, and what is said then.

    Args:
        prompt: before it.
        command: it; lines of the shell's that go on are joined.
        first: number of its first line in the page, from 0.
        behind: number of the line where what is said begins.
        said: what the page shows.
    """

    prompt: str
    command: str
    first: int
    behind: int
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """A document's transcripts.

    Args:
        entries: in their order.
        files: name -> contents, of blocks that are files.
    """

    entries: list[Entry]
    files: dict[str, str]


def read_page(text: str) -> Page:
    """What of a document is to be run."""
    entries: list[Entry] = []
    files: dict[str, str] = {}
    kind, name, body = "", "", []
    for number, line in enumerate(text.splitlines()):
        fence = re.match(r"```(\w*)(?:.*title=\"([^\"]+)\")?", line)
        if fence is not None and kind:
            if name:
                files[name] = "".join(f"{each}\n" for each in body)
            kind = ""
        elif fence is not None:
            kind, name, body = fence[1] or "text", fence[2] or "", []
        elif kind == "console":
            _add(entries, line, number)
        elif kind:
            body.append(line)
    return Page(entries, files)


def indented(text: str) -> str:
    """A document whose indented blocks with something typed at GDB's prompt are fenced transcripts, and nothing else
    is: those of a guest that takes long are run by that guest's tests. Lines keep their numbers."""
    lines, inside = [], False
    for line in text.splitlines():
        inside = line.startswith("    (gdb) ") or (inside and line[:4] in ("", "    "))
        lines.append(line.removeprefix("    ") if inside else "")
    return "```console\n" + "".join(f"{line}\n" for line in lines)


def _add(entries: list[Entry], line: str, number: int) -> None:
    prompt = next((each for each in _PROMPTS if line.startswith(each)), None)
    last = entries[-1] if entries else None
    if prompt is not None:
        entries.append(Entry(prompt, line.removeprefix(prompt), number, number + 1))
    elif last is not None and last.command.endswith("\\") and not last.said:
        last.command += f"\n{line}"
        last.behind = number + 1
    elif last is not None:
        last.said.append(line)
    elif line:
        raise ValueError(f"line {number + 1}: a transcript begins with something typed")


class Terminal:
    """A program at a terminal.

    Args:
        command: a line of the shell's.
        folder: where it runs.
        surroundings: its environment.
    """

    def __init__(self, command: str, folder: Path, surroundings: dict[str, str]) -> None:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execvpe("bash", ["bash", "-c", f"exec {command}"], surroundings)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 10_000, 4_000, 0, 0))
        self._ended = False

    def read(self, prompt: str) -> list[str]:
        """What it says up to a prompt, or its end."""
        said = b""
        wanted = prompt.encode()
        while not (plain := _ESCAPE.sub(b"", said)).endswith(wanted):
            if not select.select([self._terminal], [], [], _PATIENCE)[0]:
                raise TimeoutError(
                    f"no prompt {prompt!r} within {_PATIENCE} s; so far: {said.decode(errors='replace')}"
                )
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # Linux says so where the other end of a terminal is closed
                data = b""
            if not data:
                self._ended = True
                break
            said += data
        return _lines(plain.removesuffix(wanted))

    def wait_asleep(self) -> None:
        """Wait until the program waits for something itself.

        Who has seen what a program sent knows that it is behind its ``send``, not that it
        waits for the answer: on a busy machine it may stand between the two.
        """
        status = Path(f"/proc/{self._pid}/stat")
        deadline = time.monotonic() + _PATIENCE
        while status.read_text().rsplit(")", 1)[1].split()[0] != "S":
            if time.monotonic() > deadline:
                raise TimeoutError("it does not come to rest")
            time.sleep(0.01)

    def press(self, key: bytes, until: str) -> None:
        """Press a key each half second until the program says something, and nothing behind it."""
        said = b""
        deadline = time.monotonic() + _PATIENCE
        while not _ESCAPE.sub(b"", said).endswith(until.encode()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"it did not say {until!r}; so far: {said.decode(errors='replace')}")
            os.write(self._terminal, key)
            while select.select([self._terminal], [], [], 0.5)[0]:
                said += os.read(self._terminal, 65536)

    def press_once(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._terminal, key)

    def type(self, command: str) -> None:
        """Type a line, or ``^A x``."""
        typed = b"\x01x" if command == "^A x" else f"{command}\n".encode()
        os.write(self._terminal, typed)

    def close(self) -> None:
        """End it."""
        if not self._ended:
            os.kill(self._pid, signal.SIGTERM)
        os.close(self._terminal)
        os.waitpid(self._pid, 0)


def _lines(said: bytes) -> list[str]:
    text = _ESCAPE.sub(b"", said).decode(errors="replace").replace("\r", "")
    return [line.rstrip() for line in text.split("\n") if not _PROGRESS.fullmatch(line)]


def trimmed(lines: list[str]) -> list[str]:
    """Lines without the empty ones at their end."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def run_page(page: Page, given: Mapping[str, bytes] | None = None) -> Iterator[tuple[Entry, list[str]]]:
    """Type everything; gives each entry with what is said.

    Args:
        page: it.
        given: files beside those of the page: name -> contents.
    """
    with tempfile.TemporaryDirectory(prefix="transcript-") as name:
        folder = Path(name)
        for path, contents in page.files.items():
            (folder / path).write_text(contents)
        for path, data in (given or {}).items():
            (folder / path).write_bytes(data)
        (folder / "examples").symlink_to(PROJECT / "examples")
        programs = folder / ".programs"
        programs.mkdir()
        (programs / "rdbg").write_text(f'#!/bin/sh\nPYTHONPATH={PROJECT} exec {sys.executable} -m rdbg "$@"\n')
        (programs / "rdbg").chmod(0o755)
        (programs / ".inputrc").write_text("set enable-bracketed-paste off\n")
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        surroundings = {"PATH": path, "HOME": str(programs), "TERM": "dumb", "LANG": "C.UTF-8"}
        terminal: Terminal | None = None
        try:
            for at, entry in enumerate(page.entries):
                following = page.entries[at + 1].prompt if at + 1 < len(page.entries) else "$ "
                if entry.prompt == "$ " and terminal is not None:
                    terminal.close()
                    terminal = None
                if entry.prompt == "$ " and following == "$ ":
                    done = subprocess.run(
                        ["bash", "-c", entry.command], cwd=folder, env=surroundings, stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_PATIENCE, check=False,
                    )  # fmt: skip
                    yield entry, trimmed(_lines(done.stdout))
                    continue
                if entry.prompt == "$ ":
                    terminal = Terminal(entry.command, folder, surroundings)
                    yield entry, trimmed(terminal.read(following))
                    continue
                assert terminal is not None, f"line {entry.first + 1}: no program has this prompt"
                terminal.type(entry.command)
                echoed, *said = terminal.read(entry.prompt)
                yield entry, trimmed(said if entry.command != "^A x" else [echoed, *said])
        finally:
            if terminal is not None:
                terminal.close()


def given_to(page: str) -> dict[str, bytes]:
    """The files that a page says you have: Debian's, of `make real-deps`."""
    if page != "linux.md":
        return {}
    initrd = initramfs(LINUX / BUSYBOX)
    return {"vmlinux": (LINUX / KERNEL).read_bytes(), "initrd.gz": initrd}


def is_as_shown(shown: list[str], said: list[str]) -> bool:
    """Whether a program says what a page shows."""
    pattern = ""
    for line in trimmed([line.rstrip() for line in shown]):
        if line == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r".*".join(map(re.escape, _alike(line).split("..."))) + r"\n"
    return re.fullmatch(pattern, "".join(f"{_alike(line)}\n" for line in said)) is not None


def _alike(line: str) -> str:
    for pattern, mark in _ALIKE:
        line = re.sub(pattern, mark, line)
    return line


def written_anew(text: str, given: Mapping[str, bytes] | None = None) -> str:
    """A page with what is said now, where that is not what it shows; see `run_page`."""
    lines = text.splitlines()
    for entry, said in reversed(list(run_page(read_page(text), given))):
        if not is_as_shown(entry.said, said):
            end = entry.behind + len(entry.said)
            blank = [""] if entry.said and not entry.said[-1] else []
            lines[entry.behind : end] = said + blank
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Write pages anew."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(written_anew(path.read_text(), given_to(path.name)))


if __name__ == "__main__":
    main()
