"""What is measured without a GDB: speed, files, checkpoints, opening a recording."""

from __future__ import annotations

import re
import socket
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.guests import Guest, make_guest
from benchmarks.servers import MEMORY_MB, REPOSITORY, Qemu, Rdbg, Run
from rdbg.checkpoints.checkpoint import OutputMark
from rdbg.checkpoints.keeper import CheckpointKeeper
from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import RunRequest
from rdbg.emu.spec import Image, MachineSpec

_SHORT = 1_000_000


@dataclass(frozen=True)
class Speed:
    """How fast a guest ran.

    Args:
        wall: million instructions per second of wall time, start of the program not counted.
        cpu: the same per CPU second.
        start: seconds that a run of nearly no instructions takes.
    """

    wall: float
    cpu: float
    start: float


def speeds(server: Rdbg | Qemu, guest: Guest, folder: Path, repeats: int) -> tuple[Speed, Speed]:
    """Speed of recording and of replaying."""
    short = make_guest(guest.kind, _SHORT, folder)
    runs: dict[str, list[Run]] = {"record": [], "replay": [], "short record": [], "short replay": []}
    for _ in range(repeats):
        runs["short record"].append(server.record(short))
        runs["short replay"].append(server.replay(short))
        runs["record"].append(server.record(guest))
        runs["replay"].append(server.replay(guest))

    def speed(what: str) -> Speed:
        wall = statistics.median(one.seconds for one in runs[what])
        start = statistics.median(one.seconds for one in runs[f"short {what}"])
        cpu = statistics.median(one.cpu_seconds for one in runs[what])
        start_cpu = statistics.median(one.cpu_seconds for one in runs[f"short {what}"])
        done = (guest.instructions - _SHORT) / 1e6
        return Speed(done / max(wall - start, 1e-3), done / max(cpu - start_cpu, 1e-3), start)

    return speed("record"), speed("replay")


def boot_seconds(command: list[str], console: Path, prompt: bytes, timeout: float = 120) -> float:
    """Seconds from the start of a program until its guest has printed something.

    Args:
        command: the program; what its guest prints goes to ``console``.
        console: the file, made empty.
        prompt: what to wait for.
        timeout: seconds.

    Raises:
        TimeoutError: it did not come.
    """
    console.write_bytes(b"")
    began = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               cwd=REPOSITORY)  # fmt: skip
    try:
        while prompt not in console.read_bytes():
            if time.perf_counter() - began > timeout or process.poll() is not None:
                raise TimeoutError(f"{command[0]}: no {prompt!r} within {timeout:.0f} s")
            time.sleep(0.005)
        return time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def checkpoint_cost(folder: Path, pages: int, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds, and CPU seconds, for a checkpoint of a machine that wrote ``pages`` pages since the last one."""
    guest = make_guest("walk", 10_000_000_000, folder)
    image = Image("kernel", str(guest.elf), guest.elf.read_bytes())
    machine = Machine(MachineSpec("malta", "24Kf", False, MEMORY_MB << 20, 7, (image,)))
    keeper = CheckpointKeeper(machine)
    machine.run(RunRequest(until=70_000_000))  # all of the 32 MB has been written once
    keeper.take(0, OutputMark(), machine.icount)
    seconds, cpu = [], []
    for _ in range(repeats):
        machine.run(RunRequest(until=machine.icount + pages * 1024 * 8))
        began, cpu_began = time.perf_counter(), time.process_time()
        keeper.take(0, OutputMark(), machine.icount)
        cpu.append(time.process_time() - cpu_began)
        seconds.append(time.perf_counter() - began)
    return seconds, cpu


def opening(server: Rdbg, guest: Guest, place: str) -> float:
    """Seconds from the start of ``rdbg replay`` until ``monitor goto PLACE`` is answered."""
    began = time.perf_counter()
    with server.serve(guest) as served, socket.create_connection(("127.0.0.1", served.port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        packet = b"qRcmd," + f"goto {place}".encode().hex().encode()
        client.sendall(b"$" + packet + b"#%02x" % (sum(packet) & 0xFF))
        client.settimeout(120)
        answer = b""
        while not re.search(rb"\$(OK|E..)#..", answer):
            answer += client.recv(65536)
            if answer.endswith(b"#" + answer[-2:]):
                client.sendall(b"+")
    return time.perf_counter() - began
