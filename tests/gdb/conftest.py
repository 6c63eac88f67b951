"""What the tests with GDB have in common."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["el", "eb"])
def order(request: pytest.FixtureRequest) -> str:
    """The guest's byte order, as its file's name has it."""
    return str(request.param)
