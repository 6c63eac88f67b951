"""A page, as somebody in front of a browser uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.ui.served_page import Page

_PATIENCE = 30.0


class PageInBrowser:
    """An open page.

    Args:
        driver: the browser.
        page: what it opens.
    """

    def __init__(self, driver: WebDriver, page: Page) -> None:
        self.driver = driver
        self.page = page
        driver.get(page.url)
        self.until(lambda: "icount" in self.text("#state"))

    def find(self, selector: str) -> WebElement:
        """The first element that fits."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """All that fit."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What it shows."""
        return str(self.driver.execute_script("return document.querySelector(arguments[0]).innerText", selector))

    def texts(self, selector: str) -> list[str]:
        """What each shows, in order."""
        script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText)"
        return list(self.driver.execute_script(script, selector))

    def click(self, selector: str) -> None:
        """Click on it."""
        self.find(selector).click()

    def keys(self, *keys: str, at: str = "body") -> None:
        """Press keys there."""
        self.find(at).send_keys(*keys)

    def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until something is so, and give it."""
        deadline = time.monotonic() + _PATIENCE
        while not (found := holds()):
            assert time.monotonic() < deadline, f"{self.text('body')}\n{self.complaints()}"
            time.sleep(0.05)
        return found

    def stands_at(self, icount: int) -> None:
        """Wait until the page says that the guest stands there."""
        self.until(lambda: self.text("#state").startswith(f"icount {icount} "))

    def complaints(self) -> list[str]:
        """What the browser has to complain about: errors of the script, breaches of its policy."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]
