"""Output marks, and the digests that stand in a journal with them, as bytes described with construct. See
``docs/recording.md``."""

from __future__ import annotations

import construct as c

from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.output_mark import SENT_DIGEST_SIZE, OutputMark, Sent, endpoint_order
from rdbg.errors import RdbgError
from rdbg.journal.numbers import VAR_INT
from rdbg.quick_dataclass import dataclass

#: Of a mark, and of a digest record. It grows when either says more, or something else.
VERSION = 1
STATE_DIGEST_SIZE = 16
_MOST_ENDPOINTS = 1024
_MOST_PORT = 1 << 16

_Sent = c.Struct(
    "kind" / c.Int8ul,
    "port" / VAR_INT,
    "outputs" / VAR_INT,
    "size" / VAR_INT,
    "digest" / c.Bytes(SENT_DIGEST_SIZE),
)
_Endpoints = c.PrefixedArray(c.ExprValidator(VAR_INT, lambda count, context: count <= _MOST_ENDPOINTS), _Sent)

#: A mark by itself: of a state in a snapshot store.
MarkFormat = c.Struct("version" / c.Const(VERSION, c.Int8ul), "endpoints" / _Endpoints, c.Terminated)

#: The data of a journal's record of kind 30.
DigestFormat = c.Struct(
    "version" / c.Const(VERSION, c.Int8ul),
    "state" / c.Bytes(STATE_DIGEST_SIZE),
    "endpoints" / _Endpoints,
    c.Terminated,
)


@dataclass(frozen=True)
class Digests:
    """What a replay is compared with at one position.

    Args:
        state: the machine's digest, 16 bytes.
        output: what had left by then.
    """

    state: bytes
    output: OutputMark


def build_mark(mark: OutputMark) -> bytes:
    """The bytes of a mark."""
    return bytes(MarkFormat.build({"version": VERSION, "endpoints": _fields(mark)}))


def parse_mark(data: bytes) -> OutputMark:
    """A mark from its bytes.

    Raises:
        RdbgError: they are not of a mark.
    """
    try:
        return _mark(MarkFormat.parse(data).endpoints)
    except (c.ConstructError, ValueError) as error:
        raise RdbgError(f"malformed output mark ({_one_line(error)})") from error


def build_digests(digests: Digests) -> bytes:
    """The data of a digest record."""
    fields = {"version": VERSION, "state": digests.state, "endpoints": _fields(digests.output)}
    return bytes(DigestFormat.build(fields))


def parse_digests(data: bytes) -> Digests:
    """What a digest record says.

    Raises:
        RdbgError: it is not one that this rdbg reads.
    """
    try:
        fields = DigestFormat.parse(data)
        return Digests(fields.state, _mark(fields.endpoints))
    except (c.ConstructError, ValueError) as error:
        raise RdbgError(f"malformed digest record ({_one_line(error)})") from error


def _fields(mark: OutputMark) -> list[dict[str, object]]:
    return [
        {
            "kind": int(sent.endpoint.kind),
            "port": sent.endpoint.port,
            "outputs": sent.outputs,
            "size": sent.size,
            "digest": sent.digest,
        }
        for sent in mark.endpoints
    ]


def _mark(endpoints: list[c.Container]) -> OutputMark:
    found = tuple(
        Sent(Endpoint(EndpointKind(item.kind), item.port), item.outputs, item.size, item.digest) for item in endpoints
    )
    places = [endpoint_order(sent.endpoint) for sent in found]
    if places != sorted(set(places)) or any(port >= _MOST_PORT for _, port in places):
        raise ValueError("its endpoints are in no order")
    return OutputMark(found)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
