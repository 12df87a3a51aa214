"""Boards, and their page open in the real browser, without a network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shape_audit.leaderboard import page_html
from shape_audit.records import Board
from tests.leaderboard.boards import real_board, small_board

OpenPage = Callable[..., Any]
PHONE = 500
"""Pixels; on a narrower screen models are cards."""
PATIENCE_MS = 600_000
"""What a page may take on a busy machine, where a browser starts with scripts of megabytes."""


@pytest.fixture(scope="session")
def small() -> Board:
    return small_board()


@pytest.fixture(scope="session")
def real() -> Board:
    return real_board()


@contextmanager
def pages(browser: Any, folder: Path) -> Iterator[OpenPage]:
    """`open_page(board, width=390, scheme="dark")` -> its page, from disk, on a phone of that width with a finger for a
    mouse, or with touch=True on a tablet; at the end: no error, and no request."""
    contexts: list[Any] = []
    faults: list[str] = []
    requests: list[str] = []

    def refused(dialog: Any) -> None:
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()  # an open one holds the page, and with it the test

    def opened(board: Board, *, width: int = 1280, scheme: str = "light", touch: bool = False) -> Any:
        file = folder / "index.html"
        file.write_text(page_html(board), encoding="utf-8")
        is_mobile = touch or width < PHONE
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, has_touch=is_mobile,
            is_mobile=is_mobile,
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", refused)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("#board tbody tr")
        if len(board.rows) < 100:
            page.select_option("#models .dt-length select", "-1")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults
    assert not [url for url in requests if not url.startswith(("file:", "data:"))]


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[OpenPage]:
    """Opens pages for one test; see `pages`."""
    with pages(browser, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def untouched(browser: Any, small: Board, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page of the small board, for tests that only look at it or scroll."""
    with pages(browser, tmp_path_factory.mktemp("page")) as opened:
        yield opened(small)
