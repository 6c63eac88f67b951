"""What the documents show is what the programs say."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.conftest import PYPI_GDB
from tests.transcripts import PROJECT, given_to, is_as_shown, read_page, run_page, written_anew

PAGES = {
    str(path.relative_to(PROJECT)): page
    for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
    if (page := read_page(path.read_text())).entries
}
#: Pages whose guests are Debian's.
_DEBIAN = {"docs/u-boot.md": ("u-boot-qemu",), "docs/linux.md": ("linux-image-4kc-malta:mipsel",)}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.real(*_DEBIAN.get(name, ()))) for name in PAGES])
def test_every_transcript_is_what_is_said(name: str) -> None:
    assert PYPI_GDB.is_file(), "pip install '.[gdb]'"
    wrong = [
        "\n".join(
            difflib.unified_diff(
                entry.said, said, f"{name}:{entry.first + 1} {entry.command}", "said now", "", "", 9, ""
            )
        )
        for entry, said in run_page(PAGES[name], given_to(Path(name).name))
        if not is_as_shown(entry.said, said)
    ]
    assert not wrong, "\n".join(wrong) + f"\n(python -m tests.transcripts {name} writes what is said now)"


def test_a_transcript_that_says_something_else_is_found() -> None:
    text = (
        '```text title="a"\none\n```\n'
        "```console\n$ cat a\ntwo\n\n$ echo 1.5 s; \\\n  echo x; seq 9\n2.5 s\nx\n1\n...\n9\n```\n"
    )
    (first, said), (second, said_then) = run_page(read_page(text))
    assert said == ["one"] and not is_as_shown(first.said, said)
    assert is_as_shown(second.said, said_then)
    assert not is_as_shown(second.said, said_then[:-1]) and not is_as_shown(second.said, [*said_then, "more"])
    assert written_anew(text) == text.replace("two", "one")


def test_no_page_is_without_its_transcripts() -> None:
    assert {"README.md", "docs/first-hour.md", "docs/cookbook.md", "docs/u-boot.md", "docs/linux.md"} <= PAGES.keys()
