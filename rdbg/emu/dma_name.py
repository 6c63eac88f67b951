"""The names of those who write memory by DMA, as users see them: ``ide0 DMA, sector 2048``."""

from __future__ import annotations

from typing import Protocol

from rdbg.quick_dataclass import dataclass

_SECTOR_SIZE = 512


@dataclass(frozen=True)
class Sectors:
    """Sectors of 512 bytes that are written to memory in one piece: each byte is named by the one that it is of.

    Args:
        first: the first one's number.
        begun: bytes of it that are not written.
    """

    first: int
    begun: int = 0

    def after(self, size: int) -> Sectors:
        """What is written ``size`` bytes later."""
        whole, begun = divmod(self.begun + size, _SECTOR_SIZE)
        return Sectors(self.first + whole, begun)

    def __str__(self) -> str:
        return f"sector {self.first}"


@dataclass(frozen=True)
class ReceivedPacket:
    """A packet that is written to memory, and what a card says of it there.

    Args:
        number: as it is counted in the run, from 1.
    """

    number: int

    def __str__(self) -> str:
        return f"packet {self.number}"


#: What a device writes: in two words (``ring of queue 1``), or which sectors or packet.
Detail = str | Sectors | ReceivedPacket


def detail_after(detail: Detail, size: int) -> Detail:
    """What is written ``size`` bytes later."""
    return detail.after(size) if isinstance(detail, Sectors) else detail


@dataclass(frozen=True)
class DmaName:
    """Who writes.

    Args:
        device: its name.
        detail: what it writes; empty: nothing to be said.
    """

    device: str
    detail: Detail = ""

    def at(self, offset: int) -> str:
        """The name for the byte ``offset`` of what is written."""
        detail = str(self.detail_at(offset))
        return f"{self.device} DMA, {detail}" if detail else f"{self.device} DMA"

    def detail_at(self, offset: int) -> Detail:
        """What the byte ``offset`` of what is written is of."""
        return detail_after(self.detail, offset)

    def after(self, size: int) -> DmaName:
        """The name for what is written ``size`` bytes later."""
        return DmaName(self.device, self.detail.after(size)) if isinstance(self.detail, Sectors) and size else self


class Named(Protocol):
    """A device."""

    @property
    def name(self) -> str:
        """As users see it."""


def dma_name(source: Named | str, detail: Detail) -> DmaName:
    """Who writes memory.

    Args:
        source: a device, or what it is called.
        detail: what it writes.
    """
    return DmaName(source if isinstance(source, str) else source.name, detail)
