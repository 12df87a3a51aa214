"""The Space's own app.py, served and looked at in the real browser: what a visitor does, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from shape_audit.hub.builtin_models import builtin_folder
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import Stall
from tests.processes import LONG, ends_with_parent, left_after_end

ROOT = Path(__file__).resolve().parents[2]
FOUR = ["org/a", "org/b@main", "builtin:zoo-300k-16x40", "builtin:zoo-300k-1x144"]
FIELD = "Models (up to 4)"
GRADIOS_OWN = "/gradio_api/cancel", "/gradio_api/reset"
"""It asks to end what has not begun, and is refused."""


@pytest.fixture(scope="module")
def hub_of_app() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.add_model("org/a", builtin_folder("bytes-1m"))
        hub.add_model("org/b", builtin_folder("zoo-300k-4x80"))
        hub.add_model("org/secret", builtin_folder("zoo-300k-12x48"))
        hub.make_private("org/secret")
        yield hub


@pytest.fixture(scope="module")
def server(hub_of_app: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The Space as it is started by the Hub, with a token of its own and a short queue: address, process."""
    if find_spec("gradio") is None:  # to import it would take seconds, and here nothing needs it
        pytest.skip("gradio (extra app) is not installed: no app tests")
    home = tmp_path_factory.mktemp("home")
    settings = {
        "HF_ENDPOINT": hub_of_app.endpoint, "HF_TOKEN": hub_of_app.token_with_access, "HF_HOME": str(home),
        "HF_HUB_ETAG_TIMEOUT": str(LONG),
        "SHAPE_AUDIT_APP_PORT": "0", "SHAPE_AUDIT_APP_MEASURE_UP_TO": "500k", "SHAPE_AUDIT_APP_AT_ONCE": "1",
        "SHAPE_AUDIT_APP_WAITING": "1", "SHAPE_AUDIT_APP_PATIENCE": str(LONG), "TMPDIR": str(home), "no_proxy": "*",
    }  # fmt: skip
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SHAPE_AUDIT_", "HF_"))}
    with subprocess.Popen(
        [sys.executable, ROOT / "space" / "app.py"], cwd=home, env=ours | {"PYTHONPATH": str(ROOT)} | settings,
        stderr=subprocess.PIPE, text=True, preexec_fn=ends_with_parent,
    ) as process:  # fmt: skip
        assert process.stderr
        said = process.stderr.readline()
        assert "serving at http://0.0.0.0:" in said, said + process.stderr.read()
        yield f"http://127.0.0.1:{said.split(':')[2].split()[0]}", process.pid
        process.terminate()
        assert process.wait(LONG) == 130
        left = process.stderr.read()
    assert left == "shape-audit: interrupted; nothing half-written was left behind\n"
    assert not [path for path in home.rglob("*") if path.is_file()]


@pytest.fixture
def open_page(browser: Any, server: tuple[str, int]) -> Iterator[Any]:
    """`open_page(query, width=390)` -> the page; at the end: no fault, and nothing asked of another host."""
    contexts, faults, requests = [], [], []

    def opened(query: str = "", *, width: int = 1280, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(LONG * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.on(
            "response",
            lambda answer: faults.append(f"{answer.status} {answer.url}")
            if answer.status >= 400 and not answer.url.endswith(GRADIOS_OWN) and answer.status != 503 else None,
        )  # fmt: skip
        page.goto(server[0] + "/" + query)
        page.get_by_label(FIELD).wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults
    assert not [url for url in requests if not url.startswith((server[0], "data:", "blob:"))]


def ask(page: Any, names: str) -> None:
    page.get_by_label(FIELD).fill(names)
    page.get_by_role("button", name="Show", exact=True).click()


def test_a_link_shows_four_models_side_by_side_at_any_width(open_page: Any) -> None:
    query = "?" + "&".join(f"model={name}" for name in FOUR) + "&yardstick=morph"
    page = open_page(query, width=390, scheme="dark")
    page.locator("#shown .card .check").nth(3).wait_for()
    assert page.get_by_label(FIELD).input_value() == " ".join(FOUR)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator("#shown .curve .narrow .asked").count() == 4
    assert (
        page.locator("#shown .curve .wide").is_hidden() and "morph" in page.locator("#shown .card").first.inner_text()
    )
    assert page.locator("#shown .share a").get_attribute("href") == query
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.locator("#shown .curve .wide .asked").count() == 4 and page.locator("#shown .curve .narrow").is_hidden()
    page.locator("#shown .curve .wide .near").first.hover()
    assert page.locator("#shown .curve .wide .near .tip").first.is_visible()
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page, context="#shown").response["violations"]
    assert not found, [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]


@pytest.mark.long
def test_a_visitors_own_token_opens_their_private_model_and_stays_with_them(
    open_page: Any, server: tuple[str, int], hub_of_app: LoopbackHub
) -> None:
    page = open_page()
    ask(page, "org/secret")
    refused = page.locator("#shown .problem")
    refused.wait_for()
    assert "org/secret: not found on the Hub, or private" in refused.inner_text()
    page.get_by_role("button", name="Options").click()
    token = page.get_by_label("Your Hub token")
    assert token.get_attribute("type") == "password"
    token.fill(hub_of_app.token_with_access)
    ask(page, "org/secret")
    page.locator("#shown .card .check").wait_for()
    page.wait_for_url(lambda address: address == f"{server[0]}/?model=org/secret")
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert hub_of_app.token_with_access not in page.locator("#shown").inner_html() + kept
    stranger = open_page("?model=org/secret")
    stranger.locator("#shown .problem").wait_for()
    assert stranger.locator("#shown .card").count() == 0


@pytest.mark.long
def test_what_is_no_name_is_shown_as_text_in_one_line(open_page: Any) -> None:
    page = open_page()
    for names in ("<img/src=x/onerror=alert(1)>", "../../etc/passwd", "${alert(1)}{{alert(2)}}", "a b c d e"):
        ask(page, names)
        problem = page.locator("#shown .problem", has_text=names if " " not in names else "at most 4 models")
        problem.wait_for()
        assert "\n" not in problem.inner_text() and page.locator("#shown img").count() == 0
    assert open_page("?model=../etc").locator("#shown .problem").inner_text().startswith("../etc: no model")


@pytest.mark.long
def test_a_small_model_is_measured_with_progress(open_page: Any) -> None:
    page = open_page("?model=builtin:zoo-300k-1x144&measure=1")
    page.locator("#measured progress").wait_for()
    page.locator("#measured table").wait_for()
    assert "over 32 windows of 256 tokens" in page.locator("#measured").inner_text()
    assert page.locator("#measured tbody tr").count() == 2
    page.get_by_role("button", name="Options").click()
    assert page.get_by_label("Measure models of up to 500k parameters too").is_checked()


@pytest.mark.long
def test_what_is_asked_while_an_answer_is_under_way_is_answered_next(open_page: Any, hub_of_app: LoopbackHub) -> None:
    page = open_page()
    stalled = hub_of_app.fault(Stall(seconds=2, first=1))
    ask(page, "org/a")
    while not stalled.times_applied:
        page.wait_for_timeout(100)
    ask(page, "a b c d e")
    page.locator("#shown .problem", has_text="at most 4 models").wait_for()
    hub_of_app.clear_faults()


@pytest.mark.long
def test_who_comes_to_a_full_queue_is_told_and_who_leaves_ends_their_process(
    open_page: Any, server: tuple[str, int], hub_of_app: LoopbackHub
) -> None:
    import psutil

    pages = [open_page() for _ in range(3)]
    stalled = hub_of_app.fault(Stall(seconds=LONG))
    ask(pages[0], "org/a")
    while not stalled.times_applied:  # until it is being answered
        pages[0].wait_for_timeout(200)
    readers = [child.pid for child in psutil.Process(server[1]).children()]
    assert len(readers) == 1
    with pages[1].expect_response("**/queue/join**") as waiting:
        ask(pages[1], "org/a")
    with pages[2].expect_response("**/queue/join**") as turned_away:
        ask(pages[2], "org/a")
    assert (waiting.value.status, turned_away.value.status) == (200, 503)
    pages[2].get_by_text("This application is currently busy").first.wait_for()
    pages[0].context.close()
    hub_of_app.clear_faults()
    assert not left_after_end(readers)
    pages[1].locator("#shown .card").wait_for()  # its turn has come


@pytest.mark.long
def test_a_dead_hub_ends_in_one_line(open_page: Any, hub_of_app: LoopbackHub) -> None:
    hub_of_app.stop()
    try:
        page = open_page("?model=org/a&model=builtin:zoo-300k-1x144")
        page.locator("#shown .problem").wait_for()
        assert "org/a: the connection to the Hub failed" in page.locator("#shown .problem").inner_text()
        page.locator("#shown .card .check").wait_for()  # the other model is shown all the same
    finally:
        hub_of_app.restart()
