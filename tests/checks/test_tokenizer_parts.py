"""A tokenizer of which no file holds the vocabulary is found, and one that needs none is left alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import shape_audit
from shape_audit.checks import Policy
from shape_audit.checks.tokenizer_parts import has_vocabulary
from tests.checks.checkpoints import set_config, write_clean


def with_files(folder: Path, files: Sequence[str], settings: dict | None = None) -> Path:
    """The clean checkpoint with other files for a tokenizer; tokenizer_config.json is one of them where it is given."""
    write_clean(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    for name in files:
        (folder / name).write_text("{}" if name.endswith(".json") else "")
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def seen(folder: Path, policy: Policy | None = None) -> list[tuple[str, str]]:
    report = shape_audit.check(str(folder), policy=policy)
    return [(one.severity, one.message) for one in report.findings if one.rule == "SA605"]


@pytest.mark.parametrize(
    ("files", "settings", "parts"),
    [
        ((), {}, "tokenizer_config.json"),
        ((), {"tokenizer_class": "LlamaTokenizerFast"}, "tokenizer_config.json"),
        (("special_tokens_map.json",), None, "special_tokens_map.json"),
        (("added_tokens.json",), {}, "added_tokens.json and tokenizer_config.json"),
        (("vocab.json",), {"tokenizer_class": "GPT2Tokenizer"}, "tokenizer_config.json and vocab.json"),
        (("merges.txt",), None, "merges.txt"),
    ],
)
def test_half_a_tokenizer_is_a_warning(files: Sequence[str], settings: dict | None, parts: str, tmp_path: Path) -> None:
    ((severity, message),) = seen(with_files(tmp_path / "model", files, settings))
    assert severity == "warning" and message.startswith(f"half a tokenizer: {parts}, but no vocabulary")


@pytest.mark.parametrize(
    ("files", "settings"),
    [
        (("tokenizer.json",), None),
        (("tokenizer.model",), {}),
        (("vocab.json", "merges.txt"), {}),
        (("vocab.txt",), {}),
        (("spiece.model",), {}),
        (("qwen.tiktoken",), {}),
        (("tekken.json",), None),
        ((), {"tokenizer_class": "ByT5Tokenizer"}),
        ((), {"auto_map": {"AutoTokenizer": ["tokenization_own.OwnTokenizer", None]}}),
    ],
)
def test_a_whole_tokenizer_and_one_that_needs_no_vocabulary_are_left_alone(
    files: Sequence[str], settings: dict | None, tmp_path: Path
) -> None:
    assert seen(with_files(tmp_path / "model", files, settings)) == []


def test_the_config_may_name_the_class_or_the_code_too(tmp_path: Path) -> None:
    folder = with_files(tmp_path / "model", ["special_tokens_map.json"])
    for changes in ({"tokenizer_class": "ByT5Tokenizer"}, {"auto_map": {"AutoTokenizer": "own.OwnTokenizer"}}):
        set_config(tokenizer_class=None, auto_map=None)(folder)
        assert len(seen(folder)) == 1
        set_config(**changes)(folder)
        assert seen(folder) == []


def test_a_policy_makes_both_kinds_an_error(tmp_path: Path) -> None:
    policy = Policy(severity={"SA605": "error"})
    none, half = with_files(tmp_path / "none", []), with_files(tmp_path / "half", [], {})
    assert [severity for severity, _ in seen(none)] == ["note"]
    assert [severity for folder in (none, half) for severity, _ in seen(folder, policy)] == ["error", "error"]


def test_files_of_the_tokenizers_that_transformers_has_are_known() -> None:
    pytest.importorskip("transformers", reason="transformers (extra measure) is not installed")
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name

    names = {TOKENIZER_MAPPING_NAMES.get(model_type) for model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES} - {None}
    looked_at = 0
    for name in sorted(names):
        try:
            files = set(tokenizer_class_from_name(name).vocab_files_names.values()) - {"tokenizer_config.json"}
        except ImportError:  # of a library that is not installed
            continue
        looked_at += 1
        assert has_vocabulary(files, name), f"{name} is made from {files}"
        slow = files - {"tokenizer.json"}
        assert not slow or has_vocabulary(slow, name), f"{name} can be made from {slow}"
        assert not files or not has_vocabulary(["tokenizer_config.json"], name), name
    assert looked_at > 20
