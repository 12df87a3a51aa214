"""All scores that can be had of a model: published, posted in its repository, in result files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError, NotAuditableError, translate_errors
from shape_audit.hub import (
    DEFAULT_RETRIES,
    RepositoryFiles,
    open_repository,
    parse_model,
    read_checkpoint,
    read_texts,
)
from shape_audit.records import SAME_SCORE, ModelRef, ScoreRecord, former_file_name, safe_file_name
from shape_audit.scores.edited_cards import at_equal_files
from shape_audit.scores.options import KnownScoresOptions
from shape_audit.scores.parts_of_runs import once
from shape_audit.scores.posted import UNKNOWN, posted_scores
from shape_audit.scores.posted_entries import CARD, EVAL_RESULTS
from shape_audit.scores.published import published_for
from shape_audit.scores.readings import ScoresRead, SkippedFile, summary_of_skipped
from shape_audit.scores.same_model import KnownModels, as_repository, at_revision, is_near
from shape_audit.scores.sources import scores_of_sources

NAMES_SHOWN = 5


@dataclass(frozen=True)
class KnownScores:
    """Scores of one model, by protocol.

    Attributes:
        warnings: what was passed over, and scores that do not agree.
        skipped: result files of the user's that could not be used; `warnings` has them by their reasons.
    """

    model: ModelRef
    scores: tuple[ScoreRecord, ...]
    warnings: tuple[str, ...] = field(default=())
    skipped: tuple[SkippedFile, ...] = field(default=())


def known_scores(
    model: str | Path | ModelRef,
    options: KnownScoresOptions | None = None,
    *,
    repository: RepositoryFiles | None = None,
    retries: int = DEFAULT_RETRIES,
    **changes: Any,
) -> KnownScores:
    """The scores of a model: `known_scores("org/name", scores=["results/"])`.

    Args:
        options: where to look, or single options by name, see `KnownScoresOptions`. Of other models in result files
            nothing is taken.
        repository: of a model that has been read, so that it need not be asked for again.

    Raises:
        IncompleteError, UsageError: a path does not exist, the model cannot be reached and nothing is known of it
            otherwise, or, if strict, it cannot be reached or a file cannot be used; without strict that is said and
            passed over.
    """
    options = KnownScoresOptions.given(options, changes, "known_scores()")
    ref = _identified(parse_model(model), retries)
    scores: list[ScoreRecord] = []
    warnings: list[str] = []
    unreached: IncompleteError | None = None
    if options.posted:
        try:
            ref, scores, warnings = _posted(ref, repository, retries)
        except IncompleteError as error:
            if options.strict:
                raise
            unreached = error
    scores += published_for(ref)
    read, saved = _of_files(options, ref.repo_id)
    kept = [score.model_copy(update={"source": Path(score.source).name}) for score in saved.scores]
    own, others = _own((*read.scores, *kept), ref)
    scores += at_equal_files(own, ref, retries=retries, repository=repository)
    named = {score.model for score in read.scores}
    warnings += _passed_over([score for score in others if score.model in named], ref)
    warnings += [*summary_of_skipped(read.skipped), *summary_of_skipped(saved.skipped)]
    if read.other_files:
        warnings.append(f"{read.other_files} other files are no results of a benchmark")
    if options.sources:
        found, passed_over = scores_of_sources(ref.repo_id, ref.revision)
        scores += [at_revision(score, ref.revision) for score in found]
        warnings += passed_over
    if unreached is not None:
        if not scores:
            raise unreached
        warnings.insert(0, f"scores posted in its repository are not known: {unreached}")
    scores.sort(key=lambda score: (score.protocol, score.provider, score.source))
    more = (*_disagreements(scores), *_set_apart(scores))
    return KnownScores(ref, tuple(scores), (*warnings, *more), read.skipped)


def _posted(
    ref: ModelRef, repository: RepositoryFiles | None, retries: int
) -> tuple[ModelRef, list[ScoreRecord], list[str]]:
    """The model as the Hub calls it, the scores in its repository, and what was passed over there."""
    with translate_errors(ref.repo_id):
        repository = repository or open_repository(ref, retries)
        texts, unread = read_texts(repository, _is_posted)
    if ref.source == "hub":
        ref = repository.ref
    found, passed_over = posted_scores(as_repository(ref).repo_id, repository.ref.revision, texts)
    found = [score.model_copy(update={"model": ref.repo_id}) for score in found]
    return ref, found, [*passed_over, *(f"{name}: not read: {why}" for name, why in unread.items())]


def _of_files(options: KnownScoresOptions, repo_id: str) -> tuple[ScoresRead, ScoresRead]:
    """What the user's files say, and what `score` has saved; a folder of runs without any is no fault."""
    nothing = ScoresRead(())
    saved_runs = [] if options.runs is None else _own_runs(options.runs, repo_id)
    if not options.scores and not saved_runs:
        return nothing, nothing
    from shape_audit.scores.score_files import NOTHING, read_scores  # its many layouts, where there is a file

    read = read_scores(options.scores, strict=options.strict)
    saved = read_scores(saved_runs) if saved_runs else nothing
    return read, replace(saved, skipped=tuple(one for one in saved.skipped if one.reason != NOTHING))


def _own_runs(runs: Path, repo_id: str) -> list[Path]:
    """The folder of a model's runs: by its name, or by the name that it had before names were told apart."""
    folders = (runs / safe_file_name(repo_id), runs / former_file_name(repo_id))
    return [folder for folder in folders if folder.is_dir()][:1]


def _own(scores: Sequence[ScoreRecord], ref: ModelRef) -> tuple[list[ScoreRecord], list[ScoreRecord]]:
    """Scores of the model under its name, and the others."""
    models = KnownModels([ref])
    own, others = [], []
    for score in once(scores):
        found = models.claim(score)
        if found is None:
            others.append(score)
        else:
            own.append(found[1])
    return own, others


def _passed_over(others: Sequence[ScoreRecord], ref: ModelRef) -> list[str]:
    """How many scores are of other models, by harness, with the names that come near first."""
    lines = []
    for harness, count in sorted(Counter(score.protocol.partition(":")[0] for score in others).items()):
        names = dict.fromkeys(_place(score) for score in others if score.protocol.partition(":")[0] == harness)
        ordered = sorted(names, key=lambda name: (not is_near(name, ref), name))
        more = f" and {len(ordered) - NAMES_SHOWN} more" if len(ordered) > NAMES_SHOWN else ""
        are = "1 score of another model was" if count == 1 else f"{count} scores of other models were"
        lines.append(f"{are} passed over ({harness}): {', '.join(ordered[:NAMES_SHOWN])}{more}")
    near = [score.model for score in others if is_near(score.model, ref) and "+" not in score.model]
    near = [name for name in near if name.casefold() != ref.repo_id.casefold()]  # it is, and only lies elsewhere in it
    if near:
        name = ref.repo_id if ref.source == "hub" else str(ref)
        lines.append(f"if {near[0]} is {name}, say so: --scores {name}=PATH")
    changed = next((score.model for score in others if "+" in score.model and is_near(score.model, ref)), None)
    if changed:
        lines.append(f"{changed:.100}: run in other weights than the model has, whatever --scores MODEL=PATH calls it")
    return lines


def _place(score: ScoreRecord) -> str:
    """The model of a score, and where in its repository it lies."""
    inside = [
        f"{what} {value}" for what, value in (("subfolder", score.subfolder), ("variant", score.variant)) if value
    ]
    return f"{', '.join(inside)} of {score.model:.100}" if inside else f"{score.model:.100}"


def _identified(ref: ModelRef, retries: int) -> ModelRef:
    """A folder or built-in model with its fingerprint, which saved runs are known by; as it is where it has none."""
    if ref.source == "hub" or ref.revision is not None:
        return ref
    try:
        return read_checkpoint(ref, retries=retries).ref
    except (IncompleteError, NotAuditableError):
        return ref


def _is_posted(file: str) -> bool:
    return file == CARD or bool(EVAL_RESULTS.fullmatch(file))


def _disagreements(scores: Sequence[ScoreRecord]) -> list[str]:
    """Scores of one protocol that differ by more than their errors: all are shown, none is chosen."""
    found = []
    comparable = [score for score in scores if score.is_comparable and not score.protocol.startswith(UNKNOWN)]
    for protocol in dict.fromkeys(score.protocol for score in comparable):
        values = [score for score in comparable if score.protocol == protocol]
        spread = max(score.value for score in values) - min(score.value for score in values)
        if spread > 2 * max(score.stderr or 0.0 for score in values) and spread > SAME_SCORE:
            found.append(f"{len(values)} scores of {protocol} disagree by {100 * spread:.2f} points; none was chosen")
    return found


def _set_apart(scores: Sequence[ScoreRecord]) -> list[str]:
    """Scores that are shown, and enter no comparison."""
    return [f"{score.source}: {score.set_apart}" for score in scores if score.set_apart]
