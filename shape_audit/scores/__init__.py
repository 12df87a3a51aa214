"""MMLU-Pro scores of a model, each with its protocol: published, posted on the Hub, imported from lm-eval's files.

known_scores(model, files)                        -> KnownScores: all of the following
score(model, options)                             -> ScoreRun: runs MMLU-Pro with lm-eval
published_scores(), published_for(model)          -> the shipped table
read_lm_eval(path)                                -> result files or folders of lm-eval
posted_scores(model, revision, documents)         -> what stands in a model's repository
"""

from shape_audit.scores.known import KnownScores, known_scores, ref_of_score
from shape_audit.scores.lm_eval_files import read_lm_eval
from shape_audit.scores.options import KnownScoresOptions, ScoreOptions
from shape_audit.scores.posted import posted_scores
from shape_audit.scores.protocols import (
    CHANCE,
    CHOICE_0SHOT,
    FLOOR,
    LM_EVAL_COT,
    LM_EVAL_LETTERS,
    NAMED,
    OFFICIAL_COT,
    is_protocol,
    raw_accuracy,
)
from shape_audit.scores.published import published_for, published_scores
from shape_audit.scores.running import ScoreRun, score
from shape_audit.scores.sources import ScoreSource

__all__ = [
    "CHANCE",
    "CHOICE_0SHOT",
    "FLOOR",
    "LM_EVAL_COT",
    "LM_EVAL_LETTERS",
    "NAMED",
    "OFFICIAL_COT",
    "KnownScores",
    "KnownScoresOptions",
    "ScoreOptions",
    "ScoreRun",
    "ScoreSource",
    "is_protocol",
    "known_scores",
    "posted_scores",
    "published_for",
    "published_scores",
    "raw_accuracy",
    "read_lm_eval",
    "ref_of_score",
    "score",
]
