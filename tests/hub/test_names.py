"""What may be typed for MODEL."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shape_audit.errors import IncompleteError, ShapeAuditError, UsageError
from shape_audit.hub import builtin_names, parse_model_name


@pytest.mark.parametrize(
    ("text", "repo_id", "revision"),
    [
        ("org/name", "org/name", None),
        ("gpt2", "gpt2", None),
        ("org/name@v1.0", "org/name", "v1.0"),
        ("org/name@refs/pr/3", "org/name", "refs/pr/3"),
        ("org/na.me-1_b@main", "org/na.me-1_b", "main"),
        ("https://huggingface.co/org/name", "org/name", None),
        ("https://huggingface.co/org/name/tree/feature%2Fx", "org/name", "feature/x"),
        ("https://huggingface.co/org/name/tree/main/onnx", "org/name", "main"),
        ("https://huggingface.co/org/name/blob/main/config.json", "org/name", "main"),
        ("https://hf.co/org/name?library=transformers", "org/name", None),
    ],
)
def test_hub_names(text: str, repo_id: str, revision: str | None) -> None:
    name = parse_model_name(text)
    assert (name.source, name.repo_id, name.revision, name.folder) == ("hub", repo_id, revision, None)


def test_a_folder_wins_over_a_repository_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    name = parse_model_name("org/name")
    assert (name.source, name.repo_id) == ("folder", "name")
    assert "was read, not a Hub repository" in name.notes[0]
    assert parse_model_name("./org/name").notes == ()


def test_builtin_names() -> None:
    assert "bytes-1m" in builtin_names()
    assert parse_model_name("builtin:bytes-1m").source == "builtin"
    for text in ("builtin:nothing", "builtin:", "builtin:../../records"):
        with pytest.raises(IncompleteError, match=r"there are builtin:.*builtin:bytes-1m"):
            parse_model_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "org/",
        "/org",
        "a/b/c",
        "org/name@",
        "-x",
        "org name",
        "org/na\0me",
        "ü/x",
        "https://example.org/org/name",
    ],
)
def test_impossible_names(text: str) -> None:
    with pytest.raises(ShapeAuditError):
        parse_model_name(text)


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match="give the folder"):
        parse_model_name(str(tmp_path / "model.safetensors"))


@given(st.text(alphabet=string.printable + "äß\0\u202e", max_size=60))
def test_any_text_is_a_name_or_a_clear_refusal(text: str) -> None:
    try:
        name = parse_model_name(text)
    except ShapeAuditError as error:
        assert str(error)
    else:
        assert name.source != "hub" or ".." not in name.repo_id.split("/")
