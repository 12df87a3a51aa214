"""Scores that stand in a model's repository: `.eval_results/*.yaml`, the Hub's newer form, and `model-index` in the
card, the older one. Whoever posts may post anything: nearly all are unverified, and few say how they were run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shape_audit.errors import CorruptFileError
from shape_audit.records import ScoreRecord
from shape_audit.scores.benchmark_names import Benchmark
from shape_audit.scores.posted_entries import Entry, entries, parsed
from shape_audit.scores.posted_extent import Extent, extent_of, is_of_subjects
from shape_audit.scores.posted_metrics import NotAnAccuracy
from shape_audit.scores.posted_origin import is_alike, is_leaderboards, may_be_normalised, why_set_apart
from shape_audit.scores.posted_values import Unplaced, accuracy_of, error_of
from shape_audit.scores.protocols import LM_EVAL_LETTERS, NAMED, QUESTIONS, UNKNOWN_TEMPLATE, is_protocol
from shape_audit.scores.readings import made_record, questions_by_subject

UNKNOWN = "posted:unknown"
_TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""A JSON Web Token, as the Hub's evaluator signs its results; `verified: true` anybody can write."""


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
        content, problem = parsed(name, text)
        if problem:
            passed_over.append(f"{name}: {problem}")
            continue
        other_metrics = []
        for entry in entries(name, content):
            try:
                found.append(_score(model, revision, name, entry))
            except NotAnAccuracy as error:
                other_metrics.append(f"{error!s:.60}")
            except (Unplaced, CorruptFileError) as error:
                passed_over.append(f"{name}: {error}; passed over")
        if other_metrics:
            passed_over.append(
                f"{name}: no accuracy by its name: {', '.join(dict.fromkeys(other_metrics))}; passed over"
            )
    return found, list(dict.fromkeys(passed_over))


def _score(model: str, revision: str | None, name: str, entry: Entry) -> ScoreRecord:
    """One posted score.

    Raises:
        NotAnAccuracy, Unplaced, CorruptFileError: it is none.
    """
    benchmark = entry.benchmark
    assert benchmark is not None
    if benchmark.kind == "other":
        raise Unplaced(f"{benchmark.name:.80} is another benchmark than MMLU-Pro")
    from_board = _is_leaderboards(entry)
    accuracy = accuracy_of(entry.value, is_leaderboards=from_board)
    protocol, notes = _protocol(entry, from_board)
    if from_board:
        notes.append(f"posted as {entry.value} normalised points")
    extent = _extent(entry, benchmark)
    if benchmark.subject is not None:
        notes.append(f"{'1' if benchmark.kind == 'subject' else 'some'} of 14 subjects: {benchmark.subject}")
    elif extent.is_limited:
        notes.append("not of all questions, by its own words")
    if entry.named and not is_alike(entry.named, model):
        notes.append(f"its model-index is of {entry.named:.80}")
    if entry.url and entry.source:
        notes.append(f"its source is called {entry.source:.100}")
    set_apart = _set_apart(model, entry, from_board)
    date = entry.details.get("date") or entry.args.get("date")
    return made_record(
        model=model,
        revision=revision,
        protocol=protocol,
        value=accuracy,
        stderr=error_of(entry.args.get("stderr"), entry.value, accuracy, extent.n, is_leaderboards=from_board),
        n=extent.n,
        is_limited=extent.is_limited,
        set_apart=set_apart,
        provider="posted",
        source=str(entry.url or entry.source or entry.args.get("source") or name)[:200],
        date=str(date)[:10] if date else None,
        is_verified=_TOKEN.fullmatch(str(entry.details.get("verifyToken"))) is not None,
        notes=[*([set_apart] if set_apart else []), *notes],
    )


def _extent(entry: Entry, benchmark: Benchmark) -> Extent:
    """How many questions a score is of; of a subject no more than it has."""
    names = (*entry.names, *entry.parts, *entry.metrics)
    if benchmark.subject is not None:  # "law subset" is all of law
        names = tuple(re.sub(r"(?i)\bsub-?sets?\b", " ", name) for name in names)
    said = extent_of(names, entry.texts, splits=entry.splits, args={**entry.details, **entry.args})
    if benchmark.subject is None:
        return Extent(said.n if said.is_limited else None, True) if any(map(is_of_subjects, entry.texts)) else said
    counts = questions_by_subject()
    all_of_them = sum(counts[one] for one in benchmark.subject.split(" and ") if one in counts)
    is_known = all(one in counts for one in benchmark.subject.split(" and "))
    if said.n is None:
        return Extent(all_of_them if is_known and not said.is_limited else None, True)
    return Extent(min(said.n, all_of_them) if is_known else said.n if said.n < QUESTIONS else None, True)


def _is_leaderboards(entry: Entry) -> bool:
    return is_leaderboards([*entry.names, *entry.metrics], url=entry.url, source=entry.source, notes=entry.notes)


def _set_apart(model: str, entry: Entry, from_board: bool) -> str | None:
    """Why it is not of this model as it lies here, or may not be the accuracy that it looks like."""
    why = why_set_apart(model, entry.named, entry.words, url=entry.url, source=entry.source, notes=entry.notes)
    if why is None and not from_board and may_be_normalised(entry.names, f"{entry.url}\n{entry.source}\n{entry.notes}"):
        return "perhaps normalised points: it is taken from the Open LLM Leaderboard, by its words"
    return why


def _protocol(entry: Entry, from_board: bool) -> tuple[str, list[str]]:
    """The protocol, as far as the entry tells; most do not, and then it is comparable with nothing."""
    notes = entry.notes[:200]
    said = [notes] if notes else []
    if isinstance(given := entry.args.get("protocol"), str) and is_protocol(given):
        return given, said
    about = " ".join((*entry.metrics, *entry.parts, notes)).lower()
    for name in NAMED:
        if re.search(rf"(?<![\w:.@-]){re.escape(name.lower())}(?![\w+.@-])", about):  # a departure is another protocol
            return name, said
    shots = entry.details.get("num_few_shot", entry.args.get("num_few_shot"))
    said = [*([f"{shots}-shot"] if isinstance(shots, int) else []), *said]
    if from_board:
        return f"{LM_EVAL_LETTERS}+{UNKNOWN_TEMPLATE}", [*said, "whether with the chat template is not said"]
    return UNKNOWN, [*said, "the entry does not say how it was run"]
