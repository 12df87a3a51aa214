"""The entries on MMLU-Pro in a repository's files, in one form, whether of `.eval_results/*.yaml` or of the card."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.hub import parse_yaml
from shape_audit.scores.benchmark_names import Benchmark, benchmark_of, narrowest
from shape_audit.scores.entry_words import mentions_mmlu_pro, unknown_words
from shape_audit.scores.posted_metrics import NotAnAccuracy, measured
from shape_audit.scores.posted_values import Unplaced
from shape_audit.scores.protocols import is_protocol

CARD = "README.md"
HEADER = re.compile(r"\s*---[ \t]*[\r\n]+(.*?)[\r\n]+---\s*([\r\n]|$)", re.DOTALL)
"""As the Hub finds it, which looks past blank lines before it."""
EVAL_RESULTS = re.compile(r"\.eval_results/[^/]+\.ya?ml")
_NAMES = ("task", "tasks", "benchmark", "dataset", "dataset_name", "dataset_path")
"""Arguments that name a benchmark."""
_PARTS = ("subject", "subjects", "subset", "subsets", "category", "categories", "domain", "discipline", "field",
          "config", "language", "lang")  # fmt: skip
"""Arguments that name a part of a benchmark."""
MOST_PARTS = 20
LONGEST_TEXT = 500
"""What is read of a text; names and notes are shorter."""


@dataclass(frozen=True)
class Entry:
    """One posted value, with all that stands beside it.

    Attributes:
        names: of the benchmark, wherever they stand.
        parts: configuration, task and subjects, as far as they are named apart from it.
        metrics: name and type of the metric.
        is_of_card: its first name is the one of a list.
        args: of the metric or the dataset: what `leaderboard card` says of a score stands there.
        named: the model, as the entry calls it.
    """

    value: Any
    names: tuple[str, ...]
    parts: tuple[str, ...]
    metrics: tuple[str, ...]
    splits: tuple[str, ...]
    details: Mapping[str, Any]
    args: Mapping[str, Any] = field(default_factory=dict)
    named: str | None = None
    is_of_card: bool = False

    @property
    def benchmark(self) -> Benchmark | None:
        """What was measured; None where nothing mentions MMLU-Pro.

        Raises:
            NotAnAccuracy: the metric is another quantity.
            Unplaced: only the metric mentions it, among results of something else.
        """
        asked = benchmark_of(*self.names, part=(*self.parts, *self.headings))
        if asked is None:
            asked = self._of_metrics()
        if asked is None or asked.kind == "other":
            return asked
        return narrowest((asked, *(self._measured(asked.name, metric) for metric in self.metrics)))

    def _measured(self, name: str, metric: str) -> Benchmark:
        try:
            return measured(name, metric)
        except NotAnAccuracy:
            raise NotAnAccuracy(metric if metric == self.metric else f"{self.metric} ({metric})") from None

    @property
    def headings(self) -> tuple[str, ...]:
        """The name under which it stands, where that is not MMLU-Pro's."""
        return tuple(name for name in self.names[:1] if self.is_of_card and not mentions_mmlu_pro(name))

    def _of_metrics(self) -> Benchmark | None:
        """The benchmark that only the metric names."""
        found = benchmark_of(*self.metrics, part=self.parts)
        if found is not None and found.kind == "other":
            raise NotAnAccuracy(self.metric)
        if found is not None and any(map(unknown_words, self.headings)):
            raise Unplaced(f"{self.metric:.80} stands under {self.headings[0]:.80}, which may be another benchmark")
        return found

    @property
    def metric(self) -> str:
        return self.metrics[0] if self.metrics else ""

    @property
    def notes(self) -> str:
        return str(self.details.get("notes") or "")[:LONGEST_TEXT]

    @property
    def url(self) -> str:
        return str(_dict(self.details.get("source")).get("url") or "")[:LONGEST_TEXT]

    @property
    def source(self) -> str:
        """How it calls where it is from."""
        return str(_dict(self.details.get("source")).get("name") or "")[:LONGEST_TEXT]

    @property
    def texts(self) -> tuple[str, ...]:
        """What is said in sentences."""
        return (self.notes, self.source, *_texts(*list(self.args.values())[:MOST_PARTS]))

    @property
    def words(self) -> str:
        """All texts of the entry, but its values."""
        args = [f"{key}={value}"[:LONGEST_TEXT] for key, value in list(self.args.items())[:MOST_PARTS]]
        return " | ".join((*self.names, *self.parts, *self.metrics, *self.splits, self.notes, self.source, *args))


def parsed(name: str, text: str) -> tuple[Any, str | None]:
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


def entries(name: str, content: Any) -> Iterator[Entry]:
    """Every entry of a file that mentions MMLU-Pro."""
    for entry in _of_card(content) if name == CARD else _of_eval_results(content):
        if any(mentions_mmlu_pro(text) for text in (*entry.names, *entry.metrics)):
            yield entry


def _of_card(content: Any) -> Iterator[Entry]:
    for model in _dicts(content.get("model-index") if isinstance(content, dict) else None):
        for result in _dicts(model.get("results")):
            dataset, task = _named(result.get("dataset")), _named(result.get("task"))
            for metric in _dicts(result.get("metrics")):
                args = {**_dict(dataset.get("args")), **_dict(metric.get("args"))}
                yield Entry(
                    value=metric.get("value"),
                    names=_texts(
                        dataset.get("name"),
                        dataset.get("type"),
                        task.get("name"),
                        task.get("type"),
                        *_mentions(dataset.get("config"), *map(args.get, _NAMES)),
                    ),
                    parts=_texts(
                        dataset.get("config"), metric.get("config"), *map(dataset.get, _PARTS), *map(args.get, _PARTS)
                    ),
                    metrics=_texts(metric.get("name"), metric.get("type")),
                    splits=_texts(dataset.get("split"), metric.get("split"), args.get("split")),
                    details={**dataset, **metric, "source": _dict(result.get("source"))},
                    args=args,
                    named=next(iter(_texts(model.get("name"))), None),
                    is_of_card="name" in dataset,
                )


def _of_eval_results(content: Any) -> Iterator[Entry]:
    for entry in _dicts(content):
        known, args = _dict(entry.get("dataset")), _dict(entry.get("args"))
        task = known.get("task_id")
        yield Entry(
            value=entry.get("value"),
            names=_texts(
                *((known.get("id"), known.get("name"), task) if known else (entry.get("dataset"),)),
                *_mentions(known.get("config"), *map(entry.get, ("task", "benchmark", "name"))),
            ),
            parts=_texts(known.get("config"), task, *map(args.get, _PARTS)),
            metrics=_texts(entry.get("metric")),
            splits=_texts(known.get("split"), entry.get("split"), args.get("split")),
            details={**entry, "config": known.get("config")},
            args=args,
        )


def _texts(*values: Any) -> tuple[str, ...]:
    """The texts among several values, each once; a list is one."""
    joined = [", ".join(_texts(*value[:MOST_PARTS])) if isinstance(value, list) else value for value in values]
    return tuple(dict.fromkeys(one[:LONGEST_TEXT] for one in joined if isinstance(one, str) and one.strip()))


def _mentions(*values: Any) -> list[str]:
    """Those of several texts that mention MMLU-Pro and name no protocol."""
    texts = [one[:LONGEST_TEXT] for one in values[:MOST_PARTS] if isinstance(one, str)]
    return [one for one in texts if mentions_mmlu_pro(one) and not is_protocol(one)]


def _named(value: Any) -> Mapping[str, Any]:
    """A dataset or task, which some name only."""
    return {"name": value} if isinstance(value, str) else _dict(value)


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    """The entries of a list; a lone one counts too."""
    return [entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, dict)]


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
