"""All scores that can be had of a model: published, posted in its repository, in files of lm-eval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shape_audit.errors import IncompleteError, in_our_words
from shape_audit.hub import DEFAULT_RETRIES, Checkpoint, parse_model_name, read_texts, texts_of
from shape_audit.records import ScoreRecord, safe_file_name
from shape_audit.scores.lm_eval_files import read_lm_eval
from shape_audit.scores.posted import CARD, EVAL_RESULTS, posted_scores
from shape_audit.scores.published import published_for
from shape_audit.scores.sources import scores_of_sources


@dataclass(frozen=True)
class KnownScores:
    """Scores of one model, by protocol.

    Attributes:
        to_mind: what was passed over, and scores that do not agree.
    """

    model: str
    scores: tuple[ScoreRecord, ...]
    to_mind: tuple[str, ...] = field(default=())


def known_scores(
    model: str,
    files: Sequence[Path] = (),
    *,
    runs: Path | None = None,
    posted: bool = True,
    sources: bool = True,
    checkpoint: Checkpoint | None = None,
    retries: int = DEFAULT_RETRIES,
) -> KnownScores:
    """The scores of a model.

    Args:
        files: result files or folders of lm-eval; of other models in them nothing is taken.
        runs: folder that `score` has saved its results to; what cannot be read there is said and passed over.
        posted: look into the model's repository too.
        sources: ask the score sources of other packages.
        checkpoint: of a Hub model that has been read, so that its repository need not be asked for again.

    Raises:
        IncompleteError, UsageError: the model cannot be reached, a file cannot be read.
        CorruptFileError: a file is no result file.
    """
    name, revision = model.partition("@")[0], model.partition("@")[2] or None
    scores, to_mind = list(published_for(name)), []
    for path in files:
        imported = read_lm_eval(path)
        own = [score for score in imported if _same_model(score.model, name)]
        scores += own
        others = len(imported) - len(own)
        if others:
            to_mind.append(f"{path}: {others} scores of other models were passed over")
    if runs is not None:
        found, passed_over = _runs(runs, name)
        scores += found
        to_mind += passed_over
    if posted:
        with in_our_words(model):
            texts = (
                read_texts(model, _is_posted, retries=retries)
                if checkpoint is None
                else texts_of(checkpoint, _is_posted, retries=retries)
            )
        found, passed_over = posted_scores(texts.repo_id, texts.revision, texts.texts)
        scores += found
        to_mind += passed_over
        revision = texts.revision or revision
    if sources:
        found, passed_over = scores_of_sources(name, revision)
        scores += found
        to_mind += passed_over
    scores.sort(key=lambda score: (score.protocol, score.provider, score.source))
    return KnownScores(name, tuple(scores), (*to_mind, *_disagreements(scores), *_other_revisions(scores, revision)))


def _runs(folder: Path, model: str) -> tuple[list[ScoreRecord], list[str]]:
    """What this program has run for a model, and what of that is damaged."""
    found: list[ScoreRecord] = []
    damaged: list[str] = []
    own = parse_model_name(model).repo_id
    for file in sorted((folder / safe_file_name(own)).glob("*/results_*.json")):
        try:
            found += [score for score in read_lm_eval(file) if score.model == own]
        except IncompleteError as error:
            damaged.append(str(error))
    return found, damaged


def _is_posted(file: str) -> bool:
    return file == CARD or bool(EVAL_RESULTS.fullmatch(file))


def _same_model(named: str, model: str) -> bool:
    """Whether a result file's name means this model. Of a folder it may be another path that ends in its name; a Hub
    name is itself alone: org/name and other/name are two models."""
    if named == model:
        return True
    return Path(model).is_dir() and Path(named).name == Path(model).resolve().name


def _disagreements(scores: Sequence[ScoreRecord]) -> list[str]:
    """Scores of one protocol that differ by more than their errors: all are shown, none is chosen."""
    found = []
    for protocol in dict.fromkeys(score.protocol for score in scores if not score.is_limited):
        values = [score for score in scores if score.protocol == protocol and not score.is_limited]
        spread = max(score.value for score in values) - min(score.value for score in values)
        if protocol != "posted:unknown" and spread > 2 * max(score.stderr or 0.0 for score in values) and spread > 1e-6:
            found.append(f"{len(values)} scores of {protocol} disagree by {100 * spread:.2f} points; none was chosen")
    return found


def _other_revisions(scores: Sequence[ScoreRecord], revision: str | None) -> list[str]:
    """Scores of another commit than the one asked for."""
    return [
        f"{score.source}: of commit {score.revision[:12]}, not {revision[:12]}"
        for score in scores
        if revision and score.revision and score.provider != "posted" and not score.revision.startswith(revision)
    ]
