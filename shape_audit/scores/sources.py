"""Scores that other packages know of: a lab's own table, a service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from shape_audit.errors import explained
from shape_audit.plugins import SCORE_SOURCES, plugins
from shape_audit.records import ScoreRecord


class ScoreSource(Protocol):
    """Where scores come from: what an entry point of `shape_audit.score_sources` names, see `plugins`."""

    def __call__(self, model: str, revision: str | None) -> Iterable[ScoreRecord]:
        """The scores of a model, each of which names it in the same way.

        Args:
            model: its Hub name, a folder, or `builtin:NAME`.
            revision: as it was asked for, or the commit it was found at.

        Raises:
            An error of the network: it is said, and the source passed over.
        """


def scores_of_sources(model: str, revision: str | None) -> tuple[list[ScoreRecord], list[str]]:
    """What the sources of other packages have on a model, and what was passed over and why.

    Raises:
        IncompleteError: a package is at fault; the line names it.
    """
    found: list[ScoreRecord] = []
    passed_over: list[str] = []
    for plugin in plugins(SCORE_SOURCES):
        source = plugin.load()
        try:
            with plugin.blamed(f"fails on {model}"):
                scores = list(source(model, revision))
        except Exception as error:
            known = explained(error, f"{plugin.name} ({plugin.package})")
            if known is None or known is error:
                raise
            passed_over.append(str(known))
            continue
        if not all(isinstance(score, ScoreRecord) for score in scores):
            raise plugin.broken("gives what is no records.ScoreRecord")
        own = [score for score in scores if score.model == model]
        if len(own) < len(scores):
            passed_over.append(f"{plugin.name} ({plugin.package}): {len(scores) - len(own)} scores of other models")
        found += own
    return found, passed_over
