"""Where ``goto output``, ``goto sent``, ``goto panic`` and ``goto oops`` lead."""

from __future__ import annotations

from rdbg.analysis.whole_number import whole_number
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.errors import UsageError
from rdbg.monitor.command import MonitorContext
from rdbg.timeline import OutputLog, QuestionInterrupted, SentOutput

OUTPUT_GOTO = 'output "TEXT" [N]|sent byte|packet|sector N [ENDPOINT]|panic [N]|oops [N]'
#: What Linux prints where it gives up, and where it finds itself at fault.
_KERNEL_TEXTS = {
    "panic": (b"Kernel panic - not syncing",),
    "oops": (b"Oops[#", b"Kernel bug detected[#", b"Unable to handle kernel"),
}
_SENT = {
    "byte": (EndpointKind.SERIAL, EndpointKind.CONSOLE),
    "packet": (EndpointKind.NETWORK,),
    "sector": (EndpointKind.DISK,),
}


def leads_to_output(arguments: list[str]) -> bool:
    """Whether the words behind ``goto`` name something that left."""
    return bool(arguments) and arguments[0] in ("output", "sent", *_KERNEL_TEXTS)


def place_of_output(context: MonitorContext, arguments: list[str]) -> int:
    """The icount of the output that the words behind ``goto`` name.

    Raises:
        UsageError: there is no such output.
    """
    try:
        log = context.timeline.outputs(context.interrupted)
    except QuestionInterrupted:
        raise UsageError("interrupted: the machine stays where it is") from None
    what, rest = arguments[0], arguments[1:]
    if what == "sent":
        return _sent(context, log, rest)
    if what == "output":
        if not rest or not rest[0] or len(rest) > 2:
            raise UsageError(f"usage: goto {OUTPUT_GOTO}")
        return _text(context, log, (rest[0].encode("utf-8", "surrogateescape"),), repr(rest[0]), rest[1:])
    if len(rest) > 1:
        raise UsageError(f"usage: goto {OUTPUT_GOTO}")
    return _text(context, log, _KERNEL_TEXTS[what], f"a kernel's {what}", rest or ["1"])


def _text(context: MonitorContext, log: OutputLog, texts: tuple[bytes, ...], shown: str, number: list[str]) -> int:
    """Where one of these texts was printed: the N-th time, the N-th from the end for -N, the next time from here on."""
    found = sorted({sent.icount for text in texts for sent in log.texts(text)})
    if not found:
        lost = " in what is still known of it" if log.lost else ""
        raise UsageError(f"the guest did not print {shown}{lost}; 'monitor output' shows what it printed")
    if number:
        backward = number[0].startswith("-")
        wanted = whole_number(number[0][1:] if backward else number[0], "number")
        if not 0 < wanted <= len(found):
            raise UsageError(f"the guest printed {shown} {_times(len(found))}, and not {number[0]}")
        return found[-wanted if backward else wanted - 1]
    after = [icount for icount in found if icount > context.timeline.position]
    if after:
        return after[0]
    raise UsageError(
        f"the guest did not print {shown} behind here, but {_times(len(found))} before, at icount {found[-1]} last: "
        "say -1 for the last, -2 for the one before, 1 for the first"
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _sent(context: MonitorContext, log: OutputLog, words: list[str]) -> int:
    if len(words) not in (2, 3) or words[0] not in _SENT:
        raise UsageError(f"usage: goto {OUTPUT_GOTO}")
    what, number = words[0], whole_number(words[1], f"number of the {words[0]}")
    endpoint = _endpoint(log, what, words[2] if len(words) == 3 else None)
    sent: SentOutput | None
    if what == "sector":
        sent = log.sector(endpoint, number)
    else:
        sent = log.output(endpoint, number) if what == "packet" else log.byte(endpoint, number)
    if sent is not None:
        return sent.icount
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
