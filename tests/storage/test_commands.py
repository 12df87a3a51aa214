"""What commands read by URL they read as from a folder here: each says the same of both."""

from pathlib import Path

import fsspec
import pytest

from shape_audit.auditing import AuditOptions, audit
from shape_audit.cli import main
from shape_audit.leaderboard import Manifest, build_leaderboard, render

URL = "memory://commands"
MODELS = ("builtin:bytes-1m", "builtin:books-300k", "builtin:zoo-300k-1x144", "builtin:zoo-300k-4x80")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two boards of measured models, of which the second lacks one; their copies lie at the URL."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("statsmodels")
    folder = tmp_path_factory.mktemp("here")
    for model in MODELS:
        audit(model, AuditOptions.of(windows=4, seq_len=16, sites="embedding", records=folder / "new" / "records"))
    (folder / "old").mkdir()
    for name, models in (("new", MODELS), ("old", MODELS[1:])):
        manifest = Manifest.model_validate({"models": [{"names": models}], "measure": {"windows": 4, "seq_len": 16}})
        board = build_leaderboard(manifest, folder / name)
        assert board is not None and render(board, folder / name)
    fsspec.filesystem("memory").put(f"{folder}/", "/commands/", recursive=True)
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("link", "--draws", "200", "--records", "{}/new/records"),
        ("interval", "--draws", "200", "--records", "{}/new/records"),
        ("leaderboard", "diff", "{}/old", "{}/new"),
        ("leaderboard", "card", MODELS[0], "--board", "{}/new"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_url_and_a_folder_are_told_alike(
    here: Path,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    said = []
    for place in (str(here), URL):
        assert main([word.format(place) for word in words]) == 0
        said.append(capsys.readouterr().out.replace(place, "PLACE"))
    assert said[0] == said[1] and len(said[0]) > 50, "not the words for nothing"
