"""The documentation as a site: every link leads somewhere, and nothing is fetched from elsewhere when it is read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
#: What a browser fetches by itself; links that a reader follows are not among it.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(?:https?:)?//"""
    r"""|<link(?![^>]*rel="?canonical)[^>]*\shref=["']?(?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|@import"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--site-dir", folder],
        cwd=PROJECT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_in_the_site_and_in_its_navigation(site: Path) -> None:
    home = (site / "index.html").read_text()
    for page in (PROJECT / "docs").glob("*.md"):
        if page.name != "README.md":
            assert (site / f"{page.stem}.html").is_file()
            assert f'href="{page.stem}.html"' in home


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    files = [path for kind in ("html", "css") for path in site.rglob(f"*.{kind}")]
    assert len(files) > 20
    assert [path.name for path in files if _FETCHED.search(path.read_text())] == []


def test_the_overview_lists_every_page() -> None:
    listed = set(re.findall(r"^\* \[([\w.-]+)\]", (PROJECT / "docs" / "README.md").read_text(), re.MULTILINE))
    assert listed == {page.name for page in (PROJECT / "docs").glob("*.md")} - {"README.md"}
