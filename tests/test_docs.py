"""What the documentation names is there."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_every_test_that_the_documents_name_exists() -> None:
    named = {
        match
        for document in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
        for match in re.findall(r"\b(tests/[\w/.]+\.py)(?:::(\w+))?", document.read_text())
    }
    assert len(named) > 50
    missing = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (PROJECT / file).is_file() or (name and f"\ndef {name}(" not in (PROJECT / file).read_text())
    ]
    assert missing == []


def test_the_document_names_every_packet() -> None:
    from rdbg.stub.features import FEATURES

    document = (PROJECT / "docs" / "gdb.md").read_text()
    text = document[document.index("## Packets") : document.index("## GDB's commands")]
    said = set(re.findall(r"[\w?!]+", text))
    names = {name.decode() for feature in FEATURES for name in (*feature.packets, *feature.words)}
    words = {re.split(r"[:;,]", name)[0].rstrip("?") or name for name in names}
    assert {word for word in words if word not in said and f"{word}0" not in said} == set()
