"""What goes wrong beside a run that goes on."""

from __future__ import annotations

from rdbg.host.messages import say


class Troubles:
    """What has gone wrong: each is said at once and once."""

    def __init__(self) -> None:
        self.told: list[str] = []  #: a line each, in their order

    def note(self, *found: str) -> None:
        """Say what is new of what has gone wrong so far."""
        for trouble in found:
            if not any(told.startswith(trouble) or trouble.startswith(told) for told in self.told):
                self.told.append(trouble)
                say(trouble)
