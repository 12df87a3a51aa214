"""What a visitor may type, and what a link may hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shape_audit.app import AppOptions
from shape_audit.app.question import LONGEST_TEXT, Question, asked, asked_by_link, checked_token
from shape_audit.errors import ShapeAuditError, UsageError


def test_names_and_addresses_of_pages_are_models_of_the_hub() -> None:
    question = asked("org/a, https://huggingface.co/org/b/tree/v2/sub\nbuiltin:bytes-1m org/a", "morph")
    assert [(one.source, one.repo_id, one.revision, one.subfolder) for one in question.models] == [
        ("hub", "org/a", None, ""), ("hub", "org/b", "v2", "sub"), ("builtin", "builtin:bytes-1m", None, "")
    ]  # fmt: skip
    assert question.yardstick == "morph" and not question.measures


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "../../etc/passwd", "/etc/passwd", "~/model", "./model", "file:///etc/passwd",
        "builtin:../../records", "builtin:nothing", "<script>alert(1)</script>", "org/<img src=x onerror=alert(1)>",
        "a/b/c/d", "org/name\0", "org/\x1b[2J", "org/na\u202eme", "http://169.254.169.254/latest", "https://evil.example/org/name",
        "org/" + "x" * 300, "x" * (LONGEST_TEXT + 1), "a/b c/d e/f g/h i/j", "datasets/org/name", "org/name@",
        "C:\\models", "${7*7}", "{{7*7}}", "org/../name",
    ],
)  # fmt: skip
def test_what_is_no_model_ends_in_one_line(text: str) -> None:
    with pytest.raises(ShapeAuditError) as refused:
        asked(text)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 500


def test_a_folder_of_the_server_is_never_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert [(one.source, one.root) for one in asked("org/name file").models] == [("hub", None), ("hub", None)]
    with pytest.raises(UsageError, match="no model of the Hub"):
        asked(str(tmp_path / "org" / "name"))


@given(st.text())
def test_any_text_is_a_question_of_hub_models_or_refused_in_one_line(text: str) -> None:
    try:
        question = asked(text)
    except ShapeAuditError as error:
        assert str(error).isprintable()
    else:
        assert all(
            model.source == "builtin" or (model.source, model.root) == ("hub", None) for model in question.models
        )


@pytest.mark.parametrize(
    "question",
    [
        asked("org/a"),
        asked("org/a@refs/pr/3 https://huggingface.co/org/b?x=1&y=2#z builtin:bytes-1m", "byte-sweep", True),
    ],
)
def test_a_link_asks_the_same(question: Question) -> None:
    assert asked_by_link(question.link) == question


def test_links_that_ask_nothing_or_too_much() -> None:
    assert asked_by_link("") is None and asked_by_link("?__theme=dark") is None
    for query in ("?model=../etc", "?" + "model=org/a&" * 200, "?model=a&yardstick=%3Cb%3E", "?model=" + "x" * 9999):
        with pytest.raises((UsageError, ValueError)):
            asked_by_link(query)


def test_a_token_is_one_or_refused_without_being_repeated() -> None:
    assert checked_token("  hf_abcDEF-123  ") == "hf_abcDEF-123" and checked_token(" ") is None
    for text in ("hf_abc\nX-Evil: 1", "hf abc", "hf_\u00e9", "x" * 1000):
        with pytest.raises(UsageError) as refused:
            checked_token(text)
        assert text not in str(refused.value) and "token" in str(refused.value)


def test_limits_are_checked_where_they_are_given() -> None:
    assert AppOptions().largest_measured == 0 and AppOptions(measure_up_to="50M").largest_measured == 50_000_000
    for options, said in (
        ({"measure_up_to": "many"}, "--measure-up-to many"), ({"port": 70000}, "--port"), ({"at_once": 0}, "--at-once"),
        ({"memory": 0.1}, "--memory"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            AppOptions.of(**options)
