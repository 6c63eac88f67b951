"""A few hundred of the crafted files that ``make fuzz-files`` uses by the hundred thousand."""

from __future__ import annotations

import pytest

from tests.fuzz.crafted import Recording
from tests.fuzz.files import run, whole_recording


@pytest.fixture(scope="module")
def whole() -> Recording:
    """What recordings and packs are made from."""
    return whole_recording()


@pytest.mark.parametrize("kind", ["journals", "stores", "packs", "executables", "boards"])
def test_crafted_files_do_no_harm(whole: Recording, kind: str) -> None:
    refused, _, wrong = run(kind, 0, 200, whole)
    assert not wrong, "\n".join(wrong)
    assert refused > 20
