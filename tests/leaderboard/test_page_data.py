"""What the page holds before any browser reads it: the board's numbers, and nothing that would be fetched."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shape_audit.leaderboard import page_html
from shape_audit.leaderboard.build.comparable import largest_comparable_set
from shape_audit.leaderboard.page.data import link_of, page_data, relative_depth
from shape_audit.records import Board
from shape_audit.scores import LM_EVAL_LETTERS
from tests.leaderboard.boards import HOSTILE, bare_board, measurement, row, score, small_board

LOADING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping", "manifest", "xlink:href"}


class Elements(HTMLParser):
    """All start tags with their attributes, and the content of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags:
            self.texts.setdefault(self.tags[-1][0], []).append(data)


@pytest.fixture(scope="module")
def html(small: Board) -> str:
    return page_html(small)


def embedded(html: str) -> Any:
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, flags=re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


def test_nothing_of_the_page_would_be_loaded(html: str) -> None:
    elements = Elements()
    elements.feed(html)
    for tag, attributes in elements.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        assert not LOADING & set(attributes), (tag, attributes)
        if "href" in attributes:
            href = attributes["href"] or ""
            assert href.startswith("#") or (href in ("table.csv", "table.parquet") and "download" in attributes)
    assert "@import" not in "".join(elements.texts["style"])
    assert set(re.findall(r"url\(([^)]{5})", "".join(elements.texts["style"]))) <= {"data:"}


def test_only_the_scripts_of_the_page_may_run(html: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy and policy[1].startswith("default-src 'none'; script-src 'sha256-")
    run = re.findall(r"<script(?: type=\"(?:module|text/plain)\"[^>]*)?>", html)
    assert policy[1].count("'sha256-") == len(run) == 4
    assert "unsafe-eval" not in policy[1] and "http" not in policy[1]


def test_equal_boards_give_equal_bytes(html: str) -> None:
    assert page_html(Board.model_validate_json(small_board().model_dump_json())) == html


def test_every_number_is_there_once_as_the_board_has_it(small: Board, html: str) -> None:
    content = embedded(html)
    assert [one["model"] for one in content["rows"]] == [row.model for row in small.rows]
    for one, given_row in zip(content["rows"], small.rows, strict=True):
        assert (one["r"], one["distance"], one["params"]) == (
            given_row.r_dw, given_row.log_distance, given_row.params_total,
        )  # fmt: skip
        assert [score["value"] for score in one["scores"]] == [score.value for score in given_row.scores]
        if given_row.measured:
            sites = given_row.measured.sites
            assert [point[1] for point in one["measured"]["profile"]] == [site.aofe_ratio for site in sites]
            assert [point[0] for point in one["measured"]["profile"]][:: len(sites) - 1] == [0, 1]
    third = small.rows[3].log_distance
    assert third and html.count(repr(third)) == sum(one.log_distance == third for one in small.rows)


def test_no_name_can_end_the_data_or_start_an_element(html: str) -> None:
    block = html.partition('id="data">')[2].partition("</script>")[0]
    assert not re.search("[<>&]", block)
    assert not any(name in html for name in HOSTILE)


def test_only_addresses_of_the_web_become_links() -> None:
    assert link_of("https://example.org/a?b=c") == "https://example.org/a?b=c"
    for text in (
        "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "github:a/b@c", "https:", "https://a b",
        "see https://example.org", "java\tscript:alert(1)", "//example.org", "", "https://[", " https://example.org",
    ):  # fmt: skip
        assert link_of(text) is None, text


@given(st.text())
def test_any_source_is_a_web_address_or_text(source: str) -> None:
    assert link_of(source) is None or source.lower().startswith(("http://", "https://"))


def test_measurements_of_different_settings_are_not_mixed() -> None:
    rows = [
        row(
            number, measured=measurement(number, 12, 512, protocol="loss-gradient" if number % 3 else "output-gradient")
        )
        for number in range(9)
    ]
    found = largest_comparable_set(rows)
    assert found.rows == {1, 2, 4, 5, 7, 8} and found.setting and found.setting[0] == "loss-gradient"
    assert len(found.left_out) == 1 and found.left_out[0].startswith("3 measured by output-gradient")
    content = page_data(small_board(rows))
    assert content["plots"]["phase"]["rows"] == sorted(found.rows)
    assert [one["measured"]["comparable"] for one in content["rows"]] == [number in found.rows for number in range(9)]


def test_a_board_without_measurements_scores_or_rows_has_a_page() -> None:
    bare = small_board([]).model_copy(update={"protocols": []})
    assert embedded(page_html(bare))["rows"] == []
    assert "Nothing can be said." in page_html(bare)
    assert "(left out: models without a score of this protocol: 5)" in page_html(bare_board())


@pytest.mark.parametrize(
    ("site", "layers", "depth"),
    [("embedding", 12, 0.0), ("block.11", 12, 1.0), ("block.0", 4, 0.25), ("output", 12, None), ("block.x", 3, None),
     ("block.0", None, None)],
)  # fmt: skip
def test_relative_depth(site: str, layers: int | None, depth: float | None) -> None:
    assert relative_depth(site, layers) == depth


def test_the_front_door_is_light() -> None:
    script = (
        "import sys, shape_audit.leaderboard; "
        "print(sorted({'torch', 'transformers', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scores_that_errors_do_not_tell_from_the_highest_are_marked() -> None:
    values = [0.400, 0.395, 0.380]
    rows = [row(i, scores=[score(f"org/{i}", value)]) for i, value in enumerate(values)]
    board = small_board().model_copy(update={"rows": rows, "protocols": [LM_EVAL_LETTERS]})
    told = [one["scores"][0].get("best", False) for one in page_data(board)["rows"]]
    assert told == [True, True, False]  # .004 each: 1.96 sqrt(2) .004 = .011


def test_only_names_of_repositories_become_links_to_them() -> None:
    names = {"org/model-1.5B": True, "model": False, "./folder/model": False, "org/<b>x</b>": False, "org/a/b": False}
    board = small_board().model_copy(update={"rows": [row(i, name) for i, name in enumerate(names)]})
    assert [one["hub"] for one in page_data(board)["rows"]] == list(names.values())
