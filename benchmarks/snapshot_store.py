"""How long a snapshot takes: a guest of 128 MB of which 32 MB are in use, then 1,000 pages changed, then loading it.

Run: python benchmarks/snapshot_store.py
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator

from rdbg.emu.machine_api import MachineState
from rdbg.store.snapshot_store import SnapshotStore

PAGES = 8192
STATE = MachineState(1000, bytes(4096), bytes(2000))


def page(seed: int) -> bytes:
    """A page that compresses to about a third, as code and data do."""
    noise = random.Random(seed)
    return b"".join(noise.randbytes(16) + bytes(32) for _ in range(86))[:4096]


def pages(numbers: range, generation: int) -> Iterator[tuple[int, bytes]]:
    for number in numbers:
        yield number, CONTENT[number] if not generation else page(number + generation * 100_000)


CONTENT = [page(number) for number in range(PAGES)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        store = SnapshotStore.create(path, bytes(16))

        def timed(what: str, before: float) -> None:
            print(f"{what:48} {(time.perf_counter() - before) * 1e3:8.1f} ms   file {store.size >> 10} KiB")

        changed = list(pages(range(0, PAGES, 8), 1))
        now = time.perf_counter()
        first = store.save("first", STATE, pages(range(PAGES), 0))
        timed("save, 32 MB, all new", now)
        now = time.perf_counter()
        store.save("same", STATE, pages(range(PAGES), 0))
        timed("save, 32 MB, all known", now)
        now = time.perf_counter()
        store.save("based", STATE, changed, base=first)
        timed("save on a base, 1,024 pages changed", now)
        now = time.perf_counter()
        assert sum(1 for _ in store.load("based").pages()) == PAGES
        timed("load, 32 MB", now)
        now = time.perf_counter()
        store.delete("based")
        timed("delete", now)
        store.close()


if __name__ == "__main__":
    main()
