"""Result files that lm-eval wrote, of any version seen in the wild.

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
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.scores.protocols import QUESTIONS, SUBJECTS, lm_eval_protocol
from shape_audit.scores.readings import ONLY, Piece, Refusal, finite, made_record, questions_by_subject
from shape_audit.scores.run_settings import RunSettings, parsed_arguments, run_settings, short
from shape_audit.shipped import facts

COT, LETTERS = "mmlu_pro", "leaderboard_mmlu_pro"
MADE_BY = "shape_audit"
"""Key under which `shape-audit score` says what lm-eval does not: which model and revision a folder was."""
MOST_QUESTIONS = 1_000_000
_OF_MMLU_PRO = re.compile(r"mmlu[-_ ]?pro", re.IGNORECASE)
_WITHOUT_EFFECT: Mapping[str, object] = {"num_beams": 1, "repetition_penalty": 1.0, "length_penalty": 1.0, "top_p": 1.0}
"""Values of generation that say what is so anyway."""
_CODE = re.compile(r"<function|<bound method|functools\.partial|^!function|^\s*(def|lambda)\b|^\w*utils\.\w+$")
"""How lm-eval writes a function down; a template is text of another kind."""


def is_lm_eval(content: Any) -> bool:
    """Whether a JSON value is laid out as lm-eval's results."""
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        return False
    return not any(key in content for key in ("config_general", "config_tasks"))


def read_lm_eval_pieces(source: str, content: Mapping[str, Any], model: str | None) -> Iterator[Piece | Refusal]:
    """The MMLU-Pro scores of a result file, and the reasons why a task of it gave none.

    Args:
        source: what the records call the file.
        model: the model that was run, where it is known better than by the file.
    """
    yield from _File(source, content, model).pieces()


class _File:
    """One result file."""

    def __init__(self, source: str, content: Mapping[str, Any], model: str | None) -> None:
        self.source, self.content, self.named = source, content, model
        self.results: Mapping[str, Any] = content["results"]

    def pieces(self) -> Iterator[Piece | Refusal]:
        understood = set()
        for task, stock in facts("mmlu_pro_tasks")["tasks"].items():
            leaves = self._leaves(task) if stock["has_subjects"] else [task]
            understood |= {task, *leaves}
            if task in self.results or self._row(task) or (stock["has_subjects"] and leaves):
                try:
                    yield self._piece(task, leaves, stock)
                except CorruptFileError as error:
                    yield error
        subjects = "|".join(questions_by_subject())
        others = {re.sub(f"_({subjects})$", "", task) for task in self.results if _OF_MMLU_PRO.search(task)}
        for task in sorted(others - understood):
            yield f"{task:.60} is another benchmark than MMLU-Pro, or asks it in a way that is not known"

    def _leaves(self, task: str) -> list[str]:
        names = [f"{task}_{subject}" for subject in questions_by_subject()]
        return [name for name in names if name in self.results]

    def _piece(self, task: str, leaves: list[str], stock: Mapping[str, Any]) -> Piece:
        value, stderr, n, notes = self._accuracy(task, leaves, stock["metric"])
        counted = leaves or [f"{task}_{subject}" for subject in questions_by_subject()]
        requested = self._asked(counted if stock["has_subjects"] else leaves)
        is_part = stock["has_subjects"] and 0 < len(leaves) < SUBJECTS
        expected = None if is_part else QUESTIONS
        if is_part:
            subjects = [leaf.removeprefix(f"{task}_") for leaf in leaves]
            notes += [f"{len(leaves)} of {SUBJECTS} subjects", f"{ONLY}{', '.join(subjects)}"]
        sizes = [questions_by_subject()[leaf.removeprefix(f"{task}_")] for leaf in counted if stock["has_subjects"]]
        is_limited = self._limit_cuts(sizes or [QUESTIONS], value)
        if requested is None:
            notes.append("the file does not say how many questions were asked")
        elif requested[0] < requested[1] or (expected is not None and requested[0] < expected):
            is_limited = True
        settings = self._settings
        protocol = lm_eval_protocol(task, self._version(task, leaves), self._departures(leaves, stock, settings))
        notes += [note for note in self._made_by.get("notes") or () if isinstance(note, str)]
        set_apart = self._made_by.get("set_apart", settings.set_apart)
        record = made_record(
            model=settings.identity,
            revision=settings.revision,
            subfolder=settings.subfolder,
            variant=settings.variant,
            protocol=protocol,
            value=value,
            stderr=stderr,
            n=n if n is not None else requested[0] if requested else None,
            is_limited=is_limited or is_part,
            set_apart=set_apart if isinstance(set_apart, str) else None,
            provider="run" if self._made_by else "import",
            source=self.source,
            date=self._date(),
            dtype=settings.dtype,
            notes=notes,
        )
        return Piece(record, self._whole_subjects(task, leaves, stock["metric"]) if is_part else {})

    def _whole_subjects(self, task: str, leaves: list[str], metric: str) -> dict[str, tuple[float, int]]:
        """The subjects of a partial run, if each of them was asked wholly; else none."""
        found = {}
        for leaf in leaves:
            subject = leaf.removeprefix(f"{task}_")
            value, count = _number(self.results[leaf], metric), self._samples(leaf)
            if value is None or count is None or count[0] < questions_by_subject()[subject]:
                return {}
            found[subject] = (value, count[0])
        return found

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
                raise CorruptFileError(f"{task} has no {metric}{_instead(row, metric)}")
            return value, stderr, None, []
        counts = {leaf: self._samples(leaf) for leaf in leaves}
        rows = [(_number(self.results[leaf], metric), counts[leaf]) for leaf in leaves]
        if not rows or any(value is None or count is None for value, count in rows):
            other = next(
                (
                    _instead(self.results[leaf], metric)
                    for leaf, row in zip(leaves, rows, strict=True)
                    if row[0] is None
                ),
                "",
            )
            raise CorruptFileError(f"no {task} row, and not all subjects have {metric} and n-samples{other}")
        total = sum(count[0] for _, count in rows if count is not None)
        mean = sum(value * count[0] for value, count in rows if value is not None and count is not None) / total
        notes = ["the mean over subjects by their questions: the file has no row for all of them"]
        return mean, math.sqrt(max(mean * (1 - mean), 0.0) / total), total, notes

    def _samples(self, leaf: str) -> tuple[int, int] | None:
        """(asked, there are) of a task."""
        entry = self._part("n-samples").get(leaf)
        if not isinstance(entry, dict):
            return None
        requested, available = entry.get("effective"), entry.get("original")
        if type(requested) is not int or type(available) is not int or not 0 < requested <= available <= MOST_QUESTIONS:
            return None
        return requested, available

    def _asked(self, leaves: list[str]) -> tuple[int, int] | None:
        counts = [self._samples(leaf) for leaf in leaves]
        if not counts or None in counts:
            return None
        return sum(count[0] for count in counts if count), sum(count[1] for count in counts if count)

    def _limit_cuts(self, sizes: list[int], value: float) -> bool:
        """Whether the limit left questions of tasks of these sizes out. lm-eval's limit is a share below 1, else a
        number of questions a task; 1.0 is meant as everything, unless one answer a task can have given the result."""
        given = self._part("config").get("limit")
        if given is None or isinstance(given, bool):
            return bool(given)
        limit = finite(given)
        if limit is None:
            return True
        if limit == 1:
            return abs(value * len(sizes) - round(value * len(sizes))) < 1e-6
        return limit < max(sizes)

    def _version(self, task: str, leaves: list[str]) -> str:
        """Of the leaf tasks, which the prompts belong to; the group's has been another number."""
        versions = self._part("versions")
        found = {str(versions[leaf]) for leaf in leaves if versions.get(leaf) not in (None, "N/A")}
        if not found and task == LETTERS and versions.get(task) not in (None, "N/A"):
            found = {str(versions[task])}
        return found.pop() if len(found) == 1 else "mixed" if found else "unknown"

    def _departures(self, leaves: list[str], stock: Mapping[str, Any], settings: RunSettings) -> dict[str, str]:
        """Settings of the run that are not the stock task's."""
        found = dict(settings.departures)
        by_leaf = {leaf: config for leaf in leaves if isinstance(config := self._part("configs").get(leaf), dict)}
        configs = list(by_leaf.values())
        edits = [_edits(config, stock, leaf) for leaf, config in by_leaf.items()]
        if any(edits):
            edited = edits[0] if all(each == edits[0] for each in edits) else edits  # as in one file a subject
            found["edited"] = hashlib.sha256(json.dumps(edited, sort_keys=True).encode()).hexdigest()[:8]
        shots = {self._shots(leaf) for leaf in leaves} - {None, stock["config"]["num_fewshot"]}
        if shots:
            found["shots"] = "-".join(sorted(map(str, shots)))
        return found | self._generation(configs, stock) | self._prompting()

    def _shots(self, leaf: str) -> object:
        config = self._part("configs").get(leaf)
        known = config.get("num_fewshot") if isinstance(config, dict) else None
        candidates = (known, self._part("n-shot").get(leaf), self._part("config").get("num_fewshot"))
        return next((shots for shots in candidates if type(shots) is int), None)

    def _generation(self, configs: list[dict[str, Any]], stock: Mapping[str, Any]) -> dict[str, str]:
        """How answers were generated, where that is not as the stock task does it: by the task, by --gen_kwargs, or,
        for the number of tokens, by the model's own arguments."""
        if stock["generation"] is None:
            return {}
        by_task = [part for config in configs if isinstance(part := config.get("generation_kwargs"), dict)]
        arguments = parsed_arguments(self._part("config").get("model_args"))
        length = {"max_gen_toks": arguments["max_gen_toks"]} if "max_gen_toks" in arguments else {}
        asked = parsed_arguments(self._part("config").get("gen_kwargs"))
        found = {}
        for task in by_task or [{}]:
            for key, value in {**length, **task, **asked}.items():  # the later one wins, as it does in lm-eval
                value = [value] if key == "until" and isinstance(value, str) else value
                if value not in (stock["generation"].get(key), _WITHOUT_EFFECT.get(key)):
                    found[str(key)] = short(value)
        return found

    def _prompting(self) -> dict[str, str]:
        """Chat template, system instruction and few-shot examples as turns."""
        found = {}
        for name in ("chat_template", "system_instruction"):
            value, text = self.content.get(f"{name}_sha"), self.content.get(name)
            if value or text:
                whole = hashlib.sha256(text.encode()).hexdigest() if isinstance(text, str) else text
                found[name] = short(value or whole)
        if self.content.get("fewshot_as_multiturn"):
            found["fewshot_as_multiturn"] = short(self.content["fewshot_as_multiturn"])
        return found

    @cached_property
    def _settings(self) -> RunSettings:
        """Of the run: what `shape-audit score` has written, where it ran lm-eval, else what lm-eval's config says."""
        config, name = self._part("config"), self.content.get("model_name")
        backend = config.get("model")
        settings = run_settings(
            config.get("model_args"),
            name=name if isinstance(name, str) and name else None,
            known_as=self.named,
            backend=backend if isinstance(backend, str) else None,
            is_plain=self.content.get("chat_template", "") is None and not self.content.get("chat_template_sha"),
            config=config,
        )
        ours = self._made_by
        if isinstance(ours.get("model"), str) and isinstance(ours.get("revision"), str):
            place = {"subfolder": ours.get("subfolder"), "variant": ours.get("variant")}
            return replace(
                settings,
                model=ours["model"],
                revision=ours["revision"],
                branch=None,
                changes=(),
                departures={},
                **place,
            )
        if self.named is not None:
            return replace(settings, model=self.named)
        if settings.model is None:
            raise CorruptFileError("it does not say which model was run; give it as MODEL=PATH")
        return settings

    @property
    def _made_by(self) -> Mapping[str, Any]:
        """What `shape-audit score` has added; empty where lm-eval ran by itself."""
        return self._part(MADE_BY)

    def _date(self) -> str | None:
        seconds = self.content.get("date")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 2**33:
            return None
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _edits(config: Mapping[str, Any], stock: Mapping[str, Any], leaf: str) -> list[Any]:
    """What a task's config has that the stock task has not, whichever subject it is of."""
    edited: list[Any] = []
    for key, value in stock["config"].items():
        if key != "num_fewshot" and key in config and config[key] != value:
            edited.append([key, config[key]])
    edited += [[key, config[key]] for key in ("gen_prefix", "use_prompt", "dataset_name") if config.get(key)]
    text = config.get("doc_to_text")
    if stock["is_asked_by_code"] and isinstance(text, str) and not _CODE.search(text):
        edited.append(["doc_to_text", text])
    filters = config.get("filter_list")
    if stock["filters"] is not None and isinstance(filters, list):
        extract = [entry["filter"] for entry in filters if isinstance(entry, dict) and "filter" in entry]
        if extract and stock["filters"] not in extract:
            edited.append(["filter_list", filters])
    return [[key, "its subject" if leaf.endswith(f"_{value}".replace(" ", "_")) else value] for key, value in edited]


def _keys(metric: str) -> tuple[str, ...]:
    """A metric's full name, and the one of older versions."""
    return metric, metric.partition(",")[0] if "stderr" not in metric else metric.replace(",none", "")


def _number(row: Any, metric: str) -> float | None:
    """A metric of a row, by its full name or the one of older versions; None for "N/A" and NaN."""
    if not isinstance(row, Mapping):
        return None
    full, older = _keys(metric)
    value = row.get(full, row.get(older))
    return finite(value)


def _instead(row: Any, metric: str) -> str:
    """Why a row lacks its metric, where that can be seen."""
    if not isinstance(row, Mapping):
        return ""
    for key in _keys(metric):
        if key in row:
            return f": it is {row[key]!r:.30}"
    if any(str(key).partition(",")[0] == "bypass" for key in row):
        return ": a run with --predict_only, which computes no metric"
    others = [str(key) for key in row if "," in str(key) and "stderr" not in str(key)]
    return f", only {', '.join(others)[:80]}" if others else ""
