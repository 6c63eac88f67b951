"""How far the guest's output has come, at each endpoint."""

from __future__ import annotations

from hashlib import blake2b

from rdbg.emu.endpoint import Endpoint
from rdbg.quick_dataclass import dataclass

SENT_DIGEST_SIZE = 16
NOTHING_SENT = bytes(SENT_DIGEST_SIZE)  #: the digest of an endpoint that has sent nothing


@dataclass(frozen=True)
class Sent:
    """What has left by one endpoint since the start of the run.

    Args:
        endpoint: which.
        outputs: how often something left: packets of a network card.
        size: bytes of them all.
        digest: 16 bytes that depend on the place and the bytes of each output, and on nothing else; see `chained`.
    """

    endpoint: Endpoint
    outputs: int = 0
    size: int = 0
    digest: bytes = NOTHING_SENT


@dataclass(frozen=True)
class OutputMark:
    """How far output has come at a moment of a run.

    Args:
        endpoints: those that have sent anything, sorted by kind and number.
    """

    endpoints: tuple[Sent, ...] = ()

    def sent(self, endpoint: Endpoint) -> Sent:
        """What has left by one of them."""
        return next((sent for sent in self.endpoints if sent.endpoint == endpoint), Sent(endpoint))

    def difference(self, other: OutputMark) -> tuple[Sent, Sent] | None:
        """The first endpoint that has sent something else: here, and in the other one; None: all have sent the same."""
        for endpoint in sorted({sent.endpoint for sent in (*self.endpoints, *other.endpoints)}, key=endpoint_order):
            here, there = self.sent(endpoint), other.sent(endpoint)
            if here != there:
                return here, there
        return None


def chained(digest: bytes, icount: int, data: bytes) -> bytes:
    """The digest of what an endpoint has sent, with one output more.

    Args:
        digest: before; `NOTHING_SENT` at first.
        icount: of the instruction that sends it.
        data: the bytes, or the packet.
    """
    return blake2b(digest + icount.to_bytes(8, "little") + data, digest_size=SENT_DIGEST_SIZE).digest()


def endpoint_order(endpoint: Endpoint) -> tuple[int, int]:
    """What endpoints are sorted by."""
    return endpoint.kind, endpoint.port
