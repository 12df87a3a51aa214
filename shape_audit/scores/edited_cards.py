"""Runs of an earlier commit of a repository whose model files are the same since: its card was edited, as most are once
there are results to write into it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from shape_audit.errors import ShapeAuditError, translate_errors
from shape_audit.hub import RepositoryFiles, is_offline, open_repository
from shape_audit.records import ModelRef, ScoreRecord

_COMMIT = re.compile("[0-9a-f]{40}")
_ABOUT_IT = re.compile(
    r"(^|/)\.|\.(md|pdf|png|jpe?g|gif|webp|svg|mp4)$|(^|/)(LICEN[CS]E|NOTICE|USE_POLICY)[^/]*$", re.IGNORECASE
)
"""Files that no run reads."""


def at_equal_files(
    scores: Sequence[ScoreRecord], ref: ModelRef, *, retries: int, repository: RepositoryFiles | None = None
) -> list[ScoreRecord]:
    """The scores of a model, those that were run at a commit with the same model files as ones of its commit of now.

    Each other commit takes a question to the Hub; where it cannot be answered, the score is left as it is.

    Args:
        ref: the model at its commit; nothing is asked where that is not known.
        repository: the same, where it has been looked at.
    """
    is_at_commit = ref.source == "hub" and _COMMIT.fullmatch(ref.revision or "") is not None
    commits = {score.revision for score in scores if _is_of_another(score, ref)} if is_at_commit else set()
    if not commits or is_offline():
        return list(scores)
    equal = set()
    for commit in commits:
        with suppress(ShapeAuditError), translate_errors(ref.repo_id):
            repository = repository or open_repository(ref, retries)
            other = open_repository(replace(ref, revision=commit, asked=None), retries)
            if _model_files(other) == _model_files(repository):
                equal.add(commit)
    return [_moved(score, ref) if score.revision in equal and _is_of_another(score, ref) else score for score in scores]


def _is_of_another(score: ScoreRecord, ref: ModelRef) -> bool:
    """Whether it is set apart for its commit alone, or would be."""
    is_commit = score.provider in ("run", "import") and _COMMIT.fullmatch(score.revision or "") is not None
    return is_commit and score.revision != ref.revision and (score.set_apart or "of commit ").startswith("of commit ")


def _model_files(repository: RepositoryFiles) -> dict[str, str]:
    return {name: found for name, found in repository.hashes.items() if not _ABOUT_IT.search(name)}


def _moved(score: ScoreRecord, ref: ModelRef) -> ScoreRecord:
    note = f"run at commit {(score.revision or '')[:12]}, whose model files are the same"
    return score.model_copy(update={"revision": ref.revision, "set_apart": None, "notes": [*score.notes, note]})
