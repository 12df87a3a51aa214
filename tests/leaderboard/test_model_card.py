"""The section for a model's card: what it says, what it leaves open, and that nothing breaks out of it."""

import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from shape_audit.cli.commands import leaderboard_card
from shape_audit.errors import ExitCode, IncompleteError, UsageError
from shape_audit.leaderboard import find_row, model_card_metadata, model_card_section
from shape_audit.records import BoardRow
from shape_audit.scores import LM_EVAL_LETTERS, posted_scores
from tests.leaderboard.rendered import CAVEAT, INTERVAL, board, measurement, row, score, write_rendered

HOSTILE = "x<script>alert(1)</script>|[a](javascript:b)\n# top\n---\n![i](http://h/i)`*_&lt;"
MARKUP = re.compile(r"<(?!/?(?:h[23]|p|table|thead|tbody|tr|t[hd]|ul|li|strong|hr)\b)|javascript:[^b]|<a |<img")


def section(row: BoardRow, title: str = "Shapes and scores") -> str:
    return model_card_section(row, board_title=title, interval=INTERVAL, caveat=CAVEAT)


def html(markdown: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


def test_what_is_known_is_said() -> None:
    scores = [
        score("official-cot", 0.312, stderr=None, n=None, source="paper"),
        score("lm-eval:leaderboard_mmlu_pro@0.1", 0.2874),
    ]
    cost = {"shape_cost": 0.003, "shape_cost_ci": (0.0021, 0.0042)}
    text = section(row(measured=measurement(25), scores=scores, notes=["config and tensors disagree"], **cost))
    plain = text.replace("\\", "")
    for said in (
        "## Depth-width shape\n\n**The shape of org/one costs 0.30 % [0.21, 0.42] of loss** against the best shape at "
        "equal non-embedding parameters and tokens, by 22 models of 50M-2B trained alike (Gemstones). It has 24 layers "
        "on a width of 1,024, R_D/W 0.0234, and is inside the efficient interaction interval, [0.0204, 0.0645] "
        f"(shipped-2pct). A coordinate, not a grade: {CAVEAT}.",
        "| attention heads | 16 (4 key/value) |",
        "| parameters | 405,000,000 |",
        "### Interaction at 5 of 25 sites",
        "| embedding | 41.5 ±1.5 | 4.1 % | 0.062 ±0.013 | 0.900 ±0.010 | 0.960 |",
        "| block.23 | 41.5 ±1.5 | 4.1 % | 0.062 ±0.013 | 0.660 ±0.010 |",
        "64 windows of 256 tokens of builtin:python-docs (text sha256 dddddddddddd)",
        "± is half of a 95 % interval. The model predicts it at 1.013 ±0.010 bits per byte. Numbers of another text or",
        "### MMLU-Pro scores known for org/one",
        "| [1] | official-cot | 31.20 % | not said | published |",
        "| [2] | lm-eval:leaderboard_mmlu_pro@0.1 | 28.74 % ± 0.78 | 12,032 | published |",
        "- [1] 2025-01-01; paper",
        "Scores of different protocols cannot be compared",
        "- config and tensors disagree",
        f"the shape is read from revision {'a' * 40} of org/one, record sha256 {'b' * 12}.",
    ):
        assert said in plain, said
    assert text.count("\n## ") == 0 and text.endswith(".\n")


def test_what_is_not_known_is_not_said() -> None:
    facts = {
        "source": "shipped table", "revision": None, "record": None, "record_sha256": None,
        "num_attention_heads": None, "vocab_size": None, "params_total": None, "side": None, "log_distance": None,
    }  # fmt: skip
    text = section(row(**facts))
    assert "No MMLU-Pro score of org/one is known." in text and "Interaction" not in text.replace("Interaction (", "")
    assert "from the table that ships with the program, not from an audit" in text
    assert "None" not in text and "–" not in text and "efficient interaction interval" not in text


def test_intervals_that_are_not_there_are_not_explained() -> None:
    text = section(row(measured=measurement(2).model_copy(update={"windows": 4}))).replace("\\", "")
    assert "there are no intervals, which need 6 windows." in text and "half of a 95 %" not in text


def test_noise_is_called_noise() -> None:
    noisy = measurement(2)
    site = noisy.sites[1].model_copy(update={"below_noise_floor": True})
    text = section(row(measured=noisy.model_copy(update={"sites": [noisy.sites[0], site]})))
    assert f"| block.0 |{' below the noise |' * 5}" in text
    assert "### Interaction\n" in text


@pytest.mark.parametrize(("side", "words"), [
    ("shallow-wide", "below the efficient interaction interval: shallow for its width"),
    ("deep-narrow", "above the efficient interaction interval: deep for its width"),
])  # fmt: skip
def test_both_sides_have_their_words(side: str, words: str) -> None:
    text = section(row(side=side)).replace("\\", "")
    assert f"org/one has 24 layers on a width of 1,024, R_D/W 0.0234, and is {words}, [0.0204, 0.0645]" in text


def test_a_model_of_which_no_shape_is_known_has_no_card_and_any_other_has_one() -> None:
    facts = {"source": "none", "num_hidden_layers": None, "hidden_size": None, "r_dw": None, "failure": "gated"}
    with pytest.raises(IncompleteError, match=r"org/one: no shape is known of it \(gated\)"):
        section(row(**facts))
    shown = section(row(failure="too little text for 8 windows"))
    assert "- not all of it could be audited: too little text for 8 windows" in shown


def hostile_row(text: str) -> BoardRow:
    measured = measurement(2).model_copy(update={"dataset": text, "protocol": text})
    scores = [score(f"p{text}", 0.3, source=text, notes=[text]), score("official-cot", 0.2)]
    return row(model=f"org/{text}", revision=text, scores=scores, measured=measured, notes=[text])


def test_nothing_breaks_out() -> None:
    shown = html(section(hostile_row(HOSTILE), title=HOSTILE))
    assert not MARKUP.search(shown), MARKUP.search(shown)
    assert shown.count("<table>") == 3 and shown.count("<h2>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;|[a](javascript:b) # top" in shown


@given(st.text(min_size=1, max_size=40))
@example("6)")
@example("7. seven")
@example("- a")
@example("+")
@example("---")
def test_any_text_stays_text(text: str) -> None:
    shown = html(section(hostile_row(text), title=text))
    assert not MARKUP.search(shown) and shown.count("<table>") == 3 and shown.count("<h2>") == 1
    header = model_card_metadata(hostile_row(text))
    data = yaml.safe_load(header.removeprefix("---\n").removesuffix("---\n"))
    names = [metric["name"] for metric in data["model-index"][0]["results"][0]["metrics"]]
    one_line = " ".join("".join(c if c.isprintable() else " " for c in f"p{text}").split())
    assert names == [f"accuracy, {one_line}", "accuracy, official-cot"]
    assert ModelCard(header).data.eval_results


def test_the_metadata_is_what_the_hub_reads() -> None:
    scores = [
        score("official-cot", 0.312, provider="import", source="results.json", stderr=None),
        score("lm-eval:mmlu_pro@3.1+max_gen_toks=64", 0.2874),
        score("official-cot", 0.9, is_limited=True, n=64),
        score("posted:unknown", 0.8, provider="posted", is_verified=True),
    ]
    header = model_card_metadata(row(scores=scores))
    card = ModelCard(f"{header}\n{section(row(scores=scores))}")
    assert isinstance(card.data, ModelCardData) and card.data.model_name == "org/one"
    results = card.data.eval_results
    assert results is not None
    assert [(r.metric_name, r.metric_value, r.verified, r.dataset_type) for r in results] == [
        ("accuracy, official-cot", 0.312, False, "TIGER-Lab/MMLU-Pro"),
        ("accuracy, lm-eval:mmlu_pro@3.1+max_gen_toks=64", 0.2874, False, "TIGER-Lab/MMLU-Pro"),
    ]
    assert results[0].metric_args == {
        "protocol": "official-cot", "source": "results.json", "provider": "import", "date": "2025-01-01",
        "questions": 12_032,
    }  # fmt: skip
    again = ModelCard(str(card)).data.eval_results  # a tool that writes the card anew keeps all of it
    assert again == results
    assert card.text.lstrip().startswith("## Depth-width shape")


def test_the_card_that_this_program_writes_comes_back_whole() -> None:
    written = [
        score("lm-eval:mmlu_pro@3.1+max_gen_toks=64", 0.2874, stderr=0.0041, n=12_032, source="results.json"),
        score("lighteval:mmlu_pro@0", 0.31, stderr=None, n=12_032, source="other.json"),
        score(f"{LM_EVAL_LETTERS}+chat_template=91aa728a", 0.1142, stderr=0.0029, n=12_032, source="a.json"),
    ]
    found, passed_over = posted_scores("org/one", None, {"README.md": model_card_metadata(row(scores=written))})
    keys = ("protocol", "value", "stderr", "n", "date", "is_limited", "set_apart")
    assert passed_over == [] and [[getattr(one, key) for key in keys] for one in found] == [
        [getattr(one, key) for key in keys] for one in written
    ]


def test_no_score_no_metadata() -> None:
    assert model_card_metadata(row()) == ""
    assert model_card_metadata(row(scores=[score("official-cot", 0.3, is_limited=True)])) == ""


def test_rows_are_found_by_name() -> None:
    found = board(row("org/one"), row("org/two"), row("Org/Twin"), row("org/twin"))
    assert find_row(found, "ORG/one").model == "org/one"
    assert find_row(found, "org/twin").model == "org/twin"
    with pytest.raises(UsageError, match="not on this board; did you mean org/two"):
        find_row(found, "org/twoo")
    with pytest.raises(UsageError, match="several rows"):
        find_row(found, "ORG/TWIN")
    with pytest.raises(UsageError, match="it has 4 others"):
        find_row(found, "zzz")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_rendered(tmp_path / "leaderboard", row(scores=[score("official-cot", 0.3)]), row("org/two"))
    assert leaderboard_card.card(model="org/one", board=folder) == ExitCode.CLEAN
    assert capsys.readouterr().out.startswith("## Depth-width shape\n")
    assert leaderboard_card.card(model="org/one", board=folder, metadata=True, output=tmp_path / "card.md") == 0
    assert ModelCard.load(tmp_path / "card.md").data.eval_results
    assert capsys.readouterr() == ("", "")
    assert leaderboard_card.card(model="org/two", board=folder, metadata=True) == ExitCode.CLEAN
    said = capsys.readouterr()
    assert said.out.startswith("## Depth-width shape\n") and "no score to put into metadata" in said.err
    assert leaderboard_card.card(model="org/three", board=folder) == ExitCode.WRONG_USAGE
    assert leaderboard_card.card(model="org/one", board=tmp_path / "absent") == ExitCode.INCOMPLETE
    assert capsys.readouterr().err.count("\n") == 2
