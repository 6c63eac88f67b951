"""All packets of a recording, as a capture: those that the guest sent, too, which a replay sends again, to here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rdbg import __version__
from rdbg.emu.spec import Plugged
from rdbg.host.progress import SILENT, Progress
from rdbg.host.whole_file import whole_file
from rdbg.recording.pcapng import MAGIC, PcapngWriter
from rdbg.session.first_passage import PassedPacket
from rdbg.session.options import silent_replay
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings


def write_capture(
    recording: str | Path, path: Path, command_line: Sequence[str], progress: Progress = SILENT
) -> tuple[int, int]:
    """Replay a recording from its start to its end, and write its packets.

    Args:
        recording: which.
        path: the capture; it appears when it is whole.
        command_line: the words typed.
        progress: told how far the replay has come.

    Returns:
        how many packets came in, and how many went out.

    Raises:
        RdbgError: it cannot be replayed or written, or no capture stands there.
    """
    counts = [0, 0]
    with whole_file(path, MAGIC, "a capture") as file:
        session = Session(silent_replay(recording), Surroundings(command_line=tuple(command_line)))
        try:
            start = session.spec.rtc_base * 1_000_000_000
            writer = PcapngWriter(file, _cards(session.spec.plugged), f"rdbg {__version__}")

            def note(packet: PassedPacket) -> None:
                counts[not packet.incoming] += 1
                number = f"packet {packet.number}, " if packet.incoming else ""
                comment = f"{number}icount {packet.icount}"
                writer.add(packet.card, start + packet.nanoseconds, packet.frame, packet.incoming, comment)

            session.watch_packets(note)
            with session.timeline.telling(progress):
                session.run()
        finally:
            session.close()
    return counts[0], counts[1]


def _cards(plugged: Sequence[Plugged]) -> list[tuple[str, bytes | None]]:
    """Name and address of each network card, by number."""
    found = {card.nic: card for card in plugged if card.nic is not None}
    cards: list[tuple[str, bytes | None]] = []
    for number in range(max(found, default=-1) + 1):
        card = found.get(number)
        cards.append((f"network {number}", None) if card is None else (card.name or f"{card.model} {number}", card.mac))
    return cards
