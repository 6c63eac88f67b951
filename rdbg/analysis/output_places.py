"""Where ``goto output``, ``goto sent``, ``goto panic`` and ``goto oops`` lead."""

from __future__ import annotations

from collections.abc import Sequence

from rdbg.analysis.seeker import WHICH, Seeker, one_of_several, parse_which
from rdbg.analysis.whole_number import whole_number
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.errors import UsageError
from rdbg.timeline import OutputLog, SentOutput

OUTPUT_PLACES = f'output "TEXT" {WHICH}|sent byte|packet|sector N [ENDPOINT]|panic {WHICH}|oops {WHICH}'
#: What Linux prints where it gives up, and where it finds itself at fault.
_KERNEL_TEXTS = {
    "panic": (b"Kernel panic - not syncing",),
    # One text of each: what callers of the kernel's die() say.
    "oops": (
        b"Oops[#",
        b"Kernel bug detected[#",
        b"Reserved instruction in kernel code[#",
        b"Break instruction in kernel code[#",
        b"Trap instruction in kernel code[#",
    ),
}
_SENT = {
    "byte": (EndpointKind.SERIAL, EndpointKind.CONSOLE),
    "packet": (EndpointKind.NETWORK,),
    "sector": (EndpointKind.DISK,),
}


#: The first words of such places.
OUTPUT_WORDS = ("output", "sent", *_KERNEL_TEXTS)


def place_of_output(seeker: Seeker, words: Sequence[str]) -> int:
    """The icount of the output that is named by words, the first of `OUTPUT_WORDS`.

    Raises:
        UsageError: there is no such output.
        QuestionInterrupted: the user asked to stop.
    """
    what, *rest = words
    if what == "sent":
        return sent_output(seeker.outputs(), rest).icount
    if what != "output":
        return _text(seeker, _KERNEL_TEXTS[what], f"a kernel's {what}", rest or ["1"])
    if not rest or not rest[0]:
        raise UsageError(f"usage: goto {OUTPUT_PLACES}")
    return _text(seeker, (rest[0].encode("utf-8", "surrogateescape"),), repr(rest[0]), rest[1:])


def _text(seeker: Seeker, texts: tuple[bytes, ...], shown: str, words: list[str]) -> int:
    """Where one of these texts was printed."""
    which, log = parse_which(words, "output"), seeker.outputs()
    found = sorted({sent.icount for text in texts for sent in log.texts(text)})
    lost = " in what is still known of it" if log.lost else ""
    return one_of_several(
        found,
        which,
        seeker.timeline.position,
        none=f"the guest did not print {shown}{lost}; 'monitor output' shows what it printed",
        what=f"the guest printed {shown}",
    )


def sent_output(log: OutputLog, words: Sequence[str]) -> SentOutput:
    """The output that words behind ``sent`` name: ``byte|packet|sector N [ENDPOINT]``.

    Raises:
        UsageError: there is no such output.
    """
    if len(words) not in (2, 3) or words[0] not in _SENT:
        raise UsageError(f"usage: goto {OUTPUT_PLACES}")
    what, number = words[0], whole_number(words[1], f"number of the {words[0]}")
    endpoint = _endpoint(log, what, words[2] if len(words) == 3 else None)
    sent: SentOutput | None
    if what == "sector":
        sent = log.sector(endpoint, number)
    else:
        sent = log.output(endpoint, number) if what == "packet" else log.byte(endpoint, number)
    if sent is not None:
        return sent
    if what == "sector":
        raise UsageError(f"the guest did not write sector {number} of {endpoint}")
    outputs, size = log.sent(endpoint)
    count = outputs if what == "packet" else size
    raise UsageError(f"{endpoint} has sent no {what} {number}: it has sent {count}, from 1")


def _endpoint(log: OutputLog, what: str, name: str | None) -> Endpoint:
    """The endpoint that a user names, or the only one of its sort that has sent anything."""
    from rdbg.analysis.outputs import KINDS, endpoint_named  # the table's module, which a session seldom needs

    there = [endpoint for endpoint in log.endpoints() if endpoint.kind in _SENT[what]]
    if name is not None:
        kind, port = endpoint_named(name)
        there = [endpoint for endpoint in there if endpoint.kind == kind and port in (-1, endpoint.port)]
    if len(there) == 1:
        return there[0]
    if not there:
        raise UsageError(f"the guest has sent no {what}" + (f" by {name}" if name is not None else ""))
    words = {kind: word for word, kind in KINDS.items()}
    names = ", ".join(f"{words[endpoint.kind]}{endpoint.port}" for endpoint in there)
    raise UsageError(f"several endpoints have sent {what}s; name one of {names}")
