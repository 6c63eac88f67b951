"""Who may look at a page, and who may not: no other page of the same browser, and nobody without its address."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ui.served_page import Page, served_page

_JSON = "application/json"


def test_the_page_runs_no_script_but_its_own(page: Page) -> None:
    reply = page.request("GET", page.path)
    assert reply.status == 200 and b"<script defer src=" in reply.body
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"  # the token is in its address
    assert "access-control-allow-origin" not in reply.headers
    assert b"style=" not in reply.body and b"onclick" not in reply.body and b"http://" not in reply.body


@pytest.mark.parametrize("what", ["", "page/page.js", "api/about", "api/states", "api/console", "api/gdb"])
def test_without_the_token_there_is_nothing(page: Page, what: str) -> None:
    token = page.path.strip("/")
    for given in ("", "x", token[:-1], token + "x", token.swapcase(), "%00", "%C3%A9", "%FF"):
        path = f"/{given}/{what}" if given else f"/{what}"
        assert page.request("GET", path).status == 404
    assert page.request("GET", f"/{token}").status == 404
    assert token not in page.request("GET", "/").body.decode()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "localhost.:{port}"]
)
def test_a_name_that_was_made_to_lead_here_leads_nowhere(page: Page, host: str) -> None:
    for what in ("", "api/console"):
        assert page.request("GET", page.path + what, Host=host.format(port=page.port)).status == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", ""]
)
def test_another_page_can_ask_and_move_nothing(page: Page, origin: str) -> None:
    before = page.state()
    headers = {"Origin": origin.format(port=page.port), "content_type": _JSON}
    assert page.request("GET", page.path + "api/about", **headers).status == 403
    assert page.request("POST", page.path + "api/obey", '{"line": "goto 50%"}', **headers).status == 403
    assert page.state() == before


def test_what_a_form_of_another_page_can_send_moves_nothing(page: Page) -> None:
    before, path, body = page.state(), page.path + "api/obey", '{"line": "goto 50%"}'
    assert page.request("POST", path, body, content_type=_JSON).status == 403
    assert page.request("POST", path, body, Origin=page.origin, content_type="text/plain").status == 403
    assert page.request("GET", page.path + "api/about", sec_fetch_site="cross-site").status == 403
    assert page.request("GET", page.path + "api/obey").status == 405
    assert page.state() == before


@pytest.mark.parametrize(
    "name",
    ["../page_server.py", "..%2fpage_server.py", "%2e%2e/page_server.py", "....//page_server.py", "/etc/passwd",
     "%2fetc%2fpasswd", "..\\page_server.py", "page.js%00.css", "built-from", "", ".", ".js", "a" * 3000 + ".js"],
)  # fmt: skip
def test_no_file_but_the_page_s_own_can_be_had(page: Page, name: str) -> None:
    reply = page.request("GET", f"{page.path}page/{name}")
    assert reply.status == 404 and b"import" not in reply.body and b"root:" not in reply.body


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("quit", "no command that a page may give"),
        ("savevm x", "no command that a page may give"),
        ("goto 1\nquit", "no command"),
        ("goto " + "1" * 300, "no command"),
        (5, "no command"),
        ("", "no command"),
    ],
)
def test_a_page_can_give_few_commands(page: Page, line: object, words: str) -> None:
    before = page.state()
    headers = {"Origin": page.origin, "content_type": _JSON}
    reply = page.request("POST", page.path + "api/obey", json.dumps({"line": line}), **headers)
    assert reply.status == 400 and words in reply.json["error"]
    assert page.state() == before


@pytest.mark.parametrize("body", ["", "[", "[]", '"x"', "{}", "x" * 5000, "[" * 4000, "9" * 4000])
def test_a_request_that_makes_no_sense_is_said_to(page: Page, body: str) -> None:
    reply = page.request("POST", page.path + "api/obey", body, Origin=page.origin, content_type=_JSON)
    assert reply.status in (400, 413)
    assert page.request("GET", page.path).status == 200


@pytest.mark.parametrize(
    "query",
    ["console?count=x", "console?first=-9&at=1e9", "console?console=7", "console?at=99999999999999999999999",
     "calls?from=9&to=5", "calls?from=5&to=5", "tracks?from=5&to=5", "heat?from=9&to=5"],
)  # fmt: skip
def test_values_that_make_no_sense_are_said_to(page: Page, query: str) -> None:
    reply = page.request("GET", f"{page.path}api/{query}")
    assert reply.status == 400 and reply.json["error"]


def test_two_pages_have_two_addresses(recording: Path, page: Page) -> None:
    with served_page("ui", recording) as other:
        assert other.path != page.path and len(other.path) >= 22
        assert page.request("GET", other.path).status == 404
