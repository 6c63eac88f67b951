"""What a replay's command line says again must be what was recorded."""

from __future__ import annotations

from datetime import UTC, datetime

from rdbg.emu.spec import MachineSpec, Plugged, Semihosting
from rdbg.errors import RdbgError
from rdbg.session.options import RunOptions, SemihostingOptions

_ORDERS = {False: "-EL", True: "-EB"}


def check_against(options: RunOptions, machine: MachineSpec, path: str) -> None:
    """Refuse options that describe another machine than the recorded one. What was not said is not compared.

    Args:
        options: of the replay.
        machine: the recorded one.
        path: the recording, for the message.

    Raises:
        RdbgError: one of them contradicts the recording.
    """
    pairs = {
        "M": ("-M {}", options.board, machine.board),
        "cpu": ("-cpu {}", options.cpu, machine.cpu),
        "m": ("-m {}", _size(options.ram_bytes), _size(machine.ram_bytes)),
        "shift": ("-icount shift={}", options.icount.shift, machine.shift),
        "append": ("-append {!r}", options.append, machine.append),
        "rtc date": ("-rtc base={}", _date(options.rtc_base), _date(machine.rtc_base)),
    }
    for name, (form, wanted, recorded) in pairs.items():
        if name in options.said and wanted != recorded:
            raise _contradiction(form.format(wanted), path, form.format(recorded))
    _check_semihosting(options.semihosting, machine.semihosting, path)
    if options.said & {"nic", "net", "netdev", "device", "global"} and options.plugged != machine.plugged:
        raise _contradiction(f"cards {_cards(options.plugged)}", path, f"cards {_cards(machine.plugged)}")
    if options.big_endian is not None and options.big_endian != machine.big_endian:
        raise _contradiction(_ORDERS[options.big_endian], path, _ORDERS[machine.big_endian])


def _check_semihosting(wanted: SemihostingOptions, recorded: Semihosting | None, path: str) -> None:
    if recorded is None:
        if wanted.enabled:
            raise _contradiction("-semihosting", path, "none")
    elif wanted.arguments and wanted.arguments != recorded.arguments:
        said, known = (f"arg={',arg='.join(words)}" for words in (wanted.arguments, recorded.arguments))
        raise _contradiction(f"-semihosting-config {said}", path, known)


def _cards(cards: tuple[Plugged, ...]) -> str:
    """What is plugged in, in words."""
    words = []
    for card in cards:
        slot = "" if card.slot is None else f" in slot {card.slot:02x}"
        words.append(f"{card.model}{slot}" + ("" if card.mac is None else f" ({card.mac.hex(':')})"))
    return ", ".join(words) or "none"


def _contradiction(said: str, path: str, recorded: str) -> RdbgError:
    return RdbgError(f"{said}: {path} was recorded with {recorded}; drop the option, the recording has its own")


def _date(seconds: int | None) -> str:
    """The option's value for a moment."""
    return "utc" if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _size(count: int) -> str:
    return f"{count >> 20}M" if count % (1 << 20) == 0 else f"{count >> 10}K"
