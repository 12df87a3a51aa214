"""Kind 8: no text from outside is obeyed, whichever field of whichever report or page it stands in."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from pydantic import BaseModel
from rich.console import RenderableType

import shape_audit
from shape_audit.checks import formatted
from shape_audit.cli.failures import failed
from shape_audit.cli.sink import emit, note
from shape_audit.errors import IncompleteError
from shape_audit.escaping import json_text, markdown, terminal_text, visible
from shape_audit.interval import derive_interval
from shape_audit.leaderboard import page_html
from shape_audit.leaderboard.page.dataset_card import dataset_card
from shape_audit.leaderboard.page.model_card import model_card_section
from shape_audit.leaderboard.page.tables import csv_text
from shape_audit.records import AuditRecord, Board, CheckReport
from shape_audit.reports import (
    as_json,
    audit_markdown,
    audit_text,
    comparison_markdown,
    comparison_text,
    evidence_markdown,
    evidence_text,
    interval_markdown,
    interval_text,
    scores_json,
    scores_markdown,
    scores_text,
    suggestion_markdown,
    suggestion_text,
)
from tests.checks.checkpoints import set_config, write_clean
from tests.leaderboard.boards import real_board, score, small_board
from tests.security.hostile_records import HOSTILE, SCRIPT, hostile, texts_of

PLAIN_TAGS = {
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "ul",
    "ol",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "strong",
    "code",
}
CSP = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@pytest.fixture(scope="module")
def audit(tiny_llama: Path) -> AuditRecord:
    record = shape_audit.audit(str(tiny_llama), windows=8, seq_len=16, spectrum=3)
    return record.model_copy(update={"scores": [score("a/b", 0.3), score("a/b", 0.4, "official-cot")]})


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> CheckReport:
    folder = write_clean(tmp_path_factory.mktemp("checked") / "model")
    set_config(dtype="float16", num_attention_heads=7)(folder)
    return hostile(shape_audit.check(str(folder)))


@pytest.fixture(scope="module")
def board() -> Board:
    """Thirty rows and their evidence; names of sites stay, or nothing of the profiles would be drawn."""
    evidence = real_board().evidence
    return hostile(small_board().model_copy(update={"evidence": evidence}), kept=frozenset({"sites"}))


Forms = tuple[RenderableType, str]


@pytest.fixture(scope="module")
def reports(audit: AuditRecord, board: Board) -> dict[str, Forms]:
    """Name -> the terminal's form and the Markdown of every report, of hostile records."""
    one, row = hostile(audit), next(row for row in board.rows if row.measured)
    derivation, suggestion = hostile(derive_interval(draws=0)), hostile(shape_audit.suggest("300M"))
    return {
        "audit": (audit_text(one), audit_markdown(one)),
        "comparison": (comparison_text([one, one]), comparison_markdown([one, one])),
        "evidence": (evidence_text(board.evidence), evidence_markdown(board.evidence)),
        "interval": (interval_text(derivation), interval_markdown(derivation)),
        "suggestion": (suggestion_text(suggestion), suggestion_markdown(suggestion)),
        "scores": (scores_text(HOSTILE, row.scores, [HOSTILE]), scores_markdown(HOSTILE, row.scores, [HOSTILE])),
        "dataset card": (HOSTILE, dataset_card(board).split("---\n", 2)[2]),
        "model card": (
            HOSTILE,
            model_card_section(
                row.model_copy(update={"failure": None}),
                board_title=board.title,
                interval=board.interval,
                caveat=board.caveat,
            ),
        ),
    }


REPORTS = ("audit", "comparison", "evidence", "interval", "suggestion", "scores")
CARDS = ("dataset card", "model card")


def obeyed(text: str) -> list[str]:
    """Lines of which a terminal or a runner would obey something."""
    lines = text.split("\n")
    return [line for line in lines if not line.isprintable() or line.lstrip().startswith("::") or "##[" in line]


def drawn(content: RenderableType, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What a report is on stdout and in a file."""
    emit(content, folder / "report.txt")
    emit(content, None)
    return capsys.readouterr().out + (folder / "report.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", REPORTS)
def test_a_terminal_obeys_no_field_of_a_report(
    reports: dict[str, Forms], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = drawn(reports[name][0], tmp_path, capsys)
    assert not obeyed(text)
    assert "onerror" in text, "nothing hostile was in it"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("name", [*REPORTS, *CARDS])
def test_markdown_is_made_of_no_field_of_a_report(reports: dict[str, Forms], name: str) -> None:
    text = reports[name][1]
    assert not obeyed(text)
    seen = _Tags()
    seen.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    assert seen.tags <= PLAIN_TAGS
    assert SCRIPT in seen.words, "nothing hostile was in it"


@pytest.mark.parametrize("form", ["text", "markdown", "github", "sarif", "junit", "json"])
def test_no_format_of_a_check_lets_a_field_out(
    check: CheckReport, form: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = drawn(formatted(check, form, anchor=HOSTILE), tmp_path, capsys)
    if form == "github":
        lines = [line for line in text.split("\n") if line.startswith("::")]
        command = re.compile(r"::(error|warning|notice) file=[^,:]*,line=1,title=[^,:]*::.*")
        assert lines and all(command.fullmatch(line) and line.isprintable() for line in lines)
        text = "\n".join(line for line in text.split("\n") if line not in lines)
        assert len(lines) == 2 * len(check.findings)
    assert not obeyed(text)
    whole = (tmp_path / "report.txt").read_text(encoding="utf-8")
    if form == "junit":
        assert SCRIPT in "".join(ElementTree.fromstring(whole).itertext())
    if form in ("sarif", "json"):
        assert any(HOSTILE in found for found in texts_of(json.loads(whole)))


@pytest.mark.parametrize("which", ["audit", "board"])
def test_json_on_a_screen_is_obeyed_by_nothing_and_reads_as_it_was(
    which: str, audit: AuditRecord, board: Board
) -> None:
    record: BaseModel = {"audit": hostile(audit), "board": board}[which]
    text = as_json(record)
    assert not obeyed(text)
    assert json.loads(text) == record.model_dump(mode="json", by_alias=True)
    found = json.loads(scores_json(HOSTILE, [], [HOSTILE]))
    assert found["model"] == HOSTILE and found["to_mind"] == [HOSTILE]


def test_names_on_stderr_are_obeyed_by_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    note(f"record: /folder/{HOSTILE}.json")
    failed(IncompleteError(f"{HOSTILE}: no such folder"), subject=HOSTILE, debug=False)
    failed(RuntimeError(HOSTILE), subject=HOSTILE, debug=False)
    said = capsys.readouterr().err
    assert not obeyed(said) and said.count("onerror=") == 8


def test_no_cell_of_the_csv_is_a_formula(board: Board) -> None:
    cells = [cell for line in list(csv.reader(io.StringIO(csv_text(board))))[1:] for cell in line]
    assert any("onerror" in cell for cell in cells)
    assert not [cell for cell in cells if not cell.isprintable()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@")) and not cell[1:2].isdigit()]


@pytest.mark.parametrize("number", range(0x110000 // 0x8000))
def test_every_character_is_one_that_a_terminal_shows(number: int) -> None:
    text = "".join(map(chr, range(number * 0x8000, (number + 1) * 0x8000)))
    assert visible(text).isprintable() and len(visible(text)) == len(text)
    assert json.loads(json_text(json.dumps(list(text), ensure_ascii=False))) == list(text)
    assert "\n" not in markdown(text) and not obeyed(terminal_text(text))


@pytest.fixture
def unguarded(browser: Any, tmp_path: Path) -> Iterator[Callable[[Board], Any]]:
    """Opens a board's page without its content security policy, which would hide a fault."""
    contexts: list[Any] = []

    def opened(board: Board) -> Any:
        text, count = CSP.subn("", page_html(board))
        assert count == 1
        (tmp_path / "index.html").write_text(text, encoding="utf-8")
        context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(180_000)  # plotly.js is large, and a machine may be busy
        page.goto((tmp_path / "index.html").as_uri())
        page.wait_for_selector("#board tbody tr")
        return page

    yield opened
    for context in contexts:
        context.close()


def test_no_field_of_a_board_runs_in_its_page_or_becomes_an_element(
    unguarded: Callable[[Board], Any], board: Board
) -> None:
    page = unguarded(board)
    page.select_option("#models .dt-length select", "-1")
    for button in page.locator("button.more").all()[:12]:
        button.click()
    page.fill("#filter-text", "onerror")
    assert page.locator("#board tbody tr .name").count() == len(board.rows), "what is searched in is the text itself"
    page.fill("#filter-text", "")
    page.select_option("#filter-family", index=1)
    assert page.locator("#board tbody tr .name").count() > 0
    page.select_option("#filter-family", index=0)
    for name in ("shape", "phase", "profile"):
        page.locator(f"#{name}-plot").scroll_into_view_if_needed()
        page.wait_for_selector(f"#{name}-plot .main-svg")
    page.locator(".point, .hoverlayer").first.hover(force=True)
    page.wait_for_timeout(200)  # an image that cannot be loaded says so a moment later
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, iframe, object, embed, base, link, [onerror], [onload], [onclick]").count() == 0
    assert page.locator("script").count() == 6, "data, two libraries, ours, and plotly.js as a text and as it runs"
    assert page.locator("a[href]:not([href^='#'], [download])").count() == 0
    assert all(line.isprintable() for line in page.title().split("\n")) and SCRIPT in page.title()


@pytest.mark.long
def test_a_page_would_show_a_fault(unguarded: Callable[[Board], Any], board: Board) -> None:
    page = unguarded(board)
    page.evaluate(f"document.createElement('div').innerHTML = {json.dumps(SCRIPT)}")
    page.wait_for_function("window.hacked === 1")
