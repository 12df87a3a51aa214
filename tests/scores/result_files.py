"""Result files of other harnesses than lm-eval, as they write them, for these tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shape_audit.scores.readings import questions_by_subject
from tests.scores.test_lm_eval_files import cot


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def lighteval(model: str = "org/name", key: str = "mmlu_pro|0", **changes: Any) -> dict[str, Any]:
    """A whole run of lighteval 0.10."""
    return {
        "config_general": {"max_samples": None, "model_name": model, "model_config": {"model_name": model}},
        "results": {
            key: {"extractive_match": 0.25, "extractive_match_stderr": 0.004},
            "all": {"extractive_match": 1.0},
        },
        "versions": {key: 0},
        "config_tasks": {key: {"original_num_docs": 12032, "effective_num_docs": 12032}},
    } | changes


def official_summary(subjects: list[str] | None = None) -> dict[str, Any]:
    """What evaluate_from_api.py of TIGER-AI-Lab/MMLU-Pro writes: a third of the answers right."""
    counts = {name: n for name, n in questions_by_subject().items() if subjects is None or name in subjects}
    rows = {
        name.replace("_", " "): {"corr": float(n // 3), "wrong": float(n - n // 3), "acc": n // 3 / n}
        for name, n in counts.items()
    }
    right, n = sum(n // 3 for n in counts.values()), sum(counts.values())
    return rows | {"total": {"corr": float(right), "wrong": float(n - right), "acc": right / n}}


def one_subject(subject: str, accuracy: float = 0.25, **changes: Any) -> dict[str, Any]:
    """A run of a single subject by lm-eval: no row of the group."""
    whole = cot()
    task = f"mmlu_pro_{subject}"
    row = {"exact_match,custom-extract": accuracy, "exact_match_stderr,custom-extract": 0.01}
    parts = {name: {task: whole[name][task]} for name in ("configs", "versions", "n-samples")}
    return whole | {"results": {task: row}, "groups": {}} | parts | changes
