"""What GDB says at the ends of history, and where its guests are."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent / "guest"
START_WORDS = ("No more reverse-execution history", "Backward execution from here not possible")  # GDB 13, GDB 18
END_WORDS = ("No more reverse-execution history", "Reached end of recorded history")


def says(answer: object, words: tuple[str, ...]) -> bool:
    return any(word in answer for word in words)  # type: ignore[operator]
