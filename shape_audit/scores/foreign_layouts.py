"""Results that are recognised and passed over: their files do not tell how MMLU-Pro was asked, so that their protocol
has no name, or they hold no score at all. Whoever has one hears what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TRAINER = re.compile(r"(eval|train|predict|test)_(loss|runtime|accuracy|samples_per_second)|total_flos|epoch")


def foreign_layout(content: Any) -> str | None:
    """What a file is, in words, if it is laid out as another tool writes it; None if nothing here knows it."""
    return next((words for words, recognises in _LAYOUTS if recognises(content)), None)


def _has(*keys: str) -> Callable[[Any], bool]:
    return lambda content: isinstance(content, dict) and all(key in content for key in keys)


def _is_list_with(*keys: str) -> Callable[[Any], bool]:
    return lambda content: isinstance(content, list) and bool(content) and all(
        isinstance(entry, dict) and all(key in entry for key in keys) for entry in content[:3]
    )  # fmt: skip


def _is_helm_stats(content: Any) -> bool:
    return _is_list_with("name", "count")(content) and all(isinstance(entry["name"], dict) for entry in content[:3])


def _is_text_with(pattern: str) -> Callable[[Any], bool]:
    return lambda content: isinstance(content, str) and re.match(pattern, content) is not None


def _is_of_trainer(content: Any) -> bool:
    return isinstance(content, dict) and "results" not in content and any(_TRAINER.fullmatch(key) for key in content)


_NO_PROTOCOL = "which does not say how the questions were asked"
_OPENCOMPASS_TABLE = r"\s*dataset\s*,\s*version\s*,\s*metric\s*,\s*mode\s*,|\d{8}_\d{6}\s+tabulate format"
_TIGER_RECORD = r"[^,\n]+,CoT,[^,\n]+,\d\d-\d\d_\d\d-\d\d,"
_LAYOUTS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    (f"a report of evalscope, {_NO_PROTOCOL}", _has("dataset_name", "model_name", "metrics")),
    (f"a report of evalscope, {_NO_PROTOCOL}", _has("dataset_name", "model_name", "score")),
    (f"metrics of olmes, {_NO_PROTOCOL}", _has("all_primary_scores")),
    (f"metrics of olmes, {_NO_PROTOCOL}", _has("task_name", "task_config", "metrics")),
    ("a run's description by HELM, which holds no score", _has("adapter_spec", "scenario_spec")),
    (f"statistics of HELM, {_NO_PROTOCOL}", _is_helm_stats),
    (f"a record of Every Eval Ever, {_NO_PROTOCOL}", _has("evaluation_results", "model_info")),
    (f"a log of Inspect, {_NO_PROTOCOL}", _has("eval", "status", "results")),
    (f"results of OpenCompass, {_NO_PROTOCOL}", _has("accuracy", "details")),
    (f"a summary of OpenCompass, {_NO_PROTOCOL}", _is_text_with(_OPENCOMPASS_TABLE)),
    (f"a record of MMLU-Pro's own evaluation, {_NO_PROTOCOL}", _is_text_with(_TIGER_RECORD)),
    ("answers of MMLU-Pro's own evaluation; its summary is read, they are not", _is_list_with("question_id", "pred")),
    ("a result of simple-evals, which names neither model nor benchmark", _has("score", "chars")),
    ("metrics that a trainer wrote, of no benchmark", _is_of_trainer),
)  # fmt: skip
