"""Result files that lm-eval wrote, of any version seen in the wild: results_<time>.json, alone or in folders.

What differs between versions: the group's row stands in `results`, in `groups`, in both or in neither, and may hold
nothing but an alias; standard errors may be the text "N/A"; `versions` mixes numbers, texts and "N/A"; `n-samples` may
be absent, and lists leaf tasks only; `config.model_args` is an object or a text; `config.model_sha` is "" for a folder.
lm-eval is not imported.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.records import ScoreRecord, read_small_file
from shape_audit.scores.protocols import QUESTIONS, SUBJECTS, lm_eval_protocol

DATA = Path(__file__).resolve().parent.parent / "data"
COT, LETTERS = "mmlu_pro", "leaderboard_mmlu_pro"
MADE_BY = "shape_audit"
"""Key under which `shape-audit score` says what lm-eval does not: which model and revision a folder was."""
MOST_QUESTIONS = 1_000_000
_LEAF = re.compile(r"mmlu_pro_(?!plus)[a-z_]+")
_RESULTS = re.compile(r"results(_.*)?\.json")
_SETTINGS_THAT_MATTER = ("chat_template_sha", "system_instruction_sha", "fewshot_as_multiturn")


def read_lm_eval(path: Path) -> list[ScoreRecord]:
    """The MMLU-Pro scores of a result file, or of all result files under a folder; other tasks are passed over.

    Raises:
        IncompleteError: nothing is there, or it cannot be read.
        CorruptFileError: not a result file of lm-eval, or with values that no run gives.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*.json") if _RESULTS.fullmatch(file.name))
        if not files:
            raise IncompleteError(f"{path}: no result files of lm-eval (results_*.json) in it")
        return [score for file in files for score in read_lm_eval(file)]
    try:
        content = json.loads(read_small_file(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: not a JSON file") from error
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        raise CorruptFileError(f"{path}: not a result file of lm-eval (it has no results)")
    return list(_File(path, content).scores())


class _File:
    """One result file."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self.path, self.content = path, content
        self.results: Mapping[str, Any] = content["results"]

    def scores(self) -> Iterator[ScoreRecord]:
        leaves = [name for name in self.results if _LEAF.fullmatch(name)]
        if leaves or self._row(COT):
            yield self._score(COT, leaves)
        if self._row(LETTERS):
            yield self._score(LETTERS, [LETTERS])

    def _score(self, task: str, leaves: list[str]) -> ScoreRecord:
        stock = _stock(task)
        value, stderr, n, notes = self._accuracy(task, leaves, stock["metric"])
        asked, limit = self._asked(leaves), self._part("config").get("limit")
        expected = QUESTIONS if task == LETTERS or len(leaves) in (0, SUBJECTS) else None
        if task == COT and leaves and len(leaves) < SUBJECTS:
            notes.append(f"{len(leaves)} of {SUBJECTS} subjects")
        is_limited = limit is not None or (task == COT and 0 < len(leaves) < SUBJECTS)
        if asked is None:
            notes.append("the file does not say how many questions were asked")
        elif asked[0] < asked[1] or (expected is not None and asked[0] < expected):
            is_limited = True
        protocol = lm_eval_protocol(task, self._version(task, leaves), self._departures(leaves, stock))
        model, revision = self._model()
        notes += [note for note in self._made_by().get("notes") or () if isinstance(note, str)]
        try:
            return ScoreRecord(
                model=model,
                revision=revision,
                subfolder=self._made_by().get("subfolder"),
                variant=self._made_by().get("variant"),
                protocol=protocol,
                value=value,
                stderr=stderr,
                n=n if n is not None else asked[0] if asked else None,
                is_limited=is_limited,
                provider="run" if self._made_by() else "import",
                source=self.path.name,
                date=self._date(),
                notes=notes,
            )
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise CorruptFileError(
                f"{self.path}: {task}: {field} is {first['input']!r:.60}, which no run gives"
            ) from error

    def _row(self, task: str) -> Mapping[str, Any] | None:
        """Where the numbers of a task or group stand: a row with nothing but an alias is none."""
        for part in (self.results, self._part("groups")):
            row = part.get(task)
            if isinstance(row, dict) and any("," in key or key in ("acc", "exact_match") for key in row):
                return row
        return None

    def _part(self, name: str) -> Mapping[str, Any]:
        part = self.content.get(name)
        return part if isinstance(part, dict) else {}

    def _accuracy(self, task: str, leaves: list[str], metric: str) -> tuple[float, float | None, int | None, list[str]]:
        """(value, standard error, questions, notes): the group's own row, else the mean over subjects by questions."""
        row = self._row(task)
        if row is not None:
            value, stderr = _number(row, metric), _number(row, metric.replace(",", "_stderr,"))
            if value is None:
                raise CorruptFileError(f"{self.path}: {task} has no {metric}")
            return value, stderr, None, []
        counts = {leaf: self._samples(leaf) for leaf in leaves}
        rows = [(_number(self.results[leaf], metric), counts[leaf]) for leaf in leaves]
        if any(value is None or count is None for value, count in rows):
            raise CorruptFileError(f"{self.path}: no {task} row, and not all subjects have {metric} and n-samples")
        total = sum(count[0] for _, count in rows if count is not None)
        mean = sum(value * count[0] for value, count in rows if value is not None and count is not None) / total
        notes = ["the mean over subjects by their questions: the file has no row for all of them"]
        return mean, math.sqrt(mean * (1 - mean) / total), total, notes

    def _samples(self, leaf: str) -> tuple[int, int] | None:
        """(asked, there are) of a task."""
        entry = self._part("n-samples").get(leaf)
        if not isinstance(entry, dict):
            return None
        asked, there = entry.get("effective"), entry.get("original")
        if type(asked) is not int or type(there) is not int or not 0 < asked <= there <= MOST_QUESTIONS:
            return None
        return asked, there

    def _asked(self, leaves: list[str]) -> tuple[int, int] | None:
        counts = [self._samples(leaf) for leaf in leaves]
        if not counts or None in counts:
            return None
        return sum(count[0] for count in counts if count), sum(count[1] for count in counts if count)

    def _version(self, task: str, leaves: list[str]) -> str:
        """Of the leaf tasks, which the prompts belong to; the group's has been another number."""
        versions = self._part("versions")
        found = {str(versions[leaf]) for leaf in leaves if versions.get(leaf) not in (None, "N/A")}
        if not found and task == LETTERS and versions.get(task) not in (None, "N/A"):
            found = {str(versions[task])}
        return found.pop() if len(found) == 1 else "mixed" if found else "unknown"

    def _departures(self, leaves: list[str], stock: Mapping[str, Any]) -> dict[str, str]:
        """Settings of the run that are not the stock task's."""
        found: dict[str, str] = {}
        configs = [config for leaf in leaves if isinstance(config := self._part("configs").get(leaf), dict)]
        edited: list[Any] = []
        for config in configs:
            shots = config.get("num_fewshot")
            if shots not in (None, stock["config"]["num_fewshot"]):
                found["shots"] = str(shots)
            for key, value in stock["config"].items():
                if key != "num_fewshot" and key in config and config[key] != value:
                    edited.append([key, config[key]])
            generation = config.get("generation_kwargs")
            if stock["generation"] is not None and isinstance(generation, dict):
                for key, value in generation.items():
                    if value != stock["generation"].get(key):
                        found[key] = _short(value)
            filters = config.get("filter_list")
            if stock["filters"] is not None and isinstance(filters, list):
                extract = [entry.get("filter") for entry in filters if isinstance(entry, dict)]
                if stock["filters"] not in extract:
                    edited.append(["filter_list", filters])
        if edited:
            found["edited"] = hashlib.sha256(json.dumps(edited, sort_keys=True).encode()).hexdigest()[:8]
        for key in _SETTINGS_THAT_MATTER:
            value = self.content.get(key)
            if value:
                found[key.removesuffix("_sha")] = _short(value)
        return found

    def _model(self) -> tuple[str, str | None]:
        """(name, commit sha where it is one)."""
        named = self._made_by()
        if isinstance(named.get("model"), str) and isinstance(named.get("revision"), str):
            return named["model"], named["revision"]
        config = self._part("config")
        arguments = config.get("model_args")
        if isinstance(arguments, str):
            arguments = dict(part.partition("=")[::2] for part in arguments.split(","))
        pretrained = arguments.get("pretrained") if isinstance(arguments, dict) else None
        name = self.content.get("model_name") or pretrained
        if not isinstance(name, str) or not name:
            raise CorruptFileError(f"{self.path}: it does not say which model was run")
        sha = config.get("model_sha")
        is_sha = isinstance(sha, str) and re.fullmatch("[0-9a-f]{40}", sha)
        return name, str(sha) if is_sha else None

    def _made_by(self) -> Mapping[str, Any]:
        """What `shape-audit score` has added; empty where lm-eval ran by itself."""
        return self._part(MADE_BY)

    def _date(self) -> str | None:
        seconds = self.content.get("date")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 2**33:
            return None
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()


@cache
def _stock(task: str) -> Mapping[str, Any]:
    tasks = json.loads((DATA / "mmlu_pro_tasks.json").read_text(encoding="utf-8"))
    stock: Mapping[str, Any] = tasks[task]
    return stock


def _number(row: Mapping[str, Any], metric: str) -> float | None:
    """A metric of a row, by its full name or the one of older versions; None for "N/A" and NaN."""
    if not isinstance(row, Mapping):
        return None
    value = row.get(
        metric, row.get(metric.partition(",")[0] if "stderr" not in metric else metric.replace(",none", ""))
    )
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _short(value: Any) -> str:
    """A value as a part of a protocol's name."""
    text = value if isinstance(value, str) else json.dumps(value)
    text = re.sub(r"[^\w.-]", "", text)
    return text if 0 < len(text) <= 16 else hashlib.sha256(json.dumps(value).encode()).hexdigest()[:8]
