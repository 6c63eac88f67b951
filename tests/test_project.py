"""The package itself: version, entry point."""

import rdbg


def test_version_is_a_release_number() -> None:
    assert all(part.isdigit() for part in rdbg.__version__.split("."))
