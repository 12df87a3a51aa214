"""Scores that stand in a model's repository: `.eval_results/*.yaml`, the Hub's newer form, and `model-index` in the
card, the older one. Whoever posts may post anything: nearly all are unverified, and few say how they were run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.hub import parse_yaml
from shape_audit.records import ScoreRecord
from shape_audit.scores.benchmark_names import Benchmark, benchmark_of
from shape_audit.scores.posted_values import (
    LEADERBOARD,
    LEADERBOARD_ENTRY,
    QUANTISED,
    Unplaced,
    accuracy_of,
    other_model_of,
    questions_of,
)
from shape_audit.scores.protocols import LM_EVAL_LETTERS, NAMED, UNKNOWN_TEMPLATE, is_protocol
from shape_audit.scores.readings import made_record, questions_by_subject

CARD = "README.md"
HEADER = re.compile(r"\s*---[ \t]*[\r\n]+(.*?)[\r\n]+---\s*([\r\n]|$)", re.DOTALL)
"""As the Hub finds it, which looks past blank lines before it."""
EVAL_RESULTS = re.compile(r"\.eval_results/[^/]+\.ya?ml")
UNKNOWN = "posted:unknown"


@dataclass(frozen=True)
class _Entry:
    """One posted value, with all that stands beside it.

    Attributes:
        named: the model, as the entry calls it.
        args: of the metric or the dataset: what `leaderboard card` says of a score stands there.
    """

    value: Any
    benchmark: Benchmark
    metric: str
    details: Mapping[str, Any]
    args: Mapping[str, Any] = field(default_factory=dict)
    named: str | None = None

    @property
    def source(self) -> Mapping[str, Any]:
        return _dict(self.details.get("source"))

    @property
    def words(self) -> str:
        """All texts of the entry, but its values."""
        texts = [self.benchmark.name, self.metric, str(self.details.get("notes") or "")[:500]]
        texts += [str(self.details.get(key) or "") for key in ("name", "config", "split", "task_id")]
        texts.append(str(self.source.get("name") or ""))
        texts += [f"{key}={value}" for key, value in self.args.items() if key not in ("questions", "stderr")]
        return " | ".join(texts)

    @property
    def is_leaderboards(self) -> bool:
        """Whether the Open LLM Leaderboard wrote it: it says so, or is spelled as its bot spells."""
        said = f"{self.source.get('url')} {self.source.get('name')} {self.details.get('notes')}"
        if re.search(r"\braw\b", self.words, re.IGNORECASE):
            return False
        return bool(LEADERBOARD.search(said)) or LEADERBOARD_ENTRY.fullmatch(str(self.benchmark.name)) is not None


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
        for entry in _entries(name, content):
            try:
                found.append(_score(model, revision, name, entry))
            except (Unplaced, CorruptFileError) as error:
                passed_over.append(f"{name}: {error}; passed over")
    return found, list(dict.fromkeys(passed_over))


def _parsed(name: str, text: str) -> tuple[Any, str | None]:
    """The YAML of a file, of a card its header; None for a card that posts nothing."""
    text = text.removeprefix("\ufeff")
    if name == CARD:
        match = HEADER.match(text)
        if match is None or "model-index" not in match[1]:
            return None, None
        text = match[1]
    try:
        return parse_yaml(text, file=name), None
    except CorruptFileError as error:
        return None, str(error).removeprefix(f"{name}: ")


def _entries(name: str, content: Any) -> Iterator[_Entry]:
    """Every entry that mentions MMLU-Pro."""
    if name == CARD:
        index = content.get("model-index") if isinstance(content, dict) else None
        for entry in _dicts(index):
            for result in _dicts(entry.get("results")):
                dataset, task = _dict(result.get("dataset")), _dict(result.get("task"))
                names = (dataset.get("name"), dataset.get("type"), task.get("name"))
                benchmark = benchmark_of(*names, part=dataset.get("config"))
                for metric in _dicts(result.get("metrics")) if benchmark else ():
                    details = {**dataset, **metric, "source": _dict(result.get("source"))}
                    args = {**_dict(dataset.get("args")), **_dict(metric.get("args"))}
                    said = f"{metric.get('type')} {metric.get('name')}"
                    assert benchmark is not None
                    yield _Entry(metric.get("value"), benchmark, said, details, args, _text(entry.get("name")))
        return
    for entry in _dicts(content if isinstance(content, list) else [content]):
        known = _dict(entry.get("dataset"))
        named = [known.get("id"), known.get("task_id")] if known else [entry.get("dataset")]
        benchmark = benchmark_of(*named, part=known.get("config") or known.get("task_id"))
        if benchmark is not None:
            details = {**entry, "config": known.get("config"), "task_id": known.get("task_id")}
            yield _Entry(entry.get("value"), benchmark, str(entry.get("metric", "")), details, _dict(entry.get("args")))


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _score(model: str, revision: str | None, name: str, entry: _Entry) -> ScoreRecord:
    """One posted score.

    Raises:
        Unplaced, CorruptFileError: it is none.
    """
    if entry.benchmark.kind == "other":
        raise Unplaced(f"{entry.benchmark.name:.80} is another benchmark than MMLU-Pro")
    accuracy = accuracy_of(entry.value, is_leaderboards=entry.is_leaderboards)
    protocol, notes = _protocol(entry)
    if entry.is_leaderboards:
        notes.append(f"posted as {entry.value} normalised points")
    n, is_limited = questions_of(entry.words)
    if type(asked := entry.args.get("questions")) is int and asked > 0:
        n = asked
    subject = entry.benchmark.subject
    if subject is not None:
        n, is_limited = n or questions_by_subject()[subject], True
        notes.append(f"1 of 14 subjects: {subject}")
    elif is_limited:
        notes.append("not of all questions, by its own words")
    if entry.named and not _alike(entry.named, model):
        notes.append(f"its model-index is of {entry.named:.80}")
    set_apart = _set_apart(model, entry)
    stderr, date = entry.args.get("stderr"), entry.details.get("date") or entry.args.get("date")
    return made_record(
        model=model,
        revision=revision,
        protocol=protocol,
        value=accuracy,
        stderr=stderr if isinstance(stderr, float) and stderr >= 0 else None,
        n=n,
        is_limited=is_limited,
        set_apart=set_apart,
        provider="posted",
        source=str(entry.source.get("url") or entry.source.get("name") or entry.args.get("source") or name)[:200],
        date=str(date)[:10] if date else None,
        is_verified=entry.details.get("verified") is True or bool(entry.details.get("verifyToken")),
        notes=[*([set_apart] if set_apart else []), *notes],
    )


def _set_apart(model: str, entry: _Entry) -> str | None:
    """Why it is not of this model as it lies here: it is another's, or of weights with fewer bits."""
    said = (entry.source.get("url"), entry.source.get("name"), entry.details.get("notes"))
    other = other_model_of("\n".join(str(text) for text in said if text), model)
    if other is not None:
        return f"of another model, by its source: {other:.100}"
    quantised = QUANTISED.search(entry.words)
    if quantised and not QUANTISED.search(f"{model} {model.replace('_', '-')}"):
        return f"of quantised weights, by its own words ({quantised[0]})"
    return None


def _alike(named: str, model: str) -> bool:
    """Whether one name may be a short form of the other."""
    ours, theirs = (re.sub(r"[\W_]", "", name.rpartition("/")[2].casefold()) for name in (model, named))
    return ours in theirs or theirs in ours


def _protocol(entry: _Entry) -> tuple[str, list[str]]:
    """The protocol, as far as the entry tells; most do not, and then it is comparable with nothing."""
    notes = str(entry.details.get("notes") or "")[:200]
    said = [notes] if notes else []
    if isinstance(given := entry.args.get("protocol"), str) and is_protocol(given):
        return given, said
    about = f"{entry.metric} {entry.details.get('name')} {entry.details.get('config')} {notes}".lower()
    for name in NAMED:
        if re.search(rf"(?<![\w:.@-]){re.escape(name.lower())}(?![\w+.@-])", about):  # a departure is another protocol
            return name, said
    shots = entry.details.get("num_few_shot", entry.args.get("num_few_shot"))
    said = [*([f"{shots}-shot"] if isinstance(shots, int) else []), *said]
    if entry.is_leaderboards:
        return f"{LM_EVAL_LETTERS}+{UNKNOWN_TEMPLATE}", [*said, "whether with the chat template is not said"]
    return UNKNOWN, [*said, "the entry does not say how it was run"]
