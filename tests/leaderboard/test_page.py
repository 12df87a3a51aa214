"""The page in a real browser, from disk, the network off; `open_page` fails a page that logs or asks for anything."""

from typing import Any

import numpy as np
import pytest

from shape_audit.leaderboard.page.data import column_words
from shape_audit.records import Board
from tests.leaderboard.boards import HOSTILE
from tests.leaderboard.conftest import PHONE, OpenPage
from tests.leaderboard.looking import COLUMNS, ROWS, cells, drawn, models, sorted_by, until


def test_what_the_table_shows_is_what_the_board_holds(untouched: Any, small: Board) -> None:
    page = untouched
    shown = dict(zip(models(page), range(30), strict=True))
    assert set(shown) == {row.model for row in small.rows}
    columns = {name: cells(page, name) for name in COLUMNS}
    for row in small.rows:
        at = shown[row.model]
        if row.failure:
            assert row.failure in columns["model"][at] and columns["r"][at] == "–"
            continue
        assert row.r_dw is not None and row.log_distance is not None and row.side is not None
        assert columns["layers"][at] == f"{row.num_hidden_layers} × {row.hidden_size:,}"
        assert columns["r"][at] == f"{row.r_dw:.4f}" and columns["distance"][at] == f"{row.log_distance:.2f}"
        assert row.shape_cost is not None and columns["cost"][at].startswith(f"{100 * row.shape_cost:.2f}")
        assert row.side in columns["side"][at]
        assert (columns["released"][at], columns["license"][at]) == (row.released or "–", row.license or "–")
        if row.measured:
            site, mark = row.measured.sites[0], "† other protocol" if row.measured.protocol != "loss-gradient" else ""
            assert columns["ratio"][at].startswith(f"{site.aofe_ratio:.3f}") and mark in columns["ratio"][at]
            assert site.aofe_ratio_ci and f"[{site.aofe_ratio_ci[0]:.3f}, " in columns["ratio"][at]
            assert columns["bits"][at].startswith(f"{row.measured.bits_per_byte:.3f}")
            assert f"random {site.aofe_ratio_random_basis:.3f}" in columns["ratio"][at]
            assert columns["alignment"][at].startswith(f"{site.channel_alignment:.3f}")
            assert site.share_of_width and columns["used"][at].startswith(f"{100 * site.share_of_width:#.3g}")
            assert f"{site.effective_rank:.1f}" in columns["used"][at]
            share, cheap = row.measured.functional_share, row.measured.cheap_blocks
            assert columns["functional"][at].startswith("–" if share is None else f"{100 * share:#.3g}")
            assert columns["cheap"][at].startswith("–" if cheap is None else f"{cheap} of {row.num_hidden_layers}")


def test_only_an_address_of_the_web_is_linked_as_a_licence(untouched: Any, small: Board) -> None:
    links = untouched.locator(f"{ROWS} > :nth-child({COLUMNS['license'] + 1}) a")
    targets = links.evaluate_all("(links) => links.map((link) => [link.textContent, link.getAttribute('href')])")
    linked = [row for row in small.rows if row.license and row.license_link == "https://example.org/license"]
    assert sorted(targets) == [[row.license, row.license_link] for row in linked]
    assert any(row.license_link == "javascript:alert(5)" for row in small.rows)


def test_scores_disagree_are_at_the_floor_or_limited_in_plain_sight(untouched: Any) -> None:
    page = untouched
    at = {model.rpartition("-")[2]: number for number, model in enumerate(models(page))}
    score, size, official = (cells(page, name) for name in ("score", "size", "official"))
    assert score[at["05"]].split() == ["16.2", "±", "0.4"] and size[at["05"]] == "-8.8"
    assert score[at["11"]].split() == [
        "31.0",
        "±",
        "0.4",
        "34.0",
        "±",
        "0.4",
        "disagree",
    ]  # the limited .9 is not there
    assert size[at["11"]].split() == ["+6.0", "+9.0"] and official[at["11"]] == "40.0 ± 0.4"
    assert ["⚑ chance" in score[at[name]] for name in ("00", "01", "02")] == [True, True, False]
    assert score[at["12"]] == "–"


def test_sorting_puts_unknown_and_incomparable_numbers_last(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    for direction in ("descending", "ascending"):
        page.locator("#board thead th").nth(COLUMNS["ratio"]).locator(".dt-column-order").click()
        sorted_by(page, "ratio", direction)
        shown = [float(cell.split()[0]) for cell in cells(page, "ratio")[:8]]
        assert shown == sorted(shown, reverse=direction == "descending") and len(set(shown)) == 8
        assert not any("†" in cell for cell in cells(page, "ratio")[:8])
    page.locator("#board thead th").nth(COLUMNS["model"]).locator(".dt-column-order").click()
    sorted_by(page, "model", "ascending")
    assert models(page) == sorted((row.model for row in small.rows), key=str.lower)


@pytest.mark.long
@pytest.mark.parametrize(
    ("order", "column", "direction"),
    [("-score", "score", "descending"), ("model", "model", "ascending"), ("-log_distance", "distance", "descending")],
)
def test_the_page_opens_in_the_manifests_order(
    open_page: OpenPage, small: Board, order: str, column: str, direction: str
) -> None:
    page = open_page(small.model_copy(update={"order": order}))
    sorted_by(page, column, direction)


@pytest.mark.long
def test_filters_leave_the_rows_they_name(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)

    def left() -> set[str]:
        return set(models(page))

    def expected(test: Any) -> set[str]:
        return {row.model for row in small.rows if test(row)}

    page.select_option("#filter-family", "family 2")
    assert left() == expected(lambda row: row.family == "family 2")
    page.select_option("#filter-side", "inside")
    assert left() == expected(lambda row: row.family == "family 2" and row.side == "inside")
    page.click("text=Clear")
    page.select_option("#filter-side", "failed")
    assert left() == expected(lambda row: row.failure)
    page.click("text=Clear")
    page.select_option("#filter-protocol", "1")
    assert left() == {"b-lab/model-11"}
    page.click("text=Clear")
    page.select_option("#filter-license", "own <b>words</b>")
    assert left() == expected(lambda row: row.license == "own <b>words</b>")
    page.click("text=Clear")
    page.fill("#filter-from", "0.2")
    page.fill("#filter-to", "0.5")
    assert left() == expected(lambda row: row.params_total and 2e8 <= row.params_total <= 5e8)
    page.click("text=Clear")
    page.fill("#filter-text", "e-lab")
    assert left() == expected(lambda row: row.model.startswith("e-lab"))
    page.fill("#filter-text", "no such model")
    assert page.inner_text("#board tbody") == "No model is left by the filters."


@pytest.mark.long
def test_ticked_models_have_their_profiles_drawn(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    drawn(page, "profile")
    assert page.locator("#profile-plot .subplot").count() == 3
    row = small.rows[5]
    assert row.measured
    box = page.get_by_label(f"Compare {row.model}", exact=True)
    box.focus()
    page.keyboard.press("Space")
    until(lambda: page.locator("#profile-plot .subplot").count() == 4)
    heads = page.locator("#profile-plot .annotation").all_text_contents()
    assert any(row.model in head and f"{row.num_hidden_layers} × {row.hidden_size:,}" in head for head in heads)
    lines = page.evaluate(
        "document.getElementById('profile-plot').data.filter((trace) => trace.hovertext).map((t) => t.y)"
    )
    assert lines[3] == [site.aofe_ratio for site in row.measured.sites]
    page.click(f"text=Numbers of {row.model}")
    table = page.locator("#profile-numbers details[open] tbody tr").all_inner_texts()
    site = row.measured.sites[1]
    assert site.aofe_ratio_ci and len(table) == len(row.measured.sites)
    low, high = site.aofe_ratio_ci
    assert table[1].split("\t") == [
        "block.0", f"{1 / row.num_hidden_layers:.3f}", f"{site.aofe_ratio:.4f}", f"[{low:.4f}, {high:.4f}]",  # type: ignore[operator]
    ]  # fmt: skip


@pytest.mark.long
def test_at_most_six_profiles_and_a_word_on_those_measured_otherwise(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    for number in (8, 3, 4):
        page.get_by_label(f"Compare {small.rows[number].model}", exact=True).check()
    assert "1 marked † measured by another protocol" in page.inner_text("#profiles-status")
    page.get_by_label(f"Compare {small.rows[5].model}", exact=True).click()
    assert "At most 6" in page.inner_text("#status")
    assert page.locator("#board input:checked").count() == 6
    failed = sum(bool(row.failure) for row in small.rows)
    assert page.locator("#board input[type=checkbox]").count() == len(small.rows) - failed


def test_plots_show_the_rows_that_may_stand_together(untouched: Any, small: Board) -> None:
    page = untouched
    drawn(page, "phase")
    points = page.evaluate(
        "document.getElementById('phase-plot').data.flatMap((t) => t.x.map((x, i) => [x, t.y[i]]))"
        ".filter(([x]) => x !== null)"
    )
    sites = [row.measured.sites[0] for row in small.rows[:8] if row.measured]
    assert sorted(map(tuple, points)) == sorted((site.aofe_normalized, site.aofe_ratio) for site in sites)
    assert "Left out: 1 measured by output-gradient" in page.inner_text("#phase-note")
    drawn(page, "shape")
    forms = page.evaluate("document.getElementById('shape-plot').data.map((t) => [t.name, t.marker?.symbol, t.x])")
    placed = {row.r_dw: row.side for row in small.rows}
    for name, form, across in forms:
        if form:
            assert {placed[x] for x in across} == {name.partition(",")[0]}
    assert len({form for _, form, _ in forms if form}) == len([form for _, form, _ in forms if form])


def test_every_model_is_on_the_yardsticks_curve(untouched: Any, small: Board) -> None:
    page = untouched
    drawn(page, "cost")
    traces = page.evaluate("document.getElementById('cost-plot').data.map((t) => [t.mode, t.name, t.x, t.y])")
    points = {x: y for mode, _, across, up in traces if mode == "markers" for x, y in zip(across, up, strict=True)}
    assert points == {row.r_dw: 100 * row.shape_cost for row in small.rows if row.r_dw and row.shape_cost is not None}
    curve = next((across, up) for _, name, across, up in traces if name == "law")
    between = np.interp(np.log(list(points)), np.log(curve[0]), curve[1])
    np.testing.assert_allclose(list(points.values()), between, atol=0.01)  # 60 straight pieces for a parabola
    assert "Gemstones" in page.inner_text("#cost-note")


@pytest.mark.long
def test_details_say_where_each_number_is_from(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    row = small.rows[11]
    button = page.get_by_label(f"Details of {row.model}", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    panel = page.locator(".details")
    words = panel.inner_text()
    assert row.record and row.record_sha256 and row.revision
    assert all(word in words for word in (row.record, row.record_sha256, row.revision, "2025-03-01", "limited run"))
    links = panel.locator("a").evaluate_all("(links) => links.map((link) => [link.getAttribute('href'), link.rel])")
    assert set(map(tuple, links)) == {("https://example.org/scores?a=1&b=2", "noopener noreferrer")}
    assert "javascript:alert(4)" in words
    page.keyboard.press("Enter")
    assert not panel.count()


@pytest.mark.long
def test_hostile_names_are_text(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    assert set(HOSTILE) < set(models(page))
    for name in HOSTILE:
        page.get_by_label(f"Details of {name}", exact=True).click()
    for plot in ("shape", "phase", "profile"):
        drawn(page, plot)
    assert page.locator("img[src=x]").count() == 0 and page.locator("#board b").count() == 0
    assert page.title() == small.title == page.inner_text("h1")
    assert page.locator("#provenance a").count() == 0


@pytest.mark.long
def test_every_column_says_what_it_means(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    heads, bubble = page.locator("#board thead th"), page.locator("#about")
    names = heads.locator("button.about").evaluate_all("(buttons) => buttons.map((one) => one.dataset.about)")
    words = column_words()
    assert len(names) == heads.count() and {name.partition("-")[0] for name in names} <= {*words, "r_dw"}
    order = models(page)
    heads.get_by_label("What is Cost, %?").click()
    assert words["shape_cost"]["about"] in bubble.inner_text()
    page.keyboard.press("Escape")
    assert bubble.is_hidden()
    heads.get_by_label("What is Params?").focus()
    page.keyboard.press("Enter")
    until(lambda: words["params"]["about"] in bubble.inner_text())
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.about") == "params"
    assert models(page) == order, "nothing was sorted"
    page.click("#columns summary")
    listed = page.locator("#column-list dd").all_inner_texts()
    assert listed == [words[name.partition("-")[0]]["about"] for name in names]


@pytest.mark.long
def test_the_keyboard_reaches_filters_sorting_and_rows(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen: list[str] = []
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.id"))
        if seen[-1].startswith("Model"):
            page.keyboard.press("Enter")
            sorted_by(page, "model", "ascending")
            assert models(page) == sorted((row.model for row in small.rows), key=str.lower)
        if seen[-1].startswith("Compare "):
            break
    assert "filter-text" in seen and "Table of models, scrolls sideways" in seen
    assert seen[-1].startswith("Compare ")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), pytest.param(390, "light", marks=pytest.mark.long)])
def test_axe_finds_no_fault(open_page: OpenPage, small: Board, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = open_page(small, width=width, scheme=scheme)
    for plot in ("shape", "phase", "profile"):
        drawn(page, plot)
    page.get_by_label(f"Details of {small.rows[11].model}", exact=True).click()
    page.click("#columns summary")
    if width > PHONE:
        page.get_by_label("What is Params?").click()
    found = axe.Axe().run(page).response["violations"]
    assert not [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found]


def test_the_address_keeps_what_was_chosen(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    page.select_option("#filter-family", "family 2")
    page.click("#columns summary")
    page.get_by_label("Family", exact=True).last.uncheck()
    page.locator("#board thead th.model").locator(".dt-column-order").click()
    page.wait_for_selector("#board thead th.model[aria-sort=ascending]")
    page.select_option("#axis-x", "layers")
    page.get_by_label(f"Compare {small.rows[2].model}", exact=True).uncheck()
    before = models(page)
    page.reload()
    page.wait_for_selector("#board tbody tr")
    assert models(page) == before == sorted(before, key=str.lower) and len(before) < len(small.rows)
    assert page.input_value("#filter-family") == "family 2" and page.input_value("#axis-x") == "layers"
    assert page.locator("#board thead button.about[data-about=family]").count() == 0
    assert page.locator("#side-by-side thead th").all_inner_texts()[1:] == [row.model for row in small.rows[:2]]
    page.click("nav >> text=Plots")
    page.wait_for_url(lambda address: "family" in address)


@pytest.mark.long
def test_ticked_models_stand_side_by_side(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    row = small.rows[20]
    assert row.measured is None
    page.get_by_label(f"Compare {row.model}", exact=True).check()
    heads = page.locator("#side-by-side thead th").all_inner_texts()
    lines = {
        line[0]: line[1:]
        for line in (each.split("\t") for each in page.locator("#side-by-side tbody tr").all_inner_texts())
    }
    assert lines["Layers × width"][heads.index(row.model) - 1] == f"{row.num_hidden_layers} × {row.hidden_size:,}"
    assert lines["Bits / byte"][heads.index(row.model) - 1] == "–"


@pytest.mark.long
def test_plots_follow_the_filters(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    drawn(page, "cost")
    drawn(page, "any")
    page.select_option("#filter-family", "family 2")
    left = [row for row in small.rows if row.family == "family 2" and not row.failure]
    costs = sum(row.shape_cost is not None for row in left)
    until(lambda: page.inner_text("#cost-note").startswith(f"{costs} models"))
    page.select_option("#axis-x", "layers")
    page.select_option("#axis-y", "params")
    points = "document.getElementById('any-plot').data.flatMap((t) => t.x.map((x, i) => [x, t.y[i]]))"
    assert sorted(map(tuple, page.evaluate(points))) == sorted((r.num_hidden_layers, r.params_total) for r in left)
    assert page.evaluate("document.getElementById('any-plot').layout.yaxis.type") == "log"
    page.select_option("#axis-x", "released")
    assert (
        page.is_disabled("#log-x") and page.evaluate("document.getElementById('any-plot').layout.xaxis.type") == "date"
    )
    dated = sorted((row.released, row.params_total) for row in left if row.released)
    assert dated and sorted(map(tuple, page.evaluate(points))) == dated


@pytest.mark.long
def test_a_chosen_theme_stays(open_page: OpenPage, small: Board) -> None:
    page = open_page(small)
    page.select_option("#theme", "dark")
    assert page.evaluate("document.documentElement.className") == "dark"
    page.reload()
    page.wait_for_selector("#board tbody tr")
    assert page.evaluate("document.documentElement.className") == "dark"


@pytest.mark.long
def test_the_real_board_shows_its_evidence_and_every_model(open_page: OpenPage, real: Board) -> None:
    page = open_page(real)
    assert "Loss at equal size: " in page.inner_text("#evidence-told > summary")
    page.click("#evidence-told > summary")
    claims = page.locator("#evidence .controlled")
    told = real.evidence[0].controlled
    assert [one.claim for one in told] == ["loss", "benchmarks"]
    shown = [" ".join(text.split()) for text in claims.all_inner_texts()]
    assert shown == [f"{one.verdict.capitalize()}. {one.summary}" for one in told]
    heads = page.locator("#evidence h3").all_inner_texts()
    assert [head.partition(":")[0] for head in heads] == [
        "Loss at equal size", "Benchmarks at equal size", "MMLU-Pro across families",
    ]  # fmt: skip
    last = claims.last.bounding_box()
    assert last["y"] + last["height"] < page.locator("#verdict").bounding_box()["y"], "they stand first"
    assert page.inner_text("#summary") == real.evidence[0].summary
    assert page.inner_text("#verdict") == f"{real.evidence[0].verdict.capitalize()}."
    assert f"of {len(real.rows)} models" in page.inner_text("#models")
    rests_on = page.locator("#evidence tbody tr").all_inner_texts()
    assert [line.split("\t")[1] for line in rests_on] == [str(one.n_models) for one in real.evidence]
    page.fill("#filter-text", "Qwen/Qwen2.5-7B")
    known = next(row for row in real.rows if row.model == "Qwen/Qwen2.5-7B")
    at = models(page).index(known.model)
    score = page.locator(ROWS).nth(at).locator("[data-label='MMLU-Pro, % lm-eval, letters']")
    assert score.inner_text().startswith(f"{100 * known.scores[0].value:.1f}")
    page.get_by_label(f"Details of {known.model}", exact=True).click()
    assert known.scores[0].source in page.inner_text(".details")
