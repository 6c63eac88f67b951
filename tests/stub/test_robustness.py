"""Whatever a client sends, the next one is answered, and the run is what it was."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdbg.gdbstub import GdbServer
from rdbg.rsp.framing import encode
from rdbg.stub.features import FEATURES
from tests.stub.wire import RawClient, run_guest, serve

NAMES = sorted({name for feature in FEATURES for name in (*feature.packets, *feature.words)} - {b"vCont?"})
numbers = st.one_of(
    st.integers(0, 1 << 66),
    st.sampled_from([0, 1, 4, 37, 0x80100020, 0xBFC00000, 0xFFFFFFFF, 1 << 32, 0xFFFFFFFF80100024, (1 << 64) - 1]),
).map(lambda value: b"%x" % value)
pieces = st.one_of(
    numbers,
    st.sampled_from([b",", b";", b":", b"=", b"-", b"read:", b"target.xml", b"c", b"s", b"p", b"X4", b"memory:"]),
    st.binary(max_size=6),
)
arguments = st.lists(pieces, max_size=6).map(b"".join)
packets = st.tuples(st.sampled_from(NAMES) | st.binary(max_size=3), arguments).map(b"".join)
monitor = st.text(max_size=12).map(lambda text: b"qRcmd," + text.encode("utf-8", "surrogatepass").hex().encode())
words = st.sampled_from(
    "goto info savevm loadvm delvm when lastwrite lastexec back help branch branches switch".split()
)
commands = st.tuples(words, st.text("0123456789abx%-+ end", max_size=8)).map(
    lambda parts: b"qRcmd," + " ".join(parts).encode().hex().encode()
)
sent = st.one_of(
    (packets | monitor | commands).map(encode),
    st.binary(max_size=20),
    st.sampled_from([b"\x03", b"+", b"-", b"$", b"#00", b"$m0,4#00", b"\x03" * 50]),
)


EXAMPLES = int(os.environ.get("RDBG_FUZZ_EXAMPLES", "200"))


class Failures(logging.Handler):
    """Keeps what was logged as an error: a mistake of the server's that it survived."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)


@pytest.fixture(scope="module")
def failures() -> Iterator[Failures]:
    handler = Failures()
    logging.getLogger("rdbg").addHandler(handler)
    yield handler
    logging.getLogger("rdbg").removeHandler(handler)


@pytest.fixture(scope="module")
def server() -> Iterator[GdbServer]:
    # On a branch the guest runs for ever: the caller ends that, since it is in the client's thread.
    server = serve(run_guest(1000, finish=True), itertools.cycle([False] * 5 + [True]).__next__)
    yield server
    server.close()


@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.lists(sent, min_size=1, max_size=12), st.booleans())
def test_nothing_a_client_says_does_harm(
    server: GdbServer, failures: Failures, messages: list[bytes], cut: bool
) -> None:
    timeline = server.timeline
    timeline.goto(timeline.end - 200)
    expected = (timeline.position, timeline.machine.digest())
    client = RawClient(server)
    for message in messages:
        try:
            client.send(message)
        except OSError:
            break  # it said k, D or the like before
        if not cut:
            client.receive()
    client.close()
    server.poll(0)
    server.poll(0)
    assert not server.attached
    assert not failures.records, failures.records.pop().exc_info
    server.quit_wanted = False

    following = RawClient(server)
    assert following.ask(b"qC") == b"QC01"
    following.close()
    server.poll(1)
    assert not timeline.on_scratch
    timeline.switch("main")
    timeline.goto(expected[0])
    assert (timeline.position, timeline.machine.digest()) == expected


def test_a_client_that_never_reads_is_dropped(server: GdbServer) -> None:
    client = RawClient(server)
    request = encode(b"m80100000,10000")
    for _ in range(2000):
        if not server.attached:
            break
        client.socket.setblocking(False)
        try:
            client.socket.send(request)
        except (BlockingIOError, ConnectionError):
            pass
        server.poll(0)
    client.close()
    server.poll(0)
    assert RawClient(server).ask(b"qC") == b"QC01"
