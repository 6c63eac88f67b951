"""Ctrl-C for work that looks up now and then, and has something to say in the end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: What ends programs.
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def on_ending_signals(note: Callable[[int], None]) -> Iterator[None]:
    """Meanwhile a signal that ends programs ends nothing: ``note`` is called with its number."""

    def handle(number: int, frame: FrameType | None) -> None:
        note(number)

    previous = {number: signal.signal(number, handle) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class NotedInterrupts:
    """While this context lasts, a signal that ends programs is noted, and the work that asks ends in order.

    Called, it says whether one came: an ``Interrupted``. A second one ends the program at once, as ever: what does not
    look up must not hold the user.
    """

    def __init__(self) -> None:
        self.signal = 0  #: the signal that came; 0: none
        self._previous: dict[int, object] = {}

    def __call__(self) -> bool:
        return bool(self.signal)

    def __enter__(self) -> NotedInterrupts:
        for number in ENDING_SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)  # type: ignore[arg-type]  # what signal.signal gave us
        self._previous.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            raise SystemExit(128 + number)
        self.signal = number
