"""What is served is what the page's sources say."""

from __future__ import annotations

import hashlib
from pathlib import Path

UI = Path(__file__).resolve().parents[2] / "rdbg" / "ui"


def test_the_page_was_built_from_these_sources() -> None:
    digest = hashlib.sha256()
    for path in sorted((UI / "page_sources").iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    assert (UI / "page" / "built-from.txt").read_text().strip() == digest.hexdigest(), "make page builds it again"


def test_the_page_asks_no_other_computer_for_anything() -> None:
    for path in (UI / "page").iterdir():
        if path.name not in ("uplot-licence.txt", "icon.svg"):
            text = path.read_text()
            assert "https://" not in text and "http://" not in text.replace("http://www.w3.org/", ""), path.name
    assert "MIT License" in (UI / "page" / "uplot-licence.txt").read_text()
