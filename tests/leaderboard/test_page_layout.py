"""The page on screens of several widths, under a pointer and a finger, and of boards that lack what others have."""

import re
from typing import Any

import pytest

from shape_audit.leaderboard.page.data import column_words
from shape_audit.records import Board
from tests.leaderboard.boards import bare_board
from tests.leaderboard.conftest import OpenPage
from tests.leaderboard.looking import ROWS, drawn, models, until


@pytest.mark.long
def test_a_board_without_scores_has_no_empty_plot(open_page: OpenPage, small: Board) -> None:
    rows = [row.model_copy(update={"scores": []}) for row in small.rows]
    page = open_page(small.model_copy(update={"rows": rows}))
    drawn(page, "phase")
    names = page.evaluate("document.getElementById('phase-plot').data.map((t) => t.name)")
    assert names and not any("score" in name for name in names)
    assert page.locator("#shape-heading").is_hidden() and page.locator("#cost-heading").is_visible()
    assert page.inner_text("#phase-heading") == "Phase plot: interaction"
    page.fill("#filter-text", "no such model")
    until(lambda: page.inner_text("#cost-note") == "No model that the filters leave has a cost.")


def test_what_no_model_has_takes_no_room(open_page: OpenPage) -> None:
    """Neither columns nor filters nor plots; and the order is by what the models do have."""
    board = bare_board()
    page = open_page(board)
    names = page.locator("#board thead button.about").evaluate_all("(found) => found.map((one) => one.dataset.about)")
    assert {"shape_cost", "ratio", "alignment"} < set(names)
    assert not {"family", "kind", "score", "size-0"} & set(names) and not any("-1" in name for name in names)
    assert not page.locator("#filter-family, #filter-protocol").count() and page.locator("#filter-license").count()
    costs = {row.model: row.shape_cost for row in board.rows}
    assert models(page) == sorted(costs, key=lambda name: costs[name] or 0) != [row.model for row in board.rows]
    assert page.input_value("#sort") == "shape_cost"


@pytest.mark.long
def test_a_page_promises_no_intervals_that_are_not_there(open_page: OpenPage, small: Board) -> None:
    page = open_page(bare_board())
    assert page.inner_text("#models .verdict") == "5 models were measured on 4 windows: no intervals, which need 6."
    heads = page.inner_text("#board thead")
    assert heads.count("95 %") == 1 and "of loss, 95 %" in heads  # the cost's, which the yardstick gives
    drawn(page, "phase")
    assert "in 4 windows of 256 tokens" in page.inner_text("#phase-note")
    told = [page.inner_text(part) for part in ("#phase-note", "#comparison .key", "#profile-numbers", "#provenance")]
    assert not any("95 %" in text for text in told)
    page = open_page(small)
    assert page.locator("#models .verdict").count() == 0 and page.inner_text("#board thead").count("95 %") == 3
    drawn(page, "phase")
    assert all("95 %" in page.inner_text(part) for part in ("#phase-note", "#comparison .key"))


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_chosen_stays_readable_under_the_pointer(open_page: OpenPage, small: Board, scheme: str) -> None:
    """A ticked row, and the number of the page: the table's library has colours of its own for them, the row's in a
    shadow that no check of contrast sees."""
    page = open_page(small, scheme=scheme)
    line = page.locator("#board tbody tr.selected").first
    style = (
        "(cell) => { const { boxShadow, backgroundColor, color } = getComputedStyle(cell);"
        " return [boxShadow, backgroundColor, color] }"
    )
    before = [cell.evaluate(style) for cell in line.locator("> *").all()]
    line.hover()
    assert [cell.evaluate(style) for cell in line.locator("> *").all()] == before
    assert {(shadow, ground) for shadow, ground, _ in before} == {("none", before[0][1])}
    for colour in (before[0][2], line.locator("a").first.evaluate(style)[2]):
        assert contrast(colour, before[0][1]) >= 4.5  # WCAG's bound for text
    number = page.locator(".dt-paging-button.current")
    number.hover()
    _, ground, colour = number.evaluate(style)
    assert contrast(colour, ground) >= 4.5


def contrast(one: str, other: str) -> float:
    """Of two colours as a browser states them: WCAG's ratio of their luminances."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.long
def test_a_ticked_card_is_wholly_of_its_colour(open_page: OpenPage, small: Board) -> None:
    """The last cell may stand alone in its line: the row beneath has the cells' colour."""
    page = open_page(small, width=390)
    card = page.locator("#board tbody tr.selected").first
    grounds = [
        part.evaluate("(part) => getComputedStyle(part).backgroundColor") for part in (card, card.locator("td").first)
    ]
    assert grounds[0] == grounds[1]


def scrolled_to_its_end(page: Any, selector: str) -> Any:
    """A box that says that it goes on until it is scrolled to its end."""
    box = page.locator(selector)
    page.wait_for_selector(f"{selector}.more")
    box.evaluate("(box) => { box.scrollLeft = box.scrollWidth }")
    page.wait_for_selector(f"{selector}:not(.more)")
    return box


@pytest.mark.long
def test_a_comparison_wider_than_the_screen_says_that_it_goes_on(open_page: OpenPage, small: Board) -> None:
    page = open_page(small, width=390)
    box = scrolled_to_its_end(page, "#side-by-side")
    assert box.locator("tbody th").first.bounding_box()["x"] >= 0, "the quantities' names stay"
    for row in small.rows[1:3]:
        page.get_by_label(f"Compare {row.model}", exact=True).uncheck()
    assert "more" not in (box.get_attribute("class") or "").split()


@pytest.mark.long
def test_a_finger_gets_what_a_pointer_gets(open_page: OpenPage, small: Board) -> None:
    """A tap on a header's question mark explains it, and one elsewhere ends that; a tap on a point names its model."""
    page = open_page(small, width=800, touch=True)
    page.get_by_label("What is Params?").tap()
    until(lambda: column_words()["params"]["about"] in page.locator("#about").inner_text())
    page.touchscreen.tap(4, 4)
    until(lambda: page.locator("#about").is_hidden())
    for name in ("shape", "phase", "cost", "any", "profile"):
        drawn(page, name)
        plot = page.locator(f"#{name}-plot")
        plot.evaluate("(plot) => plot.scrollIntoView({ block: 'center', behavior: 'instant' })")
        box = plot.locator(".point").first.bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_selector(f"#{name}-plot .hoverlayer text")
        said = plot.locator(".hoverlayer text").first.text_content()
        assert said.startswith("embedding") if name == "profile" else any(said.startswith(r.model) for r in small.rows)


def test_a_phone_shows_a_card_for_each_model(open_page: OpenPage, real: Board) -> None:
    page = open_page(real, width=390)
    page.locator("button.more").first.click()
    drawn(page, "shape")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    point = page.locator("#shape-plot .point").first
    page.locator("#shape-plot").scroll_into_view_if_needed()
    box = point.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#shape-plot .hoverlayer text")
    named = page.locator("#shape-plot .hoverlayer text").first.text_content()
    assert any(named.startswith(row.model) for row in real.rows), "a tap on a point names its model"
    page.select_option("#sort", "-params")
    sizes = {row.model: row.params_total or 0 for row in real.rows}
    until(lambda: sizes[models(page)[0]] == max(sizes.values()))
    card = page.locator(ROWS).first
    labels = card.locator("td:visible").evaluate_all("(cells) => cells.map((cell) => cell.dataset.label)")
    assert "Params" in labels and "Layers × width" in labels
    assert not any(cell.inner_text().strip() == "–" for cell in card.locator("td:visible").all())


@pytest.mark.long
def test_a_narrow_window_says_that_the_table_goes_on(open_page: OpenPage, real: Board) -> None:
    page = open_page(real, width=800)
    scrolled_to_its_end(page, "#table-scroll")
