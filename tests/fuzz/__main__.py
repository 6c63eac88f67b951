"""``make fuzz``: sessions without end, guided by what they reach in the server's code (atheris, that is libFuzzer).

The bytes that libFuzzer mutates are what hypothesis draws sessions from, so each is a session of whole packets.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["rdbg.rsp", "rdbg.stub", "rdbg.monitor", "rdbg.gdbstub"]):
    from hypothesis import HealthCheck, given, settings

    from tests.fuzz.packets import session
    from tests.fuzz.target import Target

#: Bytes that a session is drawn from, at most; sessions that need more are not held.
_MOST_BYTES = 3000
#: One session in so many is held in the present of a run that goes on.
_LIVE_EVERY = 16
_SEEDS = 200
_REPORT_SECONDS = 60


class Run:
    """A run of the fuzzer.

    Args:
        wanted: messages to send.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._finished = Target()
        self._live = Target(live=True)
        self._began = self._told = time.monotonic()
        self._given = 0
        self._hold = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))(
            given(session)(self._session)
        )

    def one(self, data: bytes) -> None:
        """Hold the session that these bytes stand for."""
        self._given += 1
        self._hold.hypothesis.fuzz_one_input(data)
        now = time.monotonic()
        done = self._finished.messages + self._live.messages
        if now - self._told > _REPORT_SECONDS or done >= self._wanted:
            self._told = now
            sessions = self._finished.sessions + self._live.sessions
            print(f"{done} messages in {sessions} sessions, {now - self._began:.0f} s; no failure", flush=True)
        if done >= self._wanted:
            os._exit(0)  # libFuzzer has no way of its own to be told that it is enough

    def _session(self, said: tuple[list[bytes], bool]) -> None:
        target = self._live if self._given % _LIVE_EVERY == 0 else self._finished
        target.hold(*said)


def main() -> None:
    """Run until so many messages were sent, or one did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--corpus", type=Path, default=Path(".make/fuzz"), help="where what was interesting is kept")
    options = parser.parse_args()
    options.corpus.mkdir(parents=True, exist_ok=True)
    random_bytes = random.Random(0)
    for number in range(_SEEDS):
        (options.corpus / f"seed-{number}").write_bytes(random_bytes.randbytes(_MOST_BYTES))
    logging.getLogger("rdbg").setLevel(logging.ERROR)  # a client refused is a warning, and there will be many
    run = Run(options.messages)
    atheris.Setup(
        [sys.argv[0], f"-max_len={_MOST_BYTES}", "-len_control=0", "-rss_limit_mb=0", "-print_final_stats=1",
         f"-artifact_prefix={options.corpus}-", str(options.corpus)],
        run.one,
    )  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    main()
