"""A reader of the documentation: a folder with the files that pages speak of, a Hub with the models they name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from shape_audit.hub.builtin_models import builtin_folder
from tests.loopback_hub import LoopbackHub

HUB_MODELS = ("Qwen/Qwen2.5-0.5B", "openai-community/gpt2")
FEWER = {
    "SHAPE_AUDIT_AUDIT_WINDOWS": "8",
    "SHAPE_AUDIT_AUDIT_SEQ_LEN": "32",
    "SHAPE_AUDIT_AUDIT_SKIP_WINDOWS": "6",
    "SHAPE_AUDIT_INTERVAL_DRAWS": "100",
    "SHAPE_AUDIT_LINK_DRAWS": "200",
    "SHAPE_AUDIT_SWEEP_RUN_TOKENS_PER_PARAM": "0.2",
    "SHAPE_AUDIT_SWEEP_RUN_BATCH": "4",
    "SHAPE_AUDIT_SWEEP_RUN_EVAL_BYTES": "2000",
}
"""Settings with which the commands of pages do the same in less time; what a page itself says comes first."""


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """The folder in which a reader types."""
    text = "".join(
        f"The {number}th line of a text that is long enough to cut windows from.\n" for number in range(2000)
    )
    shutil.copytree(builtin_folder("bytes-1m"), tmp_path / "my-model")
    (tmp_path / "corpus.txt").write_text(text)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"body": line}) + "\n" for line in text.splitlines()))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text(text)
    (tmp_path / "lm_eval_output").mkdir()
    return tmp_path


@pytest.fixture
def models_of_hub(hub: LoopbackHub) -> None:
    """The models of the Hub that pages name; each is a small one that ships."""
    for name in HUB_MODELS:
        hub.add_model(name, builtin_folder("bytes-1m"))
