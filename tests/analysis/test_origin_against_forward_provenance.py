"""Origins of random bytes of generated guests are those that a run in single steps carries forward."""

from __future__ import annotations

import pytest

from tests.analysis.forward_provenance import compare


@pytest.mark.parametrize("seed", range(6))
def test_origins_equal_those_carried_forward(seed: int) -> None:
    assert compare(seed, 50) == 50
