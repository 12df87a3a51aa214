"""What a page in a browser shows, and waiting for it."""

import time
from collections.abc import Callable
from typing import Any

from tests.leaderboard.conftest import PATIENCE_MS

ROWS = "#board tbody tr"
COLUMNS = {
    name: number + 1
    for number, name in enumerate((
        "model", "family", "kind", "released", "license", "params", "layers", "r", "side", "distance", "cost", "score",
        "size", "official", "bits", "used", "alignment", "ratio", "functional", "cheap",
    ))
}  # fmt: skip


def cells(page: Any, name: str) -> list[str]:
    """The texts of a column, as they stand in the document."""
    number = COLUMNS[name] + 1
    found: list[str] = page.locator(f"{ROWS} > :nth-child({number})").all_inner_texts()
    return found


def models(page: Any) -> list[str]:
    found: list[str] = page.locator(f"{ROWS} .name").all_text_contents()
    return found


def sorted_by(page: Any, name: str, direction: str) -> None:
    """Wait until the table is: DataTables sorts after the event, not in it."""
    head = f"#board thead th:nth-child({COLUMNS[name] + 1})"
    page.wait_for_selector(f"{head}[aria-sort={direction}]")


def until(holds: Callable[[], bool]) -> None:
    """Wait for what the page does after an event. (Playwright's own waiting for a condition evaluates text, which the
    page's content security policy forbids.)

    Args:
        holds: asks the page. `page.url` does not: it is what the last question brought along, and stays.
    """
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def drawn(page: Any, name: str) -> None:
    """Scroll a plot near, and wait for it to be drawn."""
    page.locator(f"#{name}-plot").scroll_into_view_if_needed()
    page.wait_for_selector(f"#{name}-plot .main-svg")
