"""All scores that can be had of a model: published, posted in its repository, in files of lm-eval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shape_audit.errors import IncompleteError, NotAuditableError, translate_errors
from shape_audit.hub import (
    DEFAULT_RETRIES,
    RepositoryFiles,
    model_named,
    open_repository,
    parse_model,
    read_checkpoint,
    read_texts,
)
from shape_audit.records import ModelRef, ScoreRecord, safe_file_name
from shape_audit.scores.lm_eval_files import read_lm_eval
from shape_audit.scores.posted import CARD, EVAL_RESULTS, posted_scores
from shape_audit.scores.published import published_for
from shape_audit.scores.sources import scores_of_sources


@dataclass(frozen=True)
class KnownScores:
    """Scores of one model, by protocol.

    Attributes:
        warnings: what was passed over, and scores that do not agree.
    """

    model: ModelRef
    scores: tuple[ScoreRecord, ...]
    warnings: tuple[str, ...] = field(default=())


def known_scores(
    model: str | Path | ModelRef,
    files: Sequence[Path] = (),
    *,
    runs: Path | None = None,
    posted: bool = True,
    sources: bool = True,
    repository: RepositoryFiles | None = None,
    retries: int = DEFAULT_RETRIES,
) -> KnownScores:
    """The scores of a model.

    Args:
        files: result files or folders of lm-eval; of other models in them nothing is taken.
        runs: folder that `score` has saved its results to; what cannot be read there is said and passed over.
        posted: look into the model's repository too.
        sources: ask the score sources of other packages.
        repository: of a model that has been read, so that it need not be asked for again.

    Raises:
        IncompleteError, UsageError: the model cannot be reached, a file cannot be read.
        CorruptFileError: a file is no result file.
    """
    ref = _identified(parse_model(model), retries)
    scores: list[ScoreRecord] = []
    warnings: list[str] = []
    if posted:
        with translate_errors(ref.repo_id):
            repository = repository or open_repository(ref, retries)
            texts = read_texts(repository, _is_posted)
        if ref.source == "hub":
            ref = repository.ref
        found, passed_over = posted_scores(ref.repo_id, repository.ref.revision, texts)
        scores += found
        warnings += passed_over
    scores += published_for(ref)
    for path in files:
        imported = read_lm_eval(path)
        own = [score for score in imported if ref_of_score(score).is_same_model(ref)]
        scores += own
        others = len(imported) - len(own)
        if others:
            warnings.append(f"{path}: {others} scores of other models were passed over")
    if runs is not None:
        found, passed_over = _runs(runs, ref)
        scores += found
        warnings += passed_over
    if sources:
        found, passed_over = scores_of_sources(ref.repo_id, ref.revision)
        scores += found
        warnings += passed_over
    scores.sort(key=lambda score: (score.protocol, score.provider, score.source))
    return KnownScores(ref, tuple(scores), (*warnings, *_disagreements(scores), *_other_revisions(scores, ref)))


def ref_of_score(score: ScoreRecord) -> ModelRef:
    """The model that a score is of, as its source names it."""
    if score.provider == "published":
        return ModelRef("hub", score.model)
    return model_named(score.model, revision=score.revision, subfolder=score.subfolder, variant=score.variant)


def _identified(ref: ModelRef, retries: int) -> ModelRef:
    """A folder or built-in model with its fingerprint, which saved runs are known by; as it is where it has none."""
    if ref.source == "hub" or ref.revision is not None:
        return ref
    try:
        return read_checkpoint(ref, retries=retries).ref
    except (IncompleteError, NotAuditableError):
        return ref


def _runs(folder: Path, model: ModelRef) -> tuple[list[ScoreRecord], list[str]]:
    """What this program has run for a model, and what of that is damaged."""
    found: list[ScoreRecord] = []
    damaged: list[str] = []
    for file in sorted((folder / safe_file_name(model.repo_id)).glob("*/results_*.json")):
        try:
            found += [score for score in read_lm_eval(file) if ref_of_score(score).is_same_model(model)]
        except IncompleteError as error:
            damaged.append(str(error))
    return found, damaged


def _is_posted(file: str) -> bool:
    return file == CARD or bool(EVAL_RESULTS.fullmatch(file))


def _disagreements(scores: Sequence[ScoreRecord]) -> list[str]:
    """Scores of one protocol that differ by more than their errors: all are shown, none is chosen."""
    found = []
    for protocol in dict.fromkeys(score.protocol for score in scores if not score.is_limited):
        values = [score for score in scores if score.protocol == protocol and not score.is_limited]
        spread = max(score.value for score in values) - min(score.value for score in values)
        if protocol != "posted:unknown" and spread > 2 * max(score.stderr or 0.0 for score in values) and spread > 1e-6:
            found.append(f"{len(values)} scores of {protocol} disagree by {100 * spread:.2f} points; none was chosen")
    return found


def _other_revisions(scores: Sequence[ScoreRecord], model: ModelRef) -> list[str]:
    """Scores of another commit than the one asked for."""
    return [
        f"{score.source}: of commit {score.revision[:12]}, not {model.revision[:12]}"
        for score in scores
        if score.provider != "posted" and score.revision and model.revision
        and ref_of_score(score).is_other_revision(model)
    ]  # fmt: skip
