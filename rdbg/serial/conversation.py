"""Who speaks at an end that is rdbg's own, and not the guest's."""

from __future__ import annotations

from typing import Protocol


class Conversation(Protocol):
    """Somebody who comes to such an end, and what is sent from there."""

    def greet(self) -> None:
        """Somebody has come."""

    def typed(self, data: bytes) -> None:
        """Take bytes that came."""

    @property
    def accepting(self) -> bool:
        """Whether more bytes should be read now."""
