"""What may be typed for MODEL."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shape_audit.errors import IncompleteError, ShapeAuditError, UsageError
from shape_audit.hub import builtin_names, model_named, parse_model
from shape_audit.records import ModelRef


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
        ("huggingface.co/gpt2/tree/main", "gpt2", "main"),
        ("https://huggingface.co/gpt2/resolve/main/config.json", "gpt2", "main"),
        ("https://huggingface.co/gpt2/discussions/3", "gpt2", None),
        ("https://huggingface.co/models/org/name", "org/name", None),
        ("https://huggingface.co/org/name/commit/" + "a" * 40, "org/name", "a" * 40),
        ("hf://org/name@v1", "org/name", "v1"),
        ("org/name/", "org/name", None),
    ],
)
def test_hub_names(text: str, repo_id: str, revision: str | None) -> None:
    name = parse_model(text)
    assert (name.source, name.repo_id, name.revision, name.root) == ("hub", repo_id, revision, None)


def test_a_folder_wins_over_a_repository_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    name = parse_model("org/name")
    assert (name.source, name.repo_id) == ("folder", "name")
    assert "was read, not a Hub repository" in name.notes[0]
    assert parse_model("./org/name").notes == ()


def test_builtin_names() -> None:
    assert "bytes-1m" in builtin_names()
    assert parse_model("builtin:bytes-1m").source == "builtin"
    for text in ("builtin:nothing", "builtin:", "builtin:../../records"):
        with pytest.raises(IncompleteError, match=r"no such built-in model; .*builtin:bytes-1m"):
            parse_model(text)


def test_an_address_names_the_subfolder_too() -> None:
    address = "https://huggingface.co/org/name/tree/main/onnx/fp16"
    assert parse_model(address).subfolder == "onnx/fp16"
    assert parse_model("https://huggingface.co/org/name/blob/main/sub/config.json").subfolder == "sub"
    assert parse_model(address, subfolder="onnx/fp16/").subfolder == "onnx/fp16"
    with pytest.raises(UsageError, match="give one of them"):
        parse_model(address, subfolder="other")


def test_a_folder_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ckpt@100", "https:", "a b", "huggingface.co"):
        Path(name).mkdir()
        assert parse_model(f"./{name}").root == parse_model(name).root == Path(name)


def test_equal_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    monkeypatch.chdir(tmp_path)
    assert parse_model("Org/Name") == parse_model("https://huggingface.co/org/name") != parse_model("org/name@v1")
    assert parse_model("a") == parse_model(tmp_path / "link") == parse_model("./a/")
    assert len({parse_model("a", variant="fp16"), parse_model("a"), parse_model("a", subfolder="a")}) == 3


def test_what_a_result_file_calls_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "here").mkdir(parents=True)
    snapshot = "/home/u/.cache/huggingface/hub/models--org--name/snapshots/" + "b" * 40
    assert model_named("org/name").source == model_named("org/name/").source == "hub"
    assert model_named(snapshot) == ModelRef("hub", "org/name", "b" * 40)
    assert model_named("org/here").is_same_model(parse_model("./org/here"))
    assert not model_named("/elsewhere/org/here").is_same_model(parse_model("org/here"))
    assert model_named("final", revision="c" * 64).source == "folder"
    assert model_named("org/name", revision="d" * 40).is_same_model(parse_model("ORG/name@v1"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://huggingface.co/datasets/org/name",
        "https://huggingface.co/",
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
        parse_model(text)


def test_a_file_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match="give the folder"):
        parse_model(str(tmp_path / "model.safetensors"))


@given(st.text(alphabet=string.printable + "äß\0\u202e", max_size=60))
def test_any_text_is_a_name_or_a_clear_refusal(text: str) -> None:
    try:
        name = parse_model(text)
    except ShapeAuditError as error:
        assert str(error)
    else:
        assert name.source != "hub" or ".." not in name.repo_id.split("/")
