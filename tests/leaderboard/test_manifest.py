"""leaderboard.toml: what it may say, and the one line about what it may not."""

from pathlib import Path

import pytest

from shape_audit.calibration.options import DEFAULT_SEQ_LEN, DEFAULT_WINDOWS
from shape_audit.errors import CorruptFileError, UsageError
from shape_audit.leaderboard import read_manifest
from shape_audit.shape import known_models

OURS = '[[models]]\nnames = ["builtin:bytes-1m"]\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "leaderboard.toml"
    path.write_text(text)
    return path


def test_the_shipped_manifest_covers_the_shipped_table() -> None:
    entries = read_manifest().entries()
    too_small_or_large = [k for k in known_models().values() if not k.params or not 1e7 <= k.params <= 1.5e10]
    assert len(entries) == len(known_models()) - len(too_small_or_large) > 300
    assert {entry.group for entry in entries} == {"Base models", "Tuned models"}
    assert all(known_models()[entry.model].is_base == (entry.group == "Base models") for entry in entries)


def test_what_the_shipped_manifest_says_is_what_an_empty_one_means(tmp_path: Path) -> None:
    """Its comments call its values the defaults."""
    shipped, short = read_manifest(), read_manifest(written(tmp_path, OURS))
    assert (short.title, short.order, short.scores) == (shipped.title, shipped.order, shipped.scores)
    asked, meant = shipped.audit_options(), short.audit_options()
    assert (asked.text.seq_len, asked.text.windows) == (DEFAULT_SEQ_LEN, DEFAULT_WINDOWS)
    assert meant.text.windows is None
    assert asked.but(seq_len=None, windows=None) == meant != short.audit_options(shape_only=True)


def test_selections(tmp_path: Path) -> None:
    text = (
        '[[models]]\ngroup = "a"\nselect = {names = ["Qwen/*"], kind = "base", params = "1e8:1e9"}\n'
        'exclude = ["*-1.5B"]\n[[models]]\ngroup = "b"\n'
        'names = ["Qwen/Qwen2.5-0.5B@abcdef0", "Qwen/Qwen2.5-0.5B@step1"]\n'
    )
    entries = {entry.model: entry for entry in read_manifest(written(tmp_path, text)).entries()}
    assert entries["Qwen/Qwen2.5-0.5B"].group == "b" and entries["Qwen/Qwen2.5-0.5B"].name.endswith("@abcdef0")
    assert entries.pop("Qwen/Qwen2.5-0.5B@step1").group == "b"  # a branch is a model of its own
    assert all(model.startswith("Qwen/") and known_models()[model].is_base for model in entries)
    assert 1 < len(entries) == len({entry.name for entry in entries.values()})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "models: Field required"),
        ("models = []", "models: Tuple should have at least 1 item"),
        (OURS + "titel = 'x'", "unknown key models.0.titel; there are: exclude, group, names, select"),
        ("titel = 'x'\n" + OURS, "unknown key titel; did you mean title?"),
        (OURS + "[measure]\nwindow = 3", "unknown key measure.window; did you mean windows?"),
        (OURS + "[scores]\nprotocol = 'a'", "unknown key scores.protocol; did you mean protocols?"),
        ("[[models]]\nselect = {sort = 'base'}", "unknown key models.0.select.sort; there are: derived, domain"),
        (OURS + "[scores]\ndraws = 5", "scores.draws: Input should be greater than or equal to 100"),
        ("order = 'size'\n" + OURS, "order: Input should be 'params', "),
        ("[[models]]\nnames = ['a/b', 'a/b']", "a/b is listed twice, under 'Models' and 'Models'"),
        ("[[models]]\nnames = ['a/b', 'A/B']", "a/b and A/B are both A/B: a board has one row of each model"),
        ("[[models]]\nnames = ['a/b']\nexclude = ['*']", "models.0: exclude is of what select brings in"),
        (OURS + "[scores]\nprotocols = ['oficial-cot']", "no protocol oficial-cot; did you mean official-cot?"),
        (OURS + "[scores]\nprotocols = ['lm-eval:mmlu']", "no protocol lm-eval:mmlu; did you mean lm-eval:mmlu_pro"),
        ("[[models]]\nnames = ['a/b@0123456', 'a/b']", "a/b@0123456 and a/b are both a/b: a board has one row of each"),
        ("[[models]]\nselect = {names = ['none/*']}", "names no model"),
        ("[[models]]\nselect = {params = '5'}", "the manifest's select: params 5: it must be LOW:HIGH"),
        ("[[models]]\nselect = {params = ''}", "it must be LOW:HIGH"),
        ("[[models]]\nnames = ['a/b', ' ']", "models.0.names.1: String should match pattern"),
        ("title = ''\n" + OURS, "title: String should match pattern"),
        ("interval = ''\n" + OURS, "interval: String should match pattern"),
        (OURS + "[scores]\npublished = 'no'", "scores.published: Input should be a valid boolean"),
        (OURS + "[scores]\ndraws = '200'", "scores.draws: Input should be a valid integer"),
        (OURS + "[measure]\nwindows = 3\ntolerance = 0.1", "the manifest's [measure]: --tolerance decides how many"),
        (OURS + "[measure]\nprotocol = 'guess'", "--protocol must be one of loss-gradient"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        manifest = read_manifest(written(tmp_path, text))
        manifest.entries()
        manifest.audit_options()
    assert said in str(error.value) and "\n" not in str(error.value)


def test_files_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.toml"
    path.write_bytes(b"\xef\xbb\xbf" + OURS.replace("\n", "\r\n").encode())
    assert [entry.model for entry in read_manifest(path).entries()] == ["builtin:bytes-1m"]


def test_no_toml(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="not TOML"):
        read_manifest(written(tmp_path, "a = = b"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(CorruptFileError, match="not TOML"):
        read_manifest(tmp_path / "binary.toml")
