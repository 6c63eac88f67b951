"""Runs a guest for a while and serves its history to GDB: what the tests in this directory connect to.

Prints ``listening PORT END`` when GDB may come, and guest output nowhere.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.gdbstub import GdbOptions, GdbServer
from rdbg.history.history import History
from rdbg.timeline import StopConditions, Timeline


def make_long(timeline: Timeline, seconds: float) -> None:
    """Run for so long, and then go to the start and forget what would make going back to the end quick."""
    deadline = time.monotonic() + seconds
    timeline.run(StopConditions(), lambda: time.monotonic() > deadline)
    timeline.goto(timeline.start)
    keeper = timeline._replayer.keeper
    keeper.release(keeper.detach(timeline.start, 0))


def serve(timeline: Timeline, options: GdbOptions) -> None:
    """Serve a GDB until it ends the server, and say on which port."""
    server = GdbServer(timeline, options)
    server.listen()
    print("listening", server.address[1], timeline.end, flush=True)
    while not server.quit_wanted:
        server.poll(0.5)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("bios", "kernel"))
    parser.add_argument("image", type=Path)
    parser.add_argument("--big-endian", action="store_true")
    parser.add_argument("--run", type=int, default=0, help="at least so many instructions before GDB may come")
    parser.add_argument("--finish", action="store_true", help="end the history there, as a recording's")
    parser.add_argument("--slow", type=float, default=0, help="seconds that going forward to the end shall take")
    parser.add_argument("--symbols", action="store_true", help="let GDB read the image")
    options = parser.parse_args()

    image = Image(options.role, str(options.image), options.image.read_bytes())
    history = History.live_run()
    machine = Machine(MachineSpec("malta", "24Kf", options.big_endian, 256 << 20, 0, (image,)), history)
    timeline = Timeline(machine, history)
    while timeline.position < options.run and timeline.exit_code is None:
        timeline.run(StopConditions(), lambda: timeline.position >= options.run)
    if options.slow:
        make_long(timeline, options.slow)
    if options.finish:
        timeline.close()
    executable = image.data if options.symbols else None
    serve(timeline, GdbOptions(port=0, stopped=True, executable=executable))


if __name__ == "__main__":
    main()
