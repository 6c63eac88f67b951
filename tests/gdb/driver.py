"""A real GDB, driven over GDB/MI, and a real guest for it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pygdbmi.gdbcontroller import GdbController

from tests.processes import spawn

#: How far rdbg has come with what takes long.
_PROGRESS = re.compile(r"^\.\.\. \d+ of \d+ .*\(\d+%\)\n", re.MULTILINE)
SERVE = Path(__file__).with_name("serve_guest.py")
GUESTS = Path(__file__).with_name("guest")
_STOPS = re.compile(r"^(reverse-)?(continue|c|rc|stepi|si|rsi|nexti|ni|step|next|finish|until|run|starti)\b")


class Guest:
    """A guest with a history, served in a process of its own.

    Args:
        arguments: of the program that serves it.
        serve: that program, as Python's command line names it.
    """

    def __init__(self, *arguments: str, serve: Sequence[str] = (str(SERVE),)) -> None:
        self._process = spawn(
            [sys.executable, *serve, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if words[:1] != ["listening"]:
            raise RuntimeError(self._process.communicate(timeout=10)[1])
        self.port, self.end = int(words[1]), int(words[2])

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        errors = self._process.communicate(timeout=10)[1]
        assert "Traceback" not in errors, errors


@dataclass
class Answer:
    """What a command led to.

    Args:
        text: what it said, without how far it had come meanwhile: on a busy machine any may take long.
        errors: GDB's.
        stops: GDB's records of them.
        progress: the lines that said how far it had come.
    """

    text: str
    errors: str
    stops: list[dict[str, object]] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)

    def __contains__(self, words: str) -> bool:
        return words in self.text or words in self.errors


class Gdb:
    """GDB without any start-up files.

    Args:
        program: which GDB.
        elf: file that it is given, or None.
        arguments: more of its command line.
    """

    def __init__(self, program: str, elf: Path | None = None, arguments: Sequence[str] = ()) -> None:
        command = [program, "--nx", "--quiet", "--interpreter=mi3", *arguments, *([str(elf)] if elf else [])]
        self._controller = GdbController(command=command, time_to_check_for_additional_output_sec=0.001)
        self._typed = ""
        self.run("set confirm off")
        self.run("set pagination off")

    def __enter__(self) -> Gdb:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.exit()

    def connect(self, port: int) -> Answer:
        """``target remote``."""
        return self.run(f"target remote 127.0.0.1:{port}")

    def run(self, command: str, timeout: float = 60) -> Answer:
        """A command as a user types it. Waits for the stop if it makes the guest run."""
        self.send(command)
        return self.wait(stop=bool(_STOPS.match(command)), timeout=timeout)

    def send(self, command: str) -> None:
        """Type a command and do not wait."""
        self._typed = command
        self._controller.write(command, read_response=False)

    def wait(self, stop: bool = True, timeout: float = 60) -> Answer:
        """Wait for the answer to a command, and for the guest to stop if it is to run."""
        text: list[str] = []
        answer = Answer("", "")
        done = False
        deadline = time.monotonic() + timeout
        while not done or (stop and not answer.stops):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {timeout} s; so far: {''.join(text)}")
            for message in self._controller.get_gdb_response(timeout_sec=0.5, raise_error_on_timeout=False):
                payload = message["payload"]
                if message["type"] in ("console", "target") and payload:
                    text.append(str(payload))
                elif message["type"] == "log" and payload and payload.strip() != self._typed:
                    text.append(str(payload))  # a warning; the typed command itself is echoed too
                elif message["type"] == "result":
                    done = True
                    if message["message"] == "error":
                        answer.errors += str(payload["msg"])
                        stop = False
                elif message["message"] == "stopped":
                    answer.stops.append(payload)
        said = "".join(text)
        answer.text, answer.progress = _PROGRESS.sub("", said), _PROGRESS.findall(said)
        return answer

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._controller.gdb_process.send_signal(2)

    def value(self, expression: str) -> int:
        """An expression's value, as an unsigned 32-bit number."""
        answer = self.run(f"output/x {expression}")
        return int(answer.text, 16) & 0xFFFF_FFFF

    def registers(self) -> str:
        """All general registers, pc, hi, lo, status and cause, as GDB shows them."""
        return self.run("info registers").text

    def forget(self) -> None:
        """Make GDB read registers and memory again."""
        self.run("maintenance flush register-cache")


@contextmanager
def debugged(program: str, name: str, order: str, run: int, *options: str) -> Iterator[Gdb]:
    """GDB, connected to a guest of `GUESTS` that has run.

    Args:
        program: which GDB.
        name: the guest's.
        order: its byte order, el or eb.
        run: instructions that it has run.
        options: of serve_guest.py.
    """
    elf = GUESTS / f"{name}-{order}.elf"
    endian = ["--big-endian"] if order == "eb" else []
    with Guest("kernel", str(elf), "--run", str(run), *options, *endian) as guest, Gdb(program, elf) as gdb:
        gdb.connect(guest.port)
        yield gdb
