"""What has come in and gone out by each endpoint of a recorded machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rdbg.emu.endpoint import Endpoint
from rdbg.emu.output_mark import OutputMark, endpoint_order
from rdbg.errors import RdbgError
from rdbg.journal.output_marks import parse_digests
from rdbg.journal.records import INPUT_KINDS, KIND_DIGEST, Record, event_of


class Traffic:
    """Counts what the records of a journal, given one after another, say of endpoints."""

    def __init__(self) -> None:
        self._inputs: Counter[Endpoint] = Counter()
        self._bytes: Counter[Endpoint] = Counter()
        self._digest: Record | None = None

    def add(self, record: Record) -> None:
        """Count one record."""
        if record.kind == KIND_DIGEST:
            self._digest = record
        elif record.kind in INPUT_KINDS:
            endpoint = event_of(record).endpoint
            if endpoint is not None:
                self._inputs[endpoint] += 1
                self._bytes[endpoint] += len(record.data)

    def lines(self) -> Iterator[tuple[Endpoint, str]]:
        """Each endpoint that was used, and how much, in words. What has left is known up to the last digest."""
        sent, until = OutputMark(), 0
        try:
            if self._digest is not None:
                sent, until = parse_digests(self._digest.data).output, self._digest.icount
        except RdbgError:
            pass  # a replay says what is wrong with it
        used = {*self._inputs, *(each.endpoint for each in sent.endpoints)}
        for endpoint in sorted(used, key=endpoint_order):
            out = sent.sent(endpoint)
            yield (
                endpoint,
                f"{self._bytes[endpoint]:,} bytes in {self._inputs[endpoint]:,} inputs came in; {out.size:,} bytes in "
                f"{out.outputs:,} outputs had left by icount {until:,}",
            )
