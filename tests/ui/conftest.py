"""A recording for pages, a page of it, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.served_page import Page, record, served_page


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example guest's run."""
    return record(tmp_path_factory.mktemp("recording") / "tank.rec")


@pytest.fixture(scope="module")
def page(recording: Path) -> Iterator[Page]:
    """A page of it, which the tests of a file share."""
    with served_page("ui", recording) as page:
        yield page


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Debian's Chromium without a screen."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument("--window-size=1440,900")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    driver.set_page_load_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()
