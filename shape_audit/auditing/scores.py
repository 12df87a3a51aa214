"""The MMLU-Pro scores of an audit: those known of the model, and one more where it was asked to be run."""

from __future__ import annotations

from shape_audit.auditing.options import AuditOptions
from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub import Checkpoint
from shape_audit.linking import among_size
from shape_audit.records import ScoreRecord
from shape_audit.scores import known_scores


def scores_of(checkpoint: Checkpoint, params_total: int, options: AuditOptions) -> tuple[list[ScoreRecord], list[str]]:
    """Scores by protocol and source, each with its residual among models of its size, and what a reader should mind.

    Raises:
        IncompleteError, UsageError, NotAuditableError: a file of the user's cannot be read, or the run failed. That
            the posted scores cannot be had is only said.
    """
    if options.score is not None:
        from shape_audit.scores import score

        score(checkpoint.ref, options.score)
    warnings: list[str] = []
    # the start of --shape-only is not to wait for a look at all installed packages
    where = options.known.but(sources=options.known.sources and not options.shape_only)
    try:
        known = known_scores(checkpoint.ref, where, repository=checkpoint.repository)
    except IncompleteError as error:
        if isinstance(error, CorruptFileError) or checkpoint.source != "hub":
            raise
        warnings.append(f"scores posted on the Hub could not be looked at: {error}")
        known = known_scores(checkpoint.ref, where.but(posted=False))
    found = among_size(known.scores, {score.model: float(params_total) for score in known.scores})
    return found, [*warnings, *known.warnings]
