"""Scores that stand in a model's repository: `.eval_results/*.yaml`, the Hub's newer form, and `model-index` in the
card, the older one. Whoever posts may post anything: nearly all are unverified, and few say how they were run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from shape_audit.records import ScoreRecord
from shape_audit.scores.protocols import NAMED

CARD = "README.md"
EVAL_RESULTS = re.compile(r"\.eval_results/[^/]+\.ya?ml")
_MMLU_PRO = re.compile(r"mmlu[-_ ]?pro", re.IGNORECASE)
_VARIANTS = re.compile(r"mmlu[-_ ]?pro[-_ ]?(plus|x|ar|es|fr|it|de)\b|mmlu[-_ ]?prox", re.IGNORECASE)


def posted_scores(
    model: str, revision: str | None, documents: Mapping[str, str]
) -> tuple[list[ScoreRecord], list[str]]:
    """The MMLU-Pro scores posted in a repository, and what was passed over and why.

    Args:
        documents: file name -> text, of the card and the files under .eval_results.
    """
    found: list[ScoreRecord] = []
    passed_over: list[str] = []
    for name, text in documents.items():
        content, problem = _parsed(name, text)
        if problem:
            passed_over.append(f"{name}: {problem}")
            continue
        for value, metric, details in _entries(name, content):
            score = _score(model, revision, name, value, metric, details)
            if isinstance(score, str):
                passed_over.append(f"{name}: {score}")
            else:
                found.append(score)
    return found, passed_over


def _parsed(name: str, text: str) -> tuple[Any, str | None]:
    """The YAML of a file, of a card its header."""
    import yaml

    if name == CARD:
        match = re.match(r"---\r?\n(.*?)\r?\n---\s*(\r?\n|$)", text, re.DOTALL)
        if match is None:
            return None, None
        text = match[1]
    if len(text) > 2**20 or text.count("&") > 1000 or text.count("[") + text.count("{") > 10_000:
        return None, "too large for what it should be"  # and aliases of aliases would take all memory
    try:
        return yaml.safe_load(text), None
    except (yaml.YAMLError, ValueError, RecursionError):
        return None, "not valid YAML"


def _entries(name: str, content: Any) -> Iterator[tuple[Any, str, Mapping[str, Any]]]:
    """(value, name of the metric, other details) of every MMLU-Pro entry."""
    if name == CARD:
        index = content.get("model-index") if isinstance(content, dict) else None
        for entry in _dicts(index):
            for result in _dicts(entry.get("results")):
                dataset, task = _dict(result.get("dataset")), _dict(result.get("task"))
                about = f"{dataset.get('name')} {dataset.get('type')} {task.get('name')}"
                if _is_mmlu_pro(about):
                    for metric in _dicts(result.get("metrics")):
                        details = {**dataset, **metric, "source": _dict(result.get("source"))}
                        yield metric.get("value"), f"{metric.get('type')} {metric.get('name')}", details
        return
    for entry in _dicts(content if isinstance(content, list) else [content]):
        benchmark = entry.get("dataset")
        known = _dict(benchmark)
        about = f"{known.get('id')} {known.get('task_id')}" if known else str(benchmark)
        if _is_mmlu_pro(about):
            yield entry.get("value"), str(entry.get("metric", "")), entry


def _is_mmlu_pro(about: str) -> bool:
    return bool(_MMLU_PRO.search(about)) and not _VARIANTS.search(about)


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _score(
    model: str, revision: str | None, name: str, value: Any, metric: str, details: Mapping[str, Any]
) -> ScoreRecord | str:
    """One posted score, or why it is none. Percent and fractions are told apart by their size: nobody scores 1 %."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"its value is {value!r:.40}, no number"
    accuracy = float(value) / 100 if value > 1 else float(value)
    protocol, notes = _protocol(metric, details)
    source = _dict(details.get("source"))
    date = details.get("date")
    try:
        return ScoreRecord(
            model=model,
            revision=revision,
            protocol=protocol,
            value=accuracy,
            stderr=None,
            n=None,
            is_limited=False,
            provider="posted",
            source=str(source.get("url") or source.get("name") or name)[:200],
            date=str(date)[:10] if date else None,
            is_verified=details.get("verified") is True or bool(details.get("verifyToken")),
            notes=notes,
        )
    except ValidationError:
        return f"its value is {value!r:.40}, which no run gives"


def _protocol(metric: str, details: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The protocol, as far as the entry tells; most do not, and then it is comparable with nothing."""
    notes = str(details.get("notes") or "")[:200]
    about = f"{metric} {details.get('name')} {details.get('config')} {notes}".lower()
    for name in NAMED:
        if re.search(rf"(?<![\w:.@-]){re.escape(name.lower())}(?![\w+.@-])", about):  # a departure is another protocol
            return name, [notes] if notes else []
    shots = details.get("num_few_shot", _dict(details.get("args")).get("num_few_shot"))
    said = [f"{shots}-shot"] if isinstance(shots, int) else []
    return "posted:unknown", [*said, *([notes] if notes else []), "the entry does not say how it was run"]
