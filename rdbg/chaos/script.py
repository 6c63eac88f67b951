"""What comes to the guest in each run, typed or by a network, and how its moments are moved."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rdbg.emu.inputs import ENDPOINT_KINDS, InputEvent, InputKind
from rdbg.errors import UsageError
from rdbg.quick_dataclass import dataclass

#: Instructions between two typed bytes: 80 us with -icount shift=3, as at 115,200 baud.
TYPING_PACE = 10_000

#: Kinds of inputs that may be moved: those of the debugger belong to their place.
_MOVABLE = (*ENDPOINT_KINDS, InputKind.RESET, InputKind.SHUTDOWN)


@dataclass(frozen=True)
class Scripted:
    """An input that comes at a known moment.

    Args:
        icount: the first position at which it can come.
        event: what comes.
        wake_ns: the CPU waits until this virtual time in nanoseconds, and then it comes; None: it comes at the icount.
    """

    icount: int
    event: InputEvent
    wake_ns: int | None = None


def typed(text: bytes, start: int) -> tuple[Scripted, ...]:
    """The bytes of a text, typed to the first serial port.

    Args:
        text: what to type.
        start: the icount at which the guest starts.
    """
    return tuple(
        Scripted(start + (number + 1) * TYPING_PACE, InputEvent(0, InputKind.SERIAL, data=text[number : number + 1]))
        for number in range(len(text))
    )


def parse_text(text: str) -> bytes:
    r"""The value of ``--type``: UTF-8, with ``\n``, ``\r``, ``\t``, ``\e``, ``\\`` and ``\xHH``.

    Raises:
        UsageError: another letter after a backslash.
    """
    plain = {"n": b"\n", "r": b"\r", "t": b"\t", "e": b"\x1b", "\\": b"\\"}
    out = bytearray()
    at = 0
    while at < len(text):
        letter = text[at]
        at += 1
        if letter != "\\":
            out += letter.encode("utf-8", "surrogateescape")
            continue
        escape = text[at : at + 1]
        if escape == "x":
            try:
                out.append(int(text[at + 1 : at + 3], 16))
            except ValueError:
                raise UsageError(f"--type: \\x{text[at + 1 : at + 3]} is not a byte; write two hex digits") from None
            at += 3
        elif escape in plain:
            out += plain[escape]
            at += 1
        else:
            raise UsageError(f"--type: \\{escape} is not known; there are \\n \\r \\t \\e \\\\ and \\xHH")
    return bytes(out)


def of_recording(events: Iterable[InputEvent], start: int) -> tuple[Scripted, ...]:
    """The inputs of a recorded run, at their own moments.

    Args:
        events: of the recording, in order.
        start: the icount at which the guest starts: what came before that is left out.
    """
    found: list[Scripted] = []
    wake: int | None = None
    for event in events:
        if event.kind is InputKind.WAKE:
            wake = event.value
            continue
        if event.kind in _MOVABLE and event.icount >= start:
            found.append(Scripted(event.icount, event, wake))
        wake = None
    return tuple(found)


def moved(script: Sequence[Scripted], seed: int, start: int) -> tuple[Scripted, ...]:
    """The same inputs in the same order at other moments, as a seed has it.

    Some runs have them at the pace that they had, others faster, up to a hundred times; each is then a little later or
    sooner, some are much later, and some come together with the one before.

    Args:
        script: as it was.
        seed: of the run.
        start: nothing comes before this icount.
    """
    chance = random.Random(~seed)  # not the policy's
    hurry = 2 ** -max(0.0, 10 * chance.random() - 3)
    reach = 2 ** (3 + 8 * chance.random())
    burst = (0.0, 0.05, 0.3)[int(chance.random() * 3)]
    out: list[Scripted] = []
    for number, item in enumerate(script):
        before = script[number - 1] if number else None
        gap = int(max(0, item.icount - (before.icount if before is not None else start)) * hurry)
        luck = chance.random()
        if luck < burst:
            gap = 0
        elif luck > 0.98:
            gap += int(chance.random() * 40 * reach)
        else:
            gap = max(0, gap + int((chance.random() * 2 - 1) * min(reach, gap + 1)))
        icount = (out[-1].icount if out else start) + gap
        wake = item.wake_ns
        if wake is not None:
            wake += int(chance.random() * reach) * 8
            if before is not None and before.wake_ns is not None and out[-1].wake_ns is not None:
                wake = out[-1].wake_ns + int(max(0, wake - before.wake_ns) * hurry)
        out.append(replace(item, icount=icount, wake_ns=wake))
    return tuple(out)
