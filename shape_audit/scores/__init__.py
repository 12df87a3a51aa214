"""MMLU-Pro scores of a model, each with its protocol: published, posted on the Hub, imported from result files.

known_scores(model, scores=[...])                 -> KnownScores: all of the following
score(model, options)                             -> ScoreRun: runs MMLU-Pro with lm-eval
published_scores(), published_for(model)          -> the shipped table
read_scores(paths)                                -> ScoresRead: files and folders of any layout, and what was skipped
KnownModels(refs).claim(score)                    -> the model that a score is of
posted_scores(model, revision, documents)         -> what stands in a model's repository
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.scores.options import KnownScoresOptions, ScoreOptions
from shape_audit.scores.protocols import (
    CHANCE,
    CHOICE_0SHOT,
    FLOOR,
    LM_EVAL_COT,
    LM_EVAL_LETTERS,
    LM_EVAL_LETTERS_CHAT,
    NAMED,
    OFFICIAL_COT,
    across_models,
    is_protocol,
    raw_accuracy,
)

if TYPE_CHECKING:
    from shape_audit.scores.edited_cards import at_equal_files
    from shape_audit.scores.known import KnownScores, known_scores
    from shape_audit.scores.posted import posted_scores
    from shape_audit.scores.published import published_for, published_scores
    from shape_audit.scores.readings import summary_of_skipped
    from shape_audit.scores.result_folders import RESULT_SUFFIXES
    from shape_audit.scores.running import ScoreRun, score
    from shape_audit.scores.same_model import KnownModels, at_revision
    from shape_audit.scores.score_files import read_lm_eval, read_scores
    from shape_audit.scores.sources import ScoreSource

__all__ = [
    "CHANCE",
    "CHOICE_0SHOT",
    "FLOOR",
    "LM_EVAL_COT",
    "LM_EVAL_LETTERS",
    "LM_EVAL_LETTERS_CHAT",
    "NAMED",
    "OFFICIAL_COT",
    "RESULT_SUFFIXES",
    "KnownModels",
    "KnownScores",
    "KnownScoresOptions",
    "ScoreOptions",
    "ScoreRun",
    "ScoreSource",
    "across_models",
    "at_equal_files",
    "at_revision",
    "is_protocol",
    "known_scores",
    "posted_scores",
    "published_for",
    "published_scores",
    "raw_accuracy",
    "read_lm_eval",
    "read_scores",
    "score",
    "summary_of_skipped",
]

__getattr__ = lazy_names(
    __name__,
    {
        "edited_cards": "at_equal_files",
        "known": "KnownScores known_scores",
        "posted": "posted_scores",
        "published": "published_for published_scores",
        "readings": "summary_of_skipped",
        "result_folders": "RESULT_SUFFIXES",
        "running": "ScoreRun score",
        "same_model": "KnownModels at_revision",
        "score_files": "read_lm_eval read_scores",
        "sources": "ScoreSource",
    },
)
