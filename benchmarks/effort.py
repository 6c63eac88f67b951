"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Args:
        name: of the mode.
        repeats: of everything that is repeated.
        places: where single steps back are timed.
        budget: seconds after which a task of one server is not repeated.
        timeout: seconds after which a task of one server is given up.
        long: whether runs of 1e10 instructions are measured.
    """

    name: str
    repeats: int
    places: int
    budget: float
    timeout: float
    long: bool

    @classmethod
    def quick(cls) -> Effort:
        """About five minutes."""
        return cls("quick", 2, 10, 3.0, 12.0, False)

    @classmethod
    def full(cls) -> Effort:
        """For the record."""
        return cls("full", 5, 40, 75.0, 25.0, True)
